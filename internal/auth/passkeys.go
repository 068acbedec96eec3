package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/auth/passkey"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

const kindPasskey = "passkey"

// ByPasskey proves two factors at once: who has the device, and can unlock it.
const ByPasskey Method = "passkey"

// manyPasskeys is how many somebody may have.
const manyPasskeys = 20

// ErrNoPasskeys: this installation has none, its address being no name.
var ErrNoPasskeys = errors.New("passkeys need an address that is a name")

// HasPasskeys tells whether there can be any here.
func (a *Accounts) HasPasskeys() bool { return a.opts.Passkeys != nil }

// secretPasskey is what is sealed of a passkey.
type secretPasskey struct {
	Name string      `json:"name"`
	Key  passkey.Key `json:"key"`
}

// PasskeyOptions begin a registration or proof in a browser.
type PasskeyOptions struct {
	Ceremony string          `json:"ceremony" doc:"To be sent back with the browser's answer, within five minutes."`
	Options  json.RawMessage `json:"options" doc:"For PublicKeyCredential.parseCreationOptionsFromJSON, or parseRequestOptionsFromJSON."`
}

// sealedCeremony travels through the browser, which cannot read it: nothing is kept of
// a proof that only began.
type sealedCeremony struct {
	User string `json:"user,omitempty"` // who registers; empty: a proof
	Data []byte `json:"data"`
}

const purposeCeremony = "passkey ceremony"

// options seals a ceremony.
func (a *Accounts) options(ctx context.Context, v *sealed.Tenant, user string, options json.RawMessage, c passkey.Ceremony) (*PasskeyOptions, error) {
	data, err := sealJSON(ctx, v, purposeCeremony, sealedCeremony{user, c})
	if err != nil {
		return nil, err
	}
	return &PasskeyOptions{base64.RawURLEncoding.EncodeToString(data), options}, nil
}

// ceremony opens what options sealed, for the one who registers or, with "", for a
// proof: [ErrLogin] when it is not that.
func (a *Accounts) ceremony(ctx context.Context, v *sealed.Tenant, user, text string) (passkey.Ceremony, error) {
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil, ErrLogin
	}
	var c sealedCeremony
	switch err := openJSON(ctx, v, purposeCeremony, data, &c); {
	case errors.Is(err, sealed.ErrDamaged):
		return nil, ErrLogin
	case err != nil:
		return nil, err
	case c.User != user:
		return nil, ErrLogin
	}
	return c.Data, nil
}

// member is a person as passkeys know them. The handle is the account's id: it names
// nobody.
func (a *Accounts) member(ctx context.Context, v *sealed.Tenant, user string, p profile) (passkey.Person, []store.Credential, error) {
	who := passkey.Person{Handle: []byte(user), Login: p.Login, Name: p.Name}
	all, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) ([]store.Credential, error) { return tx.CredentialsOf(user) })
	if err != nil {
		return who, nil, err
	}
	all = slices.DeleteFunc(all, func(c store.Credential) bool { return c.Kind != kindPasskey || c.State != store.CredentialActive })
	for _, c := range all {
		var s secretPasskey
		if err := openJSON(ctx, v, purposeCredential(kindPasskey, user), c.Data, &s); err != nil {
			return who, nil, err
		}
		who.Keys = append(who.Keys, s.Key)
	}
	return who, all, nil
}

// BeginPasskey begins to register a passkey of a person, who proved just now who they
// are, or at the step of a login that needs a second factor.
func (a *Accounts) BeginPasskey(ctx context.Context, by access.Actor) (*PasskeyOptions, error) {
	if a.opts.Passkeys == nil {
		return nil, ErrNoPasskeys
	}
	v, u, p, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	if err := a.db.Tenant(by.Tenant).Read(ctx, func(tx *store.Tx) error { return a.enrols(tx, by) }); err != nil {
		return nil, err
	}
	who, _, err := a.member(ctx, v, u.ID, p)
	if err != nil {
		return nil, err
	}
	options, c, err := a.opts.Passkeys.Register(who)
	if err != nil {
		return nil, err
	}
	return a.options(ctx, v, u.ID, options, c)
}

