package receipt

import (
	"os"
	"strings"
	"testing"
)

// TestDocument makes sure that docs/receipt.md names every value and the format.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile("../../../docs/receipt.md")
	if err != nil {
		t.Fatal(err)
	}
	r := example(t)
	head, err := headEntry(r.Head)
	if err != nil {
		t.Fatal(err)
	}
	entries := []entry{head}
	err = r.Items(func(it Item) error {
		e, err := itemEntry(it)
		entries = append(entries, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{Format, algorithm}
	for _, e := range entries {
		for _, v := range e.values {
			names = append(names, "`"+v.name+"`")
		}
	}
	for _, name := range names {
		if !strings.Contains(string(text), name) {
			t.Errorf("docs/receipt.md does not name %s", name)
		}
	}
}
