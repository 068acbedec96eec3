package receipt

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lotse/internal/importer"
)

func anyItem(number int) *rapid.Generator[Item] {
	return rapid.Custom(func(t *rapid.T) Item {
		text := rapid.String()
		it := Item{Item: number, Path: text.Draw(t, "path"), Kind: importer.KindInstance, Size: rapid.Int64Range(-1, 1<<50).Draw(t, "size"),
			Fate:   rapid.SampledFrom([]importer.Fate{importer.Delivered, importer.Warned, importer.Failed, importer.LeftAside, importer.Planned}).Draw(t, "fate"),
			Reason: rapid.SampledFrom([]string{"", "damaged", "junk"}).Draw(t, "reason"), Detail: text.Draw(t, "detail"), Comment: text.Draw(t, "comment"),
			Sent: rapid.IntRange(0, 9).Draw(t, "sent"), SOPClass: rapid.SampledFrom([]string{"", "1.2", "x", "1.2\n"}).Draw(t, "class"),
			SOPInstance: text.Draw(t, "uid"), Bytes: rapid.Int64Range(0, 1<<50).Draw(t, "bytes"), Digest: text.Draw(t, "digest")}
		for range rapid.IntRange(0, 2).Draw(t, "changes") {
			it.Changes = append(it.Changes, importer.Change{Path: "(0010,0010)", Old: text.Draw(t, "old"), New: text.Draw(t, "new")})
		}
		for range rapid.IntRange(0, 2).Draw(t, "findings") {
			it.Findings = append(it.Findings, importer.Finding{Code: importer.FindingRepaired, Item: number, Detail: text.Draw(t, "finding")})
		}
		return it
	})
}

func anySigned(t *rapid.T) []byte {
	r := New(Head{LegalBasis: rapid.SampledFrom([]string{"", "treatment", "consent"}).Draw(t, "basis"), Destination: rapid.String().Draw(t, "destination"), Started: time.UnixMicro(rapid.Int64Range(0, 1<<50).Draw(t, "started")).UTC(),
		Source:  importer.Origin{Label: rapid.String().Draw(t, "label")},
		Patient: Patient{ID: rapid.String().Draw(t, "id"), Name: rapid.String().Draw(t, "name")}}, &memory{})
	for i := range rapid.IntRange(0, 9).Draw(t, "items") {
		if err := r.Add(anyItem(i).Draw(t, "item")); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := r.WriteSigned(t.Context(), &out, testKey()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestAnyReceiptVerifies signs any receipt, and redacts it, and both prove the same.
func TestAnyReceiptVerifies(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signed := anySigned(t)
		full, err := Verify(bytes.NewReader(signed), testKeys)
		if err != nil {
			t.Fatalf("full: %v", err)
		}
		var rest bytes.Buffer
		if err := Redact(&rest, bytes.NewReader(signed)); err != nil {
			t.Fatal(err)
		}
		v, err := Verify(&rest, testKeys)
		if err != nil {
			t.Fatalf("redacted: %v", err)
		}
		if len(full.Removed) != 0 || len(v.Kept) != 0 || len(v.Removed) != len(full.Kept) || v.Totals != full.Totals {
			t.Fatalf("%+v\n%+v", full, v)
		}
	})
}

// TestAnyChangeIsFound changes one leaf, or the members of one object or array,
// anywhere in a receipt that is full or redacted.
func TestAnyChangeIsFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signed := anySigned(t)
		if rapid.Bool().Draw(t, "redacted") {
			var rest bytes.Buffer
			if err := Redact(&rest, bytes.NewReader(signed)); err != nil {
				t.Fatal(err)
			}
			signed = rest.Bytes()
		}
		var doc any
		dec := json.NewDecoder(bytes.NewReader(signed))
		dec.UseNumber()
		if err := dec.Decode(&doc); err != nil {
			t.Fatal(err)
		}
		what := alter(t, doc.(map[string]any))
		if v, err := Verify(bytes.NewReader(ordered(t, doc.(map[string]any))), testKeys); err == nil {
			t.Fatalf("%s was changed and not found: %+v", what, v)
		}
	})
}

