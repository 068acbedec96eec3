package app

import (
	"context"
	"time"

	"lotse/internal/store"
)

// TrailEvent is an entry of the audit trail.
type TrailEvent struct {
	ID     string         `json:"id"`
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor" doc:"An id: token:…, dicom:… or lotse itself."`
	Event  string         `json:"event" doc:"What happened, a code."`
	Detail map[string]any `json:"detail" nullable:"false" doc:"Codes, states, ids and numbers; nothing personal."`
}

// Trail returns what happened to an import, in order, also after it was erased.
func (g *Gateway) Trail(ctx context.Context, who Who, id string) ([]TrailEvent, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var list []store.Event
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = tx.Import(id); err != nil {
			return err
		}
		list, err = tx.Events(id)
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := s.viewed(ctx, view{event: viewTrail, id: id}); err != nil {
		return nil, err
	}
	out := make([]TrailEvent, len(list))
	for i, e := range list {
		out[i] = trailEvent(e)
	}
	return out, nil
}

func trailEvent(e store.Event) TrailEvent {
	return TrailEvent{ID: e.ID, At: e.At, Actor: e.Actor, Event: e.Event, Detail: e.Detail}
}

// Version returns the version of an import: what an edit is compared with.
func (g *Gateway) Version(ctx context.Context, who Who, id string) (int64, error) {
	var version int64
	err := g.reach(who).Read(ctx, func(tx *store.Tx) error {
		im, err := tx.Import(id)
		if err == nil {
			version = im.Version
		}
		return err
	})
	return version, err
}

// ReceiptKey is the public half of a key that receipts are signed with.
type ReceiptKey struct {
	ID      string    `json:"id" doc:"As in the receipt."`
	Public  string    `json:"public" doc:"Ed25519, Base64."`
	Created time.Time `json:"created"`
}

// ReceiptKeys returns the keys that receipts can be verified with, oldest first.
func (g *Gateway) ReceiptKeys(ctx context.Context, who Who) ([]ReceiptKey, error) {
	var list []store.SigningKey
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		list, err = tx.SigningKeys()
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make([]ReceiptKey, len(list))
	for i, k := range list {
		out[i] = ReceiptKey(k)
	}
	return out, nil
}
