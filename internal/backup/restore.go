package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// RestoreOptions says what is restored.
type RestoreOptions struct {
	Dir     string // of the backup
	KeyFile string // the backup's key
	// Keyring is a file that [CopyKeyring] made; "" where the keyring is in place.
	Keyring string
	// Check reads and checks everything, and changes nothing.
	Check bool
	// EraseUnreadable goes on though imports have no key, and erases them.
	EraseUnreadable bool
	// ClockIsRight confirms the clock where the backup is old by it: what has expired
	// by then is erased.
	ClockIsRight bool
}

// Result says what a restore did, or would do.
type Result struct {
	At         time.Time // of the state that is restored
	Rows       int64
	Live       int // imports that go on
	Erased     int // imports that had been erased since, and are again
	Expired    int // imports whose time has come since
	Unreadable int // imports without a key
	Blobs      int64
	Missing    int // segments that were lost before the backup was made
	Voided     store.Voided
}

// restorer restores one backup.
type restorer struct {
	in    Installation
	o     RestoreOptions
	files durable.Files
	seal  sealer
	m     *manifest
	copy  *keyringCopy
	keys  keyring.Store // as they will be
	now   time.Time
	plan  *plan
	res   Result
}

// Restore puts a backup into an empty installation, whose master key is that of the
// keyring. A *[Refusal] changed nothing. When it fails later, the same restore can
// be begun again once the database has been emptied; until then nothing serves.
func Restore(ctx context.Context, in Installation, o RestoreOptions) (*Result, error) {
	key, err := openKey(o.KeyFile, o.Dir, false)
	if err != nil {
		return nil, err
	}
	files, err := existing(o.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = files.Close() }()
	x := &restorer{in: in, o: o, files: files, seal: sealer{key}}
	if err := x.check(ctx); err != nil {
		return nil, err
	}
	if o.Check {
		return &x.res, nil
	}
	for _, step := range []struct {
		doing string
		do    func(context.Context) error
	}{
		{"erase again", x.erase}, {"restore the segments", x.restoreBlobs}, {"restore the rows", x.refill}, {"settle", x.settle},
	} {
		if err := step.do(ctx); err != nil {
			return nil, fmt.Errorf("%s: %w", step.doing, err)
		}
	}
	return &x.res, nil
}

// check changes nothing.
func (x *restorer) check(ctx context.Context) (err error) {
	if x.m, err = x.seal.openBackup(ctx, x.files); err != nil {
		return err
	}
	if err := x.checkDatabase(ctx); err != nil {
		return err
	}
	x.keys = x.in.Keys
	if x.o.Keyring != "" {
		if x.copy, err = readKeyring(ctx, x.o.Keyring, x.in.Master); err != nil {
			return err
		}
		x.keys = merged{Store: x.in.Keys, copy: x.copy}
	}
	if err := x.makePlan(ctx); err != nil {
		return err
	}
	x.res = Result{At: x.m.At, Rows: x.plan.rows, Live: x.plan.count(live), Erased: x.plan.count(erased), Expired: x.plan.count(expired),
		Unreadable: x.plan.count(unreadable), Missing: len(x.m.Missing)}
	if err := x.checkClock(); err != nil {
		return err
	}
	if x.res.Unreadable > 0 && !x.o.EraseUnreadable {
		return refuse(Unreadable, "%d", x.res.Unreadable)
	}
	if err := x.checkBlobStore(ctx); err != nil {
		return err
	}
	return x.eachBlob(ctx, func(ctx context.Context, s segment) error {
		_, err := x.openBlob(ctx, s)
		return err
	})
}

func (x *restorer) checkDatabase(ctx context.Context) error {
	schema, err := x.in.DB.Status(ctx)
	if err != nil {
		return err
	}
	if x.m.Schema > schema.Latest {
		return refuse(Newer, "%d, %d", x.m.Schema, schema.Latest)
	}
	empty, err := x.in.DB.Empty(ctx)
	if err == nil && (!empty || schema.Version > x.m.Schema) {
		err = &Refusal{Code: NotEmpty}
	}
	if err != nil {
		return err
	}
	return x.in.DB.System().Read(ctx, func(tx *store.Tx) error {
		x.now = tx.Now()
		return nil
	})
}

