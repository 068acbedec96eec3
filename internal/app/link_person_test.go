package app

import (
	"bytes"
	"context"
	"io/fs"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/synth"
	"lotse/test/torture/gateway"
)

// shelf is a portal with several exams behind one link, each by its number from 1.
type shelf []*gateway.Exam

// Lookup is of [dlx.Exams].
func (s shelf) Lookup(_ context.Context, token string) (dlx.Exam, bool, error) {
	q := dlx.BirthDateQuestion()
	return dlx.Exam{Questions: []dlx.Question{q}, Grant: "shelf", Answers: map[string]dlx.Secret{q.ID: dlx.NewSecret(gateway.BirthDate)}}, token == "SHELF", nil
}

// List is of [dlx.Exams].
func (s shelf) List(context.Context, string) ([]dlx.Item, error) {
	items := make([]dlx.Item, len(s))
	for i, e := range s {
		items[i] = dlx.Item{ID: "exam-" + strconv.Itoa(i+1), MIMEType: "application/zip", Description: "CT", StudyUID: e.Objects[0].Study}
	}
	return items, nil
}

// Open is of [dlx.Exams].
func (s shelf) Open(_ context.Context, _, id string) (*dlx.Content, error) {
	n, err := strconv.Atoi(strings.TrimPrefix(id, "exam-"))
	if err != nil || n < 1 || n > len(s) {
		return nil, fs.ErrNotExist
	}
	return &dlx.Content{Body: unclosed{bytes.NewReader(s[n-1].ZIP)}, MIMEType: "application/zip", ETag: `"1"`}, nil
}

// OpenAll is of [dlx.Exams]: this portal has no such thing.
func (s shelf) OpenAll(context.Context, string) (*dlx.Content, error) { return nil, dlx.NotFound }

type unclosed struct{ *bytes.Reader }

func (unclosed) Close() error { return nil }

// shelved is the link to a portal with n exams of one patient.
func shelved(t *testing.T, n int) (shelf, string) {
	t.Helper()
	var s shelf
	for i := range n {
		e, err := gateway.NewExam(synth.CTOptions{Seed: uint64(i + 1), Slices: 2, Series: 1, Rows: 16, Columns: 16})
		must(t, err)
		s = append(s, e)
	}
	h, err := dlx.NewHandler(s, dlx.HandlerConfig{})
	must(t, err)
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return s, server.URL + "/view?token=SHELF"
}

// scripted is a portal that can be told to misbehave, with the demonstration exam, and
// its link.
func scripted(t *testing.T) (*dlxtest.Portal, string) {
	t.Helper()
	p := dlxtest.New(madeUp(t).ZIP)
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	return p, server.URL + "/view?token=" + p.LinkToken
}

// follow begins an import of a link whose portal asks for the birth date of dlxtest.
func (w *world) follow(link, birthDate string) (id string) {
	w.t.Helper()
	id, err := w.Create(w.t.Context(), w.who, NewImport{Kind: KindLink, Link: personal.New(link), Priority: PriorityPerson, Known: Answers{BirthDate: personal.New(birthDate)}})
	must(w.t, err)
	return id
}

const scriptedBirthDate = "1970-01-01"

// TestSeveralExamsAreChosenFrom follows a link to three exams: the import asks which,
// asks again when the answer names none of them, and delivers what was chosen and
// nothing else.
func TestSeveralExamsAreChosenFrom(t *testing.T) {
	t.Parallel()
	exams, link := shelved(t, 3)
	rec, address := recording(t)
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id := w.follow(link, gateway.BirthDate)
	s := w.until(id, importer.Waiting)
	if s.Question.Code != string(importer.ProblemChoice) || len(s.Question.Choice) != 3 || s.Question.Choice[1].StudyUID != exams[1].Objects[0].Study {
		t.Fatalf("it asks %s", show(s.Question))
	}
	if s.Received.Parts != 0 {
		t.Errorf("%d parts came before anyone chose", s.Received.Parts)
	}
	must(t, w.Answer(ctx, w.who, id, s.Version, Answers{}, []string{"4"}))
	s = w.until(id, importer.Waiting)
	if s.Question.Code != string(importer.ProblemSelection) || len(s.Question.Choice) != 3 {
		t.Fatalf("a choice of what is not there gives %s", show(s.Question))
	}
	must(t, w.Answer(ctx, w.who, id, s.Version, Answers{}, []string{"1", "exam-3"}))
	s = w.until(id, importer.Review)
	if w.row(id).Secrets != nil {
		t.Error("secrets are kept after the fetch")
	}
	w.decideFor(s, w.destinationAt(address, ""))
	w.until(id, importer.Arrived)
	want := slices.Concat(exams[0].Objects, exams[2].Objects)
	seen := rec.Seen()
	for _, o := range want {
		if seen[o.UID].Count() != 1 {
			t.Errorf("%s arrived %d times", o.UID, seen[o.UID].Count())
		}
	}
	if len(seen) != len(want) {
		t.Errorf("%d objects arrived of %d that were chosen", len(seen), len(want))
	}
	checkTrail(t, w, id)
}

