package dicom

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"lotse/test/samples"
)

func sampleRoot(t *testing.T) string { return filepath.Join(samples.Dir(t), "dicom") }

// sampleFiles calls f with every file of the public test corpus.
func sampleFiles(t *testing.T, f func(t *testing.T, path string, data []byte)) {
	root := sampleRoot(t)
	for _, path := range samplePaths(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(root, path)
		t.Run(filepath.ToSlash(rel), func(t *testing.T) { f(t, path, data) })
	}
}

func TestEmptyRewriteIsIdentical(t *testing.T) {
	sampleFiles(t, func(t *testing.T, _ string, data []byte) {
		r, err := NewReader(bytes.NewReader(data), int64(len(data)), ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, head := range []bool{false, true} {
			if err := r.Reset(bytes.NewReader(data), int64(len(data)), ReadOptions{}); err != nil {
				t.Fatal(err)
			}
			if head {
				if _, _, err := r.Head(); err != nil {
					t.Fatal(err)
				}
			}
			var out bytes.Buffer
			_, err := r.Rewrite(&out, Rewrite{KeepTrailing: true})
			if r.Truncated() {
				if !errors.Is(err, ErrTruncated) {
					t.Fatalf("a truncated object is rewritten: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if want := data[r.file.size-int64(out.Len()):]; !bytes.Equal(out.Bytes(), want) || int64(len(data)-out.Len()) > 4096 {
				t.Fatalf("head=%v: %d bytes written differ from the source's last ones", head, out.Len())
			}
		}
	})
}
