package auth

import (
	"context"
	"errors"
	"sync"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Suspicion is a way of using an account that its owner would hardly use it in.
type Suspicion string

// Suspicions.
const (
	NewNetwork Suspicion = "new-network" // a login from where the person never came from
	Moved      Suspicion = "moved"       // a session goes on from another network
	TwoPlaces  Suspicion = "two-places"  // a session is used from two networks in turn
	TwoLogins  Suspicion = "two-logins"  // a login while another session is used from another network
	TooFast    Suspicion = "too-fast"    // more requests than a person makes
)

// SuspicionList lists all of them.
func SuspicionList() []Suspicion {
	return []Suspicion{NewNetwork, Moved, TwoPlaces, TwoLogins, TooFast}
}

// Action is what follows from a suspicion.
type Action string

// Actions.
const (
	ActOff    Action = "off"
	ActRecord Action = "record" // an event of the audit trail
	ActBlock  Action = "block"  // that, and the session ends
)

// DefaultActions record everything and end a session that is in two places at once:
// one of them has it from the other.
func DefaultActions() map[Suspicion]Action {
	return map[Suspicion]Action{NewNetwork: ActRecord, Moved: ActRecord, TwoPlaces: ActBlock, TwoLogins: ActRecord, TooFast: ActRecord}
}

func (a *Accounts) action(s Suspicion) Action {
	if action := a.opts.Suspicions[s]; action != "" {
		return action
	}
	return DefaultActions()[s]
}

// atOnce is how close two uses are to be at the same time. It is longer than the time
// between two notes that a session is used. Somebody who walks from one network into
// another does not come back so soon; two persons with one session do.
const atOnce = 2 * touchEvery

// suspect records a suspicion with its evidence, and does what is to follow.
func (a *Accounts) suspect(tx *store.Tx, what Suspicion, user string, s *store.Session, evidence map[string]any) error {
	action := a.action(what)
	if action == ActOff {
		return nil
	}
	detail := map[string]any{"suspicion": what, "user": user, "session": s.ID, "action": action}
	for key, value := range evidence {
		detail[key] = value
	}
	if err := tx.Audit(store.Event{Actor: actorOfUser(user), Event: "access.suspicious", Detail: detail}); err != nil {
		return err
	}
	if action != ActBlock {
		return nil
	}
	return dropNotFound(tx.EndSession(user, s.ID))
}

// elsewhere judges that a session is used from another network than before.
func (a *Accounts) elsewhere(ctx context.Context, v *sealed.Tenant, f *store.FoundSession, here string, r access.Request) error {
	sealedOrigin, err := a.sealOrigin(ctx, v, f.Session.ID, r.Remote, r.Agent)
	if err != nil {
		return err
	}
	ended := false
	err = a.db.Tenant(f.Tenant).Write(ctx, func(tx *store.Tx) error {
		ended = false
		s, err := tx.Session(f.Session.ID)
		if err != nil {
			return err
		}
		if s.Network == here { // another request was first
			return nil
		}
		what, since := Moved, tx.Now().Sub(s.NetworkAt)
		if s.CameFrom == here && since < atOnce {
			what = TwoPlaces
		}
		if err := a.suspect(tx, what, s.User, s, map[string]any{"seconds_there": int64(since / time.Second)}); err != nil {
			return err
		}
		if ended = a.action(what) == ActBlock; ended {
			return nil
		}
		s.CameFrom, s.Network, s.NetworkAt, s.Origin = s.Network, here, tx.Now(), sealedOrigin
		return tx.SaveSession(s)
	})
	if ended || errors.Is(err, store.ErrNotFound) {
		return access.ErrUnauthenticated
	}
	return err
}

// tooMany requests in a minute are more than a person makes, with whatever page.
const tooMany = 600

// pace counts the requests of sessions on this node.
type pace struct {
	mu     sync.Mutex
	minute time.Time
	counts map[string]int
}

// count counts a request and tells how many there were in its minute.
func (p *pace) count(session string, now time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if minute := now.Truncate(time.Minute); p.counts == nil || !minute.Equal(p.minute) {
		p.minute, p.counts = minute, map[string]int{}
	}
	p.counts[session]++
	return p.counts[session]
}

// hurried judges how fast a session is used.
func (a *Accounts) hurried(ctx context.Context, f *store.FoundSession) error {
	if a.action(TooFast) == ActOff || a.pace.count(f.Session.ID, f.Now) != tooMany {
		return nil
	}
	err := a.db.Tenant(f.Tenant).Write(ctx, func(tx *store.Tx) error {
		return a.suspect(tx, TooFast, f.User.ID, &f.Session, map[string]any{"requests_a_minute": tooMany})
	})
	if err == nil && a.action(TooFast) == ActBlock {
		return access.ErrUnauthenticated
	}
	return err
}