// ordered writes a receipt with its members in their order.
func ordered(t *rapid.T, doc map[string]any) []byte {
	var out bytes.Buffer
	sep := "{"
	for _, name := range []string{"format", "head", "items", "proof"} {
		coded, err := json.Marshal(doc[name])
		if err != nil {
			t.Fatal(err)
		}
		out.WriteString(sep + `"` + name + `":`)
		out.Write(coded)
		sep = ","
	}
	out.WriteString("}")
	return out.Bytes()
}

// alter changes one thing and says what. Removing a value with its salt is what
// Redact does, so that is left out.
func alter(t *rapid.T, node map[string]any) string {
	names := rapid.Permutation(sortedKeys(node)).Draw(t, "names")
	for _, name := range names {
		switch v := node[name].(type) {
		case map[string]any:
			switch {
			case len(v) == 0:
				continue
			case name == "values":
				return name + "." + alter(t, v[rapid.SampledFrom(sortedKeys(v)).Draw(t, "value")].(map[string]any))
			}
			return name + "." + alter(t, v)
		case []any:
			if len(v) == 0 {
				continue
			}
			return name + "." + alterList(t, node, name, v)
		case string:
			node[name] = otherText(t, v)
			return name
		case json.Number:
			n, err := v.Int64()
			if err != nil {
				t.Fatal(err)
			}
			node[name] = n + 1
			return name
		case bool:
			node[name] = !v
			return name
		}
	}
	node["more"] = "x"
	return "a member put in"
}

func alterList(t *rapid.T, node map[string]any, name string, list []any) string {
	at := rapid.IntRange(0, len(list)-1).Draw(t, "at")
	switch rapid.IntRange(0, 3).Draw(t, "how") {
	case 0:
		node[name] = append(append([]any{}, list[:at]...), list[at+1:]...)
		return "one taken out"
	case 1:
		node[name] = append(append([]any{}, list...), list[at])
		return "one put in"
	}
	switch v := list[at].(type) {
	case map[string]any:
		return alter(t, v)
	case string:
		list[at] = otherText(t, v)
	}
	return "one changed"
}

// otherText changes one character, or adds one.
func otherText(t *rapid.T, s string) string {
	runes := []rune(s)
	if len(runes) == 0 || rapid.Bool().Draw(t, "longer") {
		return s + "x"
	}
	at := rapid.IntRange(0, len(runes)-1).Draw(t, "character")
	if runes[at] == 'x' {
		runes[at] = 'y'
	} else {
		runes[at] = 'x'
	}
	return string(runes)
}

func sortedKeys(m map[string]any) []string { return slices.Sorted(maps.Keys(m)) }

// FuzzVerify reads whatever may be handed in as a receipt: nothing panics, and only
// what is the signed example, written in whatever way, verifies.
func FuzzVerify(f *testing.F) {
	signed, want := goldenFile(f, "signed.json"), goldenFile(f, "redacted.json")
	f.Add(signed)
	f.Add(want)
	f.Add([]byte(`{"format":"lotse-receipt/1","head":{"open":{}},"items":[],"proof":{}}`))
	f.Add([]byte(`{"format":"lotse-receipt/1","head":{"open":{"commitments":1},"values":[]},"items":[{"open":{"item":"x"}}],"proof":{"signature":"` + strings.Repeat("A", 86) + `"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := Verify(bytes.NewReader(text), testKeys)
		if (v == nil) != (err != nil) {
			t.Fatal("neither one nor the other")
		}
		var rest bytes.Buffer
		redacted := Redact(&rest, bytes.NewReader(text))
		if err == nil && (redacted != nil || !bytes.Equal(rest.Bytes(), want)) {
			t.Errorf("another receipt verifies: %s", text)
		}
	})
}

func goldenFile(f *testing.F, name string) []byte {
	f.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		f.Fatal(err)
	}
	return text
}