// AddPasskey keeps a new passkey, under a name its owner knows it by. All other
// sessions end: they were made without it. A login that needs one goes on.
func (a *Accounts) AddPasskey(ctx context.Context, by access.Actor, ceremony, name string, answer []byte) (*Entry, error) {
	if a.opts.Passkeys == nil {
		return nil, ErrNoPasskeys
	}
	if name = written(name, len(name)); name == "" {
		return nil, &InvalidError{"name", "empty"}
	}
	v, u, p, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	c, err := a.ceremony(ctx, v, u.ID, ceremony)
	if err != nil {
		return nil, err
	}
	who, have, err := a.member(ctx, v, u.ID, p)
	if err != nil {
		return nil, err
	}
	if len(have) >= manyPasskeys {
		return nil, &InvalidError{"name", "too-many-passkeys"}
	}
	key, err := a.opts.Passkeys.Registered(who, c, answer)
	if errors.Is(err, passkey.ErrInvalid) {
		return nil, errors.Join(ErrLogin, err)
	} else if err != nil {
		return nil, err
	}
	row, err := a.passkeyRow(ctx, v, u.ID, secretPasskey{name, key})
	if err != nil {
		return nil, err
	}
	state, err := a.State(ctx, by)
	if err != nil {
		return nil, err
	}
	return a.atStep(ctx, by, state.Step, func(tx *store.Tx, _ *store.User, s *store.Session) error {
		if err := a.enrols(tx, by); err != nil {
			return err
		}
		one := *row
		if err := tx.InsertCredential(&one); err != nil {
			return err
		}
		s.Methods, s.Proved = append(s.Methods, string(ByPasskey)), tx.Now() // making it proves it
		if _, err := tx.EndSessions(s.User, s.ID); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "factor.added", Detail: map[string]any{"factor": one.ID, "kind": kindPasskey}})
	})
}

// passkeyRow is a passkey as it is kept.
func (a *Accounts) passkeyRow(ctx context.Context, v *sealed.Tenant, user string, s secretPasskey) (*store.Credential, error) {
	data, err := sealJSON(ctx, v, purposeCredential(kindPasskey, user), s)
	if err != nil {
		return nil, err
	}
	lookup, err := v.MAC(ctx, kindPasskey, string(s.Key.ID))
	if err != nil {
		return nil, err
	}
	return &store.Credential{ID: store.NewID(), User: user, Kind: kindPasskey, State: store.CredentialActive, Lookup: lookup, Data: data}, nil
}

// PasskeyChallenge begins a proof. It tells nothing about any account.
func (a *Accounts) PasskeyChallenge(ctx context.Context, tenant string) (*PasskeyOptions, error) {
	if a.opts.Passkeys == nil {
		return nil, ErrNoPasskeys
	}
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, hidden(err)
	}
	options, c, err := a.opts.Passkeys.Challenge()
	if err != nil {
		return nil, err
	}
	return a.options(ctx, v, "", options, c)
}

// LoginPasskey logs the owner of a passkey in. [ErrLogin], whatever was wrong.
func (a *Accounts) LoginPasskey(ctx context.Context, tenant, ceremony string, answer []byte) (*Entry, error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, hidden(err)
	}
	user, use, err := a.provePasskey(ctx, v, ceremony, answer)
	if err != nil {
		return nil, err
	}
	return a.enter(ctx, v, user, ByPasskey, use)
}

// FactorPasskey proves the second factor of a login by a passkey of the same person.
func (a *Accounts) FactorPasskey(ctx context.Context, by access.Actor, ceremony string, answer []byte) (*Entry, error) {
	return a.ownPasskey(ctx, by, StepFactor, ceremony, answer, func(tx *store.Tx, s *store.Session) error {
		s.Methods, s.Proved = append(s.Methods, string(ByPasskey)), tx.Now()
		return nil
	})
}

// AgainPasskey proves once more who somebody is who is in.
func (a *Accounts) AgainPasskey(ctx context.Context, by access.Actor, ceremony string, answer []byte) (*Entry, error) {
	return a.ownPasskey(ctx, by, StepIn, ceremony, answer, func(tx *store.Tx, s *store.Session) error {
		s.Proved = tx.Now()
		return tx.Audit(store.Event{Actor: by.ID, Event: "login.again", Detail: map[string]any{"session": s.ID, "method": ByPasskey}})
	})
}

// ownPasskey proves a passkey of the person of a session, at a step.
func (a *Accounts) ownPasskey(ctx context.Context, by access.Actor, step Step, ceremony string, answer []byte, f func(*store.Tx, *store.Session) error) (*Entry, error) {
	own, err := userOf(by)
	if err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	user, use, err := a.provePasskey(ctx, v, ceremony, answer)
	if err == nil && user != own {
		err = errors.Join(ErrLogin, a.failedBy(ctx, v.ID(), own, ByPasskey, "another-account"))
	}
	if err != nil {
		return nil, err
	}
	return a.atStep(ctx, by, step, func(tx *store.Tx, _ *store.User, s *store.Session) error {
		if err := use(tx); err != nil {
			return err
		}
		return f(tx, s)
	})
}

