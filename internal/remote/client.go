// Package remote lets the command line use a gateway: a client of its API, and the
// way of one import over it, with the same questions, choices and progress that the
// stages have when they run here.
//
// A connection that breaks is no reason to give up: what is safe to send again is
// sent again, for as long as Config.Patience; what is not (an answer, a decision) is
// not, and the state of the import says whether it arrived.
package remote

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"time"

	"lotse/internal/api/problem"
)

// Config says which server, and as whom. It holds a secret: never log it.
type Config struct {
	// URL of the server, as people type it: https://lotse.example, with a path where a
	// proxy puts one before it.
	URL string
	// Token is shown to this server only.
	Token string
	// InsecureHTTP permits http to other hosts than this machine.
	InsecureHTTP bool
	Version      string // of this program, for the server's logs
	// Patience is how long a server that does not answer any more is waited for; 5
	// minutes when 0. One that never answered is not waited for.
	Patience time.Duration
	// Lost is called when the connection is lost, with the end of patience; Back when
	// the server answers again. Both may be nil.
	Lost func(until time.Time)
	Back func()
	// Transport replaces the HTTP transport.
	Transport http.RoundTripper
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base   *url.URL
	token  string
	agent  string
	http   *http.Client
	outage outage
	// stall is how long nothing may move on a connection.
	stall time.Duration
}

// New returns a client. Its error is an *AddressError. Nothing is sent yet.
func New(c Config) (*Client, error) {
	base, err := address(c.URL, c.InsecureHTTP)
	if err != nil {
		return nil, err
	}
	transport := c.Transport
	if transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConnsPerHost = 2 * uploaders
		transport = t
	}
	if c.Patience <= 0 {
		c.Patience = 5 * time.Minute
	}
	return &Client{base: base, token: c.Token, agent: "lotse/" + c.Version, stall: 90 * time.Second,
		// A redirect would show the token to someone else.
		http:   &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
		outage: outage{host: base.Host, patience: c.Patience, lost: c.Lost, back: c.Back}}, nil
}

// Host is the server's host, for people.
func (c *Client) Host() string { return c.base.Host }

// AddressError says why a URL is none of a server that may be asked.
type AddressError struct {
	Insecure bool // http beyond this computer; otherwise it is no URL of a server
}

func (e *AddressError) Error() string {
	if e.Insecure {
		return "the server's address has to begin with https"
	}
	return "this is not the address of a server"
}

// address reads the URL of a server.
func address(text string, insecure bool) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, &AddressError{}
	}
	if u.Scheme == "http" && !insecure && !loopback(u.Hostname()) {
		return nil, &AddressError{Insecure: true}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || strings.EqualFold(host, "localhost")
}

// request may be sent more than once.
type request struct {
	method, path string
	header       map[string]string
	body         []byte
	stall        time.Duration // 0: the client's
}

// jsonRequest is one with a JSON body.
func jsonRequest(method, path string, in any) (request, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return request{}, fmt.Errorf("remote: %w", err)
	}
	return request{method: method, path: path, body: body, header: map[string]string{"Content-Type": "application/json"}}, nil
}

// send sends once. Its errors are *Refusal, and *brokenError when it is not known whether the
// server did what was asked. The body of the answer has to be closed.
func (c *Client) send(ctx context.Context, r request) (*http.Response, error) {
	stall := r.stall
	if stall == 0 {
		stall = c.stall
	}
	watched, watch := newWatch(ctx, stall)
	var body io.Reader
	if len(r.body) > 0 {
		body = watch.over(io.NopCloser(bytes.NewReader(r.body)))
	}
	req, err := http.NewRequestWithContext(watched, r.method, c.base.JoinPath(r.path).String(), body)
	if err != nil {
		watch.end()
		return nil, fmt.Errorf("remote: %w", err)
	}
	if path, query, has := strings.Cut(r.path, "?"); has {
		req.URL = c.base.JoinPath(path)
		req.URL.RawQuery = query
	}
	req.ContentLength = int64(len(r.body))
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("User-Agent", c.agent)
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		watch.end()
		return nil, broken(ctx, err)
	}
	resp.Body = watch.last(resp.Body)
	if resp.StatusCode >= 300 {
		defer resp.Body.Close()
		return nil, refusal(resp)
	}
	return resp, nil
}

// maxAnswer bounds a JSON answer, in bytes.
const maxAnswer = 256 << 20

// once sends once and reads the JSON answer into out; nil when there is none.
func (c *Client) once(ctx context.Context, r request, out any) error {
	resp, err := c.send(ctx, r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil || resp.StatusCode == http.StatusNoContent {
		return nil
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return broken(ctx, err)
	}
	if err := json.Unmarshal(raw, out); err != nil {
		return &Refusal{Status: resp.StatusCode, RequestID: resp.Header.Get(problem.RequestIDHeader)} // not what a gateway answers
	}
	return nil
}

// call is once, again and again until the server answers. Only for what may be done
// twice.
func (c *Client) call(ctx context.Context, r request, out any) error {
	return c.patiently(ctx, func() error { return c.once(ctx, r, out) })
}

// patiently does f until it is settled, or patience has ended.
func (c *Client) patiently(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err = c.outage.judge(ctx, err); !errors.Is(err, errAgain) {
			return err
		}
	}
}

// connecting reports an error from before anything was sent.
func connecting(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
