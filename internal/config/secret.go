package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
)

// redacted stands for every secret that is there.
const redacted = "[redacted]"

// Secret is a value that is never printed: not by any verb of fmt, not in JSON,
// YAML or logs, also not from an unexported field of another struct.
type Secret struct{ value *string }

// NewSecret keeps v secret; an empty v is no secret.
func NewSecret(v string) Secret {
	if v == "" {
		return Secret{}
	}
	return Secret{&v}
}

// Reveal returns the value itself, empty when there is none.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet tells whether there is a value.
func (s Secret) IsSet() bool { return s.value != nil }

// String is [redacted], or empty when there is no value.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// Format prints String for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText gives String, so that JSON and YAML do as well.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML gives String.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// UnmarshalText takes the value itself.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// LogValue gives String.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// place is what of a secret URL may be shown: neither password nor query.
func (s Secret) place() string {
	u, err := url.Parse(s.Reveal())
	if err != nil || u.Host == "" || u.Opaque != "" {
		return s.String()
	}
	shown := u.Scheme + "://"
	if name := u.User.Username(); name != "" {
		shown += name
		if _, has := u.User.Password(); has {
			shown += ":" + redacted
		}
		shown += "@"
	}
	shown += u.Host + u.EscapedPath()
	if u.RawQuery != "" {
		shown += "?" + redacted
	}
	return shown
}
