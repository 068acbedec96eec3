package storetest

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

func sorted(lines []string) []string {
	slices.Sort(lines)
	return lines
}

// reads are all ways to read what Fill made; values are made comparable as text.
func reads(tx *store.Tx, mark string) map[string]func() (any, error) {
	return map[string]func() (any, error){
		"import":      func() (any, error) { return value(tx.Import("import")) },
		"imports":     func() (any, error) { all, err := tx.Imports(store.ImportFilter{}); return len(all), err },
		"part":        func() (any, error) { return value(tx.Part("import", 1)) },
		"part by key": func() (any, error) { return value(tx.PartByKey("import", "exam.zip")) },
		"parts":       func() (any, error) { return tx.Parts("import", "") },
		"segments":    func() (any, error) { return tx.Segments("import", 1) },
		"segment ids": func() (any, error) {
			return collected(func(f func(string) error) error { return tx.SegmentIDs("import", f) })
		},
		"upload":  func() (any, error) { return value(tx.Upload("upload")) },
		"uploads": func() (any, error) { return tx.UploadsOf("import") },
		"site":    func() (any, error) { return value(tx.Site("north")) },
		"sites":   func() (any, error) { return tx.Sites() },
		"site in use": func() (any, error) {
			used, err := tx.SiteUsed("north")
			return map[bool]int{true: 1}[used], err
		},
		"caller":       func() (any, error) { return value(tx.Caller("caller")) },
		"callers":      func() (any, error) { return tx.Callers() },
		"sent":         func() (any, error) { u, err := tx.Used("caller", noon(0)); return int(u.Objects + u.Bytes), err },
		"destination":  func() (any, error) { return value(tx.Destination("destination")) },
		"destinations": func() (any, error) { return tx.Destinations() },
		"delivery":     func() (any, error) { return value(tx.Delivery("delivery")) },
		"deliveries":   func() (any, error) { return tx.DeliveriesOf("import") },
		"outcomes": func() (any, error) {
			return collected(func(f func(store.Outcome) error) error { return tx.Outcomes("delivery", f) })
		},
		"outcome fates": func() (any, error) { return tx.OutcomeFates("delivery") },
		"commitment":    func() (any, error) { return value(tx.Commitment("2.25." + mark)) },
		"commitments":   func() (any, error) { return tx.CommitmentsOf("delivery") },
		"receipt":       func() (any, error) { return value(tx.Receipt("delivery")) },
		"events":        func() (any, error) { return tx.Events("import") },
		"found events":  func() (any, error) { return tx.FindEvents(store.EventFilter{Limit: 10}) },
		"last link":     func() (any, error) { return value(pointed(tx.LastLink())) },
		"links":         func() (any, error) { return tx.Links(0, 10) },
		"heads":         func() (any, error) { return tx.Heads(0, 10) },
		"last head":     func() (any, error) { return value(pointed(tx.LastHead())) },
		"audited":       func() (any, error) { return numbered(tx.Audited("seen")) },
		"cursor":        func() (any, error) { n, err := tx.AuditCursor("siem"); return int(n), err },
		"usage":         func() (any, error) { return tx.Usage("2000-01", "3000-01") },
		"persons": func() (any, error) {
			n, err := tx.ActivePersons(noon(-1000*time.Hour), noon(1000*time.Hour))
			return int(n), err
		},
		"tokens":        func() (any, error) { return tx.Tokens() },
		"setting":       func() (any, error) { return tx.Setting("language") },
		"signing keys":  func() (any, error) { return tx.SigningKeys() },
		"portals":       func() (any, error) { return tx.Portals() },
		"user":          func() (any, error) { return value(tx.User("user")) },
		"user by login": func() (any, error) { return value(tx.UserByLogin("login")) },
		"users":         func() (any, error) { return tx.Users() },
		"credentials":   func() (any, error) { return tx.CredentialsOf("user") },
		"passkey":       func() (any, error) { return value(tx.CredentialByLookup("passkey", "shown")) },
		"session":       func() (any, error) { return value(tx.Session("session")) },
		"sessions":      func() (any, error) { all, err := tx.SessionsOf("user"); return len(all), err },
		"throttles":     func() (any, error) { return throttled(tx.Throttles()) },
		"approval":      func() (any, error) { return value(tx.Approval("approval")) },
		"approvals":     func() (any, error) { return tx.Approvals(9) },
		"elevations":    func() (any, error) { return tx.Elevations(9) },
		"provider":      func() (any, error) { return value(tx.Provider("provider")) },
		"providers":     func() (any, error) { return tx.Providers() },
		"spent":         func() (any, error) { return numbered(tx.Spent("proof")) },
	}
}

