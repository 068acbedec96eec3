package durable

import (
	"errors"
	"io"
	"io/fs"
)

// WriteFile makes a file with these bytes, durably and in one step, by way of the
// name temp, which must be in a folder that exists.
func (t *Tree) WriteFile(temp, name string, b []byte) error {
	f, err := t.files.Create(temp)
	if err != nil {
		return err
	}
	if err := finish(f, b); err != nil {
		_ = t.files.Remove(temp)
		return err
	}
	if err := t.Publish(temp, name); err != nil {
		_ = t.files.Remove(temp)
		return err
	}
	return nil
}

// finish writes, syncs and closes.
func finish(f File, b []byte) error {
	_, err := f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// Append adds bytes to the end of a file, durably. The file and its folder exist
// afterwards.
func (t *Tree) Append(dir, name string, b []byte) error {
	if err := t.Mkdir(dir); err != nil {
		return err
	}
	f, err := t.files.Append(name)
	if err != nil {
		return err
	}
	if err := finish(f, b); err != nil {
		return err
	}
	return t.files.SyncDir(dir)
}

// Destroy writes over a file's bytes and removes it, durably. fs.ErrNotExist when
// there is none.
func (t *Tree) Destroy(dir, name string, over []byte) error {
	f, err := t.files.Overwrite(name)
	if err != nil {
		return err
	}
	if err := finish(f, over); err != nil {
		return err
	}
	if err := t.files.Remove(name); err != nil {
		return err
	}
	return t.files.SyncDir(dir)
}

// ReadFile reads a file of at most limit bytes. What is longer is cut.
func ReadFile(files Files, name string, limit int64) ([]byte, error) {
	f, err := files.Open(name)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, limit))
	return b, errors.Join(err, f.Close())
}

// Exists says whether there is a file.
func Exists(files Files, name string) (bool, error) {
	f, err := files.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	return true, f.Close()
}
