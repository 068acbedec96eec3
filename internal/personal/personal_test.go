package personal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

// TestTextIsNeverPrinted tries every way to print one.
func TestTextIsNeverPrinted(t *testing.T) {
	type inner struct{ hidden Text }
	type outer struct {
		Open  Text
		Point *Text
		Map   map[string]Text
		In    inner
		list  []Text
	}
	s := New("Erika")
	v := outer{s, &s, NewMap(map[string]string{"k": "Erika"}), inner{s}, []Text{s}}
	var out bytes.Buffer
	for _, verb := range "vsdqxXTptboOUeEfFgGc" {
		for _, flags := range []string{"", "+", "#", "10", "-20.3"} {
			for _, what := range []any{s, &s, v, &v, v.In, v.list} {
				fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", what)
			}
		}
	}
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).With("a", s).Info("m", "b", s, "c", v, slog.Group("g", "d", &s))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(raw)
	hex := fmt.Sprintf("%x", "Erika")
	if text := out.String(); strings.Contains(text, "Erika") || strings.Contains(strings.ToLower(text), hex) || !strings.Contains(text, Redacted) {
		t.Errorf("printed:\n%s", text)
	}
	if s.Reveal() != "Erika" || New("").IsSet() || New("").String() != "" || RevealMap(v.Map)["k"] != "Erika" || RevealMap(nil) != nil || NewMap(nil) != nil {
		t.Error("it is not what it was")
	}
	if m := NewMap(map[string]string{"left": ""}); !m["left"].IsSet() || RevealMap(m)["left"] != "" {
		t.Error("an empty answer is none")
	}
}
