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
	"lotse/internal/scratch"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// made is a signed receipt: whole, in a scratch file, and without personal data.
type made struct {
	io.Reader
	file *scratch.File
	open []byte
}

// Close gives the scratch file back.
func (m *made) Close() error { return m.file.Close() }

// makeReceipt makes the receipt of a delivery that ends with a problem and proof.
func (s *scope) makeReceipt(ctx context.Context, d *store.Delivery) (*made, error) {
	key, err := s.signer(ctx)
	if err != nil {
		return nil, err
	}
	head, err := s.receiptHead(ctx, d)
	if err != nil {
		return nil, err
	}
	spool, err := scratch.New(s.opts.ScratchDir)
	if err != nil {
		return nil, err
	}
	defer spool.Close()
	rec := receipt.New(*head, spool)
	if err := s.lines(ctx, d, rec.Add); err != nil {
		return nil, err
	}
	rec.Finished = s.opts.Now().UTC()
	m := &made{}
	if m.file, err = scratch.New(s.opts.ScratchDir); err != nil {
		return nil, err
	}
	err = rec.WriteSigned(ctx, m.file, key)
	if err == nil {
		m.Reader = io.NewSectionReader(m.file, 0, m.file.Size())
		var open bytes.Buffer
		err = receipt.Redact(&open, io.NewSectionReader(m.file, 0, m.file.Size()))
		m.open = open.Bytes()
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
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
	to, err := destinationOf(d.Config)
	if err != nil {
		return nil, err
	}
	findings := append(append([]importer.Finding{}, found.Inspection.Findings...), dec.Findings...)
	return &receipt.Head{Version: s.opts.Version, Started: dec.Decision.At, Source: found.Origin, Destination: to.String(),
		Patient: localPatient(&dec.Decision), Problem: string(d.Problem), Findings: findings}, nil
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

// Receipt writes the signed receipt of a delivery: whole as long as the import
// exists, afterwards without what was personal.
func (g *Gateway) Receipt(ctx context.Context, who Who, id, delivery string) (io.Reader, error) {
	s, err := g.scope(ctx, who)
	if err != nil {
		return nil, err
	}
	var kept *store.Receipt
	err = s.t.Read(ctx, func(tx *store.Tx) (err error) {
		kept, err = tx.Receipt(delivery)
		return err
	})
	if err != nil {
		return nil, err
	}
	if kept.Import != id {
		return nil, ErrNotFound
	}
	whole, err := s.derived(ctx, id, keyReceipt(delivery))
	switch {
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sealed.ErrErased):
		return bytes.NewReader(kept.Document), nil
	case err != nil:
		return nil, err
	}
	if err := s.viewed(ctx, view{event: viewReceipt, id: id, delivery: delivery}); err != nil {
		return nil, err
	}
	return io.NewSectionReader(whole, 0, whole.Size()), nil
}
