package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Step is what somebody has to do next to get in.
type Step string

// Steps, in their order.
const (
	StepPassword Step = "change-password" // the present one was given by somebody else
	StepFactor   Step = "second-factor"   // prove it
	StepEnrol    Step = "enrol-factor"    // a role needs one, and there is none
	StepTerms    Step = "terms"           // accept the present ones
	StepIn       Step = "in"              // nothing: the login is complete
)

// standing is what the next step depends on.
type standing struct {
	initial bool // what was proved is a password that somebody else gave
	proved  bool // by two factors
	factors int  // second factors that can be proved
	needed  bool // a role needs a second factor
	terms   int64
	agreed  int64
}

// steps is the way in: the first step whose condition holds comes next. One that is
// done holds no more.
func steps() []struct {
	step Step
	open func(standing) bool
} {
	return []struct {
		step Step
		open func(standing) bool
	}{
		{StepPassword, func(s standing) bool { return s.initial }},
		{StepFactor, func(s standing) bool { return s.factors > 0 && !s.proved }},
		{StepEnrol, func(s standing) bool { return s.factors == 0 && s.needed && !s.proved }},
		{StepTerms, func(s standing) bool { return s.terms > s.agreed }},
	}
}

// next is the step that comes next.
func (s standing) next() Step {
	for _, one := range steps() {
		if one.open(s) {
			return one.step
		}
	}
	return StepIn
}

// Method is a way in which a person proved who they are.
type Method string

// Methods.
const (
	ByPassword Method = "password"
	ByTOTP     Method = "totp"
)

// strong are methods that prove two factors at once, or a second one.
func strong(m Method) bool { return m == ByTOTP || m == ByPasskey || m == ByProviderStrong }

// Errors of logging in. They do not say whether there is an account.
var (
	ErrLogin = errors.New("not the right login name or proof")
	ErrStep  = errors.New("not the next step of the login")
)

// Entry is a login as far as it got.
type Entry struct {
	Tenant  string
	User    string
	Session string // id
	Secret  string // of the session, for the cookie; new after each step
	Step    Step   // what comes next
	refused bool   // it was suspicious, and has ended already
}

// result is what a login got, unless it was refused in the end.
func (e *Entry) result(err error) (*Entry, error) {
	if err == nil && e.refused {
		err = ErrLogin
	}
	if err != nil {
		return nil, err
	}
	return e, nil
}

// Login begins the login of the account of a tenant with its password. [ErrLogin],
// whatever was wrong; *ThrottledError when there were too many tries.
func (a *Accounts) Login(ctx context.Context, tenant, login, plain string) (*Entry, error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil { // no work is done: nothing would bound it, and tenants are no secret
		return nil, hidden(err)
	}
	mac, err := v.MAC(ctx, macLogin, normalLogin(login))
	if err != nil {
		return nil, err
	}
	t, err := a.begin(ctx, v, mac, false)
	if err != nil {
		return nil, err
	}
	outdated, err := a.checkPassword(ctx, v, t, plain)
	if errors.Is(err, ErrLogin) {
		return nil, errors.Join(err, a.failed(ctx, v.ID(), t, ByPassword))
	}
	if err != nil {
		return nil, err
	}
	if outdated && t.password.State == store.CredentialActive {
		if err := a.setPassword(ctx, v, t.user.ID, plain, t.password.State); err != nil {
			return nil, err
		}
	}
	return a.enter(ctx, v, t.user.ID, ByPassword, t.succeeded)
}

// hidden makes a tenant that there is not look like an account that there is not.
func hidden(err error) error {
	if errors.Is(err, store.ErrNoTenant) || errors.Is(err, sealed.ErrNoKey) || errors.Is(err, sealed.ErrErased) {
		return ErrLogin
	}
	return err
}

// checkPassword compares the password of a try; the work is the same whatever there is.
func (a *Accounts) checkPassword(ctx context.Context, v *sealed.Tenant, t *try, plain string) (outdated bool, err error) {
	if !t.usable() {
		return false, errors.Join(ErrLogin, a.opts.Hasher.Waste(ctx, plain))
	}
	hash, err := v.OpenTenant(ctx, purposeCredential(kindPassword, t.user.ID), t.password.Data)
	if err != nil {
		return false, err
	}
	ok, outdated, err := a.opts.Hasher.Verify(ctx, string(hash), plain)
	if err == nil && !ok {
		err = ErrLogin
	}
	return outdated, err
}

// failed tells of a try that failed.
func (a *Accounts) failed(ctx context.Context, tenant string, t *try, m Method) error {
	return a.db.Tenant(tenant).Write(ctx, func(tx *store.Tx) error {
		detail := map[string]any{"method": m, "account": t.mac[:16]}
		if t.user != nil {
			detail["user"] = t.user.ID
		}
		return tx.Audit(store.Event{Actor: nobody, Event: "login.failed", Detail: detail})
	})
}

// Enter begins the session of a user who proved who they are by a method: what every
// way of logging in ends in. What steps remain is decided here. The actor in ctx says
// where from, and which session it replaces.
func (a *Accounts) Enter(ctx context.Context, tenant, user string, m Method) (*Entry, error) {
	v, err := a.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, hidden(err)
	}
	return a.enter(ctx, v, user, m, func(*store.Tx) error { return nil })
}

