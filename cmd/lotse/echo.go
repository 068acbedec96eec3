package main

import (
	"fmt"

	"lotse/internal/importer/deliver"
)

type echoCmd struct {
	Destination string `arg:"" help:"dicom://CALLED@host:port[?calling=AE&tls=on]"`
}

// Run verifies a destination.
func (c *echoCmd) Run(s *session) error {
	a, err := deliver.ParseAddress(c.Destination)
	if err == nil && a.Folder != "" {
		err = fmt.Errorf("a folder does not answer C-ECHO")
	}
	if err != nil {
		return &usageError{err}
	}
	node := deliver.NewNode(a, deliver.Options{})
	if err := node.Echo(s.ctx); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.out, s.phrases.Say("echo.ok", map[string]any{"Destination": node.String()}))
	return err
}
