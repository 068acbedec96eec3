package dlx_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/dlx"
	"lotse/test/samples"
)

// exams are the three demonstration links of the working group, and an expired one.
type exams struct {
	zip, pdf []byte

	mu       sync.Mutex
	notReady int // answers before the exam is ready
}

type nopCloser struct{ *bytes.Reader }

func (nopCloser) Close() error { return nil }

func question(id string, kind dlx.QuestionType, format dlx.AnswerFormat, de, en string) dlx.Question {
	return dlx.Question{ID: id, Type: kind, Format: format, Texts: []dlx.Text{{Language: "de", Text: de}, {Language: "en", Text: en}}}
}

func answers(pairs ...string) map[string]dlx.Secret {
	m := map[string]dlx.Secret{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = dlx.NewSecret(pairs[i+1])
	}
	return m
}

func (e *exams) Lookup(_ context.Context, token string) (dlx.Exam, bool, error) {
	exam, ok := map[string]dlx.Exam{
		"BIRTH": {Questions: []dlx.Question{dlx.BirthDateQuestion()}, Answers: answers("1", "19700101"), Grant: "exam-1"},
		"PASSWORD": {Questions: []dlx.Question{question("1", dlx.Password, dlx.FormatString, "Wie lautet Ihr Einmal-Passwort?", "Your password?")},
			Answers: answers("1", "132-238-252"), Grant: "exam-1"},
		"CUSTOM": {Questions: []dlx.Question{
			question("1", dlx.Custom, dlx.FormatDate, "Wann war Ihre Untersuchung?", "When was the exam?"),
			question("2", dlx.Custom, dlx.FormatString, "Wie heißt Ihr Ärzteteam?", "Who treats you?")},
			Answers: answers("1", "20240419", "2", "Dr. Müller"), Grant: "exam-1"},
		"EXPIRED": {Questions: []dlx.Question{dlx.BirthDateQuestion()}, Answers: answers("1", "19700101"), Grant: "exam-1",
			Expires: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)},
		"NOQUESTION": {Grant: "exam-1"},
		"NOANSWER":   {Questions: []dlx.Question{dlx.BirthDateQuestion()}, Grant: "exam-1"},
		"EMPTY":      {Questions: []dlx.Question{dlx.BirthDateQuestion()}, Answers: answers("1", ""), Grant: "exam-1"},
	}[token]
	return exam, ok, nil
}

func (e *exams) List(_ context.Context, grant string) ([]dlx.Item, error) {
	if grant != "exam-1" {
		return nil, dlx.NotFound
	}
	return []dlx.Item{
		{ID: "r", MIMEType: "application/pdf", Description: "Befund", Date: "20240419", PatientName: "Mustermann,Max", BirthDate: "19700101", Sex: "M", FileCount: -1},
		{ID: "s/1", MIMEType: "application/pdf", Description: "Studie", StudyUID: "1.2.276", Date: "20240419", Modalities: []string{"OT", "SC"}, FileCount: 3},
	}, nil
}

func (e *exams) Open(_ context.Context, _, id string) (*dlx.Content, error) {
	switch id {
	case "r":
		return &dlx.Content{Body: nopCloser{bytes.NewReader(e.pdf)}, MIMEType: "application/pdf", ETag: `"r1"`}, nil
	case "s/1":
		return &dlx.Content{Body: nopCloser{bytes.NewReader(e.zip)}}, nil
	}
	return nil, dlx.NotFound
}

func (e *exams) OpenAll(ctx context.Context, grant string) (*dlx.Content, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.notReady > 0 {
		e.notReady--
		return nil, &dlx.NotReadyError{After: 30 * time.Second}
	}
	return e.Open(ctx, grant, "s/1")
}

// demo is the working group's demonstration: one portal, two kinds of links.
func demo(t *testing.T, w *world, e *exams) {
	t.Helper()
	h, err := dlx.NewHandler(e, dlx.HandlerConfig{Vendor: "Demo", Base: &url.URL{Scheme: "https", Host: "portal.example", Path: "/dlx/v1"}})
	if err != nil {
		t.Fatal(err)
	}
	w.https("portal.example", h)
}

