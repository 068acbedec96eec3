package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"lotse/internal/importer/source"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Keys of derived parts: the inspection, what a person sees of it, with keyReceipt a
// delivery's receipt, and with keyNested an archive that was packed in another.
const (
	keyInspection = "inspection"
	keySummary    = "summary"
)

func keyReceipt(delivery string) string { return "receipt " + delivery }

// keyNested begins with the version of the way in which packages number what is in them.
func keyNested(place string) string { return "nested 1 " + place }

// derivation is a derived part that is to be made.
type derivation struct {
	fence func(*store.Tx) error
	id    string // of the import
	key   string
	// of is the digest of what it is made from, where it is the same every time: then a
	// part of the same stands, whoever made it. nil: it takes the place of the one there is.
	of []byte
}

// errSlow: it took so long to come that its first segments are near being collected.
var errSlow = errors.New("it took too long to come, and is not kept")

// derive makes a part, of what fill writes. Its segments get their rows all at once
// with it, so it is there whole or not at all; those that a crash leaves are collected.
func (s *scope) derive(ctx context.Context, d derivation, fill func(io.Writer) error) (*sealed.Reader, error) {
	begun, err := s.mayDerive(ctx, d)
	if err != nil {
		return nil, err
	}
	w := s.spool(ctx, d.id)
	err = fill(w)
	if err == nil {
		err = w.flush()
	}
	if err != nil {
		w.Close()
		return nil, fmt.Errorf("write a derived part: %w", err)
	}
	rows, err := s.keepDerived(ctx, d, begun, w)
	if err != nil {
		return nil, err
	}
	return s.v.Reader(d.id, rows).WithContext(ctx), nil
}

// mayDerive says from when on segments may be without rows.
func (s *scope) mayDerive(ctx context.Context, d derivation) (begun time.Time, err error) {
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		begun = tx.Now()
		if err := d.fence(tx); err != nil {
			return err
		}
		_, err := s.lockAlive(tx, d.id)
		return err
	})
	return begun, err
}

// keepDerived makes the part exist and returns the segments that it has then.
func (s *scope) keepDerived(ctx context.Context, d derivation, begun time.Time, made *spool) ([]sealed.Segment, error) {
	about, err := s.aboutDerived(ctx, d)
	if err != nil {
		made.Close()
		return nil, err
	}
	var there, dropped []store.Segment
	found := false
	err = s.t.Write(ctx, func(tx *store.Tx) (err error) {
		found, there, dropped = false, nil, nil
		if err := d.fence(tx); err != nil {
			return err
		}
		if _, err := s.lockAlive(tx, d.id); err != nil {
			return err
		}
		if tx.Now().Sub(begun) > rowTime {
			return errSlow
		}
		old, err := s.derivedPart(tx, d.id, d.key, d.of)
		switch {
		case err == nil && d.of != nil: // another was faster
			found = true
			there, err = tx.Segments(d.id, old.Number)
			return err
		case err == nil || errors.Is(err, errOther):
			if dropped, err = tx.DropPart(d.id, old.Number); err != nil {
				return err
			}
		case !errors.Is(err, store.ErrNotFound):
			return err
		}
		row := &store.Part{Import: d.id, Role: roleDerived, Key: d.key, Declared: -1, About: about}
		if err := tx.InsertPart(row); err != nil {
			return err
		}
		if err := tx.AddSegments(d.id, row.Number, storedSegments(made.list)); err != nil {
			return err
		}
		row.Complete = true
		return tx.SavePart(row)
	})
	switch {
	case errors.Is(err, store.ErrUnknown): // they may have their rows: what has none is collected
		return nil, err
	case err != nil:
		made.Close()
		return nil, err
	case found:
		made.Close()
		return sealedSegments(there), nil
	}
	s.discard(ctx, d.id, dropped)
	return made.list, nil
}

// aboutDerived is sealed where there is something to say.
func (s *scope) aboutDerived(ctx context.Context, d derivation) ([]byte, error) {
	if d.of == nil {
		return nil, nil
	}
	return s.seal(ctx, d.id, sealedPart, aboutPart{Of: d.of})
}

// errOther: there is a part of the key, incomplete or made of something else.
var errOther = errors.New("another part of the same key")

