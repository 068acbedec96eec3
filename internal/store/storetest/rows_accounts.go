package storetest

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
)

func aUser(id string) *store.User {
	return &store.User{ID: id, Login: "login", Profile: []byte("sealed"), Roles: []string{"clerk", "physician"}, Sites: []string{"north"},
		State: store.UserActive, Version: 1, Created: noon(0)}
}

func aCredential(id, user, kind, lookup string) *store.Credential {
	return &store.Credential{ID: id, User: user, Kind: kind, State: store.CredentialActive, Lookup: lookup, Data: []byte("sealed"), Counter: 4, Created: noon(0)}
}

// aSession lasts longer than any test.
func aSession(id, user, hash string) *store.Session {
	return &store.Session{ID: id, User: user, Hash: hash, Step: "in", Methods: []string{"password"}, Created: noon(0), Proved: noon(0), Used: noon(0),
		Idle: noon(20 * 365 * 24 * time.Hour), Ends: noon(20 * 365 * 24 * time.Hour), Network: "mac", NetworkAt: noon(0), CameFrom: "other mac", Origin: []byte("sealed")}
}

// fillAccounts makes a row in each table of accounts.
func fillAccounts(tx *store.Tx, mark string) error {
	if err := errors.Join(tx.InsertUser(aUser("user")), tx.InsertCredential(aCredential("key", "user", "passkey", "shown")),
		tx.InsertSession(aSession("session", "user", "session-"+mark)),
		tx.InsertApproval(&store.Approval{ID: "approval", Route: "POST /tokens", Request: []byte("sealed"), AskedBy: "a", State: store.ApprovalOpen, Created: noon(0),
			Expires: noon(20 * 365 * 24 * time.Hour)}),
		tx.InsertElevation(&store.Elevation{ID: "elevation", User: "user", Reason: []byte("sealed"), Created: noon(0), Ends: noon(time.Hour)}),
		tx.InsertProvider(aProvider("provider", "Haus")), tx.Spend("proof", tx.Now().Add(20*365*24*time.Hour))); err != nil {
		return err
	}
	if err := tx.EnteredUser("user", "mac"); err != nil {
		return err
	}
	t, err := tx.LockThrottle("pair", "mac")
	if err != nil {
		return err
	}
	t.Tries, t.Stays, t.User = 5, true, "user"
	return tx.SaveThrottle(t)
}

// throttled leaves out what differs between two runs.
func throttled(all []store.Throttle, err error) (any, error) {
	for i := range all {
		all[i].ID, all[i].Begun, all[i].Last = "", time.Time{}, time.Time{}
	}
	return all, err
}

// forgetAccounts are the changes that do not say whether there was anything.
func forgetAccounts(tx *store.Tx) error {
	_, a := tx.EndSessions("user", "")
	_, b := tx.DeleteCredentials("user")
	_, c := tx.EndElevations("user")
	_, d := tx.ExpireApprovals()
	return errors.Join(a, b, c, d, tx.ForgetNetworks("user"), tx.ForgetThrottle("pair", "mac"), tx.LiftThrottlesOf("user"),
		tx.DropThrottles(tx.Now().Add(time.Hour)), tx.DropSessions())
}