// enter is Enter; also is written with it.
func (a *Accounts) enter(ctx context.Context, v *sealed.Tenant, user string, m Method, also func(*store.Tx) error) (*Entry, error) {
	from, _ := access.From(ctx)
	s, err := a.newSession(ctx, v, user, from)
	if err != nil {
		return nil, err
	}
	s.Methods = []string{string(m)}
	var e *Entry
	err = a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error {
		if err := also(tx); err != nil {
			return err
		}
		if err := tx.DropSessions(); err != nil {
			return err
		}
		u, err := tx.User(user)
		if err != nil || u.State != store.UserActive {
			return errors.Join(ErrLogin, dropNotFound(err))
		}
		one, secret := *s, newSessionSecret()
		one.Hash = digest(secret)
		one.Proved, one.Used, one.NetworkAt = tx.Now(), tx.Now(), tx.Now()
		one.Ends = tx.Now().Add(a.opts.Absolute)
		one.Idle = a.idle(tx, &one)
		one.Step = string(StepTerms) // until it is known
		if err := tx.InsertSession(&one); err != nil {
			return err
		}
		e, err = a.goOn(tx, u, &one, secret)
		return err
	})
	return e.result(err)
}

// dropNotFound leaves failures.
func dropNotFound(err error) error {
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	return err
}

// goOn finds the next step of a session, gives it a new secret, and tells of it.
func (a *Accounts) goOn(tx *store.Tx, u *store.User, s *store.Session, secret string) (*Entry, error) {
	before := s.Step
	stand, err := a.standing(tx, u, s)
	if err != nil {
		return nil, err
	}
	s.Step, s.Hash = string(stand.next()), digest(secret)
	s.Used, s.Idle = tx.Now(), a.idle(tx, s)
	if err := tx.SaveSession(s); err != nil {
		return nil, err
	}
	e := &Entry{Tenant: tx.Tenant(), User: u.ID, Session: s.ID, Secret: secret, Step: Step(s.Step)}
	if e.Step == StepIn && Step(before) != StepIn {
		e.refused, err = a.arrived(tx, u, s)
	}
	return e, err
}

// arrived tells that somebody is in, and whether from somewhere new, which may end it.
func (a *Accounts) arrived(tx *store.Tx, u *store.User, s *store.Session) (refused bool, err error) {
	known, err := tx.KnownNetwork(u.ID, s.Network)
	if err != nil {
		return false, err
	}
	twice, err := a.inElsewhere(tx, s)
	if err != nil {
		return false, err
	}
	for _, one := range []struct {
		what Suspicion
		is   bool
	}{{NewNetwork, !known && !u.Entered.IsZero()}, {TwoLogins, twice}} {
		if !one.is {
			continue
		}
		if err := a.suspect(tx, one.what, u.ID, s, nil); err != nil {
			return false, err
		}
		refused = refused || a.action(one.what) == ActBlock
	}
	if refused {
		return true, nil
	}
	if err := tx.EnteredUser(u.ID, s.Network); err != nil {
		return false, err
	}
	return false, tx.Audit(store.Event{Actor: actorOfUser(u.ID), Session: s.ID, Event: "login.succeeded", Detail: map[string]any{"session": s.ID, "methods": s.Methods, "known_network": known}})
}

// inElsewhere tells whether the user of a session is using another one, from another
// network, at the same time.
func (a *Accounts) inElsewhere(tx *store.Tx, s *store.Session) (bool, error) {
	all, err := tx.SessionsOf(s.User)
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(all, func(o store.Session) bool {
		return o.ID != s.ID && o.Network != s.Network && Step(o.Step) == StepIn && tx.Now().Sub(o.Used) < atOnce
	}), nil
}

// standing is where a session stands.
func (a *Accounts) standing(tx *store.Tx, u *store.User, s *store.Session) (standing, error) {
	all, err := tx.CredentialsOf(u.ID)
	if err != nil {
		return standing{}, err
	}
	terms, err := currentTerms(tx)
	if err != nil {
		return standing{}, err
	}
	stand := standing{terms: terms.Version, agreed: u.Terms}
	for _, c := range all {
		switch {
		case c.Kind == kindPassword && c.State == store.CredentialInitial:
			stand.initial = slices.Contains(s.Methods, string(ByPassword))
		case isFactor(c.Kind) && c.State == store.CredentialActive:
			stand.factors++
		}
	}
	for _, role := range u.Roles {
		stand.needed = stand.needed || slices.Contains(a.opts.SecondFactor, Role(role))
	}
	for _, m := range s.Methods {
		stand.proved = stand.proved || strong(Method(m))
	}
	return stand, nil
}

// atStep runs f for the session of an actor when it is at a step, and goes on from
// there. [ErrStep] when it is elsewhere.
func (a *Accounts) atStep(ctx context.Context, by access.Actor, step Step, f func(tx *store.Tx, u *store.User, s *store.Session) error) (*Entry, error) {
	user, err := userOf(by)
	if err != nil {
		return nil, err
	}
	var e *Entry
	err = a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		s, err := tx.Session(by.Session)
		if err != nil {
			return err
		}
		if s.User != user || Step(s.Step) != step {
			return ErrStep
		}
		u, err := tx.User(user)
		if err != nil {
			return err
		}
		if err := f(tx, u, s); err != nil {
			return err
		}
		e, err = a.goOn(tx, u, s, newSessionSecret())
		return err
	})
	return e.result(err)
}

// State is how far the login of a session got.
type State struct {
	Step  Step
	Terms Terms // that are to be accepted at StepTerms
}

// State tells how far the login of an actor got.
func (a *Accounts) State(ctx context.Context, by access.Actor) (State, error) {
	var state State
	err := a.db.Tenant(by.Tenant).Read(ctx, func(tx *store.Tx) error {
		s, err := tx.Session(by.Session)
		if err != nil {
			return err
		}
		state = State{Step: Step(s.Step)}
		if state.Step == StepTerms {
			state.Terms, err = currentTerms(tx)
		}
		return err
	})
	if err != nil {
		err = fmt.Errorf("look how far the login is: %w", err)
	}
	return state, err
}
