package node

import (
	"context"
	"fmt"

	"lotse/internal/audit"
	"lotse/internal/config"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// Stores are what a node keeps everything in, opened as they are: no migration is
// run and no key is made.
type Stores struct {
	DB     *store.DB
	Blobs  blob.Store
	Keys   keyring.Store
	Master *keyring.KeyMaster
}

// OpenStores opens what a configuration names, for the commands that look after it.
func OpenStores(ctx context.Context, cfg *config.Config) (*Stores, error) {
	n := &Node{Config: cfg}
	master, err := keyring.MasterFile(n.masterKeyFile())
	if err != nil {
		return nil, fmt.Errorf("open the master key: %w", err)
	}
	if err := n.openBlobs(ctx); err != nil {
		return nil, err
	}
	keys, err := n.openKeyring(ctx)
	if err != nil {
		return nil, err
	}
	db, err := OpenDatabase(ctx, cfg)
	if err != nil {
		return nil, err
	}
	s := &Stores{DB: db, Blobs: n.Blobs, Keys: keys, Master: master}
	db.SealEvents(audit.NewSealer(s.Vault()))
	return s, nil
}

// OpenKeys opens the keyring that a configuration names, and nothing else: for what opens
// columns and no segments.
func OpenKeys(ctx context.Context, cfg *config.Config) (*sealed.Vault, error) {
	n := &Node{Config: cfg}
	master, err := keyring.MasterFile(n.masterKeyFile())
	if err != nil {
		return nil, fmt.Errorf("open the master key: %w", err)
	}
	keys, err := n.openKeyring(ctx)
	if err != nil {
		return nil, err
	}
	return sealed.New(nil, keyring.New(keys, master), sealed.Options{}), nil
}

// Vault is the sealed storage over them.
func (s *Stores) Vault() *sealed.Vault {
	return sealed.New(s.Blobs, keyring.New(s.Keys, s.Master), sealed.Options{})
}

// Close lets them go.
func (s *Stores) Close() error { return s.DB.Close() }
