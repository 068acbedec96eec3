package app

import (
	"cmp"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/google/uuid"

	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/store"
	"lotse/internal/tus"
)

// uploadLease is how long the place of an upload's writer is kept without a sign of
// life, renewed three times within.
const uploadLease = 15 * time.Second

// Uploads is the store of resumable uploads as someone sees it: each is a part of an
// import that is being fetched.
func (g *Gateway) Uploads(who Who) tus.Store { return &uploads{g, who} }

type uploads struct {
	g   *Gateway
	who Who
}

// Names of an upload's metadata.
const (
	metaImport = "import"
	metaPath   = "path"
	metaName   = "filename"
	metaKey    = "key" // random, of the client: a creation that is sent again makes nothing new
)

// named is which import metadata name, and what they call the file.
func named(metadata map[string]string) (id, name string, err error) {
	id, name = metadata[metaImport], cmp.Or(metadata[metaPath], metadata[metaName])
	switch {
	case id == "" || name == "":
		return "", "", tus.BadMetadata
	case uuid.Validate(id) != nil:
		return "", "", tus.NotFound
	}
	return id, name, nil
}

// Create begins a part. The import is named in the metadata.
func (u *uploads) Create(ctx context.Context, up tus.Upload) (string, error) {
	s, err := u.g.scope(ctx, u.who)
	if err != nil {
		return "", err
	}
	id, name, err := named(up.Metadata)
	if err != nil {
		return "", err
	}
	if _, err := s.read(ctx, id); err != nil {
		return "", uploadRefusal(err)
	}
	about := aboutPart{Source: "upload", Name: name, Origin: importer.Origin{Kind: importer.FromUpload}, Metadata: map[string][]byte{}}
	for key, value := range up.Metadata { // not always text
		about.Metadata[key] = []byte(value)
	}
	column, err := s.seal(ctx, id, sealedPart, about)
	if err != nil {
		return "", uploadRefusal(err)
	}
	upload, err := s.uploadID(ctx, id, up.Metadata[metaKey])
	if err != nil {
		return "", err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		im, err := tx.LockImport(id)
		if err != nil {
			return err
		}
		switch there, err := tx.Upload(upload.String()); {
		case err == nil && there.Length != up.Length:
			return tus.BadMetadata // the key of another file
		case err == nil || !errors.Is(err, store.ErrNotFound):
			return err
		}
		if im.Kind != KindUpload || im.State != importer.Fetching {
			return tus.Gone
		}
		if err := s.stirred(tx, im); err != nil {
			return err
		}
		row := &store.Part{Import: id, Role: rolePart, Key: upload.String(), Declared: up.Length, Complete: up.Length == 0, About: column}
		if err := tx.InsertPart(row); err != nil {
			return err
		}
		if err := tx.InsertUpload(&store.Upload{ID: upload.String(), Import: id, Part: row.Number, Length: up.Length}); err != nil {
			return err
		}
		if up.Length > 0 {
			return nil
		}
		return s.uploaded(ctx, tx, id)
	})
	return upload.String(), uploadRefusal(err)
}

// uploadID is the id of a new upload: with a key always the same, so that a client
// whose connection broke before it had the answer finds what it began.
func (s *scope) uploadID(ctx context.Context, id, key string) (uuid.UUID, error) {
	if key == "" {
		return uuid.NewRandom()
	}
	mac, err := s.v.MAC(ctx, "upload", id+" "+key)
	if err != nil {
		return uuid.UUID{}, err
	}
	return uuid.NewSHA1(uuid.Nil, []byte(mac)), nil
}

// uploadRefusal says what a client is told.
func uploadRefusal(err error) error {
	var ended *importer.ImpossibleError
	switch {
	case errors.As(err, &ended):
		return tus.Gone
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sealed.ErrNoKey):
		return tus.NotFound
	case errors.Is(err, sealed.ErrErased):
		return tus.Gone
	case errors.Is(err, store.ErrLocked), errors.Is(err, store.ErrLeaseLost):
		return tus.Locked
	}
	return err
}

// upload finds an upload of an import that is within reach.
func (s *scope) upload(tx *store.Tx, id string) (*store.Upload, error) {
	row, err := tx.Upload(id)
	if err == nil {
		_, err = tx.Import(row.Import)
	}
	return row, err
}

// Info describes an upload.
func (u *uploads) Info(ctx context.Context, id string) (tus.Upload, error) {
	s, err := u.g.scope(ctx, u.who)
	if err != nil {
		return tus.Upload{}, err
	}
	var row *store.Upload
	var part *store.Part
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		if row, err = s.upload(tx, id); err == nil {
			part, err = tx.Part(row.Import, row.Part)
		}
		return err
	})
	if err != nil {
		return tus.Upload{}, uploadRefusal(err)
	}
	var about aboutPart
	if err := s.open(ctx, row.Import, sealedPart, part.About, &about); err != nil {
		return tus.Upload{}, uploadRefusal(err)
	}
	up := tus.Upload{Length: row.Length, Offset: row.Offset, Metadata: make(map[string]string, len(about.Metadata))}
	for key, value := range about.Metadata {
		up.Metadata[key] = string(value)
	}
	return up, nil
}

