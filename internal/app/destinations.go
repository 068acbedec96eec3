package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/deliver"
	"lotse/internal/store"
)

// NewDestination is a destination as an administrator sets it.
type NewDestination struct {
	Name string `json:"name" minLength:"1" maxLength:"100"`
	// Address as in `lotse import --to`; a folder is below one that is configured.
	Address string `json:"address" doc:"dicom://CALLED@host:port[?calling=AE&tls=on&associations=2] or dir:/path, below one of folders.roots"`
	// Verify is what proves that an object arrived: statuses or commitment.
	Verify string `json:"verify,omitempty" enum:"statuses,commitment" default:"statuses" doc:"What proves that an object arrived: C-STORE statuses, or storage commitment."`
	// PlaintextReason is why it may be sent to without TLS.
	PlaintextReason string `json:"plaintext_reason,omitempty" maxLength:"500" doc:"Why it may be without TLS; needed unless the configuration permits the peer, or it is on this machine."`
}

// DestinationView is a destination as it is kept.
type DestinationView struct {
	ID      string    `json:"id"`
	Version int64     `json:"version"`
	Created time.Time `json:"created"`
	NewDestination
}

// Kept is the id and the version.
func (d *DestinationView) Kept() (id string, version int64) { return d.ID, d.Version }

// destinationConfig is what a delivery takes with it.
type destinationConfig struct {
	Address string `json:"address"`
	Verify  string `json:"verify"`
	Reason  string `json:"plaintext_reason,omitempty"`
}

// Errors of destinations that may not be used, however they are written.
var (
	// ErrPlaintext: a destination is without TLS, and there is no reason for that.
	ErrPlaintext = errors.New("a destination without TLS needs a reason")
	// ErrFolder: a folder is below none of those that are configured.
	ErrFolder = errors.New("the folder is below none that is configured")
)

func (g *Gateway) checkDestination(n *NewDestination) ([]byte, error) {
	if strings.TrimSpace(n.Name) == "" {
		return nil, &InvalidError{"name", "missing"}
	}
	a, err := deliver.ParseAddress(n.Address)
	if err != nil {
		return nil, &InvalidError{"address", err.Error()}
	}
	switch n.Verify {
	case "":
		n.Verify = proofStatuses
	case proofStatuses:
	case proofCommit:
		if a.Folder != "" {
			return nil, &InvalidError{"verify", "a folder commits itself to nothing"}
		}
	default:
		return nil, &InvalidError{"verify", "statuses or commitment"}
	}
	n.PlaintextReason = strings.TrimSpace(n.PlaintextReason)
	c := destinationConfig{n.Address, n.Verify, n.PlaintextReason}
	if err := g.permitted(c, a); err != nil {
		return nil, err
	}
	return json.Marshal(c)
}

// permitted says whether anything may be sent to a destination: ErrPlaintext, ErrFolder.
func (g *Gateway) permitted(c destinationConfig, a deliver.Address) error {
	if a.Folder != "" {
		if g.rootOf(a.Folder) == "" {
			return ErrFolder
		}
		return nil
	}
	if a.TLS != deliver.TLSOff || c.Reason != "" {
		return nil
	}
	if _, ok := g.opts.Plaintext.Allow(a.HostPort); !ok {
		return ErrPlaintext
	}
	return nil
}

// rootOf is the configured folder that a folder is below or is; empty when there is none.
// Where links lead is judged when the folder is opened.
func (g *Gateway) rootOf(folder string) string {
	for _, root := range g.opts.FolderRoots {
		inside, err := filepath.Rel(root, folder)
		if err == nil && filepath.IsLocal(inside) {
			return root
		}
	}
	return ""
}

// permittedConfig is permitted for what a delivery took with it; what has changed
// since counts.
func (g *Gateway) permittedConfig(raw []byte) error {
	c, err := configOf(raw)
	if err != nil {
		return err
	}
	a, err := deliver.ParseAddress(c.Address)
	if err != nil {
		return err
	}
	return g.permitted(c, a)
}

func configOf(raw []byte) (destinationConfig, error) {
	var c destinationConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return c, fmt.Errorf("read a destination: %w", err)
	}
	return c, nil
}

func addressOf(raw []byte) (deliver.Address, error) {
	c, err := configOf(raw)
	if err != nil {
		return deliver.Address{}, err
	}
	return deliver.ParseAddress(c.Address)
}

func verifyOf(raw []byte) (string, error) {
	c, err := configOf(raw)
	return c.Verify, err
}

// refusedProblem is what a destination that is not permitted means to a delivery.
func refusedProblem(err error) error {
	switch {
	case errors.Is(err, ErrPlaintext):
		return &importer.Problem{Code: importer.ProblemPlaintext, Err: err}
	case errors.Is(err, ErrFolder):
		return &importer.Problem{Code: importer.ProblemFolder, Err: err}
	}
	return err
}

