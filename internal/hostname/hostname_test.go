package hostname

import (
	"slices"
	"testing"
)

// TestCanonical: one spelling for what leads to the same place, and none for what is no host.
func TestCanonical(t *testing.T) {
	for text, want := range map[string]string{
		"Portal.Example": "portal.example", "portal.example:443": "portal.example", "portal.example.": "portal.example", " portal.example ": "portal.example",
		"portal.example:8443": "portal.example:8443", "kränke.example": "xn--krnke-hra.example", "XN--KRNKE-HRA.example": "xn--krnke-hra.example",
		"127.0.0.1:8000": "127.0.0.1:8000", "[::1]": "[::1]", "[2001:DB8::1]:8443": "[2001:db8::1]:8443", "a_b.example": "a_b.example",
	} {
		got, err := Canonical(text)
		if err != nil || got != want {
			t.Errorf("%q is %q (%v), want %q", text, got, err, want)
		}
		if again, err := Canonical(got); err != nil || again != got {
			t.Errorf("%q becomes %q (%v)", got, again, err)
		}
	}
	for _, text := range []string{"", " ", "https://portal.example", "portal.example/x", "user@portal.example", "*.example", "a b", "portal.example:0", "portal.example:x",
		"portal.example?", "portal.example#x", "a:99999"} {
		if got, err := Canonical(text); err == nil {
			t.Errorf("%q is taken as %q", text, got)
		}
	}
}

// TestWarnings: who imitates whom, and which letters are told of.
func TestWarnings(t *testing.T) {
	known := []string{"bilder.klinikum-muster.example", "portal.praxis.example:8443", "a.example"}
	for text, want := range map[string][]Warning{
		"images.other.example":               nil,
		"bilder.klinikum-muster.example":     nil,
		"portal.praxis.example":              nil,
		"xn--krnke-hra.example":              {Special},
		"Röntgen.example":                    {Special},
		"bilder.klinikum-rnuster.example":    {Imitation},
		"bilder.kliniku-muster.example":      {Imitation},
		"bilder.klinikum-mustre.example":     {Imitation},
		"bilder.klinikummuster.example":      {Imitation},
		"bi1der.klinikum-muster.example":     {Imitation},
		"bilder.klinikum-muѕter.example":     {Special, Mixed, Imitation}, // a Cyrillic s
		"раураl.example":                     {Special, Mixed},            // mostly Cyrillic
		"сосо.example":                       {Special, Mixed},            // wholly, and all of it looks Latin
		"больница.example":                   {Special},
		"病院ポータル.example":                     {Special},
		"10.1.2.3:8443":                      {Address},
		"[2001:db8::1]":                      {Address},
		"b.example":                          nil, // too short to be said to imitate a.example
		"bilder.klinikum-muster.example.com": nil,
	} {
		host, err := Canonical(text)
		if err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if got := Warnings(host, known); !slices.Equal(got, want) {
			t.Errorf("%s (%s): %v, want %v", text, host, got, want)
		}
	}
}

// TestReadable reads punycode back.
func TestReadable(t *testing.T) {
	for host, want := range map[string]string{"xn--krnke-hra.example": "kränke.example", "xn--krnke-hra.example:8443": "kränke.example:8443", "a.example": "a.example", "xn--.example": "xn--.example"} {
		if got := Readable(host); got != want {
			t.Errorf("%s reads %s, want %s", host, got, want)
		}
	}
}

// FuzzCanonical: a canonical host stays the same, and nothing panics.
func FuzzCanonical(f *testing.F) {
	f.Add("Portal.Example:443")
	f.Add("xn--a.[::1]:1")
	f.Fuzz(func(t *testing.T, text string) {
		host, err := Canonical(text)
		if err != nil {
			return
		}
		if again, err := Canonical(host); err != nil || again != host {
			t.Fatalf("%q became %q and then %q (%v)", text, host, again, err)
		}
		Warnings(host, []string{"portal.example", host})
	})
}
