package auth

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// sessionPrefix tells the secret of a session from other secrets.
const sessionPrefix = "session_"

// touchEvery is how often it is noted that a session is used.
const touchEvery = time.Minute

// origin is what is sealed of where a session comes from.
type origin struct {
	Address string `json:"address"`
	Agent   string `json:"agent"`
}

// newSession is a session as far as it is known before its transaction.
func (a *Accounts) newSession(ctx context.Context, v *sealed.Tenant, user string, from access.Actor) (*store.Session, error) {
	s := &store.Session{ID: store.NewID(), User: user}
	var err error
	if s.Network, err = v.MAC(ctx, macNetwork, network(from.Remote)); err != nil {
		return nil, err
	}
	s.Origin, err = a.sealOrigin(ctx, v, s.ID, from.Remote, from.Agent)
	return s, err
}

func (a *Accounts) sealOrigin(ctx context.Context, v *sealed.Tenant, session string, remote netip.Addr, agent string) ([]byte, error) {
	return sealJSON(ctx, v, purposeOrigin+" "+session, origin{Address: remote.String(), Agent: agent})
}

// idle is when a session that is used now ends unless it is used again.
func (a *Accounts) idle(tx *store.Tx, s *store.Session) time.Time {
	idle := tx.Now().Add(a.opts.Idle)
	if idle.After(s.Ends) {
		return s.Ends
	}
	return idle
}

// authorize says who asks with a session, when they may.
func (a *Accounts) authorize(ctx context.Context, r access.Request) (access.Actor, error) {
	f, err := a.db.System().FindSession(ctx, digest(r.Session))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return access.Actor{}, access.ErrUnauthenticated
	case err != nil:
		return access.Actor{}, fmt.Errorf("look for the session: %w", err)
	case r.Tenant != "" && r.Tenant != f.Tenant:
		return access.Actor{}, access.ErrNotFound
	}
	actor := access.Actor{ID: actorOfUser(f.User.ID), Tenant: f.Tenant, Kind: access.User, Session: f.Session.ID, Sites: f.User.Sites,
		Remote: r.Remote, Agent: r.Agent}
	if !f.All.IsZero() {
		actor.Sites = nil
	}
	if err := a.use(access.WithActor(ctx, actor), f, r); err != nil {
		return access.Actor{}, err
	}
	return actor, a.permit(f, r.Permission)
}

// permit decides on a permission. Before the login is complete there is none but the
// ones of the next step.
func (a *Accounts) permit(f *store.FoundSession, p access.Permission) error {
	switch {
	case p == access.Any:
		return nil
	case !May(rolesOf(&f.User), p):
		return access.ErrForbidden
	case Step(f.Session.Step) != StepIn:
		return access.ErrUnfinished
	case fresh(p) && f.Now.Sub(f.Session.Proved) >= a.opts.Fresh:
		return access.ErrStale
	}
	return nil
}

// use notes that a session is used, and looks at where from.
func (a *Accounts) use(ctx context.Context, f *store.FoundSession, r access.Request) error {
	v, err := a.vault.Tenant(ctx, f.Tenant)
	if err != nil {
		return err
	}
	here, err := v.MAC(ctx, macNetwork, network(r.Remote))
	if err != nil {
		return err
	}
	if here != f.Session.Network && !r.Open {
		if err := a.elsewhere(ctx, v, f, here, r); err != nil {
			return err
		}
	}
	if r.Passive {
		return nil
	}
	if err := a.hurried(ctx, f); err != nil {
		return err
	}
	if f.Now.Sub(f.Session.Used) < touchEvery {
		return nil
	}
	err = a.db.Tenant(f.Tenant).Write(ctx, func(tx *store.Tx) error {
		return tx.TouchSession(f.Session.ID, a.idle(tx, &f.Session))
	})
	if errors.Is(err, store.ErrNotFound) { // it ended meanwhile
		return access.ErrUnauthenticated
	}
	return err
}

// SessionView is a session as its owner sees it.
type SessionView struct {
	ID      string    `json:"id"`
	Address string    `json:"address" doc:"Where from: the address at the beginning, or after it was last seen to change."`
	Client  string    `json:"client" doc:"The client as it names itself."`
	Methods []string  `json:"methods" nullable:"false" doc:"How it was proved who it is."`
	Since   time.Time `json:"since"`
	Used    time.Time `json:"used" doc:"When it was last used, to the minute."`
	Ends    time.Time `json:"ends" doc:"When it ends at the latest."`
	This    bool      `json:"this" doc:"It is the one that asks."`
}

// Sessions lists the sessions of a person.
func (a *Accounts) Sessions(ctx context.Context, by access.Actor) ([]SessionView, error) {
	user, err := userOf(by)
	if err != nil {
		return nil, err
	}
	v, err := a.vault.Tenant(ctx, by.Tenant)
	if err != nil {
		return nil, err
	}
	all, err := look(ctx, a.db.Tenant(by.Tenant), func(tx *store.Tx) ([]store.Session, error) { return tx.SessionsOf(user) })
	if err != nil {
		return nil, err
	}
	out := make([]SessionView, len(all))
	for i, s := range all {
		var from origin
		if err := openJSON(ctx, v, purposeOrigin+" "+s.ID, s.Origin, &from); err != nil {
			return nil, err
		}
		out[i] = SessionView{ID: s.ID, Address: from.Address, Client: from.Agent, Methods: s.Methods, Since: s.Created, Used: s.Used, Ends: s.Ends, This: s.ID == by.Session}
	}
	return out, nil
}

// EndSession ends one session of a person.
func (a *Accounts) EndSession(ctx context.Context, by access.Actor, id string) error {
	user, err := userOf(by)
	if err != nil {
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := tx.EndSession(user, id); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "session.ended", Detail: map[string]any{"session": id}})
	})
}

// EndOthers ends all sessions of a person but the one that asks.
func (a *Accounts) EndOthers(ctx context.Context, by access.Actor) error {
	user, err := userOf(by)
	if err != nil {
		return err
	}
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		n, err := tx.EndSessions(user, by.Session)
		if err != nil || n == 0 {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "session.others-ended", Detail: map[string]any{"sessions": n}})
	})
}

// Logout ends the session that asks; one that has ended already is no mistake.
func (a *Accounts) Logout(ctx context.Context, by access.Actor) error {
	return dropNotFound(a.EndSession(ctx, by, by.Session))
}

// Replaced ends the session that a login replaced in a browser, if it was of the same
// person; another one's is not this one's to end.
func (a *Accounts) Replaced(ctx context.Context, e *Entry, secret string) error {
	f, err := a.db.System().FindSession(ctx, digest(secret))
	if errors.Is(err, store.ErrNotFound) || err == nil && (f.Tenant != e.Tenant || f.User.ID != e.User || f.Session.ID == e.Session) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for the session that was replaced: %w", err)
	}
	return a.db.Tenant(f.Tenant).Write(ctx, func(tx *store.Tx) error { return dropNotFound(tx.EndSession(f.User.ID, f.Session.ID)) })
}

func newSessionSecret() string { return sessionPrefix + newSecret() }

// Idle is how long a session lasts that is not used.
func (a *Accounts) Idle() time.Duration { return a.opts.Idle }
