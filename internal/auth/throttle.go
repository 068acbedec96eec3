package auth

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Kinds of throttles: what tries that failed have in common. Codes of second factors
// are counted on their own: a right password takes no tries of them back.
const (
	throttlePair          = "account-network" // one account from one network
	throttleAccount       = "account"         // one account from networks that are new to it
	throttleNetwork       = "network"         // one network, whatever account
	throttleFactorPair    = "factor-account-network"
	throttleFactorAccount = "factor-account"
)

// limit is how many tries something has.
type limit struct {
	kind   string
	factor bool          // of second factors; else of passwords
	all    bool          // of both
	pair   bool          // of an account from a network
	known  bool          // not of an account from a network where its owner got in before
	free   int64         // tries without a delay
	slow   bool          // each further one waits twice as long as the one before
	most   int64         // tries until it is blocked for a while
	ever   int64         // tries until only an administrator lifts it; 0: never
	block  time.Duration // that while
	window time.Duration // tries count together so long
}

// limits are those of all kinds, in the order in which they are locked. An account is
// blocked for good only together with a network, so that nobody can lock another
// person out everywhere. A network has many tries: a whole house may come from one.
func limits() []limit {
	return []limit{
		{kind: throttleNetwork, all: true, free: 100, most: 100, block: 15 * time.Minute, window: 15 * time.Minute},
		{kind: throttleAccount, known: true, free: 20, most: 20, block: 15 * time.Minute, window: time.Hour},
		{kind: throttlePair, pair: true, free: 3, slow: true, most: 10, ever: 30, block: 15 * time.Minute, window: 24 * time.Hour},
		{kind: throttleFactorAccount, factor: true, known: true, free: 20, most: 20, block: 15 * time.Minute, window: time.Hour},
		{kind: throttleFactorPair, factor: true, pair: true, free: 3, slow: true, most: 10, ever: 30, block: 15 * time.Minute, window: 24 * time.Hour},
	}
}

// slowest is the longest that a single try is delayed.
const slowest = time.Minute

// try is one attempt to log in. It counts as failed until it succeeded.
type try struct {
	mac      string // of the login name; empty: what is shown names nobody
	network  string // MAC
	factor   bool   // it is a second factor that is tried
	names    map[string]string
	counted  []string // kinds that it was counted for
	user     *store.User
	password *store.Credential
	now      time.Time
}

// initialLasts is how long a password is good that somebody else gave.
const initialLasts = 7 * 24 * time.Hour

// usable tells whether there is a password that could be the right one.
func (t *try) usable() bool {
	return t.user != nil && t.password != nil && t.user.State == store.UserActive &&
		(t.password.State == store.CredentialActive || t.now.Sub(t.password.Created) < initialLasts)
}

