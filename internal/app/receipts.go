package app

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"

	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// makeReceipt makes the receipt of a delivery that ends with a problem and proof,
// signed: whole as a derived part, and without what is personal in its result.
func (s *scope) makeReceipt(ctx context.Context, fence func(*store.Tx) error, d *store.Delivery) ([]byte, error) {
	key, err := s.signer(ctx)
	if err != nil {
		return nil, err
	}
	head, err := s.receiptHead(ctx, d)
	if err != nil {
		return nil, err
	}
	spool := s.spool(ctx, d.Import)
	defer spool.Close()
	rec := receipt.New(*head, spool)
	if err := s.lines(ctx, d, rec.Add); err != nil {
		return nil, err
	}
	rec.Finished = s.opts.Now().UTC()
	signed, err := s.derive(ctx, derivation{fence: fence, id: d.Import, key: keyReceipt(d.ID)}, func(w io.Writer) error {
		return rec.WriteSigned(ctx, w, key)
	})
	if err != nil {
		return nil, err
	}
	var open bytes.Buffer
	err = receipt.Redact(&open, whole(signed))
	return open.Bytes(), err
}

// receiptHead is what a receipt says of the delivery as a whole.
func (s *scope) receiptHead(ctx context.Context, d *store.Delivery) (*receipt.Head, error) {
	im, err := s.read(ctx, d.Import)
	if err != nil {
		return nil, err
	}
	var dec decided
	if err := s.open(ctx, d.Import, sealedDecision, im.Decision, &dec); err != nil {
		return nil, err
	}
	found, err := s.inspection(ctx, d.Import)
	if err != nil {
		return nil, err
	}
	to, err := s.destinationOf(d.Config)
	if err != nil {
		return nil, err
	}
	findings := append(append([]importer.Finding{}, found.Inspection.Findings...), dec.Findings...)
	return &receipt.Head{Version: s.opts.Version, Started: dec.Decision.At, Source: found.Origin, Destination: to.String(),
		LegalBasis: im.LegalBasis, Patient: localPatient(&dec.Decision), Problem: string(d.Problem), Findings: findings}, nil
}

// settingSigningKey holds the seed of the key that receipts are signed with, sealed.
const settingSigningKey = "signing-key"

// signer is the tenant's key for receipts, made when there is none.
func (s *scope) signer(ctx context.Context) (receipt.Key, error) {
	key, err := s.ownSigningKey(ctx, settingSigningKey, func(tx *store.Tx, made ed25519.PrivateKey) error {
		key := receipt.Key(made)
		return tx.InsertSigningKey(&store.SigningKey{ID: key.KeyID(), Public: base64.StdEncoding.EncodeToString(key.Public()), Created: tx.Now()})
	})
	return receipt.Key(key), err
}

// receiptEnded reports whether the receipt of a delivery is kept no longer.
func (s *scope) receiptEnded(im *store.Import, d *store.Delivery) bool {
	return im.State == importer.Purged && s.opts.Now().Sub(d.Settled) > s.opts.Receipts
}

// endReceipts deletes the receipts of purged imports whose time has come. The trail of
// what happened stays. A clock that jumped pauses it.
func (g *Gateway) endReceipts(ctx context.Context) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if steady, err := g.steady(ctx, now); err != nil || !steady {
		return err
	}
	before := now.Add(-g.opts.Receipts)
	for {
		due, err := g.db.System().DueReceipts(ctx, before, batchOfTick)
		if err != nil {
			return err
		}
		for _, d := range due {
			err := g.reach(Who{Tenant: d.Tenant, Actor: machine}).Write(ctx, func(tx *store.Tx) error {
				if err := tx.DropReceipt(d.Delivery, before); err != nil {
					return err
				}
				return tx.Audit(store.Event{Import: d.Import, Actor: machine, Event: "import.receipt-ended", Detail: map[string]any{"delivery": d.Delivery}})
			})
			if err != nil && !errors.Is(err, store.ErrNotFound) { // another was faster
				return err
			}
		}
		if len(due) < batchOfTick {
			return nil
		}
	}
}

// Receipt writes the signed receipt of a delivery: whole as long as the import
// exists, afterwards without what was personal.
func (g *Gateway) Receipt(ctx context.Context, who Who, id, delivery string) (io.Reader, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var kept *store.Receipt
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		if _, err = tx.Import(id); err == nil {
			kept, err = tx.Receipt(delivery)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	if kept.Import != id {
		return nil, ErrNotFound
	}
	signed, err := s.derived(ctx, id, keyReceipt(delivery), nil)
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sealed.ErrErased):
		return bytes.NewReader(kept.Document), nil
	case err != nil:
		return nil, err
	}
	if err := s.viewed(ctx, view{event: viewReceipt, id: id, delivery: delivery}); err != nil {
		return nil, err
	}
	return whole(signed), nil
}
