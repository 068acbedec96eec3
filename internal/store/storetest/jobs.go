package storetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
)

const lease = 15 * time.Second

// bench is a database with a tenant and a clock to turn.
type bench struct {
	Clock
	db     *store.DB
	tenant *store.Tenant
}

func newBench(t testing.TB, p Place) *bench {
	t.Helper()
	b := &bench{}
	b.db = p.Migrated(t, b.Config)
	b.tenant = Tenant(t, b.db)
	return b
}

func (b *bench) enqueue(t testing.TB, job store.Job) string {
	t.Helper()
	var id string
	must(t, b.tenant.Write(t.Context(), func(tx *store.Tx) (err error) {
		id, _, err = tx.Enqueue(job)
		return err
	}))
	return id
}

func (b *bench) claim(t testing.TB, limit int, kinds ...string) []store.Job {
	t.Helper()
	var wants []store.Want
	for _, kind := range kinds {
		wants = append(wants, store.Want{Kind: kind, Limit: limit})
	}
	jobs, _, err := b.db.System().Claim(t.Context(), "node", lease, wants)
	must(t, err)
	return jobs
}

func (b *bench) one(t testing.TB, kind string) store.Job {
	t.Helper()
	jobs := b.claim(t, 1, kind)
	if len(jobs) != 1 {
		t.Fatalf("%d jobs of kind %s can be claimed, want 1", len(jobs), kind)
	}
	return jobs[0]
}

func (b *bench) status(t testing.TB, id string) store.JobStatus {
	t.Helper()
	var s store.JobStatus
	must(t, b.tenant.Read(t.Context(), func(tx *store.Tx) (err error) {
		s, err = tx.Job(id)
		return err
	}))
	return s
}

func (b *bench) write(t testing.TB, f func(*store.Tx) error) error {
	return b.tenant.Write(t.Context(), f)
}

func testEnqueue(t *testing.T, p Place) {
	b := newBench(t, p)
	failed := errors.New("no")
	err := b.write(t, func(tx *store.Tx) error {
		_, _, err := tx.Enqueue(store.Job{Kind: "fetch"})
		must(t, err)
		return failed
	})
	if !errors.Is(err, failed) || len(b.claim(t, 9, "fetch")) != 0 {
		t.Fatalf("a job of a transaction that did not commit is there (%v)", err)
	}
	select {
	case <-b.db.Enqueued():
		t.Error("a job that was rolled back is announced")
	default:
	}
	id := b.enqueue(t, store.Job{Kind: "fetch", Subject: "import", Unique: "u", Priority: 3, Payload: []byte{0, 1}})
	select {
	case <-b.db.Enqueued():
	default:
		t.Error("a new job is not announced")
	}
	must(t, b.write(t, func(tx *store.Tx) error {
		same, added, err := tx.Enqueue(store.Job{Kind: "fetch", Subject: "other", Unique: "u"})
		if added || same != id {
			t.Errorf("a second job with the same key: %s, added %v; the first is %s", same, added, id)
		}
		return err
	}))
	other := Tenant(t, b.db)
	must(t, other.Write(t.Context(), func(tx *store.Tx) error {
		_, added, err := tx.Enqueue(store.Job{Kind: "elsewhere", Unique: "u"})
		if !added {
			t.Error("the key of another tenant keeps the job out")
		}
		return err
	}))
	must(t, other.Read(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Job(id); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("another tenant's job: %v", err)
		}
		return nil
	}))
	job := b.one(t, "fetch")
	if job.ID != id || job.Tenant != b.tenant.ID() || job.Subject != "import" || job.Unique != "u" || job.Priority != 3 ||
		string(job.Payload) != "\x00\x01" || job.Attempt != 1 || job.Token != 1 || job.Cancelling {
		t.Errorf("claimed: %+v", job)
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.CompleteJob(job) }))
	must(t, b.write(t, func(tx *store.Tx) error {
		_, added, err := tx.Enqueue(store.Job{Kind: "fetch", Unique: "u"})
		if !added {
			t.Error("the key of a job that has ended keeps another out")
		}
		return err
	}))
}

func testOrder(t *testing.T, p Place) {
	b := newBench(t, p)
	enqueue := func(name string, priority int) { b.enqueue(t, store.Job{Kind: "k", Subject: name, Priority: priority}) }
	enqueue("night", -60)
	b.Pass(30 * time.Minute)
	enqueue("first", 0)
	b.Pass(time.Second)
	enqueue("second", 0)
	enqueue("person", 10)
	b.Pass(29 * time.Minute)
	enqueue("late person", 10) // "first" has waited longer than the ten minutes
	take := func() string {
		job := b.one(t, "k")
		must(t, b.write(t, func(tx *store.Tx) error { return tx.CompleteJob(job) }))
		return job.Subject
	}
	var got []string
	for range 5 {
		got = append(got, take())
	}
	want := []string{"person", "first", "second", "late person", "night"}
	if !slices.Equal(got, want) {
		t.Errorf("order %q, want %q", got, want)
	}
	enqueue("starving", -60)
	b.Pass(71 * time.Minute)
	enqueue("person", 10)
	if got := take(); got != "starving" {
		t.Errorf("%q goes before what has waited longer than its priority costs", got)
	}
}

