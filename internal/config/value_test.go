package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestSecretIsNeverPrinted tries every way to print one.
func TestSecretIsNeverPrinted(t *testing.T) {
	type inner struct{ hidden Secret }
	type outer struct {
		Open  Secret
		Point *Secret
		Map   map[string]Secret
		In    inner
	}
	s := NewSecret("hush")
	v := outer{s, &s, map[string]Secret{"k": s}, inner{s}}
	var out bytes.Buffer
	for _, verb := range "vsdqxXTptboOUeEfFgGc" {
		for _, flags := range []string{"", "+", "#", "10", "-20.3"} {
			fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", s)
			fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", &s)
			fmt.Fprintf(&out, "%"+flags+string(verb)+"\n", v)
		}
	}
	fmt.Fprintln(&out, s, v, []any{s})
	for _, text := range []bool{true, false} {
		h := slog.Handler(slog.NewJSONHandler(&out, nil))
		if text {
			h = slog.NewTextHandler(&out, nil)
		}
		slog.New(h).Info("m", "s", s, "v", v, "p", &s)
	}
	if b, err := json.Marshal(v); err != nil || !strings.Contains(string(b), redacted) {
		t.Errorf("JSON: %s %v", b, err)
	} else {
		out.Write(b)
	}
	if b, err := yaml.Marshal(v); err != nil || !strings.Contains(string(b), redacted) {
		t.Errorf("YAML: %s %v", b, err)
	} else {
		out.Write(b)
	}
	fmt.Fprint(&out, fmt.Errorf("wrapped: %v", s))
	if strings.Contains(out.String(), "hush") || strings.Contains(out.String(), "68757368") {
		t.Errorf("shown:\n%s", out.String())
	}
	if s.Reveal() != "hush" || !s.IsSet() || NewSecret("").IsSet() || NewSecret("").String() != "" {
		t.Error("the value itself")
	}
}

// TestSecretPlace shows of a URL where it leads, and nothing else.
func TestSecretPlace(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://lotse:hush@db:5432/lotse?sslmode=require&password=hush": "postgres://lotse:[redacted]@db:5432/lotse?[redacted]",
		"http://proxy:3128":     "http://proxy:3128",
		"hush":                  redacted,
		"host=db password=hush": redacted,
		"":                      "",
	} {
		if got := NewSecret(in).place(); got != want {
			t.Errorf("%s: %s", in, got)
		}
	}
}

// TestSize reads sizes and writes them back.
func TestSize(t *testing.T) {
	for in, want := range map[string]int64{"16MiB": 16 << 20, "2 GB": 2e9, "512kB": 512000, "0": 0, "7B": 7, "1TiB": 1 << 40} {
		var s, again Size
		if err := s.UnmarshalText([]byte(in)); err != nil || int64(s) != want {
			t.Errorf("%s: %d %v", in, s, err)
		}
		if err := again.UnmarshalText([]byte(s.String())); err != nil || again != s {
			t.Errorf("%s: back as %s: %d %v", in, s, again, err)
		}
	}
	for _, in := range []string{"", "MiB", "16", "-1MiB", "1.5GiB", "16mb", "9999999999TiB", "1PiB"} {
		if s := Size(0); s.UnmarshalText([]byte(in)) == nil {
			t.Errorf("%q was read as %d", in, s)
		}
	}
}