// newTry finds the names that a try of an account is counted under, which the MAC of
// its login name stands for.
func (a *Accounts) newTry(ctx context.Context, v *sealed.Tenant, mac string, factor bool) (*try, error) {
	from, _ := access.From(ctx)
	t := &try{mac: mac, factor: factor, names: map[string]string{}}
	var err error
	if t.network, err = v.MAC(ctx, macNetwork, network(from.Remote)); err != nil {
		return nil, err
	}
	for _, l := range limits() {
		of := t.mac
		switch {
		case l.all:
			of = t.network
		case l.pair:
			of = t.mac + " " + t.network
		}
		if t.names[l.kind], err = v.MAC(ctx, macTries, l.kind+" "+of); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// unnamed counts a try that names no account, as that of a passkey: nobody can guess
// one, but whoever only tries fills the audit trail.
func (a *Accounts) unnamed(ctx context.Context, v *sealed.Tenant) (*try, error) {
	return a.begin(ctx, v, "", false)
}

// begin counts a try, before anything is compared: however many come at once, no more
// than the limits are let through. *ThrottledError otherwise.
func (a *Accounts) begin(ctx context.Context, v *sealed.Tenant, mac string, factor bool) (*try, error) {
	t, err := a.newTry(ctx, v, mac, factor)
	if err != nil {
		return nil, err
	}
	var refused *ThrottledError
	err = a.db.Tenant(v.ID()).Write(ctx, func(tx *store.Tx) error {
		refused = nil
		t.user, t.password, t.counted, t.now = nil, nil, nil, tx.Now()
		if err := t.find(tx); err != nil {
			return err
		}
		refused, err = t.count(tx)
		return err
	})
	if err != nil {
		return nil, hidden(err)
	}
	if refused != nil {
		return nil, refused
	}
	return t, nil
}

// find looks for the account.
func (t *try) find(tx *store.Tx) error {
	if t.mac == "" {
		return nil
	}
	u, err := tx.UserByLogin(t.mac)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	t.user = u
	all, err := tx.CredentialsOf(u.ID)
	for i := range all {
		if all[i].Kind == kindPassword {
			t.password = &all[i]
		}
	}
	return err
}

// count counts a try for each of its kinds, unless one refuses it.
func (t *try) count(tx *store.Tx) (*ThrottledError, error) {
	if err := tx.DropThrottles(tx.Now().Add(-longestWindow())); err != nil {
		return nil, err
	}
	var rows []*store.Throttle
	for _, l := range limits() {
		if !l.all && (t.mac == "" || l.factor != t.factor) {
			continue
		}
		if l.known && t.user != nil {
			known, err := tx.KnownNetwork(t.user.ID, t.network)
			if err != nil {
				return nil, err
			}
			if known {
				continue
			}
		}
		row, err := tx.LockThrottle(l.kind, t.names[l.kind])
		if err != nil {
			return nil, err
		}
		switch {
		case row.Stays:
			return &ThrottledError{After: l.block}, nil
		case row.Until.After(tx.Now()):
			return &ThrottledError{After: max(row.Until.Sub(tx.Now()), time.Second)}, nil
		}
		rows = append(rows, row)
		t.counted = append(t.counted, l.kind)
	}
	for _, row := range rows {
		if err := t.add(tx, row); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func longestWindow() time.Duration {
	longest := time.Duration(0)
	for _, l := range limits() {
		longest = max(longest, l.window)
	}
	return longest
}

// add counts a try and says when the next may come.
func (t *try) add(tx *store.Tx, row *store.Throttle) error {
	l := limitOf(row.Kind)
	if row.Tries == 0 || row.Last.Before(tx.Now().Add(-l.window)) {
		row.Tries, row.Begun = 0, tx.Now()
	}
	row.Tries, row.Last, row.Until = row.Tries+1, tx.Now(), time.Time{}
	if t.user != nil && row.Kind != throttleNetwork {
		row.User = t.user.ID
	}
	blocked := row.Tries%l.most == 0
	switch {
	case blocked:
		row.Until = tx.Now().Add(l.block)
	case l.slow && row.Tries > l.free:
		row.Until = tx.Now().Add(min(time.Second<<(row.Tries-l.free-1), slowest))
	}
	if l.ever > 0 && row.Tries >= l.ever {
		last, err := t.lastAdministrator(tx)
		if err != nil {
			return err
		}
		row.Stays = !last
		row.Until = tx.Now().Add(l.block)
		blocked = true
	}
	if err := tx.SaveThrottle(row); err != nil || !blocked {
		return err
	}
	detail := map[string]any{"kind": row.Kind, "tries": row.Tries, "throttle": row.ID, "stays": row.Stays}
	if row.User != "" {
		detail["user"] = row.User
	}
	return tx.Audit(store.Event{Actor: nobody, Event: "login.blocked", Detail: detail})
}

func limitOf(kind string) limit {
	for _, l := range limits() {
		if l.kind == kind {
			return l
		}
	}
	return limit{most: 1}
}

// lastAdministrator tells whether the account is the last that manages the others.
func (t *try) lastAdministrator(tx *store.Tx) (bool, error) {
	if t.user == nil || !manages(t.user) {
		return false, nil
	}
	all, err := tx.Users()
	if err != nil {
		return false, err
	}
	n := 0
	for i := range all {
		if manages(&all[i]) {
			n++
		}
	}
	return n < 2, nil
}

// succeeded takes a try back that counted as failed.
func (t *try) succeeded(tx *store.Tx) error {
	if t == nil {
		return nil
	}
	for _, kind := range t.counted {
		if kind != throttleNetwork {
			if err := tx.ForgetThrottle(kind, t.names[kind]); err != nil {
				return err
			}
			continue
		}
		row, err := tx.LockThrottle(kind, t.names[kind])
		if err != nil {
			return err
		}
		row.Tries = max(0, row.Tries-1)
		if err := tx.SaveThrottle(row); err != nil {
			return err
		}
	}
	return nil
}

// Block is what keeps somebody from trying to log in.
type Block struct {
	ID    string    `json:"id"`
	Kind  string    `json:"kind" enum:"account-network,account,network,factor-account-network,factor-account" doc:"What the tries have in common: an account from a network, an account from networks new to it, a network; of second factors the same."`
	User  string    `json:"user,omitempty" doc:"Whose account it is; absent: of nobody here."`
	Tries int64     `json:"tries"`
	Since time.Time `json:"since"`
	Until time.Time `json:"until,omitzero" doc:"When it ends by itself."`
	Stays bool      `json:"stays" doc:"It does not end by itself: an administrator has to look at it."`
}

// Blocks lists what holds now.
func (a *Accounts) Blocks(ctx context.Context, by access.Actor) ([]Block, error) {
	all, err := look(ctx, a.db.Tenant(by.Tenant), (*store.Tx).Throttles)
	out := make([]Block, len(all))
	for i, t := range all {
		out[i] = Block{ID: t.ID, Kind: t.Kind, User: t.User, Tries: t.Tries, Since: t.Begun, Until: t.Until, Stays: t.Stays}
		if t.Stays {
			out[i].Until = time.Time{}
		}
	}
	if err != nil {
		err = fmt.Errorf("list what is blocked: %w", err)
	}
	return out, err
}

// Lift ends a block.
func (a *Accounts) Lift(ctx context.Context, by access.Actor, id string) error {
	return a.db.Tenant(by.Tenant).Write(ctx, func(tx *store.Tx) error {
		if err := tx.LiftThrottle(id); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: by.ID, Event: "login.unblocked", Detail: map[string]any{"throttle": id}})
	})
}