func testRunAt(t *testing.T, p Place) {
	b := newBench(t, p)
	must(t, b.write(t, func(tx *store.Tx) error {
		_, _, err := tx.Enqueue(store.Job{Kind: "k", RunAt: tx.Now().Add(time.Hour)})
		return err
	}))
	if len(b.claim(t, 1, "k")) != 0 {
		t.Error("claimed before its time")
	}
	outlook, err := b.db.System().Outlook(t.Context(), []string{"k", "nothing"})
	must(t, err)
	if len(outlook.Due) != 0 || outlook.Next < 59*time.Minute || outlook.Next > time.Hour {
		t.Errorf("outlook: %+v", outlook)
	}
	b.Pass(time.Hour)
	if len(b.claim(t, 1, "other", "k")) != 1 {
		t.Error("not claimed when its time had come")
	}
}

func testFence(t *testing.T, p Place) {
	b := newBench(t, p)
	id := b.enqueue(t, store.Job{Kind: "k"})
	first := b.one(t, "k")
	fence := func(job store.Job) error {
		return b.write(t, func(tx *store.Tx) error {
			if err := tx.Fence(job); err != nil {
				return err
			}
			return tx.AddSite(store.NewID(), store.NewID())
		})
	}
	must(t, fence(first))
	b.Pass(lease - time.Second)
	if len(b.claim(t, 1, "k")) != 0 {
		t.Fatal("claimed while the lease held")
	}
	pulses, err := b.db.System().Heartbeat(t.Context(), lease, []store.Beat{{Job: first, Progress: []byte(`{"n":1}`)}})
	if err != nil || pulses[0] != store.PulseExtended {
		t.Fatalf("heartbeat: %v, %v", pulses, err)
	}
	if got := string(b.status(t, id).Progress); got != `{"n":1}` {
		t.Errorf("progress %s", got)
	}
	b.Pass(lease - time.Second)
	must(t, fence(first))
	b.Pass(2 * time.Second)
	if err := fence(first); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a lease that ended: %v", err)
	}
	second := b.one(t, "k")
	if second.ID != id || second.Token <= first.Token || second.Attempt != 2 {
		t.Errorf("second claim: %+v", second)
	}
	for name, f := range map[string]func(*store.Tx, store.Job) error{
		"fence":    (*store.Tx).Fence,
		"complete": (*store.Tx).CompleteJob,
		"cancel":   (*store.Tx).EndCancelledJob,
		"release":  (*store.Tx).ReleaseJob,
		"fail":     func(tx *store.Tx, j store.Job) error { return tx.FailJob(j, "x") },
		"delay":    func(tx *store.Tx, j store.Job) error { return tx.DelayJob(j, 0, true, "x") },
	} {
		if err := b.write(t, func(tx *store.Tx) error { return f(tx, first) }); !errors.Is(err, store.ErrLeaseLost) {
			t.Errorf("%s with the token of the first claim: %v", name, err)
		}
	}
	pulses, err = b.db.System().Heartbeat(t.Context(), lease, []store.Beat{{Job: first}, {Job: second}})
	if err != nil || !slices.Equal(pulses, []store.Pulse{store.PulseLost, store.PulseExtended}) {
		t.Errorf("heartbeat: %v, %v", pulses, err)
	}
	other := Tenant(t, b.db)
	if err := other.Write(t.Context(), func(tx *store.Tx) error { return tx.CompleteJob(second) }); err == nil {
		t.Error("a job ends in a transaction of another tenant")
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.CompleteJob(second) }))
	if err := fence(second); !errors.Is(err, store.ErrLeaseLost) {
		t.Errorf("a job that is done: %v", err)
	}
	if s := b.status(t, id); s.State != store.JobDone || s.Finished.IsZero() || !s.Lease.IsZero() || s.Node != "" {
		t.Errorf("status: %+v", s)
	}
}

