// Command lotse brings outside imaging exams into a hospital's own systems.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"lotse/internal/coredump"
	"lotse/internal/phrase"
	"lotse/internal/terminal"
)

// version is set by the build.
var version = "0.1.0"

// cli is the command line: commands and flags, nothing else.
type cli struct {
	Lang string `help:"Language of all messages: en or de. Default: from the environment." enum:",en,de" default:""`

	Import  importCmd  `cmd:"" help:"Bring an exam in: fetch or read it, adjust it, deliver it, write a receipt."`
	Inspect inspectCmd `cmd:"" help:"Show what an exam holds, without changing or delivering anything."`
	Dump    dumpCmd    `cmd:"" help:"Print one DICOM file for people, or as DICOM JSON."`
	Echo    echoCmd    `cmd:"" help:"Verify that a DICOM destination answers (C-ECHO)."`
	Serve   serveCmd   `cmd:"" help:"Run the gateway: API, workers and the receiver of DICOM objects."`
	Config  configCmd  `cmd:"" help:"Explain the configuration of the gateway."`
	Migrate migrateCmd `cmd:"" help:"Look after the gateway's database."`
	Backup  backupCmd  `cmd:"" help:"Copy the installation into a folder while it runs."`
	Restore restoreCmd `cmd:"" help:"Put a backup into an empty installation."`
	Keys    keysCmd    `cmd:"" help:"Look after the keys of the imports."`
	Tenant  tenantCmd  `cmd:"" help:"Look after organisations whose data is walled off from all others."`
	Audit   auditCmd   `cmd:"" help:"Look after the audit trail."`
	Clock   clockCmd   `cmd:"" help:"Look after the clock that decides when imports are erased."`
	Demo    demoCmd    `cmd:"" help:"Show the whole way of an import between a demonstration portal and PACS."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// session is what every command gets.
type session struct {
	ctx     context.Context
	in      *os.File
	out     io.Writer
	err     io.Writer
	phrases *phrase.Phrases
	term    *terminal.Terminal
}

func main() {
	if err := coredump.Off(); err != nil { // before anything personal is in memory
		os.Exit(explain(os.Stderr, phrase.FromEnvironment(os.Getenv), err))
	}
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is main with its surroundings passed in; it returns the exit code.
func run(args []string, in *os.File, out, errw io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var c cli
	p := phrase.FromEnvironment(os.Getenv)
	exit := -1
	parser, err := kong.New(&c, kong.Name("lotse"), kong.UsageOnError(), kong.Writers(out, errw),
		kong.Description("Brings outside imaging exams into a hospital's own systems: from a portal link, QR code, CD, ZIP or folder, under the right patient, complete, with proof."),
		kong.Exit(func(code int) { exit = code }))
	if err != nil {
		return explain(errw, p, err)
	}
	parsed, err := parser.Parse(args)
	if exit >= 0 { // --help has printed and asked to leave
		return exit
	}
	if c.Lang != "" {
		p = phrase.For(c.Lang)
	}
	if err != nil {
		return explain(errw, p, &usageError{withoutValues(err)})
	}
	s := &session{ctx: ctx, in: in, out: out, err: errw, phrases: p, term: terminal.New(in, errw, p)}
	return explain(errw, p, parsed.Run(s))
}

type versionCmd struct{}

// Run prints the version.
func (versionCmd) Run(s *session) error {
	_, err := io.WriteString(s.out, "lotse "+version+"\n")
	return err
}
