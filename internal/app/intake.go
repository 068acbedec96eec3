package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"sync"
	"time"

	"lotse/dlx"
	"lotse/internal/auth/access"
	"lotse/internal/importer"
	"lotse/internal/receive"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Intake keeps objects that are received by C-STORE in imports keyed by caller and
// study, of the tenant and site that the rule of their sender names. An import takes
// objects, through any node, until none has come for the quiet time; then it is closed,
// and what comes later opens another.
type Intake struct {
	g      *Gateway
	tenant string // of rules that name none

	mu    sync.Mutex
	desks map[string]*desk // by tenant
}

// desk takes the objects of one tenant: they share transactions.
type desk struct {
	arrived *receive.Group[*arrived]
	charges *receive.Group[*charge]

	mu   sync.Mutex
	busy int // objects that are there or on their way
}

var (
	_ receive.Intake  = (*Intake)(nil)
	_ receive.Reports = (*Gateway)(nil)
)

// Intake returns where objects are kept; those whose sender's rule names no tenant
// belong to the one given.
func (g *Gateway) Intake(tenant string) *Intake {
	return &Intake{g: g, tenant: tenant, desks: map[string]*desk{}}
}

// desk is that of a tenant.
func (in *Intake) desk(tenant string) *desk {
	in.mu.Lock()
	defer in.mu.Unlock()
	if d := in.desks[tenant]; d != nil {
		return d
	}
	d := &desk{}
	who := Who{Tenant: tenant, Actor: machine}
	d.arrived = receive.NewGroup(func(ctx context.Context, list []*arrived) error { return in.commit(ctx, who, list) },
		receive.GroupOptions{Pending: d.pending})
	d.charges = receive.NewGroup(func(ctx context.Context, list []*charge) error { return in.g.chargeAll(ctx, who, list) },
		receive.GroupOptions{Wait: -1})
	in.desks[tenant] = d
	return d
}

func (d *desk) pending() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.busy
}

// arrived is an object whose bytes are durable, before anything knows of it.
type arrived struct {
	key      string // of its part
	imports  string
	intake   string
	about    []byte
	segments []sealed.Segment
	since    time.Time // by the database: when none of the segments was there
	closed   bool      // the import was closed meanwhile: it goes into another one
	late     bool      // it took so long to come that its segments may be collected
}

// Receive stores an object durably.
func (in *Intake) Receive(ctx context.Context, meta receive.Meta, r io.Reader) error {
	if meta.Tenant == "" {
		meta.Tenant = in.tenant
	}
	d := in.desk(meta.Tenant)
	d.count(1)
	defer d.count(-1)
	if !meta.Counted {
		return in.receive(ctx, d, meta, r)
	}
	t := &tally{group: d.charges, caller: meta.Rule}
	if err := t.take(ctx, 1, firstCharge); err != nil {
		return err
	}
	counted := &charged{Reader: r, ctx: ctx, t: t}
	err := in.receive(ctx, d, meta, counted)
	if e := t.settle(ctx, err == nil, counted.read); e != nil {
		in.g.log.Warn("what a caller sent counts for more than it was, for an hour", "caller", meta.Rule, "error", e)
	}
	return err
}

func (in *Intake) receive(ctx context.Context, d *desk, meta receive.Meta, r io.Reader) error {
	who := Who{Tenant: meta.Tenant, Actor: "dicom:" + meta.CallingAE}
	remote, _ := netip.ParseAddr(meta.Peer) // for the audit trail, as all requests have it
	ctx = access.WithActor(ctx, access.Actor{ID: who.Actor, Tenant: who.Tenant, Kind: access.Token, Remote: remote})
	s, err := in.g.scope(ctx, who)
	if err != nil {
		return err
	}
	purpose := "intake"
	if meta.Site != "" {
		purpose += " of " + meta.Site
	}
	key, err := s.v.MAC(ctx, purpose, meta.CallingAE+"\\"+meta.Study)
	if err != nil {
		return err
	}
	a := &arrived{key: store.NewID(), intake: key}
	source := r
	for {
		if err := in.store(ctx, s, a, meta, source); err != nil {
			return err
		}
		if err := d.arrived.Do(ctx, a); err != nil || !a.closed && !a.late {
			return err
		}
		if a.late {
			s.discard(ctx, a.imports, storedSegments(a.segments))
			return errSlow
		}
		// Its import was closed between the first byte and the last: into the next one.
		old := s.v.Reader(a.imports, a.segments).WithContext(ctx)
		defer s.discard(ctx, a.imports, storedSegments(a.segments))
		source = io.NewSectionReader(old, 0, old.Size())
	}
}

