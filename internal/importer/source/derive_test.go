package source

import (
	"context"
	"io"
	"slices"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/importer/source/sourcetest"
	"lotse/internal/scratch"
)

func TestScratchDeriver(t *testing.T) {
	sourcetest.RunDeriver(t, func(t *testing.T) sourcetest.Deriver {
		return &scratchDeriver{create: func() (*scratch.File, error) {
			f, err := scratch.New(t.TempDir())
			if err == nil {
				t.Cleanup(func() { _ = f.Close() })
			}
			return f, err
		}}
	})
}

// noted notes the keys that are derived.
type noted struct {
	Deriver
	keys []string
}

func (n *noted) Derive(ctx context.Context, key string, fill func(io.Writer) error) (*io.SectionReader, error) {
	n.keys = append(n.keys, key)
	return n.Deriver.Derive(ctx, key, fill)
}

// TestDerivedAreNamedByPlace: the same parts ask for the same keys, each of them once,
// whatever the names in them are, and nothing else is put into a file.
func TestDerivedAreNamedByPlace(t *testing.T) {
	inner := zipped(t, file{"x", "xx"})
	middle := zipped(t, file{"same.zip", inner}, file{"same.zip", inner})
	parts := uploaded("up", file{"a.zip", zipped(t, file{"same.zip", middle}, file{"y", "y"})}, file{"b.zip", zipped(t, file{"y", "y"}, file{"same.zip", inner})})
	var first []string
	for range 2 {
		n := &noted{Deriver: &scratchDeriver{create: func() (*scratch.File, error) { return scratch.New(t.TempDir()) }}}
		o, err := Assemble(t.Context(), parts, Request{Derived: n, ScratchDir: "/there is no such folder"}, Hooks{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = o.Close() })
		seen := map[string]bool{}
		for _, key := range n.keys {
			if seen[key] {
				t.Errorf("%s is asked for twice", key)
			}
			seen[key] = true
		}
		if first == nil {
			first = listing(o)
		}
		if len(seen) != 4 || !slices.Equal(first, listing(o)) {
			t.Errorf("derived %q for %q", n.keys, listing(o))
		}
	}
}

// TestDerivedIsBounded: what is found counts as what is made.
func TestDerivedIsBounded(t *testing.T) {
	inner := zipped(t, file{"x", string(random(1000))})
	parts := uploaded("up", file{"a.zip", zipped(t, file{"1.zip", inner}, file{"2.zip", inner}, file{"3.zip", inner})})
	found := found{}
	for range 2 {
		o := assembled(t, parts, Request{Derived: found, Limits: Limits{Scratch: int64(2*len(inner) + 10)}})
		refused := 0
		for i := range o.Len() {
			if o.File(i).Refused == importer.ReasonTooLarge {
				refused++
			}
		}
		if refused != 1 || len(found) != 2 {
			t.Errorf("%d refused, %d derived: %q", refused, len(found), listing(o))
		}
	}
}

// found is a Deriver that remembers.
type found map[string]*io.SectionReader

func (f found) Derive(ctx context.Context, key string, fill func(io.Writer) error) (*io.SectionReader, error) {
	if r := f[key]; r != nil {
		return r, nil
	}
	r, err := (&scratchDeriver{create: func() (*scratch.File, error) { return scratch.New("") }}).Derive(ctx, key, fill)
	if err == nil {
		f[key] = r
	}
	return r, err
}
