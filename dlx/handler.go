package dlx

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Exams is what a Handler hands out. Its methods may be called concurrently.
type Exams interface {
	// Lookup finds the exam behind a token; false when there is none. It
	// should take as long either way, and an expired link is still found.
	Lookup(ctx context.Context, token string) (Exam, bool, error)
	// List, Open and OpenAll get the Grant of an Exam. Open of an unknown id
	// is NotFound; any of them may return *NotReadyError.
	List(ctx context.Context, grant string) ([]Item, error)
	Open(ctx context.Context, grant, id string) (*Content, error)
	OpenAll(ctx context.Context, grant string) (*Content, error)
}

// Exam is one link's exam.
type Exam struct {
	Questions []Question
	// Answers are the right ones by question id. An exam without answers is
	// never granted.
	Answers map[string]Secret
	Expires time.Time // zero: never
	// Grant names the exam in the JWT, readable by who holds it. Not the token.
	Grant string
}

// Content is one download. The Handler closes it.
type Content struct {
	Body     io.ReadSeekCloser
	MIMEType string
	ETag     string    // quoted, as in HTTP; empty: none
	Modified time.Time // zero: unknown
}

// NotReadyError asks the consumer to come back after a time (503).
type NotReadyError struct{ After time.Duration }

func (e *NotReadyError) Error() string { return "dlx: exam not ready" }

// HandlerConfig is how a Handler works. The zero value is ready to use.
type HandlerConfig struct {
	// Base is the public URL of the interface, e.g. https://portal.example/dlx/v1.
	// nil: /dlx/v1 at the host of the request, for tests and demonstrations.
	Base *url.URL
	// Key signs the JWTs, at least 32 bytes; nil: a random one, so that
	// sessions end with the process.
	Key []byte
	// Lifetime of a JWT; 15 minutes when 0.
	Lifetime time.Duration
	// Vendor is told in apiInfo.
	Vendor string
	// Decoy are the questions asked for tokens that do not exist; the birth
	// date when empty. They should be what most real links ask.
	Decoy []Question
	// Now replaces the clock in tests.
	Now func() time.Time
}

// Handler is a portal (DIN/TS 19455, version 1): the endpoints below
// Base's path, and /view?token=… as the page for people.
type Handler struct {
	exams   Exams
	cfg     HandlerConfig
	signer  signer
	compare []byte // key for comparing answers
	mux     *http.ServeMux
}

// maxAnswers bounds the body of /tokentfa, in bytes.
const maxAnswers = 64 << 10

// NewHandler returns a portal over exams.
func NewHandler(exams Exams, cfg HandlerConfig) (*Handler, error) {
	if cfg.Key == nil {
		cfg.Key = randomKey()
	}
	if len(cfg.Key) < 32 {
		return nil, errors.New("dlx: the key of a portal needs at least 32 bytes")
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.Lifetime = orDuration(cfg.Lifetime, 15*time.Minute)
	if len(cfg.Decoy) == 0 {
		cfg.Decoy = []Question{BirthDateQuestion()}
	}
	h := &Handler{exams: exams, cfg: cfg, signer: signer{cfg.Key, cfg.Now}, compare: randomKey()}
	h.routes()
	return h, nil
}

// randomKey cannot fail: crypto/rand ends the process instead.
func randomKey() []byte {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	return key
}

// BirthDateQuestion is the question for the birth date, in German and English.
func BirthDateQuestion() Question {
	return Question{ID: "1", Type: PatientBirthDate, Format: FormatDate, Texts: []Text{
		{Language: "de", Text: "Wie lautet das Geburtsdatum?"},
		{Language: "en", Text: "What is the date of birth?"},
	}}
}

func (h *Handler) routes() {
	base := "/dlx/v1"
	if h.cfg.Base != nil {
		base = strings.TrimRight(h.cfg.Base.Path, "/")
	}
	h.mux = http.NewServeMux()
	h.mux.HandleFunc("GET "+base+"/api_info", h.apiInfo)
	h.mux.HandleFunc("GET "+base+"/token/{token}", h.token)
	h.mux.HandleFunc("POST "+base+"/tokentfa/{token}", h.tokenTFA)
	h.mux.HandleFunc("GET "+base+"/list", h.granted(h.list))
	h.mux.HandleFunc("GET "+base+"/download/{id}", h.granted(h.download))
	h.mux.HandleFunc("GET "+base+"/downloadall", h.granted(h.downloadAll))
	h.mux.HandleFunc("GET /view", h.view)
}

// Format prints nothing of what is inside, for any verb.
func (h *Handler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dlx.Handler") }

// ServeHTTP answers one request. Nothing of it may be stored on the way.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.mux.ServeHTTP(w, r)
}

func (h *Handler) info(r *http.Request) wireOutInfo {
	base := &url.URL{Scheme: "http", Host: r.Host, Path: "/dlx/v1"}
	if r.TLS != nil {
		base.Scheme = "https"
	}
	if h.cfg.Base != nil {
		base = h.cfg.Base
	}
	return wireOutInfo{Version: "v1", Vendor: h.cfg.Vendor, BasePath: strings.TrimRight(base.String(), "/")}
}

func (h *Handler) apiInfo(w http.ResponseWriter, r *http.Request) {
	writeJSON(w, http.StatusOK, h.info(r))
}

func (h *Handler) token(w http.ResponseWriter, r *http.Request) {
	h.questions(w, r, r.PathValue("token"))
}

func (h *Handler) view(w http.ResponseWriter, r *http.Request) {
	h.questions(w, r, r.URL.Query().Get("token"))
}

// questions answers with JSON where DLX is asked for, else with a page.
func (h *Handler) questions(w http.ResponseWriter, r *http.Request, token string) {
	if _, asked := r.Header[http.CanonicalHeaderKey(Header)]; !asked {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, page)
		return
	}
	exam, _, err := h.exam(r.Context(), token)
	if err != nil {
		h.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, outQuestions(h.info(r), exam.Questions))
}