func testUsers(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	u := aUser("u")
	write(t, tenant, func(tx *store.Tx) error {
		for _, taken := range []*store.User{{ID: "v", Login: "login", State: store.UserActive}, {ID: "u", Login: "other", State: store.UserActive}} {
			if err := tx.InsertUser(u); err != nil && !errors.Is(err, store.ErrConflict) {
				return err
			}
			if err := tx.InsertUser(taken); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s %s: %v", taken.ID, taken.Login, err)
			}
		}
		return nil
	})
	read := func(tx *store.Tx) (*store.User, error) { return tx.User("u") }
	same(t, "user", get(t, tenant, read), u)
	same(t, "by login", get(t, tenant, func(tx *store.Tx) (*store.User, error) { return tx.UserByLogin("login") }), u)
	u.Roles, u.Sites, u.State = nil, nil, store.UserBlocked
	write(t, tenant, func(tx *store.Tx) error { return tx.SaveUser(u) })
	if u = get(t, tenant, read); u.Version != 2 || len(u.Roles) != 0 || len(u.Sites) != 0 || u.State != store.UserBlocked {
		t.Errorf("saved: %+v", u)
	}
	refused(t, tenant, store.ErrStale, func(tx *store.Tx) error {
		return tx.SaveUser(&store.User{ID: "u", Version: 1, State: store.UserActive})
	})
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error {
		return tx.SaveUser(&store.User{ID: "w", Version: 1, State: store.UserActive})
	})
	entered := func(network string, known bool) {
		t.Helper()
		write(t, tenant, func(tx *store.Tx) error {
			k, err := tx.KnownNetwork("u", network)
			if k != known {
				t.Errorf("from %s: known %v", network, k)
			}
			return errors.Join(err, tx.EnteredUser("u", network), tx.AcceptTerms("u", 3))
		})
	}
	entered("a", false)
	entered("a", true)
	entered("b", false)
	if got := get(t, tenant, read); got.Terms != 3 || got.TermsAt.IsZero() || got.Entered.IsZero() || got.Version != 2 {
		t.Errorf("entered: %+v", got)
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.ForgetNetworks("u") })
	entered("a", false)
	u.State, u.Login, u.Profile = store.UserDeleted, "", nil
	write(t, tenant, func(tx *store.Tx) error { return tx.SaveUser(u) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { _, err := tx.UserByLogin("login"); return err })
	if all := get(t, tenant, func(tx *store.Tx) ([]store.User, error) { return tx.Users() }); len(all) != 1 || all[0].Profile != nil {
		t.Errorf("users: %+v", all)
	}
	if err := tenant.Write(t.Context(), func(tx *store.Tx) error {
		return tx.InsertUser(&store.User{ID: "x", Login: "l", State: store.UserDeleted})
	}); err == nil {
		t.Error("a deleted user has a login name")
	}
}

func testCredentials(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	c := aCredential("c", "u", "passkey", "shown")
	write(t, tenant, func(tx *store.Tx) error {
		must(t, errors.Join(tx.InsertUser(aUser("u")), tx.InsertCredential(c), tx.InsertCredential(aCredential("p", "u", "password", ""))))
		for _, taken := range []*store.Credential{aCredential("d", "u", "passkey", "shown"), aCredential("d", "u", "password", "")} {
			if err := tx.InsertCredential(taken); !errors.Is(err, store.ErrConflict) {
				t.Errorf("%s twice: %v", taken.Kind, err)
			}
		}
		return nil
	})
	same(t, "by lookup", get(t, tenant, func(tx *store.Tx) (*store.Credential, error) { return tx.CredentialByLookup("passkey", "shown") }), c)
	write(t, tenant, func(tx *store.Tx) error { return tx.UseCredential("c", 5) })
	for _, counter := range []int64{5, 4} {
		refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { return tx.UseCredential("c", counter) })
	}
	c.State, c.Data = store.CredentialPending, []byte("other")
	write(t, tenant, func(tx *store.Tx) error { return tx.SaveCredential(c) })
	all := func(tx *store.Tx) ([]store.Credential, error) { return tx.CredentialsOf("u") }
	if got := get(t, tenant, all); len(got) != 2 || got[0].State != store.CredentialPending || string(got[0].Data) != "other" || got[0].Counter != 5 || got[0].Used.IsZero() {
		t.Errorf("%+v", got)
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.DeleteCredential("v", "c") })
	write(t, tenant, func(tx *store.Tx) error { return tx.DeleteCredential("u", "c") })
	write(t, tenant, func(tx *store.Tx) error {
		n, err := tx.DeleteCredentials("u")
		if n != 1 {
			t.Errorf("%d were left", n)
		}
		return err
	})
}

