package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// Terms are the terms of use of a tenant. Version 0: there are none.
type Terms struct {
	Version int64     `json:"version" doc:"Grows with every change; everybody has to accept a new one. 0: there are none."`
	Text    string    `json:"text" maxLength:"100000" doc:"Plain text; an empty line begins a paragraph."`
	Since   time.Time `json:"since,omitzero"`
}

// settingTerms holds Terms.
const settingTerms = "terms"

func currentTerms(tx *store.Tx) (Terms, error) {
	var t Terms
	value, err := tx.Setting(settingTerms)
	if errors.Is(err, store.ErrNotFound) {
		return t, nil
	}
	if err == nil && json.Unmarshal([]byte(value), &t) != nil {
		err = errors.New("read the terms of use: not what was written")
	}
	if t.Text == "" {
		t.Version = 0
	}
	return t, err
}

// Terms are the present terms of use of a tenant.
func (a *Accounts) Terms(ctx context.Context, by access.Actor) (Terms, error) {
	var t Terms
	err := a.db.Tenant(by.Tenant).Read(ctx, func(tx *store.Tx) (err error) {
		t, err = currentTerms(tx)
		return err
	})
	return t, err
}

// ChangeTerms replaces the terms of use; an empty text ends them. Who is in has to
// accept them at the next login.
func (a *Accounts) ChangeTerms(ctx context.Context, by access.Actor, text string) (Terms, error) {
	var t Terms
	err := a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		value, err := tx.Setting(settingTerms)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
		t = Terms{}
		if err == nil && json.Unmarshal([]byte(value), &t) != nil {
			return errors.New("read the terms of use: not what was written")
		}
		t = Terms{Version: t.Version + 1, Text: text, Since: tx.Now()}
		raw, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("write the terms of use: %w", err)
		}
		if err := tx.SetSetting(settingTerms, string(raw)); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "terms.changed", Detail: map[string]any{"version": t.Version, "none": text == ""}})
	})
	return t, err
}

// AcceptTerms accepts a version of the terms of use, which has to be the present one.
func (a *Accounts) AcceptTerms(ctx context.Context, by access.Actor, version int64) (*Entry, error) {
	return a.atStep(ctx, by, StepTerms, func(tx *store.Tx, u *store.User, _ *store.Session) error {
		t, err := currentTerms(tx)
		if err != nil {
			return err
		}
		if version != t.Version {
			return &InvalidError{"version", "not-current"}
		}
		u.Terms = version
		if err := tx.AcceptTerms(u.ID, version); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "terms.accepted", Detail: map[string]any{"version": version}})
	})
}