func testGiveBack(t *testing.T, p Place) {
	b := newBench(t, p)
	id := b.enqueue(t, store.Job{Kind: "k", Attempts: 3})
	job := b.one(t, "k")
	must(t, b.write(t, func(tx *store.Tx) error { return tx.DelayJob(job, time.Minute, true, "unreachable") }))
	if s := b.status(t, id); s.State != store.JobWaiting || s.Code != "unreachable" || s.Attempt != 1 {
		t.Errorf("delayed: %+v", s)
	}
	if len(b.claim(t, 1, "k")) != 0 {
		t.Error("claimed before the delay has passed")
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.HurryJob(id) }))
	job = b.one(t, "k")
	if job.Attempt != 2 || job.Attempts != 3 {
		t.Errorf("after a delay: %+v", job)
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.ReleaseJob(job) }))
	if job = b.one(t, "k"); job.Attempt != 2 {
		t.Errorf("attempt %d after a release, which does not count", job.Attempt)
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.DelayJob(job, 0, false, "") }))
	if job = b.one(t, "k"); job.Attempt != 2 || job.Token != 4 {
		t.Errorf("after a delay that does not count: %+v", job)
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.FailJob(job, "gone") }))
	if s := b.status(t, id); s.State != store.JobFailed || s.Code != "gone" || s.Finished.IsZero() {
		t.Errorf("failed: %+v", s)
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.HurryJob(id) }))
	if len(b.claim(t, 1, "k")) != 0 {
		t.Error("a failed job can be claimed")
	}
	n, err := b.db.System().PruneJobs(t.Context(), time.Minute, 10)
	if n != 0 || err != nil {
		t.Errorf("pruned too early: %d, %v", n, err)
	}
	b.Pass(time.Hour)
	if n, err = b.db.System().PruneJobs(t.Context(), time.Minute, 10); n != 1 || err != nil {
		t.Errorf("pruned: %d, %v", n, err)
	}
}

func testCancel(t *testing.T, p Place) {
	b := newBench(t, p)
	cancel := func(id string) (state store.JobState, err error) {
		err = b.write(t, func(tx *store.Tx) (err error) {
			state, err = tx.CancelJob(id)
			return err
		})
		return state, err
	}
	waiting := b.enqueue(t, store.Job{Kind: "k"})
	if state, err := cancel(waiting); state != store.JobCancelled || err != nil {
		t.Errorf("a waiting job: %v, %v", state, err)
	}
	if len(b.claim(t, 1, "k")) != 0 {
		t.Error("a cancelled job can be claimed")
	}
	running := b.enqueue(t, store.Job{Kind: "k", Subject: "s"})
	job := b.one(t, "k")
	if state, err := cancel(running); state != store.JobRunning || err != nil {
		t.Errorf("a running job: %v, %v", state, err)
	}
	ids, err := b.db.System().Cancelling(t.Context(), "node")
	if err != nil || !slices.Equal(ids, []string{running}) {
		t.Errorf("cancelling: %v, %v", ids, err)
	}
	if ids, err = b.db.System().Cancelling(t.Context(), "another"); err != nil || len(ids) != 0 {
		t.Errorf("cancelling at another node: %v, %v", ids, err)
	}
	pulses, err := b.db.System().Heartbeat(t.Context(), lease, []store.Beat{{Job: job}})
	if err != nil || pulses[0] != store.PulseCancelled {
		t.Errorf("heartbeat: %v, %v", pulses, err)
	}
	// The worker dies before it could end the job; the next one knows.
	b.Pass(lease + time.Second)
	if job = b.one(t, "k"); !job.Cancelling {
		t.Error("the next worker does not hear of the cancel")
	}
	must(t, b.write(t, func(tx *store.Tx) error { return tx.EndCancelledJob(job) }))
	if state, err := cancel(running); state != store.JobCancelled || err != nil {
		t.Errorf("a cancelled job once more: %v, %v", state, err)
	}
	if _, err := cancel("nothing"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("no such job: %v", err)
	}
	b.enqueue(t, store.Job{Kind: "a", Subject: "import"})
	b.enqueue(t, store.Job{Kind: "b", Subject: "import"})
	b.one(t, "a")
	must(t, b.write(t, func(tx *store.Tx) error {
		n, err := tx.CancelJobs("import")
		if n != 1 {
			t.Errorf("%d of the subject's jobs are running, want 1", n)
		}
		return err
	}))
	if len(b.claim(t, 1, "b")) != 0 {
		t.Error("the subject's waiting job can be claimed")
	}
}

