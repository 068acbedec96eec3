package tus

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Version is the version of the protocol.
const Version = "1.0.0"

// ContentType is that of every request with bytes of an upload.
const ContentType = "application/offset+octet-stream"

const extensions = "creation,creation-with-upload,termination,checksum"

// Options are how a Handler works. The zero value is ready to use.
type Options struct {
	// MaxSize bounds an upload in bytes; 0: not at all.
	MaxSize int64
	// Stall is how long a request may bring no byte before it ends, what came
	// being committed; 20 s when 0.
	Stall time.Duration
	// CommitBytes and CommitEvery say after how many bytes, or how long, a PATCH
	// without checksum commits while more comes in; 16 MiB and 30 s when 0.
	CommitBytes int64
	CommitEvery time.Duration
	// CommitTimeout bounds one Commit; a minute when 0.
	CommitTimeout time.Duration
	// Longest is how long a request may bring bytes before it ends; the client goes on
	// with the next one, from what is committed. A store may count on it that what a
	// request writes is committed or dropped not long after. 6 hours when 0.
	Longest time.Duration
	// Monotonic is a clock that nobody sets; nil: time.Now, whose differences are such.
	Monotonic func() time.Time
	// Refuse writes an answer that is a refusal; the headers of the protocol are
	// set already. nil: the code as text.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, code string)
	// Failed is told of errors that the client is not told of (status 500 and
	// 503); nil: nobody is.
	Failed func(r *http.Request, err error)
	// Location is the URL of an upload, the answer to a creation; nil: the path of
	// the request and the id behind it.
	Location func(r *http.Request, id string) string
}

// Handler serves uploads. It answers for a collection (POST, OPTIONS) and for one
// upload (HEAD, PATCH, DELETE, OPTIONS), which the path's wildcard {upload} names:
//
//	mux.Handle("/api/v1/imports/{import}/uploads", h)
//	mux.Handle("/api/v1/imports/{import}/uploads/{upload}", h)
//
// A server that stops cancels its base context: then requests end at once, what
// came is committed, and the client goes on elsewhere (503).
type Handler struct {
	store Store
	opt   Options
}

// New returns a handler over a store.
func New(store Store, opt Options) *Handler {
	if opt.Stall <= 0 {
		opt.Stall = 20 * time.Second
	}
	if opt.CommitBytes <= 0 {
		opt.CommitBytes = 16 << 20
	}
	if opt.CommitEvery <= 0 {
		opt.CommitEvery = 30 * time.Second
	}
	if opt.CommitTimeout <= 0 {
		opt.CommitTimeout = time.Minute
	}
	if opt.Longest <= 0 {
		opt.Longest = 6 * time.Hour
	}
	if opt.Monotonic == nil {
		opt.Monotonic = time.Now
	}
	if opt.Refuse == nil {
		opt.Refuse = func(w http.ResponseWriter, _ *http.Request, status int, code string) { http.Error(w, code, status) }
	}
	if opt.Location == nil {
		opt.Location = func(r *http.Request, id string) string { return strings.TrimRight(r.URL.EscapedPath(), "/") + "/" + id }
	}
	return &Handler{store: store, opt: opt}
}

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Tus-Resumable", Version)
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if err := h.serve(w, r); err != nil {
		h.refuse(w, r, err)
	}
}

// serve says what each method does.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) error {
	method := r.Method
	if override := r.Header.Get("X-HTTP-Method-Override"); override != "" && method == http.MethodPost {
		method = strings.ToUpper(override) // never for GET, which is taken to be harmless on the way here
	}
	id := r.PathValue("upload")
	if method != http.MethodOptions && r.Header.Get("Tus-Resumable") != Version {
		w.Header().Set("Tus-Version", Version)
		return WrongVersion
	}
	switch {
	case method == http.MethodOptions:
		return h.options(w)
	case method == http.MethodPost && id == "":
		return h.create(w, r)
	case method == http.MethodHead && id != "":
		return h.head(w, r, id)
	case method == http.MethodPatch && id != "":
		return h.patch(w, r, id)
	case method == http.MethodDelete && id != "":
		return h.terminate(w, r, id)
	case id == "":
		w.Header().Set("Allow", "OPTIONS, POST")
	default:
		w.Header().Set("Allow", "DELETE, HEAD, OPTIONS, PATCH")
	}
	return WrongMethod
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	code := refusal(err)
	if h.opt.Failed != nil && (code == Broken || code == Unavailable) {
		h.opt.Failed(r, err)
	}
	switch code {
	case Locked, TooLong, Unavailable:
		w.Header().Set("Retry-After", "5")
	case Gone, NotFound:
		// no Upload-Offset (tus 1.0.0, HEAD); none is set before
	}
	h.opt.Refuse(w, r, code.Status(), string(code))
}

