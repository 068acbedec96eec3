package v1

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"lotse/internal/api/idempotency"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// attemptLease is how long an attempt that never ended keeps its key.
const attemptLease = 2 * time.Minute

// purposeReply seals the answers that are kept.
const purposeReply = "idempotent reply"

// Idempotency keeps the answers of creations in the database: keys and requests as MACs
// of their tenant, answers sealed.
func Idempotency(db *store.DB, vault *sealed.Vault) idempotency.Store {
	return &replies{db: db, vault: vault}
}

type replies struct {
	db    *store.DB
	vault *sealed.Vault
	begun sync.Map // of attempts of this process: when they took their key, by id
}

// macs stand for the key and the request of an attempt.
func (s *replies) macs(ctx context.Context, a idempotency.Attempt) (v *sealed.Tenant, key, hash string, err error) {
	if v, err = s.vault.Tenant(ctx, a.Tenant); err != nil {
		return nil, "", "", err
	}
	if key, err = v.MAC(ctx, "idempotency key", fmt.Sprintf("%d:%s %d:%s %s", len(a.Actor), a.Actor, len(a.Route), a.Route, a.Key)); err != nil {
		return nil, "", "", err
	}
	hash, err = v.MAC(ctx, "idempotent request", hex.EncodeToString(a.Hash[:]))
	return v, key, hash, err
}

// Begin implements idempotency.Store.
func (s *replies) Begin(ctx context.Context, a idempotency.Attempt) (idempotency.State, idempotency.Reply, error) {
	v, key, hash, err := s.macs(ctx, a)
	if err != nil {
		return 0, idempotency.Reply{}, err
	}
	var kept *store.Stored
	var now time.Time
	err = s.db.Tenant(a.Tenant).Write(ctx, func(tx *store.Tx) (err error) {
		now = tx.Now()
		kept, err = tx.BeginIdempotent(key, a.Route, hash, attemptLease)
		return err
	})
	switch {
	case errors.Is(err, store.ErrMismatch):
		return idempotency.Mismatch, idempotency.Reply{}, nil
	case errors.Is(err, store.ErrConflict):
		return idempotency.Busy, idempotency.Reply{}, nil
	case err != nil:
		return 0, idempotency.Reply{}, err
	case kept == nil:
		s.begun.Store(a.ID, now)
		return idempotency.Run, idempotency.Reply{}, nil
	}
	reply, err := openReply(ctx, v, kept)
	return idempotency.Replay, reply, err
}

func openReply(ctx context.Context, v *sealed.Tenant, kept *store.Stored) (idempotency.Reply, error) {
	reply := idempotency.Reply{}
	plain, err := v.OpenTenant(ctx, purposeReply, kept.Body)
	if err != nil {
		return reply, err
	}
	if err := json.Unmarshal(plain, &reply); err != nil {
		return reply, errors.New("open an answer that was kept: not what was sealed")
	}
	return reply, nil
}

// Finish implements idempotency.Store.
func (s *replies) Finish(ctx context.Context, a idempotency.Attempt, r idempotency.Reply) error {
	begun, ok := s.take(a)
	if !ok {
		return store.ErrLeaseLost
	}
	v, key, _, err := s.macs(ctx, a)
	if err != nil {
		return err
	}
	plain, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep an answer: %w", err)
	}
	body, err := v.SealTenant(ctx, purposeReply, plain)
	if err != nil {
		return err
	}
	return s.db.Tenant(a.Tenant).Write(ctx, func(tx *store.Tx) error {
		return tx.FinishIdempotent(key, begun, r.Status, nil, body)
	})
}

// Abandon implements idempotency.Store.
func (s *replies) Abandon(ctx context.Context, a idempotency.Attempt) error {
	begun, ok := s.take(a)
	if !ok {
		return store.ErrLeaseLost
	}
	_, key, _, err := s.macs(ctx, a)
	if err != nil {
		return err
	}
	return s.db.Tenant(a.Tenant).Write(ctx, func(tx *store.Tx) error { return tx.ForgetIdempotent(key, begun) })
}

// take is when an attempt took its key.
func (s *replies) take(a idempotency.Attempt) (time.Time, bool) {
	at, ok := s.begun.LoadAndDelete(a.ID)
	if !ok {
		return time.Time{}, false
	}
	begun, ok := at.(time.Time)
	return begun, ok
}
