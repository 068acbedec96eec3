package app

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/personal"
)

// spy is a way out that remembers all that is sent.
type spy struct {
	mu   sync.Mutex
	sent bytes.Buffer
}

func (s *spy) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.sent.WriteString(r.URL.String())
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		s.sent.Write(body)
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	s.mu.Unlock()
	return http.DefaultTransport.RoundTrip(r)
}

func (s *spy) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(s.sent.String(), text)
}

// watched is a world that knows no portal and whose requests are seen.
func watched(t *testing.T) (*world, *spy) {
	out := &spy{}
	return newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) {
		o.Portals, o.Transport = nil, func() http.RoundTripper { return out }
	}), out
}

func hostOf(t *testing.T, link string) string {
	t.Helper()
	u, err := url.Parse(link)
	must(t, err)
	return u.Host
}

// TestUnknownPortal: answers that are known do not leave for a host that nobody
// confirmed; confirmed once it is remembered, by whom, until that is revoked.
func TestUnknownPortal(t *testing.T) {
	p := portal(t)
	w, out := watched(t)
	ctx, birth := t.Context(), madeUp(t).BirthDate
	link := NewImport{Kind: KindLink, Link: personal.New(p.Link), Priority: PriorityPerson, Known: Answers{BirthDate: personal.New(birth)}}
	id, err := w.Create(ctx, w.who, link)
	must(t, err)
	s := w.until(id, importer.Waiting)
	host := hostOf(t, p.Link)
	if q := s.Question; q.Code != "unknown-host" || q.Host != host || q.Readable != host || !slices.Equal(q.Warnings, []hostname.Warning{hostname.Address}) {
		t.Fatalf("the question is %s", show(s))
	}
	if out.has(birth) || out.has(strings.ReplaceAll(birth, "-", "")) || !out.has(host) {
		t.Fatal("the birth date left before the host was confirmed, or nothing did at all")
	}
	must(t, w.Answer(ctx, w.who, id, s.Version, Answers{AllowHosts: []string{"elsewhere.example"}}, nil))
	if s = w.until(id, importer.Waiting); s.Question.Code != "unknown-host" || out.has(strings.ReplaceAll(birth, "-", "")) {
		t.Fatalf("another host was confirmed, and the question is %s", show(s))
	}
	must(t, w.Answer(ctx, w.who, id, s.Version, Answers{AllowHosts: []string{strings.ToUpper(host)}}, nil))
	w.until(id, importer.Review)
	if !out.has(strings.ReplaceAll(birth, "-", "")) {
		t.Error("the birth date was not sent at all: this test cannot fail")
	}

	again, err := w.Create(ctx, w.who, link)
	must(t, err)
	w.until(again, importer.Review) // without a question
	list, err := w.Portals(ctx, w.who)
	must(t, err)
	if len(list) != 2 || list[0].Host != host || list[0].By != w.who.Actor || list[0].Confirmed == nil || list[1].Host != "elsewhere.example" {
		t.Errorf("confirmed are %s", show(list))
	}
	if other, err := w.Portals(ctx, Who{Tenant: "other", Actor: "x"}); err == nil && len(other) > 0 {
		t.Errorf("another tenant sees %s", show(other))
	}
	must(t, w.RevokePortal(ctx, w.who, host))
	if err := w.RevokePortal(ctx, w.who, host); !errors.Is(err, ErrNotFound) {
		t.Errorf("revoked twice: %v", err)
	}
	if said := w.lastEvent("portal.revoked"); !strings.Contains(said, host) {
		t.Errorf("audited: %s", said)
	}
	third, err := w.Create(ctx, w.who, link)
	must(t, err)
	if s := w.until(third, importer.Waiting); s.Question.Code != "unknown-host" {
		t.Errorf("after it was revoked: %s", show(s))
	}
}

// TestPortalConfirmedAtCreation: a machine brings the host along.
func TestPortalConfirmedAtCreation(t *testing.T) {
	p := portal(t)
	w, _ := watched(t)
	host := hostOf(t, p.Link)
	id, err := w.Create(t.Context(), w.who, NewImport{Kind: KindLink, Link: personal.New(p.Link), Known: Answers{BirthDate: personal.New(madeUp(t).BirthDate), AllowHosts: []string{host}}})
	must(t, err)
	w.until(id, importer.Review)
	var invalid *InvalidError
	_, err = w.Create(t.Context(), w.who, NewImport{Kind: KindLink, Link: personal.New(p.Link), Known: Answers{AllowHosts: []string{"https://" + host}}})
	if !errors.As(err, &invalid) || invalid.Field != "allow_hosts" {
		t.Errorf("an address for a host: %v", err)
	}
}
