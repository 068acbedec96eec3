package app

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
	"lotse/internal/store"
	"lotse/test/peer"
)

// unfinished are the jobs of an import that wait or run.
func (w *world) unfinished(id string) []store.JobStatus {
	w.t.Helper()
	var jobs []store.JobStatus
	must(w.t, w.db.Tenant("main").Read(w.t.Context(), func(tx *store.Tx) error {
		jobs = nil
		im, err := tx.Import(id)
		if err != nil {
			return err
		}
		return (&scope{Gateway: w.Gateway}).eachJob(tx, im, func(j store.JobStatus) error {
			jobs = append(jobs, j)
			return nil
		})
	}))
	return jobs
}

// waiting waits until an import says why it waits, and until when.
func (w *world) waiting(id string, code importer.ProblemCode) *Snapshot {
	w.t.Helper()
	var s *Snapshot
	peer.Await(w.t, testPatience, "the import to wait because of "+string(code), func() bool {
		var err error
		s, err = w.Snapshot(w.t.Context(), w.who, id)
		must(w.t, err)
		return s.Problem != nil && s.RetryAt != nil
	})
	if s.State != importer.Fetching || s.Problem.Code != string(code) || s.Problem.Host == "" {
		w.t.Fatalf("it waits as %s", show(s))
	}
	return s
}

// TestPortalAsksToComeBack: a portal answers 503 and says when to come back. The
// import says until when it waits, asks nobody meanwhile, and goes on by itself at
// that time, without the questions being answered again.
func TestPortalAsksToComeBack(t *testing.T) {
	t.Parallel()
	const asked = 2 * time.Hour
	for name, c := range map[string]struct {
		endpoint string
		answer   http.Handler
		code     importer.ProblemCode
		sessions int // opened before the wait
	}{
		"at the link":            {dlxtest.Token, dlxtest.RetryAfter(http.StatusServiceUnavailable, 7200), importer.ProblemPortalDown, 0},
		"at the answers":         {dlxtest.TokenTFA, dlxtest.RetryAfter(http.StatusServiceUnavailable, 7200), importer.ProblemPortalDown, 0},
		"at the list":            {dlxtest.List, dlxtest.RetryAfter(http.StatusServiceUnavailable, 7200), importer.ProblemPatience, 1},
		"at the exam":            {dlxtest.DownloadAll, dlxtest.RetryAfter(http.StatusServiceUnavailable, 7200), importer.ProblemPatience, 1},
		"at the exam, by a body": {dlxtest.DownloadAll, dlxtest.NotReady("7200"), importer.ProblemPatience, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, link := scripted(t)
			p.Script(c.endpoint, c.answer, c.answer)
			clock := &shift{}
			now := func() time.Time { return time.Now().Add(clock.get()) }
			w := newWorld(t, t.TempDir(), clock, nil)
			before := now()
			id := w.follow(link, scriptedBirthDate)
			for round := range 2 {
				s := w.waiting(id, c.code)
				if s.RetryAt.Before(before.Add(asked).Truncate(time.Microsecond)) || s.RetryAt.After(now().Add(asked)) {
					t.Fatalf("begun at %v, the portal said two hours, it waits until %v", before, s.RetryAt)
				}
				if jobs := w.unfinished(id); len(jobs) != 1 || !jobs[0].RunAt.Equal(*s.RetryAt) {
					t.Fatalf("it says %v, its work is %s", s.RetryAt, show(jobs))
				}
				if n := len(p.Requests(c.endpoint)); n != round+1 {
					t.Fatalf("the portal was asked %d times in round %d", n, round)
				}
				if w.row(id).Secrets == nil {
					t.Fatal("the link is gone before the fetch has ended")
				}
				before = now()
				clock.add(s.RetryAt.Sub(before) + time.Millisecond)
				before = now()
				peer.Await(t, testPatience, "the import to go on", func() bool {
					now, err := w.Snapshot(t.Context(), w.who, id)
					must(t, err)
					return now.RetryAt == nil || now.RetryAt.After(*s.RetryAt)
				})
			}
			s := w.until(id, importer.Review)
			if s.Problem != nil || s.RetryAt != nil {
				t.Errorf("it still says %s", show(s))
			}
			w.forgotten(id)
			if n := len(p.Requests(dlxtest.TokenTFA)); c.sessions == 1 && n != 1 {
				t.Errorf("the questions were answered %d times", n)
			}
			checkTrail(t, w, id)
		})
	}
}

// TestExpiredLink: a link that is too old ends the import with that as its reason.
// Nothing is tried again, by itself or by a person, and nothing of the link is kept.
func TestExpiredLink(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]func(*dlxtest.Portal){
		"at once": func(p *dlxtest.Portal) { p.Script(dlxtest.TokenTFA, dlxtest.Status(http.StatusForbidden)) },
		"while the portal keeps us waiting": func(p *dlxtest.Portal) {
			expired := dlxtest.Status(http.StatusForbidden)
			p.Script(dlxtest.TokenTFA, nil, expired, expired)
			p.Script(dlxtest.DownloadAll, dlxtest.NotReady("7200"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, link := scripted(t)
			script(p)
			clock := &shift{}
			w := newWorld(t, t.TempDir(), clock, nil)
			id := w.follow(link, scriptedBirthDate)
			if name != "at once" {
				w.waiting(id, importer.ProblemPatience)
				p.Expire()
				clock.add(3 * time.Hour)
			}
			s := w.broken(id)
			if s.Problem == nil || s.Problem.Code != string(importer.ProblemExpired) || s.Problem.Host == "" || s.RetryAt != nil {
				t.Fatalf("it says %s", show(s))
			}
			w.forgotten(id)
			if want := []string{"reject", "cancel", "delete"}; !slices.Equal(s.Next, want) {
				t.Errorf("what can be done: %v", s.Next)
			}
			if w.Retry(t.Context(), w.who, id, 0) == nil || w.Recall(t.Context(), w.who, id, 0) == nil {
				t.Error("it goes on")
			}
			checkTrail(t, w, id)
		})
	}
}
