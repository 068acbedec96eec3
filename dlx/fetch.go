package dlx

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	copyBuffer = 128 << 10
	// overlap is how much of the end is fetched again and compared when a file
	// has no validator, in bytes.
	overlap    = 1 << 10
	maxBackoff = 30 * time.Second
	// maxNotReady bounds a JSON body that stands where a file should.
	maxNotReady = 4 << 10
)

// Fetch downloads one item into sink (DIN/TS 19455, /download/{id}). It resumes
// what sink holds, waits within Config.Patience for a portal that is not
// ready, renews the session when its JWT expires, and resumes after lost
// connections as long as that gets any further; a portal that cannot resume
// is asked from the beginning (Sink.Reset). nil means that the file is
// complete as far as the portal said its size; what it is, Sniff tells. The
// kinds of its errors: NotFound, Refused, Expired, NotReady, Unavailable,
// ForeignHost, Insecure, TooManyRedirects, Protocol; besides *SinkError.
func (s *Session) Fetch(ctx context.Context, id string, sink Sink) error {
	const op = "download"
	u, ok := s.item(id)
	if !ok {
		return &Error{Kind: NotFound, Op: op, Host: s.portal.Host}
	}
	return s.fetch(ctx, &transfer{op: op, url: u, sink: sink})
}

// FetchAll downloads everything as one ZIP (DIN/TS 19455, /downloadall); see
// Fetch. A web page in its place is an error of kind Protocol. A portal that
// does not offer it answers with NotFound: then fetch item by item.
func (s *Session) FetchAll(ctx context.Context, sink Sink) error {
	u := below(s.portal.APIBase, "downloadall")
	return s.fetch(ctx, &transfer{op: "download all", url: u, sink: sink, noPages: true})
}

// transfer is the state of one Fetch.
type transfer struct {
	op       string
	url      *url.URL
	sink     Sink
	noPages  bool
	session  *Session
	patience patience
	// tries counts attempts since the file last grew beyond high.
	tries int
	high  int64
	// whole: ranges do not work with this portal or this file.
	whole bool
	// tail are the last bytes written, at most overlap.
	tail []byte
}

// errMore says that a portal gave a part of the range only.
var errMore = errors.New("more to come")

// notReady is what a portal says that prepares the file.
type notReady struct{ wait time.Duration }

func (notReady) Error() string { return "not ready" }

func (s *Session) fetch(ctx context.Context, t *transfer) error {
	c := s.client
	t.session, t.patience, t.high = s, patience{left: c.cfg.Patience}, t.sink.Offset()
	t.recall()
	for {
		err := t.attempt(ctx)
		if err == nil {
			return nil
		}
		if gone := canceled(ctx, t.op); gone != nil {
			return gone
		}
		var wait notReady
		var e *Error
		switch {
		case errors.Is(err, errMore):
			err = nil
		case errors.As(err, &wait):
			err = c.ready(ctx, &t.patience, t.op, s.portal.Host, wait.wait)
		case errors.As(err, &e) && e.Temporary():
			err = t.again(ctx, e)
		}
		if err != nil {
			return err
		}
	}
}

// recall reads the end of what an earlier Fetch left, where the sink can.
func (t *transfer) recall() {
	r, ok := t.sink.(io.ReaderAt)
	held := t.sink.Offset()
	if !ok || held <= 0 || t.sink.Version().strong() != "" {
		return
	}
	tail := make([]byte, min(held, overlap))
	if n, _ := r.ReadAt(tail, held-int64(len(tail))); n == len(tail) {
		t.tail = tail
	}
}

// again waits before the next attempt, or gives up with the last failure.
func (t *transfer) again(ctx context.Context, e *Error) error {
	if offset := t.sink.Offset(); offset > t.high {
		t.high, t.tries = offset, 0
	}
	c := t.session.client
	if t.tries >= c.cfg.Retries {
		return e
	}
	if e.Reason == NotResumable { // nothing to wait for: ask for all of it
		t.tries++
		return nil
	}
	backoff := min(time.Second<<min(t.tries, 10), maxBackoff)
	if e.RetryAfter > maxBackoff {
		return e
	}
	t.tries++
	return c.wait(ctx, t.op, max(backoff, e.RetryAfter), WaitUnavailable)
}

