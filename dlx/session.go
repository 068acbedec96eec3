package dlx

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// Session is an opened link, safe for concurrent use. It keeps the answers in
// memory to renew itself when its JWT expires.
type Session struct {
	client  *Client
	portal  Portal
	answers Secret // the body of /tokentfa

	mu  sync.Mutex
	jwt Secret
	// renewable: this JWT may be renewed once. A JWT that came from a renewal
	// must have been accepted first, so that two servers that disagree do not loop.
	renewable bool
}

// Format prints the host only, for any verb.
func (s *Session) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dlx.Session("+s.portal.Host+")")
}

// Authenticate answers the questions, by question id (DIN/TS 19455,
// /tokentfa/{value}); they are normalised first. It is never repeated by
// itself, since portals lock links after some wrong answers. The kinds of its
// errors: BadAnswer, TokenUnknown, ForeignHost (before anything is sent),
// Refused, Expired, Unavailable, Insecure, Protocol.
func (c *Client) Authenticate(ctx context.Context, p *Portal, answers map[string]string) (*Session, error) {
	const op = "authenticate"
	if p.NeedsToken() {
		return nil, &Error{Kind: TokenUnknown, Op: op, Host: p.Host}
	}
	body, err := tfaAnswers(op, p.Questions, answers)
	if err != nil {
		return nil, err
	}
	s := &Session{client: c, portal: *p, answers: body, renewable: true}
	if s.jwt, err = s.authenticate(ctx, op); err != nil {
		return nil, err
	}
	return s, nil
}

// Resume goes on with the JWT of an earlier Session of this portal, by another
// process for instance, without sending anything. When the portal does not accept
// it any more, the answers renew it, once. The kinds of its errors: BadAnswer, TokenUnknown.
func (c *Client) Resume(p *Portal, answers map[string]string, jwt Secret) (*Session, error) {
	const op = "resume"
	if p.NeedsToken() {
		return nil, &Error{Kind: TokenUnknown, Op: op, Host: p.Host}
	}
	body, err := tfaAnswers(op, p.Questions, answers)
	if err != nil {
		return nil, err
	}
	return &Session{client: c, portal: *p, answers: body, jwt: jwt, renewable: true}, nil
}

func tfaAnswers(op string, questions []Question, answers map[string]string) (Secret, error) {
	type wireAnswer struct {
		ID     json.RawMessage `json:"questionId"`
		Answer string          `json:"answer"`
	}
	wire := struct {
		Answers []wireAnswer `json:"tfaAnswer"`
	}{Answers: []wireAnswer{}}
	for _, q := range questions {
		answer, err := q.Normalize(answers[q.ID])
		if e := (*Error)(nil); errors.As(err, &e) {
			e.Op = op
			return Secret{}, e
		}
		id := q.wireID
		if id == nil { // a question that did not come from Probe
			id, _ = json.Marshal(q.ID)
		}
		wire.Answers = append(wire.Answers, wireAnswer{id, answer})
	}
	body, err := json.Marshal(wire)
	if err != nil {
		return Secret{}, &Error{Kind: BadAnswer, Op: op}
	}
	return NewSecret(string(body)), nil
}

func (s *Session) authenticate(ctx context.Context, op string) (Secret, error) {
	a, err := s.client.call(ctx, request{
		op: op, method: http.MethodPost, url: below(s.portal.APIBase, "tokentfa", s.portal.token.Reveal()),
		header: http.Header{"Content-Type": {"application/json"}, "Accept": {"application/jwt, */*;q=0.1"}},
		body:   []byte(s.answers.Reveal()), site: s.portal.site,
	}, s.client.cfg.MaxJSON)
	if err != nil {
		return Secret{}, err
	}
	switch {
	case a.ok():
		jwt, ok := decodeJWT(a.body)
		if !ok {
			return Secret{}, &Error{Kind: Protocol, Op: op, Host: a.host(), Status: a.status, Reason: Undecodable}
		}
		return jwt, nil
	case a.status == http.StatusUnauthorized:
		return Secret{}, &Error{Kind: Refused, Op: op, Host: a.host(), Status: a.status}
	case a.status == http.StatusForbidden, a.status == http.StatusGone:
		return Secret{}, &Error{Kind: Expired, Op: op, Host: a.host(), Status: a.status}
	}
	return Secret{}, a.failure(op, Protocol)
}

// JWT returns the current bearer token, for services beside DLX that accept it, and
// for Client.Resume.
func (s *Session) JWT() Secret {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.jwt
}

// accepted notes that the portal took this JWT.
func (s *Session) accepted(jwt Secret) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jwt == jwt {
		s.renewable = true
	}
}

// renew replaces a JWT that the portal refused with 401 by answering again,
// unless another call has already done so.
func (s *Session) renew(ctx context.Context, failed Secret) error {
	const op = "renew"
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jwt != failed {
		return nil
	}
	if !s.renewable {
		return &Error{Kind: Refused, Op: op, Host: s.portal.Host, Status: http.StatusUnauthorized, Reason: SessionRejected}
	}
	jwt, err := s.authenticate(ctx, op)
	if e := (*Error)(nil); errors.As(err, &e) && e.Kind == Refused {
		e.Reason = RenewalRefused
	}
	if err != nil {
		return err
	}
	s.jwt, s.renewable = jwt, false
	return nil
}

// authorised sends GET requests with the JWT until one is not answered with
// 401. send gets the request with the JWT in place and reports the status.
func (s *Session) authorised(ctx context.Context, r request, send func(request) (int, error)) error {
	for {
		r.method, r.site, r.bearer = http.MethodGet, s.portal.site, s.JWT()
		status, err := send(r)
		if err != nil {
			return err
		}
		if status != http.StatusUnauthorized {
			if status < 300 || status == http.StatusServiceUnavailable || status == http.StatusRequestedRangeNotSatisfiable {
				s.accepted(r.bearer)
			}
			return nil
		}
		if err := s.renew(ctx, r.bearer); err != nil {
			return err
		}
	}
}

// List returns what the link gives (DIN/TS 19455, /list). Where the portal
// asks for time it waits, within Config.Patience.
func (s *Session) List(ctx context.Context) ([]Item, error) {
	const op = "list"
	c := s.client
	p := &patience{left: c.cfg.Patience}
	r := request{op: op, url: below(s.portal.APIBase, "list"), header: http.Header{"Accept": {"application/json"}}}
	for {
		var a *answer
		err := s.authorised(ctx, r, func(r request) (status int, err error) {
			if a, err = c.call(ctx, r, c.cfg.MaxList); err != nil {
				return 0, err
			}
			return a.status, nil
		})
		if err != nil {
			return nil, err
		}
		if wait, ok := a.notReady(); ok {
			if err := c.ready(ctx, p, op, a.host(), wait); err != nil {
				return nil, err
			}
			continue
		}
		return a.items(op)
	}
}

func (a *answer) items(op string) ([]Item, error) {
	switch {
	case a.status == http.StatusForbidden, a.status == http.StatusGone:
		return nil, &Error{Kind: Expired, Op: op, Host: a.host(), Status: a.status}
	case !a.ok():
		return nil, a.failure(op, Protocol)
	}
	items, ok := decodeItems(a.body)
	if !ok {
		return nil, &Error{Kind: Protocol, Op: op, Host: a.host(), Status: a.status, Reason: Undecodable}
	}
	return items, nil
}

// item is the URL of one item.
func (s *Session) item(id string) (*url.URL, bool) {
	return below(s.portal.APIBase, "download", id), usableSegment(id)
}
