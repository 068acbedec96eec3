package dlx

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// ImportClient drives the importer of another system (DIN/TS 19455, version 2).
type ImportClient struct {
	c    *Client
	base *url.URL
}

// Importer returns the importer whose interface is at base, e.g.
// https://hospital.example/dlx/v2. BadLink, Insecure.
func (c *Client) Importer(base string) (*ImportClient, error) {
	u, err := parseLink(strings.TrimRight(base, "/") + "/")
	if err != nil {
		return nil, &Error{Kind: BadLink, Op: "importer"}
	}
	if !c.secure(u) {
		return nil, &Error{Kind: Insecure, Op: "importer", Host: u.Host, Reason: PlainHTTP}
	}
	return &ImportClient{c, u}, nil
}

// APIInfo asks what the importer offers. NotDLX, Unavailable.
func (i *ImportClient) APIInfo(ctx context.Context) (APIInfo, error) {
	const op = "api info"
	a, err := i.c.call(ctx, request{op: op, method: http.MethodGet, url: below(i.base, "api_info")}, i.c.cfg.MaxJSON)
	if err != nil {
		return APIInfo{}, err
	}
	if !a.ok() {
		return APIInfo{}, a.failure(op, NotDLX)
	}
	infos, ok := decodeInfo(a.body)
	if !ok {
		return APIInfo{}, &Error{Kind: NotDLX, Op: op, Host: a.host(), Status: a.status, Reason: Undecodable}
	}
	return infos[0], nil
}

// AdminAuth exchanges credentials for an access token (DIN/TS 19455, /admin_auth).
// Refused, Unavailable.
func (i *ImportClient) AdminAuth(ctx context.Context, c Credentials) (Access, error) {
	const op = "admin auth"
	a, err := i.post(ctx, op, "admin_auth", Secret{}, map[string]string{
		"username": c.Username.Reveal(), "password": c.Password.Reveal(), "scope": strings.Join(c.Scopes, " ")})
	if err != nil {
		return Access{}, err
	}
	if !a.ok() {
		return Access{}, importFailure(a, op)
	}
	access, ok := decodeAccess(a.body)
	if !ok {
		return Access{}, &Error{Kind: Protocol, Op: op, Host: a.host(), Status: a.status, Reason: Undecodable}
	}
	return access, nil
}

// Import hands a link over (DIN/TS 19455, /import). The status may have ended
// already; else ask Status at its URL. BadLink, BadAnswer, Refused (also without the
// scope: status 403), Unavailable.
func (i *ImportClient) Import(ctx context.Context, token Secret, req ImportRequest) (ImportStatus, error) {
	const op = "import"
	a, err := i.post(ctx, op, "import", token, outImport(req))
	if err != nil {
		return ImportStatus{}, err
	}
	return importStatus(a, op)
}

// Status asks how an import goes, at the URL that Import returned. NotFound,
// Refused, Unavailable; ForeignHost when the URL is of another site.
func (i *ImportClient) Status(ctx context.Context, token Secret, statusURL string) (ImportStatus, error) {
	const op = "import status"
	u, err := parseLink(statusURL)
	if err != nil {
		return ImportStatus{}, &Error{Kind: Protocol, Op: op, Host: i.base.Host}
	}
	a, err := i.c.call(ctx, request{op: op, method: http.MethodGet, url: u, site: i.base, bearer: token}, i.c.cfg.MaxJSON)
	if err != nil {
		return ImportStatus{}, err
	}
	return importStatus(a, op)
}

func (i *ImportClient) post(ctx context.Context, op, path string, token Secret, body any) (*answer, error) {
	coded, err := json.Marshal(body)
	if err != nil {
		return nil, &Error{Kind: Protocol, Op: op}
	}
	return i.c.call(ctx, request{op: op, method: http.MethodPost, url: below(i.base, path), body: coded,
		header: http.Header{"Content-Type": {"application/json"}}, site: i.base, bearer: token}, i.c.cfg.MaxJSON)
}

// importStatus reads the answer of /import or of its status. A 200 without a body
// says that the import is completed.
func importStatus(a *answer, op string) (ImportStatus, error) {
	if !a.ok() {
		return ImportStatus{}, importFailure(a, op)
	}
	s, ok := decodeStatus(a.body)
	switch {
	case ok:
		return s, nil
	case a.status == http.StatusOK && s.State == "" && op == "import":
		return ImportStatus{State: ImportCompleted}, nil
	}
	return ImportStatus{}, &Error{Kind: Protocol, Op: op, Host: a.host(), Status: a.status, Reason: Undecodable}
}

// importFailure is the error of a status that is no success.
func importFailure(a *answer, op string) error {
	var said struct {
		Error text `json:"error"`
	}
	_ = json.Unmarshal(tidyJSON(a.body), &said) // what cannot be read says nothing
	switch {
	case a.status == http.StatusUnauthorized, a.status == http.StatusForbidden:
		return &Error{Kind: Refused, Op: op, Host: a.host(), Status: a.status}
	case a.status == http.StatusNotFound:
		return &Error{Kind: NotFound, Op: op, Host: a.host(), Status: a.status}
	case a.status == http.StatusBadRequest && said.Error == "invalid_link":
		return &Error{Kind: BadLink, Op: op, Host: a.host(), Status: a.status}
	case a.status == http.StatusBadRequest && said.Error == "invalid_answer":
		return &Error{Kind: BadAnswer, Op: op, Host: a.host(), Status: a.status}
	}
	return a.failure(op, Protocol)
}
