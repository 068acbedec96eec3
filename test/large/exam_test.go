package main

import (
	"archive/zip"
	"bytes"
	"io"
	"testing"
)

// TestExam: it is a ZIP of different slices of the size that was said.
func TestExam(t *testing.T) {
	x, err := newExam(100_000, 64)
	if err != nil {
		t.Fatal(err)
	}
	size, err := x.size()
	if err != nil {
		t.Fatal(err)
	}
	r := x.open()
	defer r.Close()
	raw, err := io.ReadAll(r)
	if err != nil || int64(len(raw)) != size || size < 100_000 {
		t.Fatalf("%d bytes of %d: %v", len(raw), size, err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), size)
	if err != nil || len(z.File) != x.count {
		t.Fatalf("%d files of %d: %v", len(z.File), x.count, err)
	}
	uids := map[string]bool{}
	for _, f := range z.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		uids[string(instance(b))] = true
	}
	if len(uids) != x.count || x.count < 2 {
		t.Errorf("%d UIDs in %d files", len(uids), x.count)
	}
}