func TestDemonstration(t *testing.T) {
	zipped, err := os.ReadFile(samples.File(t, "dlx-demo/patcd.zip"))
	if err != nil {
		t.Fatal(err)
	}
	pdf, err := os.ReadFile(samples.File(t, "dlx-demo/report_mustermann.pdf"))
	if err != nil {
		t.Fatal(err)
	}
	for token, given := range map[string]map[string]string{
		"BIRTH":    {"1": "1.1.1970"},
		"PASSWORD": {"1": " 132-238-252 "},
		"CUSTOM":   {"1": "19.04.2024", "2": "Dr. Mu\u0308ller"},
	} {
		for _, link := range []string{"https://portal.example/dlx/v1/token/" + token, "https://portal.example/view?token=" + token} {
			t.Run(link, func(t *testing.T) {
				w := newWorld(t)
				demo(t, w, &exams{zip: zipped, pdf: pdf, notReady: 2})
				demonstrate(t, w, link, given, zipped, pdf)
			})
		}
	}
}

func demonstrate(t *testing.T, w *world, link string, given map[string]string, zipped, pdf []byte) {
	client := w.client()
	p, err := client.Probe(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	if p.APIInfo[0].Vendor != "Demo" || p.APIInfo[0].BasePath != "https://portal.example/dlx/v1" || p.ForeignHost != "" {
		t.Errorf("%+v", p.APIInfo)
	}
	if q := p.Questions[len(p.Questions)-1]; len(given) == 2 && q.In("de") != "Wie heißt Ihr Ärzteteam?" {
		t.Errorf("asked %q", q.In("de"))
	}
	s, err := client.Authenticate(t.Context(), p, given)
	if err != nil {
		t.Fatal(err)
	}
	items, err := s.List(t.Context())
	if err != nil || len(items) != 2 || items[0].PatientName != "Mustermann,Max" || items[0].BirthDate != "19700101" || len(items[1].Modalities) != 2 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for id, want := range map[string][]byte{"r": pdf, "s/1": zipped, "": zipped} {
		sink := &memory{}
		if id == "" {
			err = s.FetchAll(t.Context(), sink)
		} else {
			err = s.Fetch(t.Context(), id, sink)
		}
		if err != nil || !bytes.Equal(sink.data, want) {
			t.Errorf("%q: %d bytes, %v", id, len(sink.data), err)
		}
	}
	if dlx.Sniff(pdf) != dlx.PDF || dlx.Sniff(zipped) != dlx.ZIP || w.waited() != "not ready 30s;not ready 30s;" {
		t.Errorf("waited %s", w.waited())
	}
	z, err := zip.NewReader(bytes.NewReader(zipped), int64(len(zipped)))
	if err != nil {
		t.Fatal(err)
	}
	f, err := z.Open("DICOMDIR")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, dlx.SniffLength))
	if err != nil || dlx.Sniff(head) != dlx.DICOM {
		t.Errorf("DICOMDIR is %q, %v", dlx.Sniff(head), err)
	}
}

func TestHandlerRefuses(t *testing.T) {
	w := newWorld(t)
	demo(t, w, &exams{})
	client := w.client()
	for token, kind := range map[string]dlx.Kind{
		"UNKNOWN": dlx.Refused, "EXPIRED": dlx.Expired, "BIRTH": "", "NOQUESTION": dlx.Refused, "NOANSWER": dlx.Refused, "EMPTY": dlx.Refused,
	} {
		p, err := client.Probe(t.Context(), "https://portal.example/dlx/v1/token/"+token)
		if err != nil {
			t.Fatal(token, err)
		}
		_, err = client.Authenticate(t.Context(), p, map[string]string{"1": "19700102"})
		wantKind(t, err, dlx.Refused) // wrong: expired or unknown makes no difference
		_, err = client.Authenticate(t.Context(), p, map[string]string{"1": "19700101"})
		if kind != "" {
			wantKind(t, err, kind)
		} else if err != nil {
			t.Error(token, err)
		}
	}
}