// Terminate ends an upload and drops what came.
func (u *uploads) Terminate(ctx context.Context, id string) error {
	s, err := u.g.scope(ctx, u.who)
	if err != nil {
		return err
	}
	var row *store.Upload
	var dropped []store.Segment
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		if _, err := s.upload(tx, id); err != nil {
			return err
		}
		token, err := tx.LeaseUpload(id, uploadLease)
		if err != nil {
			return err
		}
		if row, err = tx.Upload(id); err != nil {
			return err
		}
		im, err := tx.LockImport(row.Import)
		if err != nil {
			return err
		}
		if im.State != importer.Fetching {
			return tus.Gone
		}
		if err := tx.HoldUpload(id, token); err != nil {
			return err
		}
		dropped, err = tx.DropPart(row.Import, row.Part)
		return err
	})
	if err != nil {
		return uploadRefusal(err)
	}
	s.discard(ctx, row.Import, dropped)
	return nil
}

// Lease takes the writer's place of an upload.
func (u *uploads) Lease(ctx context.Context, id string) (tus.Lease, error) {
	s, err := u.g.scope(ctx, u.who)
	if err != nil {
		return nil, err
	}
	l := &uploading{s: s, id: id, ctx: context.WithoutCancel(ctx)}
	err = s.t.Write(ctx, func(tx *store.Tx) (err error) {
		l.since = tx.Now()
		if _, err = s.upload(tx, id); err != nil {
			return err
		}
		if l.token, err = tx.LeaseUpload(id, uploadLease); err != nil {
			return err
		}
		l.row, err = tx.Upload(id)
		return err
	})
	if err != nil {
		return nil, uploadRefusal(err)
	}
	l.offset = l.row.Offset
	l.reopen()
	l.renewing = make(chan struct{})
	l.renewed.Go(l.renew)
	return l, nil
}

// uploading is the right to append to an upload.
type uploading struct {
	s        *scope
	ctx      context.Context
	id       string
	token    int64
	row      *store.Upload
	offset   int64
	writer   *sealed.Writer
	cut      []sealed.Segment // durable, not yet committed
	since    time.Time        // by the database: when there was none of these yet
	renewing chan struct{}
	renewed  sync.WaitGroup
	released sync.Once
}

func (l *uploading) reopen() {
	l.cut = nil
	l.writer = l.s.v.Writer(l.ctx, l.row.Import, sealed.WriterOptions{Offset: l.offset,
		Commit: func(_ context.Context, list []sealed.Segment) error {
			l.cut = append(l.cut, list...) // rows follow with Commit, all together
			return nil
		}})
}

// renew keeps the lease while the client sends.
func (l *uploading) renew() {
	tick := time.NewTicker(uploadLease / 3)
	defer tick.Stop()
	for {
		select {
		case <-l.renewing:
			return
		case <-tick.C:
			err := l.s.t.Write(l.ctx, func(tx *store.Tx) error { return tx.RenewUpload(l.id, l.token, uploadLease) })
			if err != nil {
				l.s.log.Warn("the lease of an upload was not renewed", "import", l.row.Import, "error", err)
			}
		}
	}
}

// Offset is what is committed.
func (l *uploading) Offset() int64 { return l.offset }

// Write appends, not yet visibly.
func (l *uploading) Write(p []byte) (int, error) {
	n, err := l.writer.Write(p)
	return n, uploadRefusal(err)
}

// Commit makes what was written exist.
func (l *uploading) Commit(ctx context.Context) (int64, error) {
	if err := l.writer.Flush(ctx); err != nil {
		return l.offset, uploadRefusal(err)
	}
	if len(l.cut) == 0 {
		return l.offset, nil
	}
	var size int64
	var now time.Time
	err := l.s.t.Write(ctx, func(tx *store.Tx) error {
		now = tx.Now()
		if now.Sub(l.since) > rowTime { // they may be near being collected
			return tus.TooLong
		}
		if err := tx.HoldUpload(l.id, l.token); err != nil {
			return err
		}
		part, err := l.s.addSegments(tx, l.row.Import, l.row.Part, l.cut)
		if err != nil {
			return err
		}
		size = part.Size
		if size < l.row.Length {
			return nil
		}
		part.Complete = true
		if err := tx.SavePart(part); err != nil {
			return err
		}
		return l.s.uploaded(ctx, tx, l.row.Import)
	})
	if errors.Is(err, store.ErrUnknown) {
		l.cut = nil // they may have their rows: what has none is collected as garbage
	}
	if err != nil {
		return l.offset, uploadRefusal(err)
	}
	l.offset, l.cut, l.since = size, nil, now
	return size, nil
}

// uploaded lets an import go on that has all the files it was announced with.
func (s *scope) uploaded(ctx context.Context, tx *store.Tx, id string) error {
	im, err := tx.LockImport(id)
	if err != nil {
		return err
	}
	var asked request
	if err := s.open(ctx, id, sealedRequest, im.Request, &asked); err != nil {
		return err
	}
	if asked.Files == 0 || im.Parts < int64(asked.Files) {
		return nil
	}
	parts, err := tx.Parts(id, rolePart)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if !p.Complete {
			return nil
		}
	}
	return s.fetched(tx, im)
}

// Discard drops what was written since the last Commit.
func (l *uploading) Discard() {
	l.writer.Abort()
	l.s.discard(l.ctx, l.row.Import, storedSegments(l.cut))
	l.reopen()
}

// Release gives the place back.
func (l *uploading) Release() {
	l.released.Do(func() {
		l.Discard()
		l.writer.Abort()
		close(l.renewing)
		l.renewed.Wait()
		err := l.s.t.Write(l.ctx, func(tx *store.Tx) error { return tx.ReleaseUpload(l.id, l.token) })
		if err != nil && !errors.Is(err, store.ErrLeaseLost) {
			l.s.log.Warn("the lease of an upload was not given back; it ends by itself", "import", l.row.Import, "error", err)
		}
	})
}
