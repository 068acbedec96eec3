// Package personal holds what is about a person, or secret for one, while it travels
// through the product: it prints as [redacted], whoever prints it.
package personal

import (
	"fmt"
	"io"
	"log/slog"
)

// Redacted stands for every value that is there.
const Redacted = "[redacted]"

// Text is a name, a birth date, an id, a link, an answer. No verb of fmt, no log and no
// JSON shows it, also not from an unexported field of another struct. Where it is sealed
// or sent, it is revealed by name.
type Text struct{ value *string }

// New keeps v; an empty v is no value.
func New(v string) Text {
	if v == "" {
		return Text{}
	}
	return Text{&v}
}

// Reveal returns the value itself, empty when there is none.
func (t Text) Reveal() string {
	if t.value == nil {
		return ""
	}
	return *t.value
}

// IsSet tells whether there is a value.
func (t Text) IsSet() bool { return t.value != nil }

// String is [redacted], or empty when there is no value.
func (t Text) String() string {
	if t.value == nil {
		return ""
	}
	return Redacted
}

// Format prints String for every verb and flag.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, t.String()) }

// MarshalText gives String, so that JSON does as well.
func (t Text) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// LogValue gives String.
func (t Text) LogValue() slog.Value { return slog.StringValue(t.String()) }

// NewMap keeps values by names that are not personal.
func NewMap(plain map[string]string) map[string]Text {
	if plain == nil {
		return nil
	}
	all := make(map[string]Text, len(plain))
	for k, v := range plain {
		all[k] = given(v)
	}
	return all
}

// given keeps an empty value as one: who left a question without an answer said so.
func given(v string) Text { return Text{&v} }

// RevealMap returns the values themselves.
func RevealMap(all map[string]Text) map[string]string {
	if all == nil {
		return nil
	}
	plain := make(map[string]string, len(all))
	for k, v := range all {
		plain[k] = v.Reveal()
	}
	return plain
}

// Hide prints what a struct is instead of what is in it, for its method Format.
func Hide(f fmt.State, what string) { _, _ = io.WriteString(f, what+" "+Redacted) }