func (d *desk) count(n int) {
	d.mu.Lock()
	d.busy += n
	d.mu.Unlock()
}

// store writes the bytes into segments of the import that is open for them.
func (in *Intake) store(ctx context.Context, s *scope, a *arrived, meta receive.Meta, r io.Reader) error {
	since, err := s.databaseTime(ctx)
	if err != nil {
		return err
	}
	id, err := in.open(ctx, s, a.intake, meta.Site)
	if err != nil {
		return err
	}
	a.imports, a.segments, a.since, a.closed = id, nil, since, false
	about := aboutPart{Source: "dicom", Name: "object.dcm", Type: dlx.DICOM,
		Origin: importer.Origin{Kind: importer.FromUpload, Label: meta.CallingAE}}
	if a.about, err = s.seal(ctx, id, sealedPart, about); err != nil {
		return err
	}
	w := s.v.Writer(ctx, id, sealed.WriterOptions{Commit: func(_ context.Context, list []sealed.Segment) error {
		a.segments = append(a.segments, list...)
		return nil
	}})
	_, err = io.Copy(w, r)
	if err == nil {
		err = w.Flush(ctx)
	}
	if err != nil {
		w.Abort()
		s.discard(ctx, id, storedSegments(a.segments))
		return fmt.Errorf("store an object: %w", err)
	}
	return nil
}

// openTries bounds how often another one may begin an import and close it again
// before it is found.
const openTries = 10

// open finds the import that takes objects of a caller and study, or begins it.
func (in *Intake) open(ctx context.Context, s *scope, key, site string) (id string, err error) {
	for range openTries {
		if id, err = in.lookup(ctx, s, key); !errors.Is(err, store.ErrNotFound) {
			return id, err
		}
		if id, err = in.begin(ctx, s, key, site); !errors.Is(err, store.ErrConflict) {
			return id, err
		}
	}
	return "", err
}

// begin begins an import; store.ErrConflict when another was faster.
func (in *Intake) begin(ctx context.Context, s *scope, key, site string) (string, error) {
	im, err := s.begin(ctx, KindDICOM, "")
	if err != nil {
		return "", err
	}
	im.Site, im.IntakeKey, im.Priority = site, key, PriorityBatch
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		limits, err := s.keeping(tx)
		if err != nil {
			return err
		}
		im.Quiet = tx.Now().Add(limits.quiet)
		return s.insert(tx, im)
	})
	return im.ID, err
}

func (in *Intake) lookup(ctx context.Context, s *scope, key string) (string, error) {
	var id string
	err := s.t.Write(ctx, func(tx *store.Tx) error {
		im, err := tx.OpenIntake(key)
		if err == nil {
			id = im.ID
		}
		return err
	})
	return id, err
}

// commit makes objects exist, several in one transaction. Doing it again changes
// nothing.
func (in *Intake) commit(ctx context.Context, who Who, list []*arrived) error {
	s, err := in.g.scope(ctx, who)
	if err != nil {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		for _, a := range list {
			if err := in.add(s, tx, a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *Intake) add(s *scope, tx *store.Tx, a *arrived) error {
	_, err := tx.PartByKey(a.imports, a.key)
	if err == nil {
		return nil // committed by an attempt whose answer was lost
	}
	if !errors.Is(err, store.ErrNotFound) {
		return err
	}
	im, err := tx.LockImport(a.imports)
	if err != nil {
		return err
	}
	a.closed, a.late = im.Quiet.IsZero(), tx.Now().Sub(a.since) > rowTime
	if a.closed || a.late {
		return nil
	}
	row := &store.Part{Import: a.imports, Role: rolePart, Key: a.key, Declared: -1, About: a.about}
	if err := tx.InsertPart(row); err != nil {
		return err
	}
	if row, err = s.addSegments(tx, a.imports, row.Number, a.segments); err != nil {
		return err
	}
	row.Complete = true
	if err := tx.SavePart(row); err != nil {
		return err
	}
	if im, err = tx.LockImport(a.imports); err != nil {
		return err
	}
	limits, err := s.keeping(tx)
	if err != nil {
		return err
	}
	im.Quiet = tx.Now().Add(limits.quiet)
	return tx.SaveImport(im)
}
