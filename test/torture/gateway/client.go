package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// Client speaks to the API of one or more nodes with the tokens of an installation.
// It tries again, at any node, what a broken connection or a node that is down left
// open. It is safe for concurrent use.
type Client struct {
	nodes  []*Node
	tokens Tokens
	http   *http.Client
	// Tries counts attempts that were not answered, or with "try again".
	Tries atomic.Int64
}

// pause between attempts.
const pause = 100 * time.Millisecond

// NewClient makes a client of nodes, with the tokens of their installation.
func NewClient(nodes []*Node, tokens Tokens) *Client {
	transport := &http.Transport{DialContext: (&net.Dialer{Timeout: 5 * time.Second}).DialContext, MaxIdleConnsPerHost: 64,
		ResponseHeaderTimeout: 60 * time.Second}
	return &Client{nodes: nodes, tokens: tokens, http: &http.Client{Transport: transport}}
}

// Setup makes the first administrator of a new installation at a node that has
// printed its link, and the other tokens, and returns a client of all nodes.
func Setup(ctx context.Context, nodes []*Node) (*Client, error) {
	secret := ""
	for _, n := range nodes {
		if s := n.SetupSecret(); s != "" {
			secret = s
		}
	}
	tokens, err := MakeTokens(secret, func(token, path string, body map[string]string) (string, error) {
		c := NewClient(nodes, Tokens{Administrator: token})
		defer c.Close()
		a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: path, JSON: body})
		if err != nil {
			return "", err
		}
		var made struct{ Token string }
		err = a.Decode(&made, http.StatusOK, http.StatusCreated)
		return made.Token, err
	})
	if err != nil {
		return nil, fmt.Errorf("set up the installation: %w", err)
	}
	return NewClient(nodes, tokens), nil
}

// Tokens are those that the client uses.
func (c *Client) Tokens() Tokens { return c.tokens }

// Close lets the connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Request is one request.
type Request struct {
	Method, Path string // the path with its query
	Header       map[string]string
	JSON         any              // the body, or
	Body         func() io.Reader // a body of any kind, anew for each attempt
	Length       int64            // of Body
	Node         *Node            // only this one; nil: any
}

// Answer is what came back.
type Answer struct {
	Request string // method and path
	Status  int
	Header  http.Header
	Body    []byte
}

// UnexpectedError is an answer that nobody counted on.
type UnexpectedError struct{ Answer *Answer }

func (e *UnexpectedError) Error() string {
	return fmt.Sprintf("%s: %d %s", e.Answer.Request, e.Answer.Status, bytes.TrimSpace(e.Answer.Body))
}

// Expect is an error unless the status is one of those given.
func (a *Answer) Expect(status ...int) error {
	for _, s := range status {
		if s == a.Status {
			return nil
		}
	}
	return &UnexpectedError{a}
}

// Is reports whether an answer is the problem with a code (RFC 9457).
func (a *Answer) Is(code string) bool {
	var p struct{ Code string }
	return a.Status >= 400 && json.Unmarshal(a.Body, &p) == nil && p.Code == code
}

// Decode reads the JSON of an answer with one of the statuses given.
func (a *Answer) Decode(v any, status ...int) error {
	if err := a.Expect(status...); err != nil {
		return err
	}
	if err := json.Unmarshal(a.Body, v); err != nil {
		return fmt.Errorf("%s: %w", a.Request, err)
	}
	return nil
}

// Once sends a request to one node, once. An error says that there was no whole
// answer: what was asked may have happened or not.
func (c *Client) Once(ctx context.Context, r Request) (*Answer, error) {
	node := r.Node
	if node == nil {
		node = c.nodes[rand.N(len(c.nodes))] //nolint:gosec // spreads load
	}
	body, length := r.Body, r.Length
	if r.JSON != nil {
		text, err := json.Marshal(r.JSON)
		if err != nil {
			return nil, err
		}
		body, length = func() io.Reader { return bytes.NewReader(text) }, int64(len(text))
	}
	var reader io.Reader
	if body != nil {
		reader = body()
	}
	req, err := http.NewRequestWithContext(ctx, r.Method, node.URL()+r.Path, reader)
	if err != nil {
		return nil, err
	}
	req.ContentLength = length
	if r.JSON != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if token := c.tokens.For(r.Method, r.Path); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	for name, value := range r.Header {
		req.Header.Set(name, value)
	}
	return c.exchange(req, r)
}

func (c *Client) exchange(req *http.Request, r Request) (*Answer, error) {
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 256<<20))
	if err != nil {
		return nil, err
	}
	return &Answer{Request: r.Method + " " + r.Path, Status: resp.StatusCode, Header: resp.Header, Body: text}, nil
}

// Do sends a request until it is answered, and not with "try again": 423, 425, 429,
// 503, 507, 500, which a node may say whose end is near, or that the first request with
// the same key is still running. It must be one that may be sent twice.
func (c *Client) Do(ctx context.Context, r Request) (*Answer, error) {
	var last error
	for {
		a, err := c.Once(ctx, r)
		if err == nil && !again(a.Status) && !a.Is("idempotency-busy") {
			return a, nil
		}
		last = err
		wait := pause
		if err == nil {
			last = &UnexpectedError{a}
			if seconds, e := strconv.Atoi(a.Header.Get("Retry-After")); e == nil && seconds > 0 {
				wait = min(time.Duration(seconds)*time.Second, time.Second)
			}
		}
		c.Tries.Add(1)
		if !Wait(ctx, wait) {
			return nil, fmt.Errorf("%s %s: %w (%w)", r.Method, r.Path, context.Cause(ctx), last)
		}
	}
}

func again(status int) bool {
	switch status {
	case http.StatusLocked, http.StatusTooEarly, http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError,
		http.StatusInsufficientStorage:
		return true
	}
	return false
}

// Wait waits and reports whether ctx still lives.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// IsStatus reports whether an error is an answer with a status.
func IsStatus(err error, status int) bool {
	var e *UnexpectedError
	return errors.As(err, &e) && e.Answer.Status == status
}

// tail is the last part of a path or URL.
func tail(location string) string {
	return location[strings.LastIndexByte(location, '/')+1:]
}
