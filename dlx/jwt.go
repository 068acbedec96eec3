package dlx

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// jwtHeader is the only header that is issued, and the only one accepted,
// byte for byte: so no other algorithm can be talked into (RFC 8725 §3.1).
var jwtHeader = base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"HS256","typ":"JWT"}`))

// signer issues and checks JWTs with HS256 (RFC 7519, RFC 7515).
type signer struct {
	key []byte
	now func() time.Time
}

type claims struct {
	Subject string `json:"sub"`
	Issued  int64  `json:"iat"`
	Expires int64  `json:"exp"`
}

func (s signer) sign(subject string, lifetime time.Duration) (string, error) {
	now := s.now()
	payload, err := json.Marshal(claims{subject, now.Unix(), now.Add(lifetime).Unix()})
	if err != nil {
		return "", err
	}
	signed := jwtHeader + "." + base64.RawURLEncoding.EncodeToString(payload)
	return signed + "." + s.signature(signed), nil
}

func (s signer) signature(signed string) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = mac.Write([]byte(signed))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// verify returns the subject of a JWT that this signer issued and that has
// not expired.
func (s signer) verify(token string) (subject string, ok bool) {
	signed, signature, found := cutLast(token, ".")
	if !found || !hmac.Equal([]byte(signature), []byte(s.signature(signed))) {
		return "", false
	}
	header, payload, found := strings.Cut(signed, ".")
	if !found || header != jwtHeader {
		return "", false
	}
	raw, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		return "", false
	}
	var c claims
	if json.Unmarshal(raw, &c) != nil || s.now().Unix() >= c.Expires {
		return "", false
	}
	return c.Subject, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