func value[T any](p *T, err error) (any, error) {
	if p == nil {
		return nil, err
	}
	return *p, err
}

func pointed[T any](v T, err error) (*T, error) { return &v, err }

// numbered makes a list of what is true, so that false is an empty one.
func numbered(b bool, err error) (any, error) {
	if b {
		return []bool{b}, err
	}
	return []bool{}, err
}

func collected[T any](each func(func(T) error) error) (any, error) {
	var all []T
	err := each(func(v T) error {
		all = append(all, v)
		return nil
	})
	return all, err
}

// changes are all ways to change or lock what Fill made.
func changes(mark string) map[string]func(tx *store.Tx) error {
	im := aStudy("import")
	im.Version = 1
	delivery := aDelivery("delivery", "import", "destination")
	delivery.Version = 1
	destination := aDestination("destination")
	destination.Version, destination.Name = 1, "changed"
	part := aPart("import")
	part.Number, part.Complete = 1, true
	all := map[string]func(tx *store.Tx) error{
		"save import":        func(tx *store.Tx) error { return tx.SaveImport(im) },
		"lock import":        func(tx *store.Tx) error { _, err := tx.LockImport("import"); return err },
		"open intake":        func(tx *store.Tx) error { _, err := tx.OpenIntake("key of import"); return err },
		"save part":          func(tx *store.Tx) error { return tx.SavePart(part) },
		"lock part":          func(tx *store.Tx) error { _, err := tx.LockPart("import", 1); return err },
		"drop part":          func(tx *store.Tx) error { _, err := tx.DropPart("import", 1); return err },
		"add segments":       func(tx *store.Tx) error { return addSegments(tx, "import", 1, 100, 1) },
		"drop segments":      func(tx *store.Tx) error { _, err := tx.DropSegments("import", 1); return err },
		"lease upload":       func(tx *store.Tx) error { _, err := tx.LeaseUpload("upload", time.Hour); return err },
		"delete upload":      func(tx *store.Tx) error { return tx.DeleteUpload("upload") },
		"save destination":   func(tx *store.Tx) error { return tx.SaveDestination(destination) },
		"delete destination": func(tx *store.Tx) error { return tx.DeleteDestination("destination") },
		"save site": func(tx *store.Tx) error {
			return tx.SaveSite(&store.Site{ID: "north", Name: "changed", Version: 1})
		},
		"lock site":     func(tx *store.Tx) error { _, err := tx.LockSite("north"); return err },
		"delete site":   func(tx *store.Tx) error { return tx.DeleteSite("north") },
		"save caller":   func(tx *store.Tx) error { c := aCaller("caller"); c.Version = 1; return tx.SaveCaller(c) },
		"lock caller":   func(tx *store.Tx) error { _, err := tx.LockCaller("caller"); return err },
		"delete caller": func(tx *store.Tx) error { return tx.DeleteCaller("caller") },
		"use":           func(tx *store.Tx) error { return foreign(tx.Use("caller", noon(0), store.Sent{Objects: 5})) },
		"save delivery": func(tx *store.Tx) error { return tx.SaveDelivery(delivery) },
		"lock delivery": func(tx *store.Tx) error { _, err := tx.LockDelivery("delivery"); return err },
		"save commitment": func(tx *store.Tx) error {
			return tx.SaveCommitment(&store.Commitment{UID: "2.25." + mark, State: store.CommitmentFailed})
		},
		"lock commitment": func(tx *store.Tx) error { _, err := tx.LockCommitment("2.25." + mark); return err },
		"hold lease": func(tx *store.Tx) error {
			return gone(tx.HoldLease(store.Lease{Name: "chain", Node: "a", Token: 1}, time.Hour))
		},
		"insert head":   func(tx *store.Tx) error { return foreign(tx.InsertHead(&store.Head{Seq: 1, Hash: "x"})) },
		"revoke token":  func(tx *store.Tx) error { return tx.RevokeToken("token") },
		"renew upload":  func(tx *store.Tx) error { return gone(tx.RenewUpload("upload", 1, time.Hour)) },
		"hold upload":   func(tx *store.Tx) error { return gone(tx.HoldUpload("upload", 1)) },
		"revoke portal": func(tx *store.Tx) error { return tx.RevokePortal("portal.example") },
		"insert part": func(tx *store.Tx) error {
			return foreign(tx.InsertPart(&store.Part{Import: "import", Role: store.RoleCame, Key: "x"}))
		},
		"insert upload": func(tx *store.Tx) error {
			return foreign(tx.InsertUpload(&store.Upload{ID: "u", Import: "import", Part: 1}))
		},
		"insert delivery": func(tx *store.Tx) error { return tx.InsertDelivery(aDelivery("d", "import", "destination")) },
		"save outcomes": func(tx *store.Tx) error {
			return foreign(tx.SaveOutcomes("delivery", []store.Outcome{{Item: 1, Fate: importer.Failed}}))
		},
		"insert receipt": func(tx *store.Tx) error {
			return foreign(tx.InsertReceipt(&store.Receipt{Delivery: "delivery", Import: "import"}))
		},
		"finish idempotent": func(tx *store.Tx) error { return gone(tx.FinishIdempotent("once", tx.Now(), 201, nil, nil)) },
		"insert commitment": func(tx *store.Tx) error {
			return foreign(tx.InsertCommitment(&store.Commitment{UID: "2.25.9", Import: "import", Delivery: "delivery", State: store.CommitmentOpen}))
		},
		"take a commitment": func(tx *store.Tx) error {
			return gone(tx.InsertCommitment(&store.Commitment{UID: "2.25." + mark, Import: "import", Delivery: "delivery", State: store.CommitmentOpen}))
		},
		"take a token's hash": func(tx *store.Tx) error { return gone(tx.InsertToken(&store.Token{ID: "t", Hash: "hash-" + mark})) },
	}
	maps.Copy(all, changesOfAccounts(mark))
	return all
}

