package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lotse/internal/store"
)

// Names of what the installation remembers of its setting up.
const (
	setupHash  = "setup.hash"  // of the one-time secret
	setupDone  = "done"        // in its place once it was used
	setupTries = "setup.tries" // the minute of the last try and how many there were in it
)

// triesAMinute is how often the whole installation lets a one-time secret be tried.
const triesAMinute = 5

// ErrUsed: the one-time secret is not, or no longer, good for anything.
var ErrUsed = errors.New("this link has been used, or another one has replaced it")

// ThrottledError says that it was tried too often, and when to try again.
type ThrottledError struct{ After time.Duration }

func (e *ThrottledError) Error() string { return "tried too often" }

// Setup returns a one-time secret that makes the first administrator, and
// replaces the one before; "" when there has been a first administrator already.
func (t *Tokens) Setup(ctx context.Context) (string, error) { return t.setup(ctx, false) }

// SetupAgain is Setup also when there has been a first administrator: for an operator
// of whose installation nobody can manage it any more.
func (t *Tokens) SetupAgain(ctx context.Context) (string, error) { return t.setup(ctx, true) }

func (t *Tokens) setup(ctx context.Context, again bool) (string, error) {
	present, err := t.db.System().Installation(ctx, setupHash)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return "", fmt.Errorf("prepare the setting up: %w", err)
	}
	if present == setupDone && !again {
		return "", nil
	}
	secret := newSecret()
	swapped, err := t.db.System().SwapInstallation(ctx, setupHash, present, digest(secret))
	if err == nil && !swapped {
		err = errors.New("another node does it at the same time")
	}
	if err != nil {
		return "", fmt.Errorf("prepare the setting up: %w", err)
	}
	return secret, nil
}

// Redeem turns the one-time secret into the token of a tenant's first
// administrator. It works once; [ErrUsed] afterwards. *ThrottledError when it was
// tried too often.
func (t *Tokens) Redeem(ctx context.Context, tenant, secret string) (string, error) {
	token := tokenPrefix + newSecret()
	err := t.redeem(ctx, tenant, secret, func(tx *store.Tx) error {
		return insert(tx, setupActor, &store.Token{ID: store.NewID(), Hash: digest(token), Name: "first administrator", Role: string(Administrator), Created: tx.Now()})
	})
	if err != nil {
		return "", err
	}
	return token, nil
}

// setupActor is who makes the first administrator.
const setupActor = "setup"

// redeem makes the first administrator by the one-time secret.
func (t *Tokens) redeem(ctx context.Context, tenant, secret string, make func(tx *store.Tx) error) error {
	if err := t.try(ctx); err != nil {
		return err
	}
	swapped, err := t.db.System().SwapInstallation(ctx, setupHash, digest(secret), setupDone)
	if err == nil && !swapped {
		err = ErrUsed
	}
	if err != nil {
		return err
	}
	if err = t.db.Tenant(tenant).Write(ctx, make); err != nil { // the link is good again: nobody got anything for it
		undo := t.db.System().SetInstallation(ctx, setupHash, digest(secret))
		return errors.Join(fmt.Errorf("create the first administrator: %w", err), undo)
	}
	return nil
}

// try counts a try at the one-time secret, over all nodes.
func (t *Tokens) try(ctx context.Context) error {
	for range triesAMinute { // as many may collide
		var now time.Time
		err := t.db.System().Read(ctx, func(tx *store.Tx) error {
			now = tx.Now()
			return nil
		})
		if err != nil {
			return err
		}
		present, err := t.db.System().Installation(ctx, setupTries)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		minute, tries := int64(0), 0
		_, _ = fmt.Sscanf(present, "%d %d", &minute, &tries) // nothing there is no try
		if minute != now.Unix()/60 {
			minute, tries = now.Unix()/60, 0
		}
		if tries >= triesAMinute {
			break
		}
		swapped, err := t.db.System().SwapInstallation(ctx, setupTries, present, fmt.Sprintf("%d %d", minute, tries+1))
		if swapped || err != nil {
			return err
		}
	}
	return &ThrottledError{time.Minute}
}