// attempt sends one request for what is missing and stores what comes.
func (t *transfer) attempt(parent context.Context) error {
	c := t.session.client
	start, complete := t.start()
	if complete {
		return nil
	}
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	watchdog := time.AfterFunc(c.cfg.StallTimeout, func() { cancel(errStalled) })
	defer watchdog.Stop()
	var resp *http.Response
	var trail []*url.URL
	r := request{op: t.op, url: t.url, header: t.header(start)}
	err := t.session.authorised(parent, r, func(r request) (status int, err error) {
		watchdog.Reset(c.cfg.StallTimeout)
		defer watchdog.Stop()
		resp, trail, err = c.do(ctx, r) //nolint:bodyclose // closed by attempt, or discarded below
		if err != nil {
			return 0, err
		}
		if resp.StatusCode == http.StatusUnauthorized {
			discard(resp)
		}
		return resp.StatusCode, nil
	})
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	host := trail[len(trail)-1].Host
	body := &watched{body: resp.Body, dog: watchdog, limit: c.cfg.StallTimeout}
	lost := func(err error) error { return transportError(ctx, t.op, host, err) }
	switch resp.StatusCode {
	case http.StatusOK:
		return t.fromStart(resp, body, host, lost)
	case http.StatusPartialContent:
		return t.fromRange(resp, body, start, host, lost)
	case http.StatusRequestedRangeNotSatisfiable:
		return t.unsatisfiable(resp, host)
	}
	return t.refused(resp, body, trail)
}

// start is where the next request begins: 0, or a little before the end of
// what is held when there is only that to tell two files apart by. Without a
// validator and without the end of what is held, nothing tells them apart.
func (t *transfer) start() (offset int64, complete bool) {
	held, v := t.sink.Offset(), t.sink.Version()
	if held > 0 && held == v.Size {
		return 0, true
	}
	if held <= 0 || t.whole || !v.resumable() || v.Size >= 0 && held > v.Size {
		return 0, false
	}
	switch {
	case v.strong() == "" && len(t.tail) == 0:
		return 0, false
	case v.strong() == "":
		return held - int64(len(t.tail)), false
	}
	t.tail = nil
	return held, false
}

func (t *transfer) header(start int64) http.Header {
	h := http.Header{"Accept": {"*/*"}, "Accept-Encoding": {"identity"}}
	if start > 0 {
		h.Set("Range", "bytes="+strconv.FormatInt(start, 10)+"-")
		if validator := t.sink.Version().strong(); validator != "" {
			h.Set("If-Range", validator)
		}
	}
	return h
}

// fromStart stores a whole file.
func (t *transfer) fromStart(resp *http.Response, body io.Reader, host string, lost func(error) error) error {
	if encoded(resp) {
		return &Error{Kind: Protocol, Op: t.op, Host: host, Status: resp.StatusCode, Reason: Undecodable}
	}
	prefix, end := readPrefix(body, maxNotReady)
	if len(prefix) == 0 && !errors.Is(end, io.EOF) {
		return lost(end) // keeps what is held
	}
	if len(prefix) == 0 && t.noPages { // everything is never nothing
		return &Error{Kind: Unavailable, Op: t.op, Host: host, Status: resp.StatusCode, Reason: Undecodable}
	}
	if err := t.instead(resp, prefix, errors.Is(end, io.EOF), host); err != nil {
		return err
	}
	if err := t.sink.Reset(versionOf(resp, resp.ContentLength)); err != nil {
		return &SinkError{err}
	}
	t.tail = nil
	if err := t.keep(prefix); err != nil {
		return err
	}
	if end != nil {
		return t.ended(end, host, lost)
	}
	return t.ended(t.copy(body), host, lost)
}

// instead recognises what portals send with status 200 in place of a file.
func (t *transfer) instead(resp *http.Response, prefix []byte, whole bool, host string) error {
	kind := Sniff(prefix)
	if kind == JSON && whole {
		a := answer{status: resp.StatusCode, header: http.Header{}, body: prefix}
		if wait, ok := a.comeBack(); ok {
			return notReady{wait}
		}
	}
	if t.noPages && (kind == HTML || kind == JSON) {
		return &Error{Kind: Protocol, Op: t.op, Host: host, Status: resp.StatusCode, Reason: Undecodable}
	}
	return nil
}

// fromRange stores the rest of a file, if it is the rest of this one.
func (t *transfer) fromRange(resp *http.Response, body io.Reader, start int64, host string, lost func(error) error) error {
	first, last, total, ok := contentRange(resp.Header.Get("Content-Range"))
	mine := t.sink.Version()
	if !ok || encoded(resp) || first != start || start > 0 && !mine.fits(versionOf(resp, total)) {
		return t.misfit(resp, host)
	}
	held := t.sink.Offset()
	if start == 0 {
		if err := t.sink.Reset(versionOf(resp, total)); err != nil {
			return &SinkError{err}
		}
		t.tail, held = nil, 0
	}
	repeated := make([]byte, held-start)
	if _, err := io.ReadFull(body, repeated); err != nil {
		return lost(err)
	}
	if !bytes.Equal(repeated, t.tail[len(t.tail)-len(repeated):]) {
		return t.misfit(resp, host)
	}
	if err := t.copy(io.LimitReader(body, last+1-held)); !errors.Is(err, io.EOF) {
		return t.ended(err, host, lost)
	}
	switch {
	case t.sink.Offset() != last+1:
		return lost(io.ErrUnexpectedEOF)
	case total >= 0 && last+1 < total && last+1 > held:
		return errMore
	}
	return t.ended(io.EOF, host, lost)
}