func testSessions(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	mark := tenant.ID()
	var now time.Time
	write(t, tenant, func(tx *store.Tx) error {
		now = tx.Now()
		must(t, tx.InsertUser(aUser("u")))
		for _, id := range []string{"a", "b", "c"} {
			s := aSession(id, "u", id+mark)
			s.Idle = now.Add(30 * time.Minute)
			if id == "b" {
				s.Ends = now.Add(time.Minute)
			}
			must(t, tx.InsertSession(s))
		}
		return nil
	})
	find := func(hash string, want error) *store.FoundSession {
		t.Helper()
		f, err := h.other.System().FindSession(t.Context(), hash+mark)
		if !errors.Is(err, want) || err == nil && (f.Tenant != tenant.ID() || f.Session.Hash != hash+mark || f.User.ID != "u" || f.Now.IsZero()) {
			t.Errorf("session %s: %+v, %v; want %v", hash, f, err, want)
		}
		return f
	}
	find("x", store.ErrNotFound)
	if f := find("a", nil); !f.All.IsZero() || f.Session.Methods[0] != "password" || f.User.Sites[0] != "north" {
		t.Errorf("%+v", f)
	}
	write(t, tenant, func(tx *store.Tx) error {
		return tx.InsertElevation(&store.Elevation{ID: "e", User: "u", Reason: []byte("r"), Ends: tx.Now().Add(time.Hour)})
	})
	if f := find("a", nil); f.All.IsZero() {
		t.Error("no elevation")
	}
	write(t, tenant, func(tx *store.Tx) error { _, err := tx.EndElevations("u"); return err })
	if f := find("a", nil); !f.All.IsZero() {
		t.Error("the elevation lasts")
	}
	h.clock.advance(2 * time.Minute)
	find("b", store.ErrNotFound) // its end
	h.clock.advance(20 * time.Minute)
	write(t, tenant, func(tx *store.Tx) error { return tx.TouchSession("a", tx.Now().Add(30*time.Minute)) })
	h.clock.advance(20 * time.Minute)
	find("a", nil)
	find("c", store.ErrNotFound) // idle
	s := get(t, tenant, func(tx *store.Tx) (*store.Session, error) { return tx.Session("a") })
	s.Hash, s.Step, s.Methods, s.CameFrom = "d"+mark, "terms", []string{"password", "totp"}, "mac"
	write(t, tenant, func(tx *store.Tx) error { return errors.Join(tx.SaveSession(s), tx.DropSessions()) })
	find("a", store.ErrNotFound)
	if f := find("d", nil); f.Session.Step != "terms" || f.Session.CameFrom != "mac" || len(f.Session.Methods) != 2 {
		t.Errorf("%+v", f.Session)
	}
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.TouchSession("c", now) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.EndSession("v", "a") })
	if all := get(t, tenant, func(tx *store.Tx) ([]store.Session, error) { return tx.SessionsOf("u") }); len(all) != 1 || all[0].ID != "a" {
		t.Errorf("%+v", all)
	}
	write(t, tenant, func(tx *store.Tx) error {
		u, err := tx.User("u")
		u.State = store.UserBlocked
		return errors.Join(err, tx.SaveUser(u))
	})
	find("d", store.ErrNotFound)
	write(t, tenant, func(tx *store.Tx) error {
		u, err := tx.User("u")
		u.State = store.UserActive
		return errors.Join(err, tx.SaveUser(u))
	})
	find("d", nil)
	write(t, tenant, func(tx *store.Tx) error {
		if n, err := tx.EndSessions("u", "a"); n != 0 || err != nil {
			t.Errorf("%d others ended: %v", n, err)
		}
		_, err := tx.EndSessions("u", "")
		return err
	})
	find("d", store.ErrNotFound)
}

func testThrottles(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	hold := func(name string, change func(tx *store.Tx, x *store.Throttle)) {
		t.Helper()
		write(t, tenant, func(tx *store.Tx) error {
			x, err := tx.LockThrottle("pair", name)
			if err != nil {
				return err
			}
			x.Tries++
			change(tx, x)
			return tx.SaveThrottle(x)
		})
	}
	hold("quiet", func(*store.Tx, *store.Throttle) {})
	hold("timed", func(tx *store.Tx, x *store.Throttle) { x.Until, x.User = tx.Now().Add(time.Minute), "u" })
	hold("stays", func(_ *store.Tx, x *store.Throttle) { x.Stays = true })
	hold("timed", func(_ *store.Tx, x *store.Throttle) {
		if x.Tries != 2 || x.User != "u" || x.Until.IsZero() || x.Stays {
			t.Errorf("%+v", x)
		}
	})
	held := func(want int) []store.Throttle {
		t.Helper()
		all := get(t, tenant, func(tx *store.Tx) ([]store.Throttle, error) { return tx.Throttles() })
		if len(all) != want {
			t.Fatalf("%d hold: %+v", len(all), all)
		}
		return all
	}
	held(2)
	h.clock.advance(2 * time.Minute)
	left := held(1)[0]
	if !left.Stays || left.Name != "stays" {
		t.Errorf("%+v", left)
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.DropThrottles(tx.Now().Add(-time.Minute)) })
	hold("timed", func(_ *store.Tx, x *store.Throttle) {
		if x.Tries != 1 {
			t.Errorf("it was not forgotten: %+v", x)
		}
	})
	write(t, tenant, func(tx *store.Tx) error { return tx.LiftThrottle(left.ID) })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.LiftThrottle(left.ID) })
	held(0)
}

