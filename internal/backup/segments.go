package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"path"

	"lotse/internal/sealed/durable"
	"lotse/internal/store"
)

// segment is a blob that a row names.
type segment struct {
	tenant, imp, id string
	size            int64 // of the blob
}

func (s segment) key() string  { return s.tenant + "/" + s.imp + "/" + s.id }
func (s segment) file() string { return path.Join(blobsFolder, s.tenant, s.imp, s.id) }

// owner is the import of a segment.
func (s segment) owner() string { return s.tenant + "/" + s.imp }

func segmentOf(r store.Row) segment {
	f := fields{r}
	return segment{f.text("tenant_id"), f.text("import_id"), f.text("id"), sealedSize(f.number("size"))}
}

// eachRow reads the rows of a backup again, the values only of tables that are wanted
// (all when it is nil). At their end it compares the digest.
func (s sealer) eachRow(ctx context.Context, files durable.Files, m *manifest, wanted func(string) bool, f func(store.Row) error) error {
	file, err := files.Open(m.Tables)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	plain, err := s.opening(ctx, m.Tables, bufio.NewReaderSize(io.NewSectionReader(file, 0, 1<<62), 1<<20))
	if err != nil {
		return err
	}
	digest := sha256.New()
	err = readRows(io.TeeReader(plain, digest), wanted, func(r store.Row) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		return f(r)
	})
	if err == nil && hex.EncodeToString(digest.Sum(nil)) != m.Digest {
		err = errSeal
	}
	return err
}

// errPassed ends the reading of rows behind those that are of interest.
var errPassed = errors.New("the rows of interest have been read")

// eachImport calls f with the segments of each import that has some, except those
// of tenants whose contract has ended. It does not read what comes after them.
func (s sealer) eachImport(ctx context.Context, files durable.Files, m *manifest, f func([]segment) error) error {
	destroyed := map[string]bool{}
	var group []segment
	next := func() error {
		if len(group) == 0 {
			return nil
		}
		err := f(group)
		group = group[:0]
		return err
	}
	wanted := func(table string) bool { return table == "tenants" || table == "segments" }
	begun := false
	err := s.eachRow(ctx, files, m, wanted, func(r store.Row) error {
		switch {
		case r.Table == "tenants":
			destroyed[fields{r}.text("id")] = fields{r}.value("destroyed_at") != nil
			return nil
		case r.Table != "segments" && begun:
			return errPassed
		case r.Table != "segments":
			return nil
		}
		begun = true
		one := segmentOf(r)
		if destroyed[one.tenant] {
			return nil
		}
		var err error
		if len(group) > 0 && group[0].owner() != one.owner() {
			err = next()
		}
		group = append(group, one)
		return err
	})
	if err != nil && !errors.Is(err, errPassed) {
		return err
	}
	return next()
}
