package dlx

import (
	"encoding/json"
	"net/url"
	"strings"
	"time"
)

// scopeList is scope: one string with spaces, or an array.
type scopeList []string

func (s *scopeList) UnmarshalJSON(b []byte) error {
	var list many[text]
	if err := list.UnmarshalJSON(b); err != nil {
		return err
	}
	*s = nil
	for _, entry := range list {
		*s = append(*s, strings.FieldsFunc(string(entry), func(r rune) bool { return r == ' ' || r == ',' })...)
	}
	return nil
}

// decodeCredentials reads the body of /admin_auth, JSON or a form.
func decodeCredentials(body []byte, form bool) (Credentials, bool) {
	var wire struct {
		Username text      `json:"username"`
		Password text      `json:"password"`
		Scope    scopeList `json:"scope"`
	}
	if form {
		values, err := url.ParseQuery(string(body))
		if err != nil {
			return Credentials{}, false
		}
		wire.Username, wire.Password = text(values.Get("username")), text(values.Get("password"))
		wire.Scope = strings.Fields(strings.Join(values["scope"], " "))
	} else if json.Unmarshal(tidyJSON(body), &wire) != nil {
		return Credentials{}, false
	}
	if wire.Username == "" || wire.Password == "" {
		return Credentials{}, false
	}
	return Credentials{NewSecret(string(wire.Username)), NewSecret(string(wire.Password)), currentScopes(wire.Scope)}, true
}

type wireAnswer struct {
	ID     text `json:"questionId"`
	Answer text `json:"answer"`
}

// decodeImport reads the body of /import. ok is false when it is none; the error is
// of kind BadLink when its link cannot be followed.
func decodeImport(body []byte) (req ImportRequest, ok bool, err error) {
	var wire struct {
		Link    text             `json:"link"`
		Token   text             `json:"token"`
		Answers many[wireAnswer] `json:"tfaAnswer"`
	}
	if json.Unmarshal(tidyJSON(body), &wire) != nil {
		return ImportRequest{}, false, nil
	}
	link := strings.TrimSpace(string(wire.Link))
	if _, err := parseLink(link); err != nil {
		return ImportRequest{}, true, err
	}
	req = ImportRequest{Link: NewSecret(link), Token: NewSecret(strings.TrimSpace(string(wire.Token)))}
	for _, a := range wire.Answers {
		req.Answers = append(req.Answers, Answer{string(a.ID), NewSecret(string(a.Answer))})
	}
	return req, true, nil
}

type wireOutAnswer struct {
	ID     string `json:"questionId"`
	Answer string `json:"answer"`
}

type wireOutImport struct {
	Link    string          `json:"link"`
	Token   string          `json:"token"`
	Answers []wireOutAnswer `json:"tfaAnswer"`
}

func outImport(req ImportRequest) wireOutImport {
	out := wireOutImport{Link: req.Link.Reveal(), Token: req.Token.Reveal(), Answers: []wireOutAnswer{}}
	for _, a := range req.Answers {
		out.Answers = append(out.Answers, wireOutAnswer{a.QuestionID, a.Answer.Reveal()})
	}
	return out
}

type wireOutAccess struct {
	Token   string `json:"access_token"`
	Type    string `json:"token_type"`
	Expires int64  `json:"expires_in,omitempty"` // seconds
	Scope   string `json:"scope,omitempty"`
}

// decodeAccess reads the answer of /admin_auth.
func decodeAccess(body []byte) (Access, bool) {
	var wire struct {
		Expires count     `json:"expires_in"`
		Scope   scopeList `json:"scope"`
	}
	token, ok := decodeJWT(body)
	if !ok || json.Unmarshal(tidyJSON(body), &wire) != nil { // a bare token is none here
		return Access{}, false
	}
	a := Access{Token: token, Scopes: wire.Scope}
	if n := wire.Expires.n; n > 0 && n < int64(time.Duration(1<<62)/time.Second) {
		a.Expires = time.Duration(n) * time.Second
	}
	return a, true
}

type wireOutStatus struct {
	State   ImportState `json:"status"`
	URL     string      `json:"statusUrl"`
	Items   int64       `json:"importedItems"`
	Message string      `json:"message,omitempty"`
}

// decodeStatus reads the answer of /import or of its status URL.
func decodeStatus(body []byte) (ImportStatus, bool) {
	var wire struct {
		State   text  `json:"status"`
		URL     text  `json:"statusUrl"`
		Items   count `json:"importedItems"`
		Message text  `json:"message"`
	}
	if json.Unmarshal(tidyJSON(body), &wire) != nil {
		return ImportStatus{}, false
	}
	s := ImportStatus{State: ImportState(strings.ToLower(strings.TrimSpace(string(wire.State)))),
		URL: strings.TrimSpace(string(wire.URL)), Items: max(wire.Items.n, 0), Message: string(wire.Message)}
	switch s.State {
	case ImportStarted, ImportCompleted, ImportFailed, ImportPartial:
		return s, true
	}
	return s, false
}

type wireOutOffered struct {
	Available bool   `json:"available"`
	URL       string `json:"url,omitempty"`
}

type wireOutCapabilities struct {
	Download   bool `json:"download"`
	Tokens     bool `json:"tokens"`
	Import     bool `json:"import"`
	Derivation bool `json:"derivation"`
	DICOMweb   struct {
		WADO wireOutOffered `json:"wadoRs"`
		QIDO wireOutOffered `json:"qidoRs"`
	} `json:"dicomweb"`
}

// wireOutInfo2 is apiInfo of version 2.
type wireOutInfo2 struct {
	wireOutInfo
	Capabilities wireOutCapabilities `json:"capabilities"`
}

type wireOutError struct {
	Error   string `json:"error"`
	Details string `json:"details,omitempty"`
}
