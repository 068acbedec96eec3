package gateway

import (
	"net/http"
	"strings"
)

// Tokens let in who administers an installation, what imports, and what reads the
// audit trail: nobody may do all of it.
type Tokens struct{ Administrator, Importer, Auditor string }

// For is the token that a request needs.
func (t Tokens) For(method, path string) string {
	path = strings.TrimPrefix(path, "/api/v1")
	switch {
	case strings.HasSuffix(path, "/audit"), strings.HasPrefix(path, "/audit"), strings.HasPrefix(path, "/usage"):
		return t.Auditor
	case method == http.MethodGet && (strings.HasPrefix(path, "/destinations") || strings.HasPrefix(path, "/sites") || strings.HasPrefix(path, "/callers")):
		return t.Importer
	}
	for _, managed := range []string{"/destinations", "/sites", "/callers", "/tokens", "/settings", "/clock", "/users", "/portals", "/overview"} {
		if strings.HasPrefix(path, managed) {
			return t.Administrator
		}
	}
	return t.Importer
}

// MakeTokens takes the one-time link of a new installation. post sends a request with
// a token, which is empty for the first, and reads the token that is the answer.
func MakeTokens(secret string, post func(token, path string, body map[string]string) (string, error)) (t Tokens, err error) {
	administrator, err := post("", "/api/v1/setup", map[string]string{"secret": secret})
	if err != nil {
		return t, err
	}
	return TokensBy(administrator, post)
}

// TokensBy makes the other tokens of an organisation by that of its administrator.
func TokensBy(administrator string, post func(token, path string, body map[string]string) (string, error)) (t Tokens, err error) {
	t.Administrator = administrator
	if t.Importer, err = post(t.Administrator, "/api/v1/tokens", map[string]string{"name": "importer", "role": "integrator"}); err != nil {
		return t, err
	}
	t.Auditor, err = post(t.Administrator, "/api/v1/tokens", map[string]string{"name": "auditor", "role": "auditor"})
	return t, err
}
