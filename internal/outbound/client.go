package outbound

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"net/url"

	"golang.org/x/net/publicsuffix"
)

// Client sends requests, follows redirects, and keeps cookies for itself. Use one for
// each import.
type Client struct{ client http.Client }

// Client returns a client with an empty cookie jar.
func (g *Guard) Client() (*Client, error) {
	jar, err := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List})
	if err != nil {
		return nil, fmt.Errorf("outbound: cookies: %w", err)
	}
	follow := func(req *http.Request, via []*http.Request) error {
		if len(via) > g.cfg.MaxRedirects {
			return &BlockedError{Host: req.URL.Host, Reason: Redirects}
		}
		req.Header.Del("Referer") // it would carry a link on to where that leads
		return nil
	}
	return &Client{http.Client{Transport: g.Transport(), Jar: jar, CheckRedirect: follow}}, nil
}

// Do sends a request. Its error names no path and no query of a URL; what was not
// permitted is a *BlockedError.
func (c *Client) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.client.Do(req)
	var wrapped *url.Error
	if errors.As(err, &wrapped) {
		// The client has closed the body of resp, if there is one.
		err = wrapped.Err
	}
	var blocked *BlockedError
	switch {
	case errors.As(err, &blocked):
		return nil, blocked
	case err != nil:
		return nil, &failure{err}
	}
	return resp, nil
}

// failure hides the text of an error, which may have a link in it.
type failure struct{ cause error }

func (f *failure) Error() string { return "outbound: the request failed" }

func (f *failure) Unwrap() error { return f.cause }
