package dlx

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// request is one call to a portal.
type request struct {
	op     string
	method string
	url    *url.URL
	header http.Header
	body   []byte
	// site, when set, is the site that the link names: the request carries an
	// answer or a JWT, and every hop must be trusted with it.
	site *url.URL
	// bearer is sent to the origin of url, never to where a redirect leads.
	bearer Secret
}

// answer is a response that was read whole.
type answer struct {
	status int
	header http.Header
	body   []byte
	trail  []*url.URL // the URLs asked, in order
}

// do sends a request and follows redirects. The caller closes the body.
func (c *Client) do(ctx context.Context, r request) (*http.Response, []*url.URL, error) {
	var trail []*url.URL
	for u := r.url; ; {
		if !c.secure(u) {
			return nil, nil, &Error{Kind: Insecure, Op: r.op, Host: u.Host, Reason: PlainHTTP}
		}
		if r.site != nil && !c.trusts(r.site, u) {
			return nil, nil, &Error{Kind: ForeignHost, Op: r.op, Host: u.Host}
		}
		trail = append(trail, u)
		resp, err := c.send(ctx, r, u)
		if err != nil {
			return nil, nil, err
		}
		if !redirects(resp) {
			return resp, trail, nil
		}
		discard(resp)
		if len(trail) > maxRedirects {
			return nil, nil, &Error{Kind: TooManyRedirects, Op: r.op, Host: u.Host}
		}
		if u, err = nextHop(r, u, resp); err != nil {
			return nil, nil, err
		}
	}
}

// send sends to one hop. No Referer and no cookie goes with it, since both
// would carry the link further than it has to go.
func (c *Client) send(ctx context.Context, r request, u *url.URL) (*http.Response, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u.String(), body)
	if err != nil {
		return nil, &Error{Kind: BadLink, Op: r.op}
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	req.Header.Set("User-Agent", c.cfg.UserAgent)
	if len(c.cfg.Languages) > 0 {
		req.Header.Set("Accept-Language", strings.Join(c.cfg.Languages, ", "))
	}
	if !r.bearer.IsZero() && sameOrigin(r.url, u) {
		req.Header.Set("Authorization", "Bearer "+r.bearer.Reveal())
	}
	resp, err := c.cfg.Transport.RoundTrip(req)
	if err != nil {
		return nil, transportError(ctx, r.op, u.Host, err)
	}
	return resp, nil
}

func redirects(resp *http.Response) bool {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return resp.Header.Get("Location") != ""
	}
	return false
}

func nextHop(r request, from *url.URL, resp *http.Response) (*url.URL, error) {
	if r.method != http.MethodGet && resp.StatusCode == http.StatusSeeOther {
		return nil, &Error{Kind: Protocol, Op: r.op, Host: from.Host, Status: resp.StatusCode, Reason: UnexpectedStatus}
	}
	location := resp.Header.Get("Location")
	to, err := from.Parse(location)
	if err != nil || len(location) > maxLink {
		return nil, &Error{Kind: Protocol, Op: r.op, Host: from.Host, Status: resp.StatusCode}
	}
	if to, err = cleanURL(to); err != nil {
		return nil, &Error{Kind: Protocol, Op: r.op, Host: from.Host, Status: resp.StatusCode}
	}
	if from.Scheme == "https" && to.Scheme != "https" {
		return nil, &Error{Kind: Insecure, Op: r.op, Host: to.Host, Reason: PlainHTTP}
	}
	return to, nil
}

// discard reads a little, so that the connection can be used again.
func discard(resp *http.Response) {
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	_ = resp.Body.Close()
}

