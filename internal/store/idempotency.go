package store

import (
	"context"
	"errors"
	"time"
)

// ErrMismatch: the key came before with another request.
var ErrMismatch = errors.New("the idempotency key belongs to another request")

// Stored is the answer that a request with an idempotency key got. Who keeps it seals it.
type Stored struct {
	Status        int // of HTTP
	Headers, Body []byte
}

// BeginIdempotent begins a request with an idempotency key; route and hash say
// which request it is. Stored is the answer when it was answered before and nil
// when it is to be run. [ErrConflict] while another with the key is running, unless
// that began longer than stale ago: then it is taken over. [ErrMismatch] when the
// key came with another route or hash. No error spoils the transaction.
func (tx *Tx) BeginIdempotent(key, route, hash string, stale time.Duration) (*Stored, error) {
	n, err := tx.exec("INSERT INTO idempotency (tenant_id, key, route, hash, created_at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
		key, route, hash, micros(tx.now))
	if err != nil || n == 1 {
		return nil, err
	}
	var found Stored
	var knownRoute, knownHash string
	var began time.Time
	err = tx.row("SELECT route, hash, status, headers, body, created_at FROM idempotency WHERE tenant_id = $1 AND key = $2"+tx.forUpdate(),
		[]any{key}, &knownRoute, &knownHash, &found.Status, &found.Headers, &found.Body, stamp{&began})
	switch {
	case err != nil:
		return nil, err
	case knownRoute != route || knownHash != hash:
		return nil, ErrMismatch
	case found.Status != 0:
		return &found, nil
	case tx.now.Sub(began) < stale:
		return nil, ErrConflict
	}
	_, err = tx.exec("UPDATE idempotency SET created_at = $3 WHERE tenant_id = $1 AND key = $2", key, micros(tx.now))
	return nil, err
}

// FinishIdempotent keeps the answer of a request that is running; begun is the time of
// the transaction that began it. In the transaction of what the request does, it makes
// that happen once: [ErrConflict] when another run with the key has answered or taken
// over, or it was forgotten.
func (tx *Tx) FinishIdempotent(key string, begun time.Time, status int, headers, body []byte) error {
	return insertedOne(tx.exec("UPDATE idempotency SET status = $4, headers = $5, body = $6 "+
		"WHERE tenant_id = $1 AND key = $2 AND created_at <= $3 AND status = 0", key, micros(begun), status, blob(headers), blob(body)))
}

// ForgetIdempotent lets a request that failed be run again; begun is the time of the
// transaction that began it. One that was answered or taken over is let be.
func (tx *Tx) ForgetIdempotent(key string, begun time.Time) error {
	_, err := tx.exec("DELETE FROM idempotency WHERE tenant_id = $1 AND key = $2 AND created_at <= $3 AND status = 0", key, micros(begun))
	return err
}

// DropIdempotent forgets all requests that began before a time and tells how many.
func (s *System) DropIdempotent(ctx context.Context, before time.Time) (int64, error) {
	var n int64
	err := s.Write(ctx, func(tx *Tx) (err error) {
		n, err = tx.systemExec("DELETE FROM idempotency WHERE created_at < $1", before.UnixMicro())
		return err
	})
	return n, err
}
