package dlx

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ImportConfig is how an ImportHandler works. The zero value is ready to use.
type ImportConfig struct {
	// Base is the public URL of the interface, e.g. https://hospital.example/dlx/v2.
	// nil: /dlx/v2 at the host of the request, for tests and demonstrations.
	Base *url.URL
	// Vendor is told in apiInfo.
	Vendor string
	// Wait is how long /import waits for the import's end before it answers 202; 3 s when 0.
	Wait time.Duration
	// Failed is told of errors of Imports that the caller is not told of; nil: nobody is.
	Failed func(r *http.Request, err error)
}

// ImportHandler is an importer that other systems drive (DIN/TS 19455, version 2): /api_info,
// /admin_auth, /import and its status, all below Base's path. It offers neither
// downloads nor tokens.
type ImportHandler struct {
	imports Imports
	cfg     ImportConfig
	base    string // path
	mux     *http.ServeMux
}

// maxImport bounds the body of /admin_auth and /import, in bytes.
const maxImport = 64 << 10

// NewImportHandler returns an importer over imports.
func NewImportHandler(imports Imports, cfg ImportConfig) *ImportHandler {
	cfg.Wait = orDuration(cfg.Wait, 3*time.Second)
	h := &ImportHandler{imports: imports, cfg: cfg, base: "/dlx/v2", mux: http.NewServeMux()}
	if cfg.Base != nil {
		h.base = strings.TrimRight(cfg.Base.Path, "/")
	}
	h.route("/api_info", http.MethodGet, h.apiInfo)
	h.route("/admin_auth", http.MethodPost, h.adminAuth)
	h.route("/import", http.MethodPost, h.authorised(h.start))
	h.route("/import/{id}", http.MethodGet, h.authorised(h.status))
	h.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, http.StatusNotFound, "not_found") })
	return h
}

// route serves one path with one method (GET serves HEAD too).
func (h *ImportHandler) route(path, method string, serve http.HandlerFunc) {
	h.mux.HandleFunc(method+" "+h.base+path, serve)
	h.mux.HandleFunc(h.base+path, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Allow", method)
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed")
	})
}

// Format prints nothing of what is inside, for any verb.
func (h *ImportHandler) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "dlx.ImportHandler") }

// ServeHTTP answers one request. Nothing of it may be stored on the way.
func (h *ImportHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Referrer-Policy", "no-referrer")
	h.mux.ServeHTTP(w, r)
}

// public is the URL that others know the interface by.
func (h *ImportHandler) public(r *http.Request) *url.URL {
	if h.cfg.Base != nil {
		return h.cfg.Base
	}
	base := &url.URL{Scheme: "http", Host: r.Host, Path: h.base}
	if r.TLS != nil {
		base.Scheme = "https"
	}
	return base
}

func (h *ImportHandler) apiInfo(w http.ResponseWriter, r *http.Request) {
	info := wireOutInfo2{wireOutInfo: wireOutInfo{Version: "v2", Vendor: h.cfg.Vendor, BasePath: strings.TrimRight(h.public(r).String(), "/")}}
	info.Capabilities.Import = true
	writeJSON(w, http.StatusOK, info)
}

// adminAuth exchanges credentials for an access token.
func (h *ImportHandler) adminAuth(w http.ResponseWriter, r *http.Request) {
	body, ok := importBody(w, r)
	if !ok {
		return
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	credentials, ok := decodeCredentials(body, kind == "application/x-www-form-urlencoded")
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	}
	access, err := h.imports.Login(r.Context(), credentials)
	if err != nil {
		h.fail(w, r, err, "invalid_grant")
		return
	}
	writeJSON(w, http.StatusOK, wireOutAccess{Token: access.Token.Reveal(), Type: "Bearer",
		Expires: int64(access.Expires / time.Second), Scope: strings.Join(access.Scopes, " ")})
}