// call does a request and reads its answer up to limit bytes.
func (c *Client) call(ctx context.Context, r request, limit int64) (*answer, error) {
	bounded, cancel := context.WithTimeout(ctx, c.cfg.RequestTimeout)
	defer cancel()
	resp, trail, err := c.do(bounded, r)
	if err != nil {
		if gone := canceled(ctx, r.op); gone != nil {
			return nil, gone
		}
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	host := trail[len(trail)-1].Host
	switch {
	case err != nil && canceled(ctx, r.op) != nil:
		return nil, canceled(ctx, r.op)
	case int64(len(body)) > limit:
		return nil, &Error{Kind: Protocol, Op: r.op, Host: host, Status: resp.StatusCode, Reason: TooLarge}
	case err != nil && undecodable(resp, err):
		return nil, &Error{Kind: Protocol, Op: r.op, Host: host, Status: resp.StatusCode, Reason: Undecodable}
	case err != nil:
		return nil, transportError(bounded, r.op, host, err)
	}
	return &answer{resp.StatusCode, resp.Header, body, trail}, nil
}

// undecodable tells a broken compression from a broken connection.
func undecodable(resp *http.Response, err error) bool {
	return resp.Uncompressed && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, context.DeadlineExceeded)
}

func (a *answer) host() string { return a.trail[len(a.trail)-1].Host }

func (a *answer) ok() bool { return a.status >= 200 && a.status < 300 }

// failure is the error for a status that is not a success and has no meaning
// of its own in the call.
func (a *answer) failure(op string, otherwise Kind) error {
	e := &Error{Kind: otherwise, Op: op, Host: a.host(), Status: a.status, Reason: UnexpectedStatus}
	if down(a.status) {
		e.Kind, e.Reason = Unavailable, ""
		e.RetryAfter, _ = a.comeBack()
	}
	return e
}

// down reports whether a status means that the same call may succeed later.
func down(status int) bool {
	return status >= 500 && status != http.StatusNotImplemented ||
		status == http.StatusTooManyRequests || status == http.StatusRequestTimeout
}

// maxComeBack bounds what a portal may ask for.
const maxComeBack = 24 * time.Hour

// defaultComeBack is for a portal that is not ready and does not say for how long.
const defaultComeBack = 30 * time.Second

// comeBack is when a portal asks to come back: {"timeOutInSeconds":30} (DIN/TS
// 19455, /download/{id}), else the header Retry-After in seconds.
func (a *answer) comeBack() (time.Duration, bool) {
	var wire struct {
		Seconds count `json:"timeOutInSeconds"`
	}
	if json.Unmarshal(tidyJSON(a.body), &wire) == nil && wire.Seconds.known {
		return seconds(wire.Seconds.n), true
	}
	if n, err := strconv.ParseInt(strings.TrimSpace(a.header.Get("Retry-After")), 10, 64); err == nil {
		return seconds(n), true
	}
	return 0, false
}

// notReady reports whether an answer means that the exam is being prepared.
// The specification's body may also be null or lack the time; a 503 with
// anything else, such as a proxy's page, is a portal that is down.
func (a *answer) notReady() (time.Duration, bool) {
	if a.status != http.StatusServiceUnavailable && a.status != http.StatusAccepted {
		return 0, false
	}
	if wait, ok := a.comeBack(); ok {
		return wait, true
	}
	body := bytes.TrimSpace(a.body)
	return defaultComeBack, len(body) == 0 || string(body) == "null" || body[0] == '{' && json.Valid(body)
}

func seconds(n int64) time.Duration {
	n = min(max(n, 1), int64(maxComeBack/time.Second))
	return time.Duration(n) * time.Second
}

// patience is what one List or Fetch may still wait for a portal.
type patience struct{ left time.Duration }

// ready waits as a portal asked, or says NotReady when that is too long.
func (c *Client) ready(ctx context.Context, p *patience, op, host string, wait time.Duration) error {
	if wait > p.left {
		return &Error{Kind: NotReady, Op: op, Host: host, Status: http.StatusServiceUnavailable, RetryAfter: wait}
	}
	p.left -= wait
	return c.wait(ctx, op, wait, WaitNotReady)
}

func (c *Client) wait(ctx context.Context, op string, d time.Duration, reason WaitReason) error {
	if err := canceled(ctx, op); err != nil {
		return err
	}
	if c.cfg.Waiting != nil {
		c.cfg.Waiting(Waiting{Until: c.cfg.Now().Add(d), Reason: reason})
	}
	select {
	case <-ctx.Done():
		return canceled(ctx, op)
	case <-c.cfg.After(d):
		return nil
	}
}
