package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// copiers is how many segments are copied at once; each takes up to 34 MiB.
const copiers = 3

// copyBlobs copies what the rows name and the folder does not have.
func (k *maker) copyBlobs(ctx context.Context) error {
	return k.seal.eachImport(ctx, k.files, &k.m, func(list []segment) error {
		gone, err := k.copyImport(ctx, list)
		if err != nil {
			return fmt.Errorf("copy the segments: %w", err)
		}
		for _, s := range list {
			k.made.Blobs++
			k.made.Bytes += s.size
		}
		if len(gone) == 0 {
			return nil
		}
		return k.explain(ctx, gone)
	})
}

// copyImport copies segments of one import and gives those that are not there,
// or not whole.
func (k *maker) copyImport(ctx context.Context, list []segment) (gone []segment, err error) {
	var mu sync.Mutex
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copiers)
	for _, s := range list {
		group.Go(func() error {
			if k.has(ctx, s) {
				return nil
			}
			err := k.copy(ctx, s)
			mu.Lock()
			defer mu.Unlock()
			if errors.Is(err, blob.ErrNotFound) || errors.Is(err, errSize) {
				gone = append(gone, s)
				return nil
			}
			if err == nil {
				k.made.Copied++
			}
			return err
		})
	}
	return gone, group.Wait()
}

// has reports whether the folder has a segment from an earlier backup with this key.
func (k *maker) has(ctx context.Context, s segment) bool {
	file, err := k.files.Open(s.file())
	if err != nil {
		return false
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	return err == nil && k.seal.mine(ctx, s.key(), file, info.Size(), s.size)
}

func (k *maker) copy(ctx context.Context, s segment) error {
	plain, err := readBlob(ctx, k.in.Blobs, s)
	if err != nil {
		return err
	}
	file, err := k.seal.seal(ctx, s.key(), plain)
	if err != nil {
		return err
	}
	return k.tree.WriteFile(tempPrefix+strings.ToLower(rand.Text()), s.file(), file)
}

// errSize reports a blob that is not as long as it was when it was written.
var errSize = errors.New("a segment has another size than its row says")

// readBlob reads a blob that has exactly the size it must have.
func readBlob(ctx context.Context, blobs blob.Store, s segment) ([]byte, error) {
	plain := make([]byte, s.size+1)
	n, err := blobs.ReadAt(ctx, s.key(), plain, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if int64(n) != s.size {
		return nil, errSize
	}
	return plain[:n], nil
}

// explain finds out why segments of an import are gone: it was erased, the part they
// belonged to was dropped, or the store has lost them.
func (k *maker) explain(ctx context.Context, gone []segment) error {
	s := gone[0]
	_, err := k.in.Keys.Get(ctx, s.tenant, s.imp)
	if errors.Is(err, keyring.ErrErased) {
		k.m.Erased = append(k.m.Erased, s.owner())
		return nil
	}
	if err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return err
	}
	named := map[string]bool{}
	err = k.in.DB.Tenant(s.tenant).Read(ctx, func(tx *store.Tx) error {
		clear(named)
		return tx.SegmentIDs(s.imp, func(id string) error {
			named[id] = true
			return nil
		})
	})
	if errors.Is(err, store.ErrNoTenant) {
		k.m.Erased = append(k.m.Erased, s.owner())
		return nil
	}
	for _, s := range gone {
		if named[s.id] {
			k.m.Missing = append(k.m.Missing, s.key())
		} else {
			k.again = true
		}
	}
	return err
}

// tidy removes what the new backup does not name.
func (k *maker) tidy(ctx context.Context) error {
	kept := map[string]bool{}
	err := k.seal.eachImport(ctx, k.files, &k.m, func(list []segment) error {
		kept[list[0].owner()] = true
		named := make(map[string]bool, len(list))
		for _, s := range list {
			named[s.id] = true
		}
		return k.tidyFolder(path.Dir(list[0].file()), named)
	})
	if err != nil {
		return err
	}
	err = k.eachFolder(func(owner string) error {
		if kept[owner] {
			return nil
		}
		return k.tidyFolder(path.Join(blobsFolder, owner), nil)
	})
	return errors.Join(err, k.tidyTables())
}

// eachFolder calls f with tenant/import of each folder of segments.
func (k *maker) eachFolder(f func(owner string) error) error {
	tenants, err := k.files.ReadDir(blobsFolder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	for _, t := range tenants {
		imports, err := k.files.ReadDir(path.Join(blobsFolder, t.Name()))
		if err != nil {
			return err
		}
		for _, i := range imports {
			if err := f(t.Name() + "/" + i.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

func (k *maker) tidyFolder(dir string, named map[string]bool) error {
	entries, err := k.files.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	removed := false
	for _, e := range entries {
		if named[e.Name()] {
			continue
		}
		if err := k.files.Remove(path.Join(dir, e.Name())); err != nil {
			return err
		}
		removed = true
		k.made.Removed++
	}
	if !removed {
		return nil
	}
	if err := k.files.SyncDir(dir); err != nil {
		return err
	}
	k.tree.Prune(dir)
	return nil
}

// tidyTables removes the rows of earlier backups and what was left unfinished.
func (k *maker) tidyTables() error {
	entries, err := k.files.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		if strings.HasPrefix(name, tempPrefix) || strings.HasPrefix(name, tablesPrefix) && name != k.m.Tables {
			if err := k.files.Remove(name); err != nil {
				return err
			}
		}
	}
	return k.files.SyncDir(".")
}
