package source

import (
	"bytes"
	"context"
	"io"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzZIPWalk opens archives in archives: no panic, bounded in files, depth and
// bytes, and no file that is neither readable nor refused.
func FuzzZIPWalk(f *testing.F) {
	inner := zipped(f, file{"a", "aaaa"}, file{"b0", "b"})
	f.Add([]byte(zipped(f, file{"n", inner}, file{"n0", inner}, file{"../x", "x"})))
	f.Add([]byte(zipped(f, file{"n0", zipped(f, file{"n", zipped(f, file{"n0", inner})})})))
	for tool, aes := range map[string]bool{"zip": false, "7z": true} {
		if _, err := exec.LookPath(tool); err == nil {
			locked := encrypt(f, "secret", aes, file{"a", "aaaa"}, file{"b0", "b"})
			f.Add([]byte(locked))
			f.Add([]byte(encrypt(f, "secret", aes, file{"n", locked}, file{"n0", inner})))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		limits := Limits{Scratch: 1 << 20, Total: 8 << 20}.orDefaults()
		limits.Archive.Entries, limits.Archive.Grace = 200, 1<<20
		b := &builder{
			ctx: context.Background(), limits: limits, opened: &Opened{},
			req: &Request{Sources: []string{"x"}, Password: "secret", ScratchDir: t.TempDir()},
		}
		defer func() { _ = b.opened.Close() }()
		if b.archiveSource(blob{bytes.NewReader(data), int64(len(data)), 4096}, "x", place{}) != nil {
			return
		}
		o := b.opened
		if o.Len() > limits.Archive.Entries {
			t.Fatalf("%d files", o.Len())
		}
		for i := range o.Len() {
			file := o.File(i)
			if !utf8.ValidString(file.Path) || strings.Count(file.Path, "!/") > limits.Depth+strings.Count(string(data), "!") {
				t.Fatalf("path %q", file.Path)
			}
			r, err := o.Open(i)
			if err == nil && file.Refused != "" {
				t.Fatalf("%q is refused, and opens", file.Path)
			}
			if err != nil {
				continue
			}
			if n, _ := io.Copy(io.Discard, io.LimitReader(r, 10<<20)); n > file.Size || n > limits.Total {
				t.Fatalf("%q gives %d bytes, declared are %d", file.Path, n, file.Size)
			}
			_ = r.Close()
		}
	})
}
