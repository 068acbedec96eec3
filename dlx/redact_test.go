package dlx_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

// The secrets of these tests: the link's token, an answer, the JWT's middle, a
// name, a part of the path and of a query.
var secrets = []string{"TOKEN-4711", "s3cret-answer", "SESSION", "Mustermann", "hiddenpath", "hiddenquery"}

const secretLink = "https://portal.example/hiddenpath/token/TOKEN-4711?q=hiddenquery"

// leaks returns the secrets that show in any way of printing v.
func leaks(v any) []string {
	var log bytes.Buffer
	logger := slog.New(slog.NewJSONHandler(&log, nil))
	logger.Info("x", "v", v)
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
	j, _ := json.Marshal(v)
	shown := log.String() + string(j)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		shown += fmt.Sprintf(verb, v) + fmt.Sprintf(verb, []any{v}) + fmt.Sprintf(verb, struct{ X, y any }{v, v})
	}
	var found []string
	for _, s := range secrets {
		if strings.Contains(shown, s) || strings.Contains(shown, fmt.Sprintf("%x", s)) {
			found = append(found, s)
		}
	}
	return found
}

func secretPortal() *dlxtest.Portal {
	p := dlxtest.New(file())
	p.LinkToken = "TOKEN-4711"
	p.Questions = `{"apiInfo":[{"dlxVersion":"v1","apiBasePath":"/dlx/v1"}],"tfaQuestion":[{"questionId":"1","questionType":"PASSWORD","answerFormat":"STRING"}]}`
	p.Answer = "s3cret-answer"
	p.Items = `{"dataItem":[{"id":"hiddenpath","mimeType":"x","description":"Mustermann","patientsName":"Mustermann,Max"}]}`
	return p
}

func TestNothingPrintsSecrets(t *testing.T) {
	w := newWorld(t)
	w.https("portal.example", secretPortal())
	client := w.client()
	p, err := client.Probe(t.Context(), secretLink)
	if err != nil {
		t.Fatal(err)
	}
	s, err := client.Authenticate(t.Context(), p, map[string]string{"1": "s3cret-answer"})
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	h, err := dlx.NewHandler(nil, dlx.HandlerConfig{Key: []byte(strings.Repeat("s3cret-answer", 4))})
	if err != nil {
		t.Fatal(err)
	}
	exam := dlx.Exam{Answers: map[string]dlx.Secret{"1": dlx.NewSecret("s3cret-answer")}}
	for name, v := range map[string]any{
		"Portal": p, "Portal value": *p, "Session": s, "Client": client, "JWT": s.JWT(), "Secret": dlx.NewSecret("s3cret-answer"),
		"Question": p.Questions[0], "Handler": h, "Exam": exam,
	} {
		if found := leaks(v); found != nil {
			t.Errorf("%s shows %v", name, found)
		}
	}
	// An item is marshalled on purpose, but not printed by accident.
	if shown := fmt.Sprintf("%v %+v %#v %s", items, items[0], items[0], &items[0]); strings.Contains(shown, "Mustermann") {
		t.Error("Item shows a name")
	}
	if leaks(struct{ S string }{"s3cret-answer"}) == nil {
		t.Error("this test cannot fail")
	}
}

func TestNoErrorShowsSecrets(t *testing.T) {
	evil := "https://evil.example/hiddenpath/TOKEN-4711?q=hiddenquery"
	garbage := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("TOKEN-4711 s3cret-answer Mustermann\r\n\r\n"))
	})
	badHeader := http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(rw).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = conn.Write([]byte("HTTP/1.1 200 OK\r\nTOKEN-4711 s3cret-answer\r\n\r\n"))
	})
	faults := []http.Handler{
		garbage, badHeader, dlxtest.Redirect(302, evil), dlxtest.Redirect(307, evil), dlxtest.Redirect(302, "http://portal.example/hiddenpath/TOKEN-4711"),
		dlxtest.Redirect(302, "http://[TOKEN-4711"), dlxtest.Redirect(302, "https://TOKEN-4711:s3cret-answer@x.example/"), dlxtest.Redirect(302, "/token/TOKEN-4711"),
		dlxtest.Body(200, "TOKEN-4711", "TOKEN-4711 s3cret-answer Mustermann"), dlxtest.Body(200, "", `{"Mustermann`), dlxtest.Status(401), dlxtest.Status(403),
		dlxtest.Status(400), dlxtest.Status(418), dlxtest.Status(500), dlxtest.NotReady("99999"), dlxtest.Huge("dataItem", 17<<20), dlxtest.GzipBomb(32 << 20),
		dlxtest.HTML(), http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }),
	}
	seen := map[dlx.Kind]bool{}
	check := func(err error) {
		t.Helper()
		for e := err; e != nil; e = errors.Unwrap(e) {
			if found := leaks(e); found != nil {
				t.Errorf("%v shows %v", e, found)
			}
		}
		var e *dlx.Error
		if errors.As(err, &e) {
			seen[e.Kind] = true
		}
	}
	for _, fault := range faults {
		for _, endpoint := range []string{dlxtest.Token, dlxtest.TokenTFA, dlxtest.List, dlxtest.Download, dlxtest.DownloadAll} {
			w, portal := newWorld(t), secretPortal()
			w.https("portal.example", portal)
			for range 12 {
				portal.Script(endpoint, fault)
			}
			client := w.client()
			p, err := client.Probe(t.Context(), secretLink)
			check(err)
			if err != nil {
				continue
			}
			s, err := client.Authenticate(t.Context(), p, map[string]string{"1": "s3cret-answer"})
			check(err)
			if err != nil {
				continue
			}
			_, err = s.List(t.Context())
			check(err)
			check(s.Fetch(t.Context(), "hiddenpath", &memory{}))
			check(s.FetchAll(t.Context(), &memory{}))
		}
	}
	client := newWorld(t).client()
	for _, bad := range []string{secretLink, "TOKEN-4711", "https://u:s3cret-answer@portal.example/", "https://[TOKEN-4711/", "https://portal.example/%zzTOKEN-4711"} {
		_, err := client.Probe(t.Context(), bad)
		check(err)
	}
	for _, answer := range []string{"s3cret-answer", "1/2/1970"} {
		_, err := dlx.ParseDate(answer)
		check(err)
	}
	for _, kind := range []dlx.Kind{dlx.NotDLX, dlx.Refused, dlx.Expired, dlx.Unavailable, dlx.NotReady, dlx.Insecure, dlx.ForeignHost,
		dlx.TooManyRedirects, dlx.BadLink, dlx.BadAnswer, dlx.NotFound, dlx.Protocol} {
		if !seen[kind] {
			t.Errorf("no error of kind %q was tried", kind)
		}
	}
}