// strangers is a scripted portal whose interface is on another host: the same server
// under its other name.
func strangers(t *testing.T) (p *dlxtest.Portal, link, host string) {
	t.Helper()
	p, link = scripted(t)
	_, port, _ := strings.Cut(strings.TrimPrefix(link, "http://"), ":")
	port, _, _ = strings.Cut(port, "/")
	host = "localhost:" + port
	p.Questions = strings.Replace(p.Questions, `"/dlx/v1"`, `"http://`+host+`/dlx/v1"`, 1)
	return p, link, host
}

// onlyNumbered leaves only the address of a scripted portal known, and not its other
// name.
func onlyNumbered(o *GatewayOptions) { o.Portals = []string{"127.0.0.1"} }

// TestForeignHostIsConfirmed: answers leave for another site only when a person has
// said that they may, for that one.
func TestForeignHostIsConfirmed(t *testing.T) {
	t.Parallel()
	p, link, host := strangers(t)
	w := newWorld(t, t.TempDir(), nil, onlyNumbered)
	ctx := t.Context()
	id := w.follow(link, scriptedBirthDate)
	for _, wrong := range [][]string{{"other.example"}, nil} {
		s := w.until(id, importer.Waiting)
		if s.Question.Code != string(importer.ProblemForeignHost) || s.Question.Host != host {
			t.Fatalf("it asks %s", show(s.Question))
		}
		must(t, w.Answer(ctx, w.who, id, s.Version, Answers{AllowHosts: wrong}, nil))
	}
	s := w.until(id, importer.Waiting)
	if n := len(p.Requests(dlxtest.TokenTFA)); n != 0 {
		t.Fatalf("answers were sent %d times to a host that nobody confirmed", n)
	}
	must(t, w.Answer(ctx, w.who, id, s.Version, Answers{AllowHosts: []string{host}}, nil))
	w.until(id, importer.Review)
	if n := len(p.Requests(dlxtest.TokenTFA)); n != 1 {
		t.Errorf("answers were sent %d times", n)
	}
	if w.row(id).Secrets != nil {
		t.Error("secrets are kept after the fetch")
	}
	checkTrail(t, w, id)
}

// TestForeignHostIsRefused: who does not trust the other site cancels; it is sent
// nothing, and what the person had entered is gone.
func TestForeignHostIsRefused(t *testing.T) {
	t.Parallel()
	p, link, _ := strangers(t)
	w := newWorld(t, t.TempDir(), nil, onlyNumbered)
	id := w.follow(link, scriptedBirthDate)
	s := w.until(id, importer.Waiting)
	must(t, w.Cancel(t.Context(), w.who, id, s.Version))
	w.until(id, importer.Cancelled)
	w.forgotten(id)
	if n := len(p.Requests(dlxtest.TokenTFA)); n != 0 {
		t.Errorf("answers were sent %d times to a host that was refused", n)
	}
	if err := w.Answer(t.Context(), w.who, id, 0, Answers{}, nil); err == nil {
		t.Error("answered after the end")
	}
	checkTrail(t, w, id)
}

// forgotten makes sure that nothing is left of what the fetch of an import needed, and
// that no job of it waits.
func (w *world) forgotten(id string) {
	w.t.Helper()
	im := w.row(id)
	if im.Secrets != nil || im.Question != nil {
		w.t.Errorf("link and answers are kept: %t, question: %t", im.Secrets != nil, im.Question != nil)
	}
	if im.Fetched != nil {
		v, err := w.vault.Tenant(w.t.Context(), w.who.Tenant)
		must(w.t, err)
		state, err := v.Open(w.t.Context(), id, sealedFetched, im.Fetched)
		must(w.t, err)
		if string(state) != `{"done":true}` {
			w.t.Error("the session with the portal is kept")
		}
	}
	if jobs := w.unfinished(id); len(jobs) > 0 {
		w.t.Errorf("there is still to be done: %s", show(jobs))
	}
}
