package main

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// receiptFile is the file of --receipt. It is opened before the import, so that a
// receipt is not lost at the end for a name that cannot be written.
type receiptFile struct {
	file    *os.File
	created bool // and empty so far
}

// receiptFile opens what --receipt names; nil without it. A file that is there
// already keeps its content until there is a receipt.
func (c *importCmd) receiptFile() (*receiptFile, error) {
	if c.Receipt == "" {
		return nil, nil
	}
	_, err := os.Stat(c.Receipt)
	r := &receiptFile{created: errors.Is(err, os.ErrNotExist)}
	if r.file, err = os.OpenFile(c.Receipt, os.O_WRONLY|os.O_CREATE, 0o600); err != nil {
		return nil, fmt.Errorf("--receipt: %w", err)
	}
	return r, nil
}

// write replaces what is in the file, and lets nobody but the owner read it.
func (r *receiptFile) write(write func(io.Writer) error) error {
	if r == nil {
		return nil
	}
	r.created = false
	if err := r.fill(write); err != nil {
		return fmt.Errorf("write the receipt: %w", err)
	}
	return nil
}

func (r *receiptFile) fill(write func(io.Writer) error) error {
	info, err := r.file.Stat()
	if err != nil || !info.Mode().IsRegular() { // a device, a pipe
		return errors.Join(err, write(r.file))
	}
	if err := errors.Join(r.file.Chmod(0o600), r.file.Truncate(0)); err != nil {
		return err
	}
	return errors.Join(write(r.file), r.file.Sync())
}

// drop closes the file, and removes it when no receipt came about.
func (r *receiptFile) drop() {
	if r == nil {
		return
	}
	_ = r.file.Close() // what was written has been synced
	if r.created {
		_ = os.Remove(r.file.Name())
	}
}
