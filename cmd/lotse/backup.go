package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"lotse/internal/backup"
	"lotse/internal/config"
	"lotse/internal/node"
	"lotse/internal/phrase"
	"lotse/internal/terminal"
)

// backupCmd copies the installation while it runs.
type backupCmd struct {
	configFlags

	Dir     string `arg:"" help:"Folder of the backup. The next backup into it copies only what is new." type:"path"`
	KeyFile string `help:"The backup's key; made when it is absent. Keep it in another place than the backup." type:"path" placeholder:"FILE" required:""`
}

// Run makes the backup.
func (c backupCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		made, err := backup.Make(s.ctx, installation(in), backup.MakeOptions{Dir: c.Dir, KeyFile: c.KeyFile, Version: version})
		if err != nil {
			return err
		}
		s.say("admin.backup.done", map[string]any{"At": s.stamp(made.At), "Rows": made.Rows, "Blobs": made.Blobs, "Copied": made.Copied})
		s.say("admin.backup.keyring", nil)
		if made.Missing > 0 {
			return &lossError{made.Missing}
		}
		return nil
	})
}

// lossError says that a backup is complete but for what was lost before.
type lossError struct{ segments int }

func (e *lossError) Error() string { return fmt.Sprintf("%d segments are lost", e.segments) }

// withStores opens what the configuration names.
func withStores(s *session, from config.Sources, f func(*node.Stores) error) error {
	cfg, _, err := config.Load(from)
	if err != nil {
		return err
	}
	in, err := node.OpenStores(s.ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(f(in), in.Close())
}

func installation(in *node.Stores) backup.Installation {
	return backup.Installation{DB: in.DB, Blobs: in.Blobs, Keys: in.Keys, Master: in.Master}
}

// say prints a sentence to whoever started the command.
func (s *session) say(key string, data map[string]any) {
	_, _ = fmt.Fprintln(s.out, s.phrases.Say(key, data))
}

// stamp is a time for people.
func (s *session) stamp(t time.Time) string { return s.phrases.Moment(t.Local()) }

// explainBackup explains what the commands of an administrator refuse.
func explainBackup(w io.Writer, p *phrase.Phrases, err error) (code int, is bool) {
	var refusal *backup.Refusal
	var loss *lossError
	switch {
	case errors.Is(err, context.Canceled):
		return 0, false
	case errors.As(err, &refusal):
		key := "admin.refused." + string(refusal.Code)
		_, _ = fmt.Fprintf(w, "%s\n%s\n", p.Say(key, map[string]any{"Detail": terminal.Clean(refusal.Detail)}), p.Say(key+".do", nil))
	case errors.As(err, &loss):
		_, _ = fmt.Fprintln(w, p.Say("admin.backup.lost", map[string]any{"Count": loss.segments}))
	default:
		return 0, false
	}
	return exitFailed, true
}