// ask sends one request to a portal without a network.
func ask(h http.Handler, method, target, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header[http.CanonicalHeaderKey(header[i])] = []string{header[i+1]}
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestHandlerAnswers(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	h, err := dlx.NewHandler(&exams{zip: []byte("0123456789")}, dlx.HandlerConfig{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	// An unknown token asks exactly what a known one does; the header may be empty.
	known, unknown := ask(h, "GET", "/dlx/v1/token/BIRTH", "", dlx.Header, ""), ask(h, "GET", "/view?token=nobody", "", dlx.Header, "")
	if known.Code != 200 || known.Body.String() != unknown.Body.String() || !json.Valid(known.Body.Bytes()) {
		t.Errorf("%s\n%s", known.Body, unknown.Body)
	}
	for _, target := range []string{"/dlx/v1/token/BIRTH", "/view?token=BIRTH"} {
		page := ask(h, "GET", target, "")
		if dlx.Sniff(page.Body.Bytes()) != dlx.HTML || strings.Contains(page.Body.String(), "BIRTH") || page.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %v", target, page.Header())
		}
	}
	if a := ask(h, "POST", "/dlx/v1/tokentfa/BIRTH", strings.Repeat(" ", 70<<10)); a.Code != 413 {
		t.Errorf("large body: %d", a.Code)
	}
	if a := ask(h, "POST", "/dlx/v1/tokentfa/BIRTH", "no"); a.Code != 400 {
		t.Errorf("no JSON: %d", a.Code)
	}
	for _, token := range []string{"NOQUESTION", "NOANSWER", "EMPTY", "nobody", "BIRTH"} {
		for _, body := range []string{`{}`, `{"tfaAnswer":[{"questionId":"1","answer":""}]}`, `{"tfaAnswer":[{"questionId":"1","answer":"x"}]}`} {
			if a := ask(h, "POST", "/dlx/v1/tokentfa/"+token, body); a.Code != 401 {
				t.Errorf("%s answered with %s: %d", token, body, a.Code)
			}
		}
	}
	jwt := ask(h, "POST", "/dlx/v1/tokentfa/BIRTH", `{"tfaAnswer":{"questionId":1,"answer":19700101}}`)
	if jwt.Code != 200 || jwt.Header().Get("Content-Type") != "application/jwt" || strings.Contains(jwt.Body.String(), "BIRTH") {
		t.Fatalf("%d %v", jwt.Code, jwt.Header())
	}
	bearer := "Bearer " + jwt.Body.String()
	for id, status := range map[string]int{"s%2F1": 200, "x": 400} {
		if a := ask(h, "GET", "/dlx/v1/download/"+id, "", "Authorization", bearer); a.Code != status {
			t.Errorf("%s: %d", id, a.Code)
		}
	}
	part := ask(h, "GET", "/dlx/v1/downloadall", "", "Authorization", bearer, "Range", "bytes=4-")
	if part.Code != 206 || part.Body.String() != "456789" || part.Header().Get("Content-Range") != "bytes 4-9/10" {
		t.Errorf("range: %d %s", part.Code, part.Body)
	}
	now = now.Add(15 * time.Minute)
	if a := ask(h, "GET", "/dlx/v1/list", "", "Authorization", bearer); a.Code != 401 {
		t.Errorf("expired JWT: %d", a.Code)
	}
}

func TestHandlerRefusesForgedJWTs(t *testing.T) {
	key := []byte(strings.Repeat("k", 32))
	h, err := dlx.NewHandler(&exams{}, dlx.HandlerConfig{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	good := ask(h, "POST", "/dlx/v1/tokentfa/BIRTH", `{"tfaAnswer":[{"questionId":"1","answer":"19700101"}]}`).Body.String()
	if a := ask(h, "GET", "/dlx/v1/list", "", "Authorization", "bearer "+good); a.Code != 200 {
		t.Fatalf("good JWT: %d", a.Code)
	}
	other, err := dlx.NewHandler(&exams{}, dlx.HandlerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	none := base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`))
	forever := base64.RawURLEncoding.EncodeToString([]byte(`{"sub":"exam-1","exp":99999999999}`))
	for name, forged := range map[string]string{
		"none": none + "." + parts[1] + ".", "none, signed": none + "." + parts[1] + "." + parts[2], "other claims": parts[0] + "." + forever + "." + parts[2],
		"cut": good[:len(good)-1], "empty": "", "dots": "..", "padded": good + "=", "twice": good + "." + good,
		"another portal's": ask(other, "POST", "/dlx/v1/tokentfa/BIRTH", `{"tfaAnswer":[{"questionId":"1","answer":"19700101"}]}`).Body.String(),
	} {
		if a := ask(h, "GET", "/dlx/v1/list", "", "Authorization", "Bearer "+forged); a.Code != 401 {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
	if a := ask(h, "GET", "/dlx/v1/list", "", "Authorization", "Basic "+good); a.Code != 401 {
		t.Errorf("basic: %d", a.Code)
	}
	if _, err := dlx.NewHandler(&exams{}, dlx.HandlerConfig{Key: key[:31]}); err == nil {
		t.Error("short key taken")
	}
}
