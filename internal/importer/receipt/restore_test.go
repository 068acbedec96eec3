package receipt

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// plain is the unsigned form.
func plain(t interface{ Fatal(...any) }, r *Receipt) string {
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

func TestRestore(t *testing.T) {
	r := example(t)
	signed := sign(t, r)
	back, err := Restore(bytes.NewReader(signed), &memory{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := plain(t, back), plain(t, r); got != want {
		t.Errorf("restored:\n%s\nwant:\n%s", got, want)
	}
	named, err := Restore(bytes.NewReader(signed), &memory{}, func(it *Item) { it.Sentence = "in words" })
	if err != nil || strings.Count(plain(t, named), "in words") != r.Totals.CameIn {
		t.Errorf("the items were not edited: %v", err)
	}
}

// TestRestoreRedacted: what is gone stays gone, the totals stay.
func TestRestoreRedacted(t *testing.T) {
	r := example(t)
	var redacted bytes.Buffer
	if err := Redact(&redacted, bytes.NewReader(sign(t, r))); err != nil {
		t.Fatal(err)
	}
	back, err := Restore(&redacted, &memory{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	text := plain(t, back)
	for _, word := range personal {
		if strings.Contains(text, word) {
			t.Errorf("%q is back", word)
		}
	}
	if back.Totals != r.Totals || !strings.Contains(text, r.Destination) {
		t.Errorf("totals %+v, want %+v", back.Totals, r.Totals)
	}
}

// TestAnyReceiptIsRestored signs what was restored again, and it restores to the same.
func TestAnyReceiptIsRestored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first, err := Restore(bytes.NewReader(anySigned(t)), &memory{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		if err := first.WriteSigned(t.Context(), &again, testKey()); err != nil {
			t.Fatal(err)
		}
		if _, err := Verify(bytes.NewReader(again.Bytes()), testKeys); err != nil {
			t.Fatal(err)
		}
		second, err := Restore(&again, &memory{}, nil)
		if err != nil || plain(t, first) != plain(t, second) {
			t.Fatalf("not the same: %v", err)
		}
	})
}

func TestRestoreRefuses(t *testing.T) {
	signed := string(sign(t, example(t)))
	for name, text := range map[string]string{
		"nothing": "", "cut": signed[:len(signed)/2], "another thing": `{"format":"other"}`,
		"a number out of reach": strings.Replace(signed, `"item":4,"kind"`, `"item":400000000,"kind"`, 1),
		"a negative number":     strings.Replace(signed, `"item":4,"kind"`, `"item":-4,"kind"`, 1),
		"a wrong type":          strings.Replace(signed, `"kind":"document"`, `"kind":7`, 1),
	} {
		_, err := Restore(strings.NewReader(text), &memory{}, nil)
		var invalid *InvalidError
		if !errors.As(err, &invalid) || text == signed {
			t.Errorf("%s: %v", name, err)
		}
	}
}
