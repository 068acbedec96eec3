package app

import (
	"context"
	"errors"
	"fmt"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/queue"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Roles of parts.
const (
	rolePart    = "came"    // came in
	roleDerived = "derived" // made by a stage, from what came in
)

// aboutPart is what is known of a part and sealed: a name is personal.
type aboutPart struct {
	Source   string
	Name     string
	Position int
	Origin   importer.Origin
	Version  dlx.Version
	SHA256   []byte
	Type     dlx.MediaType
	Refused  importer.ReasonCode
	Metadata map[string][]byte // of an upload, as the client gave it
	Of       []byte            // digest of what a derived part was made from
}

// keeper keeps the parts of a fetch: every byte in segments, every row under the
// fence of the job.
type keeper struct {
	s   *scope
	run *queue.Run
	id  string
}

var _ source.Keeper = (*keeper)(nil)

// fenced runs f in a transaction that fails when the job's lease is lost.
func (k *keeper) fenced(ctx context.Context, f func(tx *store.Tx) error) error {
	return k.s.t.Write(ctx, func(tx *store.Tx) error {
		if err := k.run.Fence(tx); err != nil {
			return err
		}
		return f(tx)
	})
}

// State returns what Remember was given last.
func (k *keeper) State(ctx context.Context) ([]byte, error) {
	im, err := k.s.read(ctx, k.id)
	if err != nil || im.Fetched == nil {
		return nil, err
	}
	return k.s.v.Open(ctx, k.id, sealedFetched, im.Fetched)
}

// Remember keeps the state of the fetch, sealed.
func (k *keeper) Remember(ctx context.Context, state []byte) error {
	column, err := k.s.v.Seal(ctx, k.id, sealedFetched, state)
	if err != nil {
		return err
	}
	return k.fenced(ctx, func(tx *store.Tx) error {
		im, err := tx.LockImport(k.id)
		if err != nil {
			return err
		}
		im.Fetched = column
		return tx.SaveImport(im)
	})
}

// Part opens the part of a key, or begins it.
func (k *keeper) Part(ctx context.Context, about source.About) (source.Keeping, error) {
	p := &kept{keeper: k, ctx: ctx, about: aboutPart{Source: linkSource, Name: about.Name, Position: about.Position, Origin: about.Origin,
		Version: dlx.Version{Size: -1}}}
	column, err := k.s.seal(ctx, k.id, sealedPart, p.about)
	if err != nil {
		return nil, err
	}
	err = k.fenced(ctx, func(tx *store.Tx) error {
		row, err := tx.PartByKey(k.id, about.Key)
		if errors.Is(err, store.ErrNotFound) {
			if _, err := tx.LockImport(k.id); err != nil {
				return err
			}
			row = &store.Part{Import: k.id, Role: rolePart, Key: about.Key, Declared: -1, About: column}
			err = tx.InsertPart(row)
		}
		if err != nil {
			return err
		}
		p.row = row
		p.segments, err = tx.Segments(k.id, row.Number)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := k.s.open(ctx, k.id, sealedPart, p.row.About, &p.about); err != nil {
		return nil, err
	}
	p.reopen()
	return p, nil
}

// Drop forgets a part.
func (k *keeper) Drop(ctx context.Context, key string) error {
	var dropped []store.Segment
	err := k.fenced(ctx, func(tx *store.Tx) error {
		row, err := tx.PartByKey(k.id, key)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		dropped, err = tx.DropPart(k.id, row.Number)
		return err
	})
	k.s.discard(ctx, k.id, dropped)
	return err
}

// kept is one part while it is fetched.
type kept struct {
	*keeper
	ctx      context.Context
	row      *store.Part
	about    aboutPart
	segments []store.Segment
	writer   *sealed.Writer
	reader   *sealed.Reader
}

// reopen starts reading and writing behind the committed segments.
func (p *kept) reopen() {
	p.writer = p.s.v.Writer(p.ctx, p.id, sealed.WriterOptions{Offset: p.row.Size, Commit: p.commit})
	p.reader = p.s.v.Reader(p.id, sealedSegments(p.segments))
}

// commit makes the rows of durable segments: only then do they exist.
func (p *kept) commit(ctx context.Context, list []sealed.Segment) error {
	var row *store.Part
	err := p.fenced(ctx, func(tx *store.Tx) (err error) {
		row, err = p.s.addSegments(tx, p.id, p.row.Number, list)
		return err
	})
	if err != nil {
		return err
	}
	p.row = row
	p.segments = append(p.segments, storedSegments(list)...)
	return nil
}

// Write appends.
func (p *kept) Write(b []byte) (int, error) { return p.writer.Write(b) }

// ReadAt reads what is committed.
func (p *kept) ReadAt(b []byte, off int64) (int, error) { return p.reader.ReadAt(b, off) }

// Offset counts what is held, committed or not.
func (p *kept) Offset() int64 { return p.writer.Offset() + p.writer.Pending() }

// Version is what the bytes belong to.
func (p *kept) Version() dlx.Version { return p.about.Version }

// Finished reports a part that is complete.
func (p *kept) Finished() bool { return p.row.Complete }

// Reset drops what is held.
func (p *kept) Reset(ctx context.Context, v dlx.Version) error {
	p.writer.Abort()
	p.about.Version, p.about.Refused = v, ""
	if err := p.drop(ctx, false); err != nil {
		return err
	}
	p.reopen()
	return nil
}

// drop removes the segments and saves what is known of the part.
func (p *kept) drop(ctx context.Context, complete bool) error {
	column, err := p.s.seal(ctx, p.id, sealedPart, p.about)
	if err != nil {
		return err
	}
	var dropped []store.Segment
	err = p.fenced(ctx, func(tx *store.Tx) (err error) {
		if dropped, err = tx.DropSegments(p.id, p.row.Number); err != nil {
			return err
		}
		row, err := tx.LockPart(p.id, p.row.Number)
		if err != nil {
			return err
		}
		row.About, row.Complete, row.Declared = column, complete, p.about.Version.Size
		p.row = row
		return tx.SavePart(row)
	})
	if err != nil {
		return err
	}
	p.segments = nil
	p.s.discard(ctx, p.id, dropped)
	return nil
}

// Flush makes all that was written durable.
func (p *kept) Flush(ctx context.Context) error {
	if err := p.writer.Flush(ctx); err != nil {
		return err
	}
	p.reader = p.s.v.Reader(p.id, sealedSegments(p.segments))
	return nil
}

// Complete says that this is all there is.
func (p *kept) Complete(ctx context.Context, sum source.Sum) error {
	if err := p.Flush(ctx); err != nil {
		return err
	}
	p.about.SHA256, p.about.Type = sum.SHA256[:], sum.Type
	column, err := p.s.seal(ctx, p.id, sealedPart, p.about)
	if err != nil {
		return err
	}
	return p.fenced(ctx, func(tx *store.Tx) error {
		row, err := tx.LockPart(p.id, p.row.Number)
		if err != nil {
			return err
		}
		row.About, row.Complete = column, true
		p.row = row
		return tx.SavePart(row)
	})
}

// Refuse records why the part cannot be had.
func (p *kept) Refuse(ctx context.Context, reason importer.ReasonCode) error {
	p.writer.Abort()
	p.about.Refused = reason
	if err := p.drop(ctx, true); err != nil {
		return err
	}
	p.reopen()
	return nil
}

// Close makes durable what was written where that can be done.
func (p *kept) Close() error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), closeTime)
	defer cancel()
	if err := p.writer.Flush(ctx); err != nil {
		p.writer.Abort()
		return fmt.Errorf("keep the last bytes of a part: %w", err)
	}
	return nil
}