// destinationOf is where a delivery goes.
func (g *Gateway) destinationOf(raw []byte) (deliver.Destination, error) {
	a, err := addressOf(raw)
	if err != nil {
		return nil, err
	}
	if a.Folder != "" {
		return deliver.NewFolder(a.Folder).Below(g.rootOf(a.Folder)), nil // permitted was asked before
	}
	return deliver.NewNode(a, g.delivery()), nil
}

// delivery is how a DICOM node is spoken to.
func (g *Gateway) delivery() deliver.Options { return deliver.Options{Roots: g.opts.DestinationCAs} }

func (g *Gateway) nodeOf(raw []byte) (*deliver.Node, error) {
	a, err := addressOf(raw)
	if err != nil {
		return nil, err
	}
	if err := g.permittedConfig(raw); err != nil {
		return nil, refusedProblem(err)
	}
	return deliver.NewNode(a, g.delivery()), nil
}

func destinationView(d store.Destination) (DestinationView, error) {
	c, err := configOf(d.Config)
	return DestinationView{ID: d.ID, Version: d.Version, Created: d.Created,
		NewDestination: NewDestination{Name: d.Name, Address: c.Address, Verify: c.Verify, PlaintextReason: c.Reason}}, err
}

// AddDestination makes a destination.
func (g *Gateway) AddDestination(ctx context.Context, who Who, n NewDestination) (*DestinationView, error) {
	config, err := g.checkDestination(&n)
	if err != nil {
		return nil, err
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	d := store.Destination{ID: store.NewID(), Name: n.Name, Config: config}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		d.Created = tx.Now()
		if err := tx.InsertDestination(&d); err != nil {
			return err
		}
		return s.auditDestination(tx, "destination.created", nil, &d)
	})
	if err != nil {
		return nil, err
	}
	v, err := destinationView(d)
	return &v, err
}

// auditDestination tells of a change; before and after are nil where there was, or is,
// none.
func (s *scope) auditDestination(tx *store.Tx, event string, before, after *store.Destination) error {
	detail := map[string]any{}
	for when, d := range map[string]*store.Destination{"before": before, "after": after} {
		if d != nil {
			detail["destination"] = d.ID
			detail[when] = map[string]any{"name": d.Name, "config": json.RawMessage(d.Config)}
		}
	}
	return tx.Audit(store.Event{Actor: s.who.Actor, Session: s.who.Session, Event: event, Detail: detail})
}

// Destinations lists what can be delivered to.
func (g *Gateway) Destinations(ctx context.Context, who Who) ([]DestinationView, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var list []store.Destination
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.Destinations()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]DestinationView, len(list))
	for i, d := range list {
		if out[i], err = destinationView(d); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Destination returns one.
func (g *Gateway) Destination(ctx context.Context, who Who, id string) (*DestinationView, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var d *store.Destination
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		d, err = tx.Destination(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !d.Deleted.IsZero() {
		return nil, ErrNotFound
	}
	v, err := destinationView(*d)
	return &v, err
}

// ChangeDestination replaces a destination; deliveries that were decided before keep
// what they were decided with.
func (g *Gateway) ChangeDestination(ctx context.Context, who Who, id string, version int64, n NewDestination) (*DestinationView, error) {
	config, err := g.checkDestination(&n)
	if err != nil {
		return nil, err
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var d *store.Destination
	err = s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if d, err = s.destination(tx, id, version); err != nil {
			return err
		}
		before := *d
		d.Name, d.Config = n.Name, config
		if err := tx.SaveDestination(d); err != nil {
			return err
		}
		return s.auditDestination(tx, "destination.changed", &before, d)
	})
	if err != nil {
		return nil, err
	}
	v, err := destinationView(*d)
	return &v, err
}

// RemoveDestination takes a destination out of use.
func (g *Gateway) RemoveDestination(ctx context.Context, who Who, id string, version int64) error {
	s, err := g.scope(ctx, who)
	if err != nil {
		return err
	}
	return s.t.Write(ctx, func(tx *store.Tx) error {
		d, err := s.destination(tx, id, version)
		if err != nil {
			return err
		}
		if err := tx.DeleteDestination(id); err != nil {
			return err
		}
		return s.auditDestination(tx, "destination.removed", d, nil)
	})
}

func (s *scope) destination(tx *store.Tx, id string, version int64) (*store.Destination, error) {
	d, err := tx.Destination(id)
	switch {
	case err != nil:
		return nil, err
	case !d.Deleted.IsZero():
		return nil, ErrNotFound
	case d.Version != version:
		return nil, ErrChanged
	}
	return d, nil
}

// TestDestination tries a destination: what works, what does not.
func (g *Gateway) TestDestination(ctx context.Context, n NewDestination) ([]deliver.Check, error) {
	config, err := g.checkDestination(&n)
	if err != nil {
		return nil, err
	}
	a, err := addressOf(config)
	if err != nil {
		return nil, err
	}
	options := g.delivery()
	if a.Folder != "" {
		options.Below = g.rootOf(a.Folder)
	}
	return deliver.Test(ctx, a, options), nil
}
