package dicom

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"lotse/test/samples"
)

// sampleFiles calls f with every file of the public test corpus.
func sampleFiles(t *testing.T, f func(t *testing.T, path string, data []byte)) {
	root := filepath.Join(samples.Dir(t), "dicom")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Base(path) == "MANIFEST.tsv" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		t.Run(rel, func(t *testing.T) { f(t, path, data) })
		return nil
	})
	if err != nil {
		t.Fatal(err)
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
			if _, err := r.Rewrite(&out, Rewrite{KeepTrailing: true}); err != nil {
				if r.Truncated() {
					t.Skipf("damaged: %v", err)
				}
				t.Fatal(err)
			}
			if want := data[r.file.size-int64(out.Len()):]; !bytes.Equal(out.Bytes(), want) || int64(len(data)-out.Len()) > 4096 {
				t.Fatalf("head=%v: %d bytes written differ from the source's last ones", head, out.Len())
			}
		}
	})
}