// checkClock: what is erased by a wrong clock is lost.
func (x *restorer) checkClock() error {
	age := x.now.Sub(x.m.At)
	switch {
	case age < -clockJump:
		return refuse(ClockBehind, "%s", x.now.Format(time.DateTime))
	case (age > clockGap || x.plan.paused != "") && !x.o.ClockIsRight:
		return refuse(ClockUncertain, "%s", x.now.Format(time.DateTime))
	}
	return nil
}

// checkBlobStore refuses a store that has anything but what an interrupted restore
// of this backup may have left.
func (x *restorer) checkBlobStore(ctx context.Context) error {
	return x.in.Blobs.List(ctx, "", func(i blob.Info) error {
		name, _, ok := cutLast(i.Key)
		if !ok || x.plan.imports[name] != live {
			return &Refusal{Code: NotEmpty}
		}
		return nil
	})
}

func cutLast(key string) (before, after string, ok bool) {
	at := strings.LastIndexByte(key, '/')
	if at < 0 {
		return "", "", false
	}
	return key[:at], key[at+1:], true
}

// eachBlob calls f with every segment of the imports that go on, several at a time.
func (x *restorer) eachBlob(ctx context.Context, f func(context.Context, segment) error) error {
	x.res.Blobs = 0
	return x.seal.eachImport(ctx, x.files, x.m, func(list []segment) error {
		if x.plan.imports[list[0].owner()] != live {
			return nil
		}
		group, ctx := errgroup.WithContext(ctx)
		group.SetLimit(copiers)
		for _, s := range list {
			if x.plan.missing[s.key()] {
				continue
			}
			x.res.Blobs++
			group.Go(func() error { return f(ctx, s) })
		}
		return group.Wait()
	})
}

// openBlob reads a segment from the backup, whole and authentic.
func (x *restorer) openBlob(ctx context.Context, s segment) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	file, err := durable.ReadFile(x.files, s.file(), int64(maxHeader)+sealedSize(s.size)+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, damage(s.key(), err)
	}
	if err != nil {
		return nil, err
	}
	plain, err := x.seal.open(ctx, s.key(), file)
	if err != nil || int64(len(plain)) != s.size {
		return nil, damage(s.key(), errSeal)
	}
	return plain, nil
}

// damage turns what the seal or the digest of a file found into a refusal.
func damage(what string, err error) error {
	var refusal *Refusal
	if errors.As(err, &refusal) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &Refusal{Code: Damaged, Detail: what, Err: err}
}

// restoreBlob writes a segment. One that is there already must be the same.
func (x *restorer) restoreBlob(ctx context.Context, s segment) error {
	plain, err := x.openBlob(ctx, s)
	if err != nil {
		return err
	}
	switch there, err := readBlob(ctx, x.in.Blobs, s); {
	case err == nil && bytes.Equal(there, plain):
		return nil
	case err == nil:
		return fmt.Errorf("the store has another segment %s", s.key())
	case !errors.Is(err, blob.ErrNotFound):
		return err
	}
	w, err := x.in.Blobs.Create(ctx, s.key())
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := io.Copy(w, bytes.NewReader(plain)); err != nil {
		return err
	}
	return w.Commit(ctx)
}

func (x *restorer) restoreBlobs(ctx context.Context) error { return x.eachBlob(ctx, x.restoreBlob) }

// erase brings the copy of the keyring in and destroys every key that must not be
// there any more, before anything else is.
func (x *restorer) erase(ctx context.Context) error {
	ring := keyring.New(x.in.Keys, x.in.Master)
	if x.copy != nil {
		if err := x.copy.addTo(ctx, x.in.Keys, ring); err != nil {
			return err
		}
	}
	for _, o := range x.plan.order {
		if x.plan.imports[o.String()] == live {
			continue
		}
		if err := ring.Destroy(ctx, o.tenant, o.id); err != nil {
			return err
		}
	}
	return nil
}

func (x *restorer) refill(ctx context.Context) error {
	return x.in.DB.Refill(ctx, x.m.Schema, func(put func(store.Row) error) error {
		return x.seal.eachRow(ctx, x.files, x.m, nil, put)
	})
}
