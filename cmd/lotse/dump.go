package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"

	"lotse/dicom"
)

type dumpCmd struct {
	File string `arg:"" help:"A DICOM file."`
	JSON bool   `name:"json" help:"Print the DICOM JSON model (PS3.18 Annex F)."`
}

// Run dumps.
func (c *dumpCmd) Run(s *session) error {
	f, err := os.Open(c.File)
	if err != nil {
		return &usageError{err}
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size()
	if !info.Mode().IsRegular() {
		size = -1
	}
	r, err := dicom.NewReader(f, size, dicom.ReadOptions{})
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(s.out, 64<<10)
	if c.JSON {
		err = dicom.WriteJSON(out, r)
	} else {
		err = dicom.Print(out, r, dicom.PrintOptions{})
	}
	if err := errors.Join(err, out.Flush()); err != nil {
		return err
	}
	for _, p := range r.Problems() {
		_, _ = fmt.Fprintf(s.err, "%s: %d×, first at byte %d %s\n", p.Code, p.Count, p.Offset, p.Path)
	}
	return nil
}
