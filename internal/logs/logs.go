// Package logs writes what is told of the running of a node: without addresses of
// anybody, and, in files of its own, for a bounded time.
package logs

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"reflect"
	"strings"

	"lotse/internal/personal"
)

// Hidden stands for every address.
const Hidden = "[address]"

// New returns a log that writes lines of text or JSON.
func New(w io.Writer, level slog.Level, json bool) *slog.Logger {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: hide}
	if json {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// hide takes IP addresses out of a message or value: errors of the network name both
// ends of a connection, and a client's address is somebody's.
func hide(_ []string, a slog.Attr) slog.Attr {
	switch a.Value.Kind() {
	case slog.KindString:
		a.Value = slog.StringValue(withoutAddresses(a.Value.String()))
	case slog.KindAny:
		a.Value = slog.StringValue(withoutAddresses(spoken(a.Value.Any())))
	}
	return a
}

// spoken writes what says itself what it is: errors, what has a text, and lists of texts
// or numbers. Of anything else, nothing: a struct that got here by accident may be a patient's.
func spoken(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case error, fmt.Stringer:
		return fmt.Sprint(v)
	}
	t := reflect.TypeOf(v)
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Map, reflect.Pointer, reflect.Interface, reflect.Slice, reflect.Array, reflect.Func, reflect.Chan:
		return personal.Redacted
	}
	return fmt.Sprint(v)
}

// withoutAddresses replaces IP addresses, with their port, zone or length.
func withoutAddresses(text string) string {
	if !strings.ContainsAny(text, ".:") {
		return text
	}
	var b strings.Builder
	for i := 0; i < len(text); {
		if !part(text[i]) || i > 0 && (part(text[i-1]) || letter(text[i-1])) {
			b.WriteByte(text[i])
			i++
			continue
		}
		end := i
		for end < len(text) && part(text[end]) {
			end++
		}
		length := address(text[i:end])
		if length == 0 {
			b.WriteString(text[i:end])
			i = end
			continue
		}
		b.WriteString(Hidden)
		i += length
		if i < len(text) && text[i] == '%' { // the zone of a link-local address
			for i < len(text) && (text[i] == '%' || letter(text[i]) || text[i] >= '0' && text[i] <= '9') {
				i++
			}
		}
	}
	return b.String()
}

// address is how much of a text of hexadecimal digits, dots and colons is an address at
// its beginning; 0: it is none.
func address(text string) int {
	for end := len(text); end > 1; end-- {
		if end < len(text) && text[end] != ':' && text[end] != '.' { // in the middle of a number
			continue
		}
		if _, err := netip.ParseAddr(text[:end]); err == nil {
			return end
		}
	}
	return 0
}

// part reports a character that an address can have.
func part(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F' || c == '.' || c == ':'
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
