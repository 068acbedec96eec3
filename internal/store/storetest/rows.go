package storetest

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lotse/internal/importer"
	"lotse/internal/store"
)

// Rows runs the conformance suite of the rows of the domain on a new database.
func Rows(t *testing.T, p Place) {
	c := new(clock)
	h := house{db: p.Migrated(t, c.config), other: p.Open(t, c.config), clock: c}
	h.open = func(t testing.TB) *store.DB { return p.Open(t, c.config) }
	for _, test := range []struct {
		name string
		run  func(*testing.T, house)
	}{
		{"Due", testDue}, // counts over all tenants: first
		{"Imports", testImports},
		{"ImportList", testImportList},
		{"Intake", testIntake},
		{"Parts", testParts},
		{"Segments", testSegments},
		{"Reset", testReset},
		{"Uploads", testUploads},
		{"Destinations", testDestinations},
		{"Sites", testSites},
		{"ImportsOfSites", testImportsOfSites},
		{"Callers", testCallers},
		{"Sent", testSent},
		{"Deliveries", testDeliveries},
		{"Outcomes", testOutcomes},
		{"Commitments", testCommitments},
		{"Receipts", testReceipts},
		{"Events", testEvents},
		{"FindEvents", testFindEvents},
		{"SealedEvents", testSealedEvents},
		{"EventsOnce", testEventsOnce},
		{"Chain", testChain},
		{"ChainOfLateCommits", testChainOfLateCommits},
		{"RaceOfLinkers", testRaceOfLinkers},
		{"HeldLeases", testHeldLeases},
		{"Usage", testUsage},
		{"Tokens", testTokens},
		{"Users", testUsers},
		{"Credentials", testCredentials},
		{"Sessions", testSessions},
		{"Throttles", testThrottles},
		{"Approvals", testApprovals},
		{"Providers", testProviders},
		{"Spent", testSpent},
		{"Settings", testSettings},
		{"Installation", testInstallation},
		{"Nodes", testNodes},
		{"Portals", testPortals},
		{"Idempotency", testIdempotency},
		{"Purge", testPurge},
		{"Walls", testWalls},
		{"RaceOfSaves", testRaceOfSaves},
		{"RaceOfDecisions", testRaceOfDecisions},
		{"RaceOfSegments", testRaceOfSegments},
		{"RaceOfParts", testRaceOfParts},
		{"RaceOfLeases", testRaceOfLeases},
		{"LeaseTakenFromWriter", testLeaseTakenFromWriter},
		{"RaceOfIntakes", testRaceOfIntakes},
		{"RaceOfKeys", testRaceOfKeys},
		{"RaceOfUsers", testRaceOfUsers},
		{"RaceOfTries", testRaceOfTries},
		{"RaceOfProofs", testRaceOfProofs},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, h) })
	}
}

// house is a database that two nodes have open, under a clock that can be moved.
type house struct {
	db, other *store.DB
	clock     *clock
	open      func(t testing.TB) *store.DB // as one more node
}

// clock shifts the time of a database.
type clock struct{ shift atomic.Int64 }

func (c *clock) config(config *store.Config) {
	config.Shift = func() time.Duration { return time.Duration(c.shift.Load()) }
}

func (c *clock) advance(d time.Duration) { c.shift.Add(int64(d)) }

// write runs f in a transaction that must commit.
func write(t testing.TB, tenant *store.Tenant, f func(tx *store.Tx) error) {
	t.Helper()
	must(t, tenant.Write(t.Context(), f))
}

// refused runs f in a transaction that must fail with an error.
func refused(t testing.TB, tenant *store.Tenant, want error, f func(tx *store.Tx) error) {
	t.Helper()
	if err := tenant.Write(t.Context(), f); !errors.Is(err, want) {
		t.Errorf("error %v, want %v", err, want)
	}
}

// get reads something that must be there.
func get[T any](t testing.TB, tenant *store.Tenant, f func(tx *store.Tx) (T, error)) T {
	t.Helper()
	var value T
	must(t, tenant.Read(t.Context(), func(tx *store.Tx) (err error) {
		value, err = f(tx)
		return err
	}))
	return value
}

func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: -want +got\n%s", what, diff)
	}
}

// noon is a time in whole microseconds.
func noon(after time.Duration) time.Time {
	return time.Date(2026, 11, 21, 12, 0, 0, 123456000, time.UTC).Add(after)
}

// aStudy is an import with every column set but those of the end.
func aStudy(id string) *store.Import {
	return &store.Import{ID: id, Site: "north", Kind: "dicom", State: importer.Fetching, Priority: 10, CreatedBy: "user-1", LegalBasis: "treatment",
		Created: noon(0), Expires: noon(168 * time.Hour), Purge: noon(100 * time.Hour), RetryAt: noon(time.Minute), Quiet: noon(time.Hour),
		Warned: 1, Problem: importer.ProblemPortalDown, ProblemHost: "portal.example.org", IntakeKey: "key of " + id,
		Files: 7, Instances: 6, Request: []byte{1, 0}, Secrets: []byte{2}, Question: []byte{3}, Fetched: []byte{4}, Decision: []byte{5}}
}

// newImport adds an import with one part and gives its id.
func newImport(t testing.TB, tenant *store.Tenant) string {
	t.Helper()
	im := aStudy(store.NewID())
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.InsertImport(im), tx.InsertPart(aPart(im.ID)))
	})
	return im.ID
}

