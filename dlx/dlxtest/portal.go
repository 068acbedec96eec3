// Package dlxtest has portals for tests that misbehave as real ones do: each
// answer of an otherwise correct DLX portal can be replaced by a fault.
package dlxtest

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Endpoints that a Portal can be scripted for.
const (
	Token       = "token"
	TokenTFA    = "tokentfa"
	List        = "list"
	Download    = "download"
	DownloadAll = "downloadall"
	APIInfo     = "api_info"
)

// Request is what a Portal was asked.
type Request struct {
	Endpoint string // "" for an unknown path
	Method   string
	Path     string
	Host     string
	Header   http.Header
	Body     string
}

// Portal is a DLX portal, correct until scripted otherwise. It is made of
// literal JSON, and shares no code with package dlx. Set the fields before use.
type Portal struct {
	LinkToken string // the only token that exists
	Questions string // tfaQuestions, JSON
	Answer    string // must occur in the body of a right tokentfa
	Items     string // dataItems, JSON
	File      []byte // what every download gives
	ETag      string // with quotes; empty: no validator at all

	mu       sync.Mutex
	scripts  map[string][]http.Handler
	requests []Request
	sessions int  // JWTs issued
	revoked  bool // the current JWT is refused
}

// New returns a portal with one link, asking for the birth date 1970-01-01.
func New(file []byte) *Portal {
	return &Portal{
		LinkToken: "ABC-S1Z-98A",
		Questions: `{"apiInfo":[{"dlxVersion":"v1","apiBasePath":"/dlx/v1"}],` +
			`"tfaQuestion":[{"questionId":"1","questionType":"PAT_BIRTH_DATE","answerFormat":"DATE",` +
			`"question":[{"text":"Wann haben Sie Geburtstag?","language":"de"},{"text":"What is your birth date?","language":"en"}]}]}`,
		Answer: `"answer":"19700101"`,
		Items:  `{"dataItem":[{"id":"1","mimeType":"application/zip","description":"DICOM"}]}`,
		File:   file,
		ETag:   `"v1"`,
	}
}

// Script replaces the next answers of an endpoint, one each; after them the
// portal behaves again. A nil handler stands for one correct answer.
func (p *Portal) Script(endpoint string, answers ...http.Handler) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.scripts == nil {
		p.scripts = map[string][]http.Handler{}
	}
	p.scripts[endpoint] = append(p.scripts[endpoint], answers...)
}

// Expire makes the portal refuse the JWTs it has issued so far.
func (p *Portal) Expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.revoked = true
}

// Requests returns what was asked so far of the endpoints, or of all.
func (p *Portal) Requests(endpoints ...string) []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []Request
	for _, r := range p.requests {
		if len(endpoints) == 0 || strings.Contains(" "+strings.Join(endpoints, " ")+" ", " "+r.Endpoint+" ") {
			found = append(found, r)
		}
	}
	return found
}

// ServeHTTP answers by the script, else correctly.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	r.Body = io.NopCloser(bytes.NewReader(body))
	endpoint, value := route(r)
	p.mu.Lock()
	p.requests = append(p.requests, Request{endpoint, r.Method, r.URL.RequestURI(), r.Host, r.Header.Clone(), string(body)})
	var scripted http.Handler
	if script := p.scripts[endpoint]; len(script) > 0 {
		scripted, p.scripts[endpoint] = script[0], script[1:]
	}
	p.mu.Unlock()
	if scripted != nil {
		scripted.ServeHTTP(w, r)
		return
	}
	p.behave(w, r, endpoint, value, string(body))
}

// route finds the endpoint under any base path, and in links with ?token=.
func route(r *http.Request) (endpoint, value string) {
	segments := strings.Split(strings.Trim(r.URL.EscapedPath(), "/"), "/")
	n := len(segments)
	if n >= 2 {
		switch segments[n-2] {
		case Token, TokenTFA, Download:
			return segments[n-2], segments[n-1]
		}
	}
	switch segments[n-1] {
	case List, DownloadAll, APIInfo:
		return segments[n-1], ""
	case "view":
		return Token, r.URL.Query().Get("token")
	}
	return "", ""
}

func (p *Portal) behave(w http.ResponseWriter, r *http.Request, endpoint, value, body string) {
	switch endpoint {
	case Token:
		if _, dlx := r.Header["X-Dicom-Link-Exchange"]; !dlx {
			HTML().ServeHTTP(w, r)
			return
		}
		Body(http.StatusOK, "application/json", p.Questions).ServeHTTP(w, r)
	case APIInfo:
		Body(http.StatusOK, "application/json", `{"dlxVersion":"v1","apiBasePath":"/dlx/v1"}`).ServeHTTP(w, r)
	case TokenTFA:
		if value != p.LinkToken || !strings.Contains(body, p.Answer) {
			Status(http.StatusUnauthorized).ServeHTTP(w, r)
			return
		}
		Body(http.StatusOK, "application/jwt", p.issue()).ServeHTTP(w, r)
	case List, Download, DownloadAll:
		if !p.authorised(r) {
			Status(http.StatusUnauthorized).ServeHTTP(w, r)
			return
		}
		if endpoint == List {
			Body(http.StatusOK, "application/json", p.Items).ServeHTTP(w, r)
			return
		}
		p.file(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *Portal) issue() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sessions++
	p.revoked = false
	return p.jwt()
}

func (p *Portal) jwt() string { return fmt.Sprintf("eyJhbGci.SESSION%d.c2ln", p.sessions) }

func (p *Portal) authorised(r *http.Request) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.revoked && p.sessions > 0 && r.Header.Get("Authorization") == "Bearer "+p.jwt()
}

func (p *Portal) file(w http.ResponseWriter, r *http.Request) {
	if p.ETag != "" {
		w.Header().Set("ETag", p.ETag)
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(p.File))
}