// misfit gives up ranges for this file: the next attempt asks for all of it.
func (t *transfer) misfit(resp *http.Response, host string) error {
	if t.whole {
		return &Error{Kind: Protocol, Op: t.op, Host: host, Status: resp.StatusCode, Reason: NotResumable}
	}
	t.whole = true
	return &Error{Kind: Unavailable, Op: t.op, Host: host, Status: resp.StatusCode, Reason: NotResumable}
}

// unsatisfiable is 416: nothing is missing, or it is another file.
func (t *transfer) unsatisfiable(resp *http.Response, host string) error {
	_, _, total, _ := contentRange(resp.Header.Get("Content-Range"))
	held := t.sink.Offset()
	if held > 0 && held == total && t.sink.Version().fits(versionOf(resp, total)) && t.sink.Version().Size < 0 {
		return nil
	}
	return t.misfit(resp, host)
}

// refused is every other status.
func (t *transfer) refused(resp *http.Response, body io.Reader, trail []*url.URL) error {
	text, _ := io.ReadAll(io.LimitReader(body, maxNotReady))
	a := &answer{resp.StatusCode, resp.Header, text, trail}
	if wait, ok := a.notReady(); ok {
		return notReady{wait}
	}
	switch {
	case a.status == http.StatusForbidden, a.status == http.StatusGone:
		return &Error{Kind: Expired, Op: t.op, Host: a.host(), Status: a.status}
	case a.status == http.StatusBadRequest, a.status == http.StatusNotFound,
		a.status == http.StatusMethodNotAllowed, a.status == http.StatusNotImplemented:
		return &Error{Kind: NotFound, Op: t.op, Host: a.host(), Status: a.status}
	}
	return a.failure(t.op, Protocol)
}

// readPrefix reads up to n bytes and returns the error that ended it, if any did.
func readPrefix(r io.Reader, n int) (prefix []byte, end error) {
	prefix = make([]byte, n)
	got := 0
	for got < n && end == nil {
		var more int
		more, end = r.Read(prefix[got:])
		got += more
	}
	return prefix[:got], end
}

// copy stores what comes and returns the error that ended it: io.EOF at a clean end.
func (t *transfer) copy(body io.Reader) error {
	buffer := make([]byte, copyBuffer)
	for {
		n, end := body.Read(buffer)
		if n > 0 {
			if err := t.keep(buffer[:n]); err != nil {
				return err
			}
		}
		if end != nil {
			return end
		}
	}
}

// keep writes to the sink and remembers the tail.
func (t *transfer) keep(p []byte) error {
	n, err := t.sink.Write(p)
	if err == nil && n < len(p) {
		err = errShortWrite
	}
	if err != nil {
		return &SinkError{err}
	}
	if len(p) >= overlap {
		t.tail = append(t.tail[:0], p[len(p)-overlap:]...)
		return nil
	}
	t.tail = append(t.tail, p...)
	t.tail = append(t.tail[:0], t.tail[max(0, len(t.tail)-overlap):]...)
	return nil
}

// ended judges the end of a body: shorter than announced is a lost connection.
func (t *transfer) ended(err error, host string, lost func(error) error) error {
	var sink *SinkError
	if errors.As(err, &sink) {
		return err
	}
	if !errors.Is(err, io.EOF) {
		return lost(err)
	}
	size, held := t.sink.Version().Size, t.sink.Offset()
	switch {
	case size >= 0 && held > size:
		return &Error{Kind: Protocol, Op: t.op, Host: host, Reason: NotResumable}
	case size >= 0 && held < size:
		return lost(io.ErrUnexpectedEOF)
	}
	return nil
}

func versionOf(resp *http.Response, size int64) Version {
	return Version{ETag: resp.Header.Get("ETag"), LastModified: resp.Header.Get("Last-Modified"), Size: size}
}

// encoded reports a body that is not the file itself but something packed.
func encoded(resp *http.Response) bool {
	e := resp.Header.Get("Content-Encoding")
	return resp.Uncompressed || e != "" && e != "identity"
}

// watched keeps the watchdog quiet while bytes come, and while none are asked for.
type watched struct {
	body  io.Reader
	dog   *time.Timer
	limit time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	w.dog.Reset(w.limit)
	defer w.dog.Stop()
	return w.body.Read(p)
}
