package main

import "lotse/internal/config"

// configCmd is about the configuration.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Show what is in force, where it comes from, and what is wrong; secrets are not shown."`
}

type configCheckCmd struct {
	configFlags
}

// Run explains the configuration.
func (c configCheckCmd) Run(s *session) error { return config.Check(s.out, c.sources()) }