// changesOfAccounts are those of people and how they get in.
func changesOfAccounts(mark string) map[string]func(tx *store.Tx) error {
	return map[string]func(tx *store.Tx) error{
		"save user":         func(tx *store.Tx) error { return tx.SaveUser(aUser("user")) },
		"accept terms":      func(tx *store.Tx) error { return tx.AcceptTerms("user", 7) },
		"save credential":   func(tx *store.Tx) error { return tx.SaveCredential(aCredential("key", "user", "passkey", "shown")) },
		"use credential":    func(tx *store.Tx) error { return gone(tx.UseCredential("key", 100)) },
		"delete credential": func(tx *store.Tx) error { return tx.DeleteCredential("user", "key") },
		"insert credential": func(tx *store.Tx) error { return foreign(tx.InsertCredential(aCredential("k", "user", "totp", ""))) },
		"insert session":    func(tx *store.Tx) error { return foreign(tx.InsertSession(aSession("s", "user", "hash-s-"+mark))) },
		"save session":      func(tx *store.Tx) error { return tx.SaveSession(aSession("session", "user", "changed-"+mark)) },
		"touch session":     func(tx *store.Tx) error { return tx.TouchSession("session", tx.Now()) },
		"end session":       func(tx *store.Tx) error { return tx.EndSession("user", "session") },
		"lift throttle":     func(tx *store.Tx) error { return tx.LiftThrottle("throttle-" + mark) },
		"save throttle":     func(tx *store.Tx) error { return tx.SaveThrottle(&store.Throttle{Kind: "pair", Name: "mac"}) },
		"settle approval":   func(tx *store.Tx) error { return gone(tx.SettleApproval("approval", store.ApprovalRefused, "b")) },
		"take answer":       func(tx *store.Tx) error { return tx.TakeAnswer("approval") },
		"carry out":         func(tx *store.Tx) error { return tx.CarriedOut("approval", 200, nil) },
		"insert elevation": func(tx *store.Tx) error {
			return foreign(tx.InsertElevation(&store.Elevation{ID: "e", User: "user", Reason: []byte{1}, Ends: noon(0)}))
		},
		"save provider": func(tx *store.Tx) error {
			p := aProvider("provider", "other")
			p.Version = 1
			return tx.SaveProvider(p)
		},
		"delete provider": func(tx *store.Tx) error { return tx.DeleteProvider("provider") },
	}
}