// options says what is offered.
func (h *Handler) options(w http.ResponseWriter) error {
	w.Header().Set("Tus-Version", Version)
	w.Header().Set("Tus-Extension", extensions)
	w.Header().Set("Tus-Checksum-Algorithm", algorithms)
	if h.opt.MaxSize > 0 {
		w.Header().Set("Tus-Max-Size", strconv.FormatInt(h.opt.MaxSize, 10))
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// head answers with the last committed offset.
func (h *Handler) head(w http.ResponseWriter, r *http.Request, id string) error {
	u, err := h.store.Info(r.Context(), id)
	if err != nil {
		return err
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	w.Header().Set("Upload-Length", strconv.FormatInt(u.Length, 10))
	if len(u.Metadata) > 0 {
		w.Header().Set("Upload-Metadata", formatMetadata(u.Metadata))
	}
	w.WriteHeader(http.StatusOK)
	return nil
}

// patch appends to an upload.
func (h *Handler) patch(w http.ResponseWriter, r *http.Request, id string) error {
	offset, ok := number(r.Header, "Upload-Offset")
	switch {
	case !offsetStream(r):
		return WrongType
	case !ok:
		return BadOffset
	}
	sum, err := parseChecksum(r.Header.Values("Upload-Checksum"))
	if err != nil {
		return err
	}
	u, err := h.store.Info(r.Context(), id)
	if err != nil {
		return err
	}
	offset, err = h.append(w, r, id, u.Length, offset, sum)
	if err != nil {
		return err
	}
	w.Header().Set("Upload-Offset", strconv.FormatInt(offset, 10))
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// create makes an upload, and takes the bytes that came with the request.
func (h *Handler) create(w http.ResponseWriter, r *http.Request) error {
	u, sum, err := h.announced(r)
	if err != nil {
		return err
	}
	id, err := h.store.Create(r.Context(), u)
	if err != nil {
		return err
	}
	if offsetStream(r) {
		u.Offset, err = h.append(w, r, id, u.Length, 0, sum)
		if errors.Is(err, ChecksumDiffers) || errors.Is(err, TooLarge) {
			// The client never learns the id: it starts again.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), h.opt.CommitTimeout)
			defer cancel()
			return errors.Join(err, h.store.Terminate(ctx, id))
		}
		if err != nil && h.opt.Failed != nil && refusal(err) == Broken {
			h.opt.Failed(r, err)
		}
		// Otherwise the upload is there, and the client goes on from the offset.
		w.Header().Set("Upload-Offset", strconv.FormatInt(u.Offset, 10))
	}
	w.Header().Set("Location", h.opt.Location(r, id))
	w.WriteHeader(http.StatusCreated)
	return nil
}

// announced reads what a creation says of its upload.
func (h *Handler) announced(r *http.Request) (Upload, *checksum, error) {
	if len(r.Header.Values("Upload-Defer-Length")) > 0 {
		return Upload{}, nil, LengthDeferred
	}
	length, ok := number(r.Header, "Upload-Length")
	if !ok {
		return Upload{}, nil, BadLength
	}
	if h.opt.MaxSize > 0 && length > h.opt.MaxSize {
		return Upload{}, nil, TooLarge
	}
	metadata, ok := parseMetadata(strings.Join(r.Header.Values("Upload-Metadata"), ","))
	if !ok {
		return Upload{}, nil, BadMetadata
	}
	u := Upload{Length: length, Metadata: metadata}
	if !offsetStream(r) {
		if r.ContentLength > 0 {
			return u, nil, WrongType
		}
		return u, nil, nil
	}
	if r.ContentLength > length {
		return u, nil, TooLarge
	}
	sum, err := parseChecksum(r.Header.Values("Upload-Checksum"))
	return u, sum, err
}

func (h *Handler) terminate(w http.ResponseWriter, r *http.Request, id string) error {
	if err := h.store.Terminate(r.Context(), id); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// offsetStream reports whether a request brings bytes of an upload.
func offsetStream(r *http.Request) bool { return r.Header.Get("Content-Type") == ContentType }