func aPart(importID string) *store.Part {
	return &store.Part{Import: importID, Role: store.RoleCame, Key: "exam.zip", Declared: 500, About: []byte("about"), Created: noon(0)}
}

// addSegments appends segments of the sizes.
func addSegments(tx *store.Tx, importID string, part int, start int64, sizes ...int64) error {
	var list []store.Segment
	for _, size := range sizes {
		list = append(list, store.Segment{ID: store.NewID(), Start: start, Size: size})
		start += size
	}
	return tx.AddSegments(importID, part, list)
}

func aDestination(id string) *store.Destination {
	return &store.Destination{ID: id, Name: "PACS " + id, Config: []byte(`{"aet":"PACS"}`), Created: noon(0)}
}

func aDelivery(id, importID, destination string) *store.Delivery {
	return &store.Delivery{ID: id, Import: importID, Destination: destination, Config: []byte(`{"aet":"PACS"}`),
		State: importer.DeliverySending, Starts: 2, Objects: -1, Delivered: 3, Warned: 4, Failed: 5, Bytes: 6,
		Problem: importer.ProblemDestination, RetryAt: noon(time.Minute), Proof: "statuses", Created: noon(0), Settled: noon(time.Hour)}
}

// newDelivery adds an import with a delivery and gives both ids.
func newDelivery(t testing.TB, tenant *store.Tenant) (importID, id string) {
	t.Helper()
	importID, id = newImport(t, tenant), store.NewID()
	write(t, tenant, func(tx *store.Tx) error {
		return errors.Join(tx.InsertDestination(aDestination("of-"+id)), tx.InsertDelivery(aDelivery(id, importID, "of-"+id)))
	})
	return importID, id
}

// atOnce runs f on n goroutines, alternating between the nodes, and counts the
// outcomes by error; nil is the empty text.
func atOnce(t testing.TB, h house, tenant string, n int, f func(i int, node *store.Tenant) error) map[string]int {
	t.Helper()
	var wg sync.WaitGroup
	var mu sync.Mutex
	outcomes := map[string]int{}
	start := make(chan struct{})
	for i := range n {
		node := h.db.Tenant(tenant)
		if i%2 == 1 {
			node = h.other.Tenant(tenant)
		}
		wg.Go(func() {
			<-start
			text := ""
			if err := f(i, node); err != nil {
				text = err.Error()
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[text]++
		})
	}
	close(start)
	wg.Wait()
	return outcomes
}

// Fill gives a tenant a row in every table; mark keeps apart what is unique over
// all tenants. Ids are the same for every tenant.
func Fill(t testing.TB, tenant *store.Tenant, mark string) {
	t.Helper()
	write(t, tenant, func(tx *store.Tx) error {
		_, _, err := tx.Enqueue(store.Job{Kind: "fetch", Subject: "import"})
		return errors.Join(err, tx.AddSite("north", "North"),
			tx.InsertCaller(aCaller("caller")),
			tx.Use("caller", noon(0), store.Sent{Objects: 1, Bytes: 100}),
			tx.InsertImport(aStudy("import")),
			tx.InsertPart(aPart("import")),
			tx.AddSegments("import", 1, []store.Segment{{ID: "segment", Start: 0, Size: 100}}),
			tx.InsertUpload(&store.Upload{ID: "upload", Import: "import", Part: 1, Length: 500, Created: noon(0)}),
			tx.InsertDestination(aDestination("destination")),
			tx.InsertDelivery(aDelivery("delivery", "import", "destination")),
			tx.SaveOutcomes("delivery", []store.Outcome{{Item: 1, Fate: importer.Delivered, Sent: 1, Line: []byte("line")}}),
			tx.InsertCommitment(&store.Commitment{UID: "2.25." + mark, Import: "import", Delivery: "delivery",
				State: store.CommitmentOpen, Opened: noon(0), Report: []byte("report")}),
			tx.InsertReceipt(&store.Receipt{Delivery: "delivery", Import: "import", Created: noon(0), Document: []byte(`{}`)}),
			tx.Audit(store.Event{ID: "event", Import: "import", Actor: "user-1", Event: "import.created", At: noon(0)}),
			fillChain(tx),
			tx.InsertToken(&store.Token{ID: "token", Hash: "hash-" + mark, Name: "script", Role: "clerk", Created: noon(0)}),
			tx.SetSetting("language", "de"),
			tx.InsertSigningKey(&store.SigningKey{ID: "key", Public: "AAAA", Created: noon(0)}),
			tx.ConfirmPortal(&store.Portal{Host: "portal.example", ConfirmedBy: "user-1", Confirmed: noon(0)}),
			begun(tx.BeginIdempotent("once", "POST /imports", "hash", time.Hour)),
			fillAccounts(tx, mark))
	})
}

func begun(_ *store.Stored, err error) error { return err }

// state is all that can be read of what Fill made, as text.
func state(t testing.TB, tenant *store.Tenant, mark string) string {
	t.Helper()
	var b strings.Builder
	must(t, tenant.Read(t.Context(), func(tx *store.Tx) error {
		b.Reset()
		add := func(what string, value any, err error) {
			if err != nil && !errors.Is(err, store.ErrNotFound) {
				t.Errorf("%s: %v", what, err)
			}
			fmt.Fprintf(&b, "%s: %+v %v\n", what, value, err)
		}
		for what, f := range reads(tx, mark) {
			value, err := f()
			add(what, value, err)
		}
		return nil
	}))
	lines := strings.Split(b.String(), "\n")
	return strings.Join(sorted(lines), "\n")
}
