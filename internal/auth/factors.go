package auth

import (
	"context"
	"crypto/subtle"
	"errors"
	"slices"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"lotse/internal/auth/access"
	"lotse/internal/store"
)

// period is how long a code of TOTP is shown (RFC 6238 §4), and skew how many before
// and after the present one are taken: clocks differ, and people type.
const (
	period = 30 * time.Second
	skew   = 1
)

// product is what an authenticator shows the account under.
const product = "Lotse"

// secretTOTP is what is sealed of a second factor by TOTP.
type secretTOTP struct {
	Secret string `json:"secret"` // base32
}

// step is the step of a code that is right at a time; 0: none is, or its step is not
// after the last that was used.
func (s secretTOTP) step(code string, now time.Time, last int64) int64 {
	present := now.Unix() / int64(period/time.Second)
	for at := present - skew; at <= present+skew; at++ {
		want, err := hotp.GenerateCodeCustom(s.Secret, uint64(at), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && at > last {
			return at
		}
	}
	return 0
}

// Factor is a second factor as its owner sees it.
type Factor struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"`
	Name    string    `json:"name,omitempty" doc:"What its owner calls it."`
	Created time.Time `json:"created"`
	Used    time.Time `json:"used,omitzero"`
}

// Enrolment is a second factor that is to be confirmed by a code.
type Enrolment struct {
	ID     string `json:"id"`
	Secret string `json:"secret" doc:"For an authenticator that cannot read the picture, in Base32. It is shown this once."`
	URI    string `json:"uri" doc:"What a QR code for the authenticator has to say (otpauth)."`
}

// enrols tells whether a session may begin or confirm a second factor: where the login
// needs one, or in a session whose owner proved just now who they are.
func (a *Accounts) enrols(tx *store.Tx, by access.Actor) error {
	s, err := tx.Session(by.Session)
	switch {
	case err != nil:
		return err
	case Step(s.Step) == StepEnrol:
		return nil
	case Step(s.Step) != StepIn:
		return ErrStep
	case tx.Now().Sub(s.Proved) >= a.opts.Fresh:
		return access.ErrStale
	}
	return nil
}

// BeginTOTP makes the secret of a second factor, which replaces one that was never
// confirmed. It is good for nothing until ConfirmTOTP.
func (a *Accounts) BeginTOTP(ctx context.Context, by access.Actor) (*Enrolment, error) {
	v, u, p, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: product, AccountName: p.Login, Period: uint(period / time.Second)})
	if err != nil {
		return nil, err
	}
	data, err := sealJSON(ctx, v, purposeCredential(kindTOTP, u.ID), secretTOTP{key.Secret()})
	if err != nil {
		return nil, err
	}
	id := store.NewID()
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := a.enrols(tx, by); err != nil {
			return err
		}
		all, err := tx.CredentialsOf(u.ID)
		if err != nil {
			return err
		}
		for _, c := range all {
			if c.Kind != kindTOTP || c.State != store.CredentialPending {
				continue
			}
			if err := tx.DeleteCredential(u.ID, c.ID); err != nil {
				return err
			}
		}
		return tx.InsertCredential(&store.Credential{ID: id, User: u.ID, Kind: kindTOTP, State: store.CredentialPending, Data: data})
	})
	if err != nil {
		return nil, err
	}
	return &Enrolment{ID: id, Secret: key.Secret(), URI: key.URL()}, nil
}

// ConfirmTOTP makes a second factor good by its first code. All other sessions end:
// they were made without it. A login that needs one goes on.
func (a *Accounts) ConfirmTOTP(ctx context.Context, by access.Actor, id, code string) (*Entry, error) {
	state, err := a.State(ctx, by)
	if err != nil {
		return nil, err
	}
	return a.tryCode(ctx, by, state.Step, code, func(c store.Credential) bool { return c.ID == id && c.State == store.CredentialPending },
		func(tx *store.Tx, c *store.Credential, s *store.Session) error {
			if err := a.enrols(tx, by); err != nil {
				return err
			}
			c.State = store.CredentialActive
			if err := tx.SaveCredential(c); err != nil {
				return err
			}
			if _, err := tx.EndSessions(s.User, s.ID); err != nil {
				return err
			}
			return tx.Audit(store.Event{Actor: by.ID, Event: "factor.added", Detail: map[string]any{"factor": c.ID, "kind": c.Kind}})
		})
}