func testApprovals(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		for id, expires := range map[string]time.Duration{"a": time.Hour, "b": time.Hour, "c": time.Minute} {
			must(t, tx.InsertApproval(&store.Approval{ID: id, Route: "POST /tokens", Request: []byte("sealed"), AskedBy: "user:u", State: store.ApprovalOpen, Expires: tx.Now().Add(expires)}))
		}
		return nil
	})
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.CarriedOut("a", 201, nil) })
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.SettleApproval("a", store.ApprovalApproved, "user:v"), tx.CarriedOut("a", 201, []byte("answer")))
	})
	refused(t, tenant, store.ErrConflict, func(tx *store.Tx) error { return tx.SettleApproval("a", store.ApprovalRefused, "user:w") })
	a := get(t, tenant, func(tx *store.Tx) (*store.Approval, error) { return tx.Approval("a") })
	if a.State != store.ApprovalApproved || a.By != "user:v" || a.Status != 201 || a.Request != nil || string(a.Answer) != "answer" || a.Settled.IsZero() {
		t.Errorf("%+v", a)
	}
	write(t, tenant, func(tx *store.Tx) error { return tx.TakeAnswer("a") })
	refused(t, tenant, store.ErrNotFound, func(tx *store.Tx) error { return tx.TakeAnswer("a") })
	h.clock.advance(2 * time.Minute)
	write(t, tenant, func(tx *store.Tx) error {
		ids, err := tx.ExpireApprovals()
		if len(ids) != 1 || ids[0] != "c" {
			t.Errorf("expired: %v", ids)
		}
		return err
	})
	if all := get(t, tenant, func(tx *store.Tx) ([]store.Approval, error) { return tx.Approvals(2) }); len(all) != 2 {
		t.Errorf("%+v", all)
	}
}

// testRaceOfUsers: what is to hold of all users together holds, whoever changes them
// at the same time.
func testRaceOfUsers(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	write(t, tenant, func(tx *store.Tx) error {
		for _, id := range []string{"a", "b", "c", "d"} {
			must(t, tx.InsertUser(&store.User{ID: id, Login: id, State: store.UserActive}))
		}
		return nil
	})
	var all sync.WaitGroup
	for i, id := range []string{"a", "b", "c", "d"} {
		db := []*store.DB{h.db, h.other}[i%2]
		all.Go(func() {
			err := db.Tenant(tenant.ID()).Write(t.Context(), func(tx *store.Tx) error { return blockUnlessLast(tx, id) })
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	active := 0
	for _, u := range get(t, tenant, func(tx *store.Tx) ([]store.User, error) { return tx.Users() }) {
		if u.State == store.UserActive {
			active++
		}
	}
	if active != 1 {
		t.Errorf("%d are left", active)
	}
}

func blockUnlessLast(tx *store.Tx, id string) error {
	users, err := tx.LockUsers()
	if err != nil {
		return err
	}
	active := 0
	var mine *store.User
	for i := range users {
		if users[i].State == store.UserActive {
			active++
		}
		if users[i].ID == id {
			mine = &users[i]
		}
	}
	if active < 2 {
		return nil
	}
	mine.State = store.UserBlocked
	return tx.SaveUser(mine)
}

// testRaceOfTries: no try is lost, on whatever node.
func testRaceOfTries(t *testing.T, h house) {
	tenant := Tenant(t, h.db)
	var all sync.WaitGroup
	var most atomic.Int64
	for i := range 12 {
		db := []*store.DB{h.db, h.other}[i%2]
		all.Go(func() {
			var mine int64
			err := db.Tenant(tenant.ID()).Write(t.Context(), func(tx *store.Tx) error {
				x, err := tx.LockThrottle("pair", "mac")
				if err != nil {
					return err
				}
				x.Tries++
				mine = x.Tries
				return tx.SaveThrottle(x)
			})
			if err != nil {
				t.Error(err)
			}
			for {
				if m := most.Load(); m >= mine || most.CompareAndSwap(m, mine) {
					return
				}
			}
		})
	}
	all.Wait()
	if most.Load() != 12 {
		t.Errorf("%d of 12 were counted", most.Load())
	}
}
