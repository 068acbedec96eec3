package receive

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"lotse/dimse"
	"lotse/dimse/commitment"
)

// Server is a C-STORE provider. Make it by [New].
type Server struct {
	cfg     Config
	rules   Rules
	intake  Intake
	reports Reports
	log     *slog.Logger
	dimse   dimse.Server

	places chan struct{} // one for each object that may arrive at the same time
	open   atomic.Int64
	paused atomic.Bool

	mu      sync.Mutex
	callers map[*dimse.Peer]Rule // who is let in, by association
}

// New makes a server. reports may be nil: then nobody can report. log may be nil; it
// gets addresses and AE titles, never UIDs or contents.
func New(cfg Config, rules Rules, intake Intake, reports Reports, log *slog.Logger) (*Server, error) {
	if rules == nil || intake == nil {
		return nil, errors.New("receive: rules and an intake are needed")
	}
	if len(cfg.AETitle) > 16 {
		return nil, errors.New("receive: AE titles have 1 to 16 characters")
	}
	cfg = cfg.withDefaults()
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	s := &Server{cfg: cfg, rules: rules, intake: intake, reports: reports, log: log,
		places: make(chan struct{}, cfg.Limits.OpenObjects), callers: map[*dimse.Peer]Rule{}}
	s.dimse = dimse.Server{
		AETitle: cfg.AETitle, Policy: choose, Admit: s.admit, Store: s.store, Ended: s.ended,
		MaxAssociations: cfg.Limits.Associations, Grace: cfg.Grace, Timeouts: cfg.Timeouts, Log: log,
	}
	if reports != nil {
		s.dimse.Services = map[string]dimse.Service{commitment.SOPClass: {Event: s.event()}}
	}
	return s, nil
}

// Run listens and serves until ctx ends, see [Server.Serve].
func (s *Server) Run(ctx context.Context) error {
	ln, err := s.Listen(ctx)
	if err != nil {
		return err
	}
	return s.Serve(ctx, ln)
}

// Listen opens the configured address, with TLS when configured.
func (s *Server) Listen(ctx context.Context) (net.Listener, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for DICOM: %w", err)
	}
	if s.cfg.TLS != nil {
		ln = tls.NewListener(ln, s.cfg.TLS)
	}
	return ln, nil
}

// Serve takes associations on ln until ctx ends. Then it takes no more, aborts those
// that are idle, lets objects under way be answered for as long as Config.Grace, and
// returns nil when nothing is left.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	return s.dimse.Serve(ctx, ln)
}

// Pause refuses associations transiently and objects as out of resources until
// [Server.Resume]: for maintenance, and while there is no room.
func (s *Server) Pause() { s.paused.Store(true) }

// Resume ends a pause.
func (s *Server) Resume() { s.paused.Store(false) }

// Open gives how many objects are arriving now, those included that wait in their Intake.
func (s *Server) Open() int { return int(s.open.Load()) }

// store takes one object.
func (s *Server) store(ctx context.Context, in dimse.StoreIndication) dimse.Status {
	rule, ok := s.rule(in.Peer)
	if !ok || !rule.Objects {
		in.Comment("not allowed to store objects")
		return dimse.NotAuthorized
	}
	err := s.take(ctx, rule, in)
	if err == nil {
		return dimse.Success
	}
	refusal := refusalOf(err)
	status := refusal.status()
	s.log.Warn("object not taken", "calling", in.Peer.CallingAE,
		"status", status.String(), "error", err)
	in.Comment(refusal.Text)
	return status
}

// take finds a place for an object and hands it on.
func (s *Server) take(ctx context.Context, rule Rule, in dimse.StoreIndication) error {
	if s.paused.Load() {
		return &Refusal{Reason: OutOfResources, Text: "closed for maintenance, try again later"}
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	b := &body{src: in.Data, left: s.cfg.Limits.ObjectBytes, until: time.Now().Add(s.cfg.Limits.ObjectTime)}
	if rule.ObjectBytes > 0 {
		b.left = min(b.left, rule.ObjectBytes)
	}
	prefix, id, err := peek(b, in.TransferSyntax)
	if err == nil {
		err = id.compare(in)
	}
	if err != nil {
		return err
	}
	header, err := fileMeta(id, in.TransferSyntax, in.Peer.CallingAE)
	if err != nil {
		return err
	}
	file := &whole{r: io.MultiReader(bytes.NewReader(header), bytes.NewReader(prefix), b)}
	err = s.intake.Receive(ctx, Meta{
		Rule: rule.Name, Tenant: rule.Tenant, Site: rule.Site, Counted: rule.Counted, CallingAE: in.Peer.CallingAE, CalledAE: in.Peer.CalledAE, Peer: addressOf(in.Peer).String(),
		SOPClass: id.class, SOPInstance: id.instance, Study: id.study,
		TransferSyntax: in.TransferSyntax, Header: len(header),
	}, file)
	if err == nil {
		err = file.verify()
	}
	if b.err != nil {
		err = b.err // says more than what the intake made of it, and never counts as success
	}
	return err
}

// compare refuses a data set that is not what the request says.
func (id identity) compare(in dimse.StoreIndication) error {
	switch {
	case id.class != in.SOPClass:
		return &Refusal{Reason: Mismatch, Text: "SOP Class UID differs from the request"}
	case id.instance != in.SOPInstance:
		return &Refusal{Reason: Mismatch, Text: "SOP Instance UID differs from the request"}
	}
	return nil
}

// enter waits for a place among the objects that arrive at the same time.
func (s *Server) enter(ctx context.Context) error {
	timer := time.NewTimer(s.cfg.Limits.OpenWait)
	defer timer.Stop()
	select {
	case s.places <- struct{}{}:
		s.open.Add(1)
		return nil
	case <-timer.C:
		return &Refusal{Reason: OutOfResources, Text: "too many objects at once, try again later"}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (s *Server) leave() {
	s.open.Add(-1)
	<-s.places
}