// provePasskey finds the owner of a passkey, and what is to be written with what
// follows from it: the key as it is now, and that the proof was used.
func (a *Accounts) provePasskey(ctx context.Context, v *sealed.Tenant, ceremony string, answer []byte) (user string, use func(*store.Tx) error, err error) {
	if a.opts.Passkeys == nil {
		return "", nil, ErrNoPasskeys
	}
	c, err := a.ceremony(ctx, v, "", ceremony)
	if err != nil {
		return "", nil, err
	}
	proof := digest(kindPasskey + " " + string(c)) // by what was sealed: its text has several spellings
	if err := a.db.Tenant(v.ID()).Read(ctx, func(tx *store.Tx) error { return unspent(tx, proof) }); err != nil {
		return "", nil, err
	}
	t, err := a.unnamed(ctx, v)
	if err != nil {
		return "", nil, err
	}
	who, key, err := a.opts.Passkeys.Prove(c, answer, func(handle []byte) (passkey.Person, error) { return a.byHandle(ctx, v, string(handle)) })
	user = string(who.Handle)
	switch {
	case errors.Is(err, passkey.ErrCopied):
		return "", nil, errors.Join(ErrLogin, a.withdraw(ctx, v, user, key, proof))
	case errors.Is(err, passkey.ErrInvalid), errors.Is(err, store.ErrNotFound):
		return "", nil, errors.Join(ErrLogin, a.failedBy(ctx, v.ID(), "", ByPasskey, "not-valid"))
	case err != nil:
		return "", nil, err
	}
	row, err := a.usedPasskey(ctx, v, user, key)
	if err != nil {
		return "", nil, err
	}
	return user, func(tx *store.Tx) error {
		if err := spend(tx, proof, passkey.CeremonyTime); err != nil {
			return err
		}
		if err := t.succeeded(tx); err != nil {
			return err
		}
		if err := tx.SaveCredential(row); err != nil {
			return errors.Join(ErrLogin, dropNotFound(err))
		}
		return tx.UseCredential(row.ID, max(row.Counter+1, tx.Now().UnixMicro()))
	}, nil
}

// unspent refuses a proof that was used. One that is shown again is no sign of a copied
// key, though its counter looks like it: [ErrLogin].
func unspent(tx *store.Tx, proof string) error {
	spent, err := tx.Spent(proof)
	if spent {
		err = ErrLogin
	}
	return err
}

// spend notes that a proof was used, which is good for so long: [ErrLogin] when it was
// used before.
func spend(tx *store.Tx, proof string, good time.Duration) error {
	err := tx.Spend(proof, tx.Now().Add(2*good)) // longer: clocks differ
	if errors.Is(err, store.ErrConflict) {
		return ErrLogin
	}
	return err
}

// byHandle is the person with a handle. [store.ErrNotFound].
func (a *Accounts) byHandle(ctx context.Context, v *sealed.Tenant, user string) (passkey.Person, error) {
	u, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) (*store.User, error) { return tx.User(user) })
	if err == nil && u.State != store.UserActive {
		err = store.ErrNotFound
	}
	if err != nil {
		return passkey.Person{}, err
	}
	who, _, err := a.member(ctx, v, u.ID, profile{})
	return who, err
}

// usedPasskey is the row of a passkey with the key as it is now.
func (a *Accounts) usedPasskey(ctx context.Context, v *sealed.Tenant, user string, key passkey.Key) (*store.Credential, error) {
	lookup, err := v.MAC(ctx, kindPasskey, string(key.ID))
	if err != nil {
		return nil, err
	}
	row, err := look(ctx, a.db.Tenant(v.ID()), func(tx *store.Tx) (*store.Credential, error) { return tx.CredentialByLookup(kindPasskey, lookup) })
	if err != nil {
		return nil, errors.Join(ErrLogin, dropNotFound(err))
	}
	var s secretPasskey
	if err := openJSON(ctx, v, purposeCredential(kindPasskey, user), row.Data, &s); err != nil {
		return nil, err
	}
	s.Key = key
	row.Data, err = sealJSON(ctx, v, purposeCredential(kindPasskey, user), s)
	return row, err
}

// withdraw ends a passkey that may have been copied: nobody knows any more whose it is.
// That the same proof got in meanwhile, on another node, is no such sign.
func (a *Accounts) withdraw(ctx context.Context, v *sealed.Tenant, user string, key passkey.Key, proof string) error {
	row, err := a.usedPasskey(ctx, v, user, key)
	if err != nil {
		return err
	}
	return a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error {
		if err := unspent(tx, proof); err != nil {
			return err
		}
		if err := tx.DeleteCredential(user, row.ID); err != nil {
			return dropNotFound(err)
		}
		if _, err := tx.EndSessions(user, ""); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: nobody, Event: "factor.withdrawn", Detail: map[string]any{"user": user, "factor": row.ID, "reason": "copied"}})
	})
}

// failedBy tells of a proof that failed and that nobody can guess.
func (a *Accounts) failedBy(ctx context.Context, tenant, user string, m Method, why string) error {
	detail := map[string]any{"method": m, "reason": why}
	if user != "" {
		detail["user"] = user
	}
	err := a.db.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
		return tx.Audit(store.Event{Actor: nobody, Event: "login.failed", Detail: detail})
	})
	if err != nil {
		err = fmt.Errorf("tell of a proof that failed: %w", err)
	}
	return err
}