// gone takes the answers that say "not yours" in another way for not found.
func gone(err error) error {
	if errors.Is(err, store.ErrLeaseLost) || errors.Is(err, store.ErrConflict) {
		return store.ErrNotFound
	}
	return err
}

// foreign takes a row that refers to nothing for not found.
func foreign(err error) error {
	var e *store.Error
	if errors.As(err, &e) && e.Kind == store.Permanent {
		return store.ErrNotFound
	}
	return err
}

// testWalls: b neither sees nor changes a row of a, in any table and by any
// method, whether or not it has rows of the same ids.
func testWalls(t *testing.T, h house) {
	a, b := Tenant(t, h.db), Tenant(t, h.db)
	mark := strings.ReplaceAll(a.ID(), "-", "")
	Fill(t, a, mark)
	before := state(t, a, mark)
	for what, f := range reads(nil, mark) {
		_ = f // only the names: each is read in state
		if !strings.Contains(before, what+": ") || strings.Contains(before, what+": <nil>") || strings.Contains(before, what+": []") {
			t.Errorf("%s: a does not see its own", what)
		}
	}
	must(t, b.Read(t.Context(), func(tx *store.Tx) error {
		for what, f := range reads(tx, mark) {
			got, err := f()
			if n, ok := got.(int); ok && n == 0 && err == nil {
				continue
			}
			if !errors.Is(err, store.ErrNotFound) && !empty(got) {
				t.Errorf("%s: b sees %+v, %v", what, got, err)
			}
		}
		return nil
	}))
	for what, f := range changes(mark) {
		if err := b.Write(t.Context(), f); !errors.Is(foreign(err), store.ErrNotFound) {
			t.Errorf("%s: b gets %v", what, err)
		}
	}
	write(t, b, func(tx *store.Tx) error {
		return errors.Join(tx.PurgeImport("import"), tx.EraseOutcomes("import"), tx.DeleteParts("import"),
			tx.ForgetIdempotent("once", tx.Now()), tx.ReleaseUpload("upload", 0), forgetAccounts(tx))
	})
	same(t, "rows of a after b tried everything", state(t, a, mark), before)
	Fill(t, b, strings.ReplaceAll(b.ID(), "-", "")) // the same ids are other rows
	same(t, "rows of a beside those of b", state(t, a, mark), before)
	for what, f := range changes(strings.ReplaceAll(b.ID(), "-", "")) {
		if what == "insert part" { // its own now, and dropped with the part
			continue
		}
		_ = b.Write(t.Context(), func(tx *store.Tx) error { return f(tx) })
	}
	write(t, b, func(tx *store.Tx) error { return tx.PurgeImport("import") })
	same(t, "rows of a after b changed its own", state(t, a, mark), before)
	write(t, a, func(tx *store.Tx) error {
		return begunAnew(tx.BeginIdempotent("once", "POST /imports", "hash", time.Hour))
	})
}

// begunAnew wants a request that is running already.
func begunAnew(_ *store.Stored, err error) error {
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return errors.Join(errors.New("b forgot a request of a"), err)
}

// empty reports whether a list or map has nothing in it.
func empty(v any) bool {
	r := reflect.ValueOf(v)
	return (r.Kind() == reflect.Slice || r.Kind() == reflect.Map) && r.Len() == 0
}
