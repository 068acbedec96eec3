package disk

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path"
	"strings"

	"lotse/internal/sealed/blob"
)

func isEOF(err error) bool { return errors.Is(err, io.EOF) }

// List walks the folders that can have what begins with prefix.
func (s *Store) List(ctx context.Context, prefix string, f func(blob.Info) error) error {
	if err := blob.CheckPrefix(prefix); err != nil {
		return err
	}
	return s.list(ctx, path.Dir(prefix+"x"), prefix, f)
}

func (s *Store) list(ctx context.Context, dir, prefix string, f func(blob.Info) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	entries, err := s.files.ReadDir(dir)
	if absent(err) {
		return nil
	} else if err != nil {
		return failure("listing", err)
	}
	for _, e := range entries {
		if err := s.listEntry(ctx, path.Join(dir, e.Name()), e, prefix, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) listEntry(ctx context.Context, key string, e fs.DirEntry, prefix string, f func(blob.Info) error) error {
	if blob.CheckKey(key) != nil {
		return nil // what is being written
	}
	if e.IsDir() {
		if strings.HasPrefix(key+"/", prefix) || strings.HasPrefix(prefix, key+"/") {
			return s.list(ctx, key, prefix, f)
		}
		return nil
	}
	if !strings.HasPrefix(key, prefix) {
		return nil
	}
	info, err := e.Info()
	if absent(err) {
		return nil // deleted meanwhile
	} else if err != nil {
		return failure("listing", err)
	}
	return f(blob.Info{Key: key, Size: info.Size(), Modified: info.ModTime()})
}