// derivedPart reads a complete part; store.ErrNotFound when there is none, and errOther
// with one that is not what is meant.
func (s *scope) derivedPart(tx *store.Tx, id, key string, of []byte) (*store.Part, error) {
	row, err := tx.PartByKey(id, key)
	if err != nil {
		return nil, err
	}
	var about aboutPart
	if err := s.open(tx.Context(), id, sealedPart, row.About, &about); err != nil {
		return nil, err
	}
	if !row.Complete || row.Role != roleDerived || !bytes.Equal(about.Of, of) {
		return row, errOther
	}
	return row, nil
}

// derived opens a part that a stage made of something; store.ErrNotFound when there
// is none.
func (s *scope) derived(ctx context.Context, id, key string, of []byte) (*sealed.Reader, error) {
	var segments []store.Segment
	err := s.t.Read(ctx, func(tx *store.Tx) error {
		row, err := s.derivedPart(tx, id, key, of)
		if err != nil {
			return err
		}
		segments, err = tx.Segments(id, row.Number)
		return err
	})
	if errors.Is(err, errOther) {
		err = store.ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	return s.v.Reader(id, sealedSegments(segments)).WithContext(ctx), nil
}

// nested keeps the archives that were packed in the parts of an import.
type nested struct {
	s     *scope
	fence func(*store.Tx) error
	id    string
	of    []byte // digest of the parts
}

var _ source.Deriver = (*nested)(nil)

// Derive finds what was made before, on whichever node, or makes it.
func (n *nested) Derive(ctx context.Context, key string, fill func(io.Writer) error) (*io.SectionReader, error) {
	key = keyNested(key)
	r, err := n.s.derived(ctx, n.id, key, n.of)
	if errors.Is(err, store.ErrNotFound) {
		r, err = n.s.derive(ctx, derivation{fence: n.fence, id: n.id, key: key, of: n.of}, fill)
	}
	if err != nil {
		return nil, err
	}
	return whole(r), nil
}

func whole(r *sealed.Reader) *io.SectionReader { return io.NewSectionReader(r, 0, r.Size()) }

func (s *scope) deriveJSON(ctx context.Context, fence func(*store.Tx) error, id, key string, value any) error {
	_, err := s.derive(ctx, derivation{fence: fence, id: id, key: key}, func(w io.Writer) error {
		if err := json.NewEncoder(w).Encode(value); err != nil {
			return fmt.Errorf("keep the %s: %w", key, err)
		}
		return nil
	})
	return err
}

func (s *scope) derivedJSON(ctx context.Context, id, key string, value any) error {
	r, err := s.derived(ctx, id, key, nil)
	if err != nil {
		return err
	}
	if err := json.NewDecoder(whole(r)).Decode(value); err != nil {
		return fmt.Errorf("read the %s: %w", key, err)
	}
	return nil
}

// spool is bytes in sealed segments that have no rows: not yet, or never. It is a
// receipt's Spool.
type spool struct {
	s    *scope
	ctx  context.Context
	id   string
	w    *sealed.Writer
	list []sealed.Segment
	r    *sealed.Reader // of what is flushed
}

// spool begins one under the key of an import.
func (s *scope) spool(ctx context.Context, id string) *spool {
	p := &spool{s: s, ctx: ctx, id: id}
	p.w = s.v.Writer(ctx, id, sealed.WriterOptions{MaxAge: rowTime, Commit: func(_ context.Context, list []sealed.Segment) error {
		p.list = append(p.list, list...)
		return nil
	}})
	return p
}

// Write appends.
func (p *spool) Write(b []byte) (int, error) {
	p.r = nil
	return p.w.Write(b)
}

func (p *spool) flush() error {
	if p.r != nil {
		return nil
	}
	if err := p.w.Flush(p.ctx); err != nil {
		return err
	}
	p.r = p.s.v.Reader(p.id, p.list).WithContext(p.ctx)
	return nil
}

// ReadAt reads what was written.
func (p *spool) ReadAt(b []byte, off int64) (int, error) {
	if err := p.flush(); err != nil {
		return 0, err
	}
	return p.r.ReadAt(b, off)
}

// Close drops everything.
func (p *spool) Close() {
	p.w.Abort()
	p.s.discard(p.ctx, p.id, storedSegments(p.list))
	p.list = nil
}