// authorised lets a request pass that has an access token for imports.
func (h *ImportHandler) authorised(next func(http.ResponseWriter, *http.Request, Authority)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		token = strings.TrimSpace(token)
		if !strings.EqualFold(scheme, "Bearer") || token == "" {
			h.fail(w, r, Refused, "invalid_token")
			return
		}
		who, err := h.imports.Authorize(r.Context(), NewSecret(token))
		if err != nil {
			h.fail(w, r, err, "invalid_token")
			return
		}
		if !mayImport(who.Scopes) {
			w.Header().Set("WWW-Authenticate", `Bearer error="insufficient_scope", scope="`+ScopeImport+`"`)
			refuse(w, http.StatusForbidden, "insufficient_scope")
			return
		}
		next(w, r, who)
	}
}

// start takes a link over: 200 when the import is completed already, else 202.
func (h *ImportHandler) start(w http.ResponseWriter, r *http.Request, who Authority) {
	body, ok := importBody(w, r)
	if !ok {
		return
	}
	req, ok, err := decodeImport(body)
	switch {
	case !ok:
		refuse(w, http.StatusBadRequest, "invalid_request")
		return
	case err != nil:
		h.fail(w, r, err, "")
		return
	}
	status, err := h.imports.Start(r.Context(), who, req, h.cfg.Wait)
	if err != nil {
		h.fail(w, r, err, "invalid_token")
		return
	}
	code := http.StatusAccepted // also when it has failed: 200 alone would say that all is well
	if status.State == ImportCompleted {
		code = http.StatusOK
	}
	h.tell(w, r, code, status)
}

func (h *ImportHandler) status(w http.ResponseWriter, r *http.Request, who Authority) {
	status, err := h.imports.Status(r.Context(), who, r.PathValue("id"))
	if err != nil {
		h.fail(w, r, err, "invalid_token")
		return
	}
	h.tell(w, r, http.StatusOK, status)
}

// tell writes a status with the URL to ask again.
func (h *ImportHandler) tell(w http.ResponseWriter, r *http.Request, code int, s ImportStatus) {
	at := below(h.public(r), "import", s.ID).String()
	if code == http.StatusAccepted {
		w.Header().Set("Location", at)
	}
	if !s.State.Ended() {
		w.Header().Set("Retry-After", "2")
	}
	writeJSON(w, code, wireOutStatus{State: s.State, URL: at, Items: max(s.Items, 0), Message: s.Message})
}

// importBody reads a body within its bound.
func importBody(w http.ResponseWriter, r *http.Request) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxImport))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, "too_large")
	case err != nil:
		refuse(w, http.StatusBadRequest, "invalid_request")
	}
	return body, err == nil
}

// fail answers with the status of an error of Imports, and nothing of its text.
// refused is the code for Refused.
func (h *ImportHandler) fail(w http.ResponseWriter, r *http.Request, err error, refused string) {
	var wait *NotReadyError
	var slower *ThrottledError
	switch {
	case errors.As(err, &wait):
		retryAfter(w, wait.After)
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable")
	case errors.As(err, &slower):
		retryAfter(w, slower.After)
		refuse(w, http.StatusTooManyRequests, "too_many_attempts")
	case errors.Is(err, Refused):
		w.Header().Set("WWW-Authenticate", "Bearer")
		refuse(w, http.StatusUnauthorized, refused)
	case errors.Is(err, NotFound):
		refuse(w, http.StatusNotFound, "not_found")
	case errors.Is(err, BadLink):
		refuse(w, http.StatusBadRequest, "invalid_link")
	case errors.Is(err, BadAnswer):
		refuse(w, http.StatusBadRequest, "invalid_answer")
	default:
		if h.cfg.Failed != nil {
			h.cfg.Failed(r, err)
		}
		refuse(w, http.StatusInternalServerError, "internal")
	}
}

func retryAfter(w http.ResponseWriter, after time.Duration) {
	w.Header().Set("Retry-After", strconv.FormatInt(max(int64((after+time.Second-1)/time.Second), 1), 10))
}

// refuse answers with an error's code.
func refuse(w http.ResponseWriter, status int, code string) {
	writeJSON(w, status, wireOutError{Error: code})
}