// testClaimsAtOnce: eight workers of two nodes claim at once; each job is given once.
func testClaimsAtOnce(t *testing.T, p Place) {
	nodes := []*store.DB{p.Migrated(t), p.Open(t)}
	tenant := Tenant(t, nodes[0])
	const total = 200
	must(t, tenant.Write(t.Context(), func(tx *store.Tx) error {
		for i := range total {
			if _, _, err := tx.Enqueue(store.Job{Kind: "k", Subject: fmt.Sprint(i)}); err != nil {
				return err
			}
		}
		return nil
	}))
	given := make(chan string, 2*total)
	var left atomic.Int64
	left.Store(total)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() { claimAll(t, nodes[i%2], fmt.Sprint(i), &left, given) })
	}
	wg.Wait()
	close(given)
	seen := make(map[string]bool)
	for id := range given {
		if seen[id] {
			t.Errorf("job %s was given twice", id)
		}
		seen[id] = true
	}
	if len(seen) != total {
		t.Errorf("%d of %d jobs were given", len(seen), total)
	}
	backlog, err := nodes[0].System().Backlog(t.Context())
	if err != nil || len(backlog) != 1 || backlog[0].Running != total || backlog[0].Due != 0 {
		t.Errorf("backlog: %+v, %v", backlog, err)
	}
}

// claimAll claims, three at a time, while there are jobs left.
func claimAll(t *testing.T, db *store.DB, node string, left *atomic.Int64, given chan<- string) {
	for left.Load() > 0 {
		jobs, _, err := db.System().Claim(t.Context(), node, time.Minute, []store.Want{{Kind: "k", Limit: 3}})
		if err != nil || len(jobs) > 3 {
			t.Errorf("claim of at most 3: %d, %v", len(jobs), err)
			return
		}
		left.Add(-int64(len(jobs)))
		for _, job := range jobs {
			given <- job.ID
		}
	}
}

func testSchedules(t *testing.T, p Place) {
	b := newBench(t, p)
	system := b.db.System()
	must(t, system.AddSchedule(t.Context(), "sweep", time.Hour))
	must(t, system.AddSchedule(t.Context(), "sweep", time.Hour))
	must(t, system.AddSchedule(t.Context(), "of a newer node", time.Minute))
	tick := func() time.Duration {
		t.Helper()
		var wg sync.WaitGroup
		next := make([]time.Duration, 4)
		for i := range next { // nodes that look at once
			wg.Go(func() {
				var err error
				if next[i], err = system.Tick(t.Context(), []string{"sweep"}); err != nil {
					t.Errorf("tick: %v", err)
				}
			})
		}
		wg.Wait()
		return next[0]
	}
	tick()
	jobs := b.claim(t, 9, "every/sweep", "every/of a newer node")
	if len(jobs) != 1 || jobs[0].Tenant != "" || jobs[0].Subject != "sweep" {
		t.Fatalf("jobs of the first tick: %+v", jobs)
	}
	if next := tick(); next < 59*time.Minute || next > time.Hour {
		t.Errorf("next tick in %v", next)
	}
	b.Pass(61 * time.Minute)
	if tick(); len(b.claim(t, 9, "every/sweep")) != 1 { // the lease of the first has ended
		t.Error("an unfinished job does not keep its turn, or is not taken over")
	}
	b.Pass(5 * time.Hour)
	tick()
	jobs = b.claim(t, 9, "every/sweep")
	if len(jobs) != 1 {
		t.Fatalf("%d jobs after missed turns, want 1", len(jobs))
	}
	must(t, system.Write(t.Context(), func(tx *store.Tx) error {
		must(t, tx.Fence(jobs[0]))
		return tx.CompleteJob(jobs[0])
	}))
	must(t, system.Read(t.Context(), func(tx *store.Tx) error {
		if _, err := tx.Job(jobs[0].ID); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("a periodic job stays when it is done: %v", err)
		}
		return nil
	}))
	all, err := system.Schedules(t.Context())
	if err != nil || len(all) != 2 || all[1].Name != "sweep" || all[1].Every != time.Hour || all[1].Finished.IsZero() {
		t.Errorf("schedules: %+v, %v", all, err)
	}
	must(t, system.AddSchedule(t.Context(), "sweep", time.Minute))
	if next := tick(); next > time.Minute {
		t.Errorf("next tick in %v with an interval that became shorter", next)
	}
}

func testDestroyedTenantsJobs(t *testing.T, p Place) {
	b := newBench(t, p)
	b.enqueue(t, store.Job{Kind: "k"})
	job := b.one(t, "k")
	b.enqueue(t, store.Job{Kind: "k"})
	must(t, b.db.System().DestroyTenant(t.Context(), b.tenant.ID()))
	b.Pass(time.Hour)
	if len(b.claim(t, 9, "k")) != 0 {
		t.Error("jobs of a destroyed tenant can be claimed")
	}
	if err := b.db.System().WriteAs(t.Context(), job.Tenant, func(tx *store.Tx) error { return tx.Fence(job) }); !errors.Is(err, store.ErrNoTenant) {
		t.Errorf("its running job: %v", err)
	}
}
