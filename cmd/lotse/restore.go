package main

import (
	"lotse/internal/backup"
	"lotse/internal/node"
)

// restoreCmd puts a backup into an empty installation.
type restoreCmd struct {
	configFlags

	Dir             string `arg:"" help:"Folder of the backup." type:"path"`
	KeyFile         string `help:"The backup's key." type:"path" placeholder:"FILE" required:""`
	Keyring         string `help:"Copy of the keyring, made by 'lotse keys backup'; without it the keyring must be in place." type:"path" placeholder:"FILE"`
	Check           bool   `help:"Check everything and change nothing."`
	EraseUnreadable bool   `help:"Go on though the keyring has no keys for some imports, and erase these."`
	ClockIsRight    bool   `help:"The clock of this machine is right, though the backup is old by it: erase what has expired by now."`
}

// Run restores.
func (c restoreCmd) Run(s *session) error {
	return withStores(s, c.sources(), func(in *node.Stores) error {
		r, err := backup.Restore(s.ctx, installation(in), backup.RestoreOptions{Dir: c.Dir, KeyFile: c.KeyFile, Keyring: c.Keyring,
			Check: c.Check, EraseUnreadable: c.EraseUnreadable, ClockIsRight: c.ClockIsRight})
		if err != nil {
			return err
		}
		s.say("admin.restore.found", map[string]any{"At": s.stamp(r.At), "Rows": r.Rows, "Blobs": r.Blobs})
		s.say("admin.restore.imports", map[string]any{"Live": r.Live, "Erased": r.Erased, "Expired": r.Expired, "Unreadable": r.Unreadable})
		if c.Check {
			s.say("admin.restore.checked", nil)
		} else {
			s.say("admin.restore.done", nil)
		}
		if r.Missing > 0 {
			return &lossError{r.Missing}
		}
		return nil
	})
}
