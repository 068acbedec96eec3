package outbound

import (
	"net/http"
	"net/http/cookiejar"

	"golang.org/x/net/publicsuffix"
)

// Session returns a transport with a cookie jar of its own, for what follows
// redirects itself: one for each import, so that nothing of one portal visit is
// carried into another.
func (g *Guard) Session() http.RoundTripper {
	jar, _ := cookiejar.New(&cookiejar.Options{PublicSuffixList: publicsuffix.List}) // its error is always nil
	return &session{jar: jar, next: g.transport}
}

// session adds the cookies of a jar to requests and keeps those of responses.
type session struct {
	jar  http.CookieJar
	next http.RoundTripper
}

// RoundTrip carries one request.
func (s *session) RoundTrip(r *http.Request) (*http.Response, error) {
	if cookies := s.jar.Cookies(r.URL); len(cookies) > 0 {
		r = r.Clone(r.Context())
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
	response, err := s.next.RoundTrip(r)
	if err == nil {
		s.jar.SetCookies(r.URL, response.Cookies())
	}
	return response, err
}
