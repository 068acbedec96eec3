package app

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
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
	var column string
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		column, err = tx.Setting(settingSigningKey)
		return err
	})
	if errors.Is(err, store.ErrNotFound) {
		column, err = s.newSigner(ctx)
	}
	if err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(column)
	if err != nil {
		return nil, fmt.Errorf("read the signing key: %w", err)
	}
	seed, err := s.v.OpenTenant(ctx, settingSigningKey, raw)
	if err != nil {
		return nil, err
	}
	if len(seed) != ed25519.SeedSize {
		return nil, fmt.Errorf("read the signing key: %w", sealed.ErrDamaged)
	}
	return receipt.Key(ed25519.NewKeyFromSeed(seed)), nil
}

// newSigner makes the key; should two nodes do so at once, the first one stands.
func (s *scope) newSigner(ctx context.Context) (string, error) {
	seed := make([]byte, ed25519.SeedSize)
	_, _ = rand.Read(seed) // never fails: it ends the process instead
	raw, err := s.v.SealTenant(ctx, settingSigningKey, seed)
	if err != nil {
		return "", err
	}
	key := receipt.Key(ed25519.NewKeyFromSeed(seed))
	var column string
	err = s.t.Write(ctx, func(tx *store.Tx) (err error) {
		if column, err = tx.Setting(settingSigningKey); !errors.Is(err, store.ErrNotFound) {
			return err
		}
		column = base64.StdEncoding.EncodeToString(raw)
		if err := tx.SetSetting(settingSigningKey, column); err != nil {
			return err
		}
		return tx.InsertSigningKey(&store.SigningKey{ID: key.KeyID(), Public: base64.StdEncoding.EncodeToString(key.Public()), Created: tx.Now()})
	})
	return column, err
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
				return tx.Audit(store.Event{Import: d.Import, Actor: machine, Event: "receipt.ended", Detail: map[string]any{"delivery": d.Delivery}})
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
	if err := s.t.Write(ctx, func(tx *store.Tx) error {
		return tx.Audit(store.Event{Import: id, Actor: s.who.Actor, Event: "access.receipt", Detail: map[string]any{"delivery": delivery}})
	}); err != nil {
		return nil, err
	}
	return whole(signed), nil
}