// exam returns the exam of a token, or the decoy that nobody can answer.
func (h *Handler) exam(ctx context.Context, token string) (Exam, bool, error) {
	exam, known, err := h.exams.Lookup(ctx, token)
	if err != nil {
		return Exam{}, false, err
	}
	if !known {
		exam = Exam{Questions: h.cfg.Decoy, Answers: map[string]Secret{}}
		for _, q := range h.cfg.Decoy {
			exam.Answers[q.ID] = NewSecret(string(randomKey()))
		}
	}
	return exam, known, nil
}

// tokenTFA checks the answers. All of them are compared, whatever the first
// ones are, for a token that does not exist too.
func (h *Handler) tokenTFA(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAnswers))
	if err != nil {
		http.Error(w, "too large", http.StatusRequestEntityTooLarge)
		return
	}
	given, ok := decodeAnswers(body)
	if !ok {
		http.Error(w, "not tfaAnswers", http.StatusBadRequest)
		return
	}
	exam, known, err := h.exam(r.Context(), r.PathValue("token"))
	if err != nil {
		h.fail(w, err)
		return
	}
	switch right := h.right(exam, given); {
	case !right || !known:
		http.Error(w, "unknown token or wrong answer", http.StatusUnauthorized)
	case !exam.Expires.IsZero() && !h.cfg.Now().Before(exam.Expires):
		http.Error(w, "token expired", http.StatusForbidden)
	default:
		h.grant(w, exam.Grant)
	}
}

func (h *Handler) grant(w http.ResponseWriter, grant string) {
	jwt, err := h.signer.sign(grant, h.cfg.Lifetime)
	if err != nil {
		h.fail(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/jwt")
	_, _ = io.WriteString(w, jwt)
}

func (h *Handler) right(exam Exam, given map[string]string) bool {
	right := 1
	if len(exam.Questions) == 0 {
		right = 0
	}
	for _, q := range exam.Questions {
		want, has := exam.Answers[q.ID]
		expected, err := q.Normalize(want.Reveal())
		if err != nil {
			expected = want.Reveal()
		}
		answer, err := q.Normalize(given[q.ID])
		if err != nil {
			answer = ""
		}
		same := subtle.ConstantTimeCompare(h.digest(answer), h.digest(expected))
		if !has || want.IsZero() {
			same = 0
		}
		right &= same
	}
	return right == 1
}

// digest makes answers of any length comparable in the same time.
func (h *Handler) digest(answer string) []byte {
	mac := hmac.New(sha256.New, h.compare)
	_, _ = mac.Write([]byte(answer))
	return mac.Sum(nil)
}

// granted lets a request pass that has a valid JWT.
func (h *Handler) granted(next func(w http.ResponseWriter, r *http.Request, grant string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		grant, ok := h.signer.verify(strings.TrimSpace(token))
		if !ok || !strings.EqualFold(scheme, "Bearer") {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "no valid session", http.StatusUnauthorized)
			return
		}
		next(w, r, grant)
	}
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request, grant string) {
	items, err := h.exams.List(r.Context(), grant)
	if err != nil {
		h.fail(w, err)
		return
	}
	writeJSON(w, http.StatusOK, outItems(items))
}

func (h *Handler) download(w http.ResponseWriter, r *http.Request, grant string) {
	content, err := h.exams.Open(r.Context(), grant, r.PathValue("id"))
	h.content(w, r, content, err)
}

func (h *Handler) downloadAll(w http.ResponseWriter, r *http.Request, grant string) {
	content, err := h.exams.OpenAll(r.Context(), grant)
	h.content(w, r, content, err)
}

// content serves bytes, with ranges.
func (h *Handler) content(w http.ResponseWriter, r *http.Request, content *Content, err error) {
	if err != nil {
		h.fail(w, err)
		return
	}
	defer func() { _ = content.Body.Close() }()
	mime := content.MIMEType
	if mime == "" {
		mime = "application/octet-stream"
	}
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Disposition", "attachment")
	if content.ETag != "" {
		w.Header().Set("ETag", content.ETag)
	}
	http.ServeContent(w, r, "", content.Modified, content.Body)
}

// fail answers with the status of an error of Exams, and nothing of its text.
func (h *Handler) fail(w http.ResponseWriter, err error) {
	var wait *NotReadyError
	switch {
	case errors.As(err, &wait):
		after := max(int64(wait.After.Round(time.Second)/time.Second), 1)
		w.Header().Set("Retry-After", strconv.FormatInt(after, 10))
		writeJSON(w, http.StatusServiceUnavailable, map[string]int64{"timeOutInSeconds": after})
	case errors.Is(err, NotFound):
		http.Error(w, "unknown id", http.StatusBadRequest)
	default:
		http.Error(w, "internal error", http.StatusInternalServerError)
	}
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil {
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