// ProveTOTP proves the second factor of a login. No code is good twice.
func (a *Accounts) ProveTOTP(ctx context.Context, by access.Actor, code string) (*Entry, error) {
	return a.tryCode(ctx, by, StepFactor, code, func(c store.Credential) bool { return c.State == store.CredentialActive },
		func(*store.Tx, *store.Credential, *store.Session) error { return nil })
}

// tryCode compares a code with the factors it may be of, and goes on with the login
// when it is right.
func (a *Accounts) tryCode(ctx context.Context, by access.Actor, step Step, code string, of func(store.Credential) bool,
	right func(*store.Tx, *store.Credential, *store.Session) error,
) (*Entry, error) {
	v, u, _, err := a.own(ctx, by)
	if err != nil {
		return nil, err
	}
	if state, err := a.State(ctx, by); err != nil || state.Step != step {
		return nil, errors.Join(ErrStep, err)
	}
	t, err := a.begin(ctx, v, u.Login, true)
	if err != nil {
		return nil, err
	}
	all, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) ([]store.Credential, error) { return tx.CredentialsOf(u.ID) })
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		if c.Kind != kindTOTP || !of(c) {
			continue
		}
		var secret secretTOTP
		if err := openJSON(ctx, v, purposeCredential(kindTOTP, u.ID), c.Data, &secret); err != nil {
			return nil, err
		}
		at := secret.step(code, t.now, c.Counter)
		if at == 0 {
			continue
		}
		e, err := a.atStep(ctx, by, step, func(tx *store.Tx, _ *store.User, s *store.Session) error {
			if err := tx.UseCredential(c.ID, at); errors.Is(err, store.ErrConflict) { // another request had it
				return ErrLogin
			} else if err != nil {
				return err
			}
			if err := t.succeeded(tx); err != nil {
				return err
			}
			if s.Proved = tx.Now(); !slices.Contains(s.Methods, string(ByTOTP)) {
				s.Methods = append(s.Methods, string(ByTOTP))
			}
			one := c
			return right(tx, &one, s)
		})
		return e, err
	}
	return nil, errors.Join(ErrLogin, a.failed(ctx, by.Tenant, t, ByTOTP))
}

// Factors lists the second factors of a person.
func (a *Accounts) Factors(ctx context.Context, by access.Actor) ([]Factor, error) {
	user, err := userOf(by)
	if err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	all, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) ([]store.Credential, error) { return tx.CredentialsOf(user) })
	if err != nil {
		return nil, err
	}
	out := []Factor{}
	for _, c := range all {
		if !isFactor(c.Kind) || c.State != store.CredentialActive {
			continue
		}
		var named struct {
			Name string `json:"name"`
		}
		if err := openJSON(ctx, v, purposeCredential(c.Kind, user), c.Data, &named); err != nil {
			return nil, err
		}
		out = append(out, Factor{ID: c.ID, Kind: c.Kind, Name: named.Name, Created: c.Created, Used: c.Used})
	}
	return out, nil
}

// EndFactor ends a second factor of a person. [ErrState] when a role needs one and it
// is the last. All other sessions end.
func (a *Accounts) EndFactor(ctx context.Context, by access.Actor, id string) error {
	user, err := userOf(by)
	if err != nil {
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		s, err := tx.Session(by.Session)
		if err != nil {
			return err
		}
		if tx.Now().Sub(s.Proved) >= a.opts.Fresh {
			return access.ErrStale
		}
		u, err := tx.User(user)
		if err != nil {
			return err
		}
		all, err := tx.CredentialsOf(user)
		if err != nil {
			return err
		}
		if !hasFactor(all, id) {
			return store.ErrNotFound
		}
		if err := tx.DeleteCredential(user, id); err != nil {
			return err
		}
		stand, err := a.standing(tx, u, s)
		if err != nil {
			return err
		}
		if stand.needed && stand.factors == 0 {
			return ErrState
		}
		if _, err := tx.EndSessions(user, s.ID); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "factor.removed", Detail: map[string]any{"factor": id}})
	})
}

// hasFactor tells whether a credential is a second factor.
func hasFactor(all []store.Credential, id string) bool {
	for _, c := range all {
		if c.ID == id && isFactor(c.Kind) {
			return true
		}
	}
	return false
}
