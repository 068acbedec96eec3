package archive

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"lotse/internal/importer"
	"lotse/test/samples"
)

func open(t testing.TB, b []byte) *Archive {
	t.Helper()
	a, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// files returns the content of all files by name, or the reason for those that
// have none.
func files(t testing.TB, a *Archive) map[string]string {
	t.Helper()
	found := map[string]string{}
	for i := range a.Len() {
		name := a.Entry(i).Name
		if _, twice := found[name]; twice {
			name += fmt.Sprintf("#%d", i)
		}
		b, err := content1(a, i)
		if err != nil {
			var fault *importer.OpenError
			if !errors.As(err, &fault) {
				t.Fatalf("%s: %v is no OpenError", name, err)
			}
			b = []byte("!" + fault.Reason)
		}
		found[name] = string(b)
	}
	return found
}

func content1(a *Archive, i int) ([]byte, error) {
	r, err := a.Open(i)
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	return io.ReadAll(r)
}

func run(t testing.TB, dir, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// python writes an archive with Python's zipfile; body sees it as z.
func python(t testing.TB, body string) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.zip")
	script := "import zipfile,struct,io\npath='" + path + "'\nz=zipfile.ZipFile(path,'w',zipfile.ZIP_DEFLATED)\n" + body + "\nz.close()\n"
	run(t, "", "/usr/bin/python3", "-c", script)
	return readFile(t, path)
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func want(t *testing.T, got map[string]string, expected map[string]string) {
	t.Helper()
	for name, content := range expected {
		if g, ok := got[name]; !ok || g != content {
			t.Errorf("%q: got %.60q (present: %v), want %.60q", name, g, ok, content)
		}
	}
	for name := range got {
		if _, ok := expected[name]; !ok {
			t.Errorf("%q is too much", name)
		}
	}
}

func TestInfoZIP(t *testing.T) {
	dir := t.TempDir()
	text := strings.Repeat("abc\n", 100_000)
	for name, content := range map[string]string{"in/IMG001": text, "in/sub/empty": "", "in/sub/Übersicht.txt": "x"} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "in/link")); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		args []string
		link string
	}{
		"plain":  {args: []string{"-r"}, link: readFileString(t, "/etc/passwd")},
		"links":  {args: []string{"-ry"}, link: "!symbolic-link"},
		"stored": {args: []string{"-r0"}, link: readFileString(t, "/etc/passwd")},
		"zip64":  {args: []string{"-ryfz"}, link: "!symbolic-link"},
		// Followed, as zip refuses to stream what it stores, and it stores links.
		"streamed":  {args: []string{"-rfd"}, link: readFileString(t, "/etc/passwd")},
		"bzip2":     {args: []string{"-ryZ", "bzip2"}, link: "!symbolic-link"},
		"best":      {args: []string{"-ry9"}, link: "!symbolic-link"},
		"no extras": {args: []string{"-ryXD"}, link: "!symbolic-link"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.zip")
			run(t, dir, "zip", append(append([]string{"-q"}, test.args...), path, "in")...)
			got := files(t, open(t, readFile(t, path)))
			want(t, got, map[string]string{"in/IMG001": text, "in/sub/empty": "", "in/sub/Übersicht.txt": "x", "in/link": test.link})
		})
	}
	t.Run("encrypted", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.zip")
		run(t, dir, "zip", "-qr", "-P", "secret", path, "in/IMG001")
		want(t, files(t, open(t, readFile(t, path))), map[string]string{"in/IMG001": "!encrypted"})
	})
	t.Run("with bytes before and after", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.zip")
		run(t, dir, "zip", "-q", path, "in/IMG001")
		b := append([]byte(strings.Repeat("x", 1000)), readFile(t, path)...)
		b = append(b, strings.Repeat("y", 1000)...)
		want(t, files(t, open(t, b)), map[string]string{"in/IMG001": text})
	})
	t.Run("from a pipe", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "a.zip")
		run(t, dir, "sh", "-c", "zip -q - in/IMG001 in/sub/empty | cat >"+path)
		want(t, files(t, open(t, readFile(t, path))), map[string]string{"in/IMG001": text, "in/sub/empty": ""})
	})
}

func readFileString(t testing.TB, path string) string { return string(readFile(t, path)) }

func TestPython(t *testing.T) {
	t.Run("methods", func(t *testing.T) {
		b := python(t, `
z.writestr('d','deflate'*99); z.writestr('s','stored',zipfile.ZIP_STORED)
z.writestr('b','bzip2'*99,zipfile.ZIP_BZIP2); z.writestr('l','lzma'*99,zipfile.ZIP_LZMA)`)
		want(t, files(t, open(t, b)), map[string]string{
			"d": strings.Repeat("deflate", 99), "s": "stored", "b": strings.Repeat("bzip2", 99), "l": "!compression",
		})
	})
	t.Run("names", func(t *testing.T) {
		b := python(t, `
class Raw(zipfile.ZipInfo):
    def _encodeFilenameFlags(self): return self.comment_name, 0
def raw(name, data):
    i=Raw(repr(name)); i.comment_name=name
    z.writestr(i, data)
raw(b'Gr\x94\xe1e.dcm','cp437'); raw('Größe2.dcm'.encode(),'utf8 undeclared'); z.writestr('Größe3.dcm','utf8 declared')
raw(b'DIR\\SUB\\IMG1','backslash'); raw(b'./a//b','dots'); raw(b'c\x07\x1b[31m','control')`)
		want(t, files(t, open(t, b)), map[string]string{
			"Größe.dcm": "cp437", "Größe2.dcm": "utf8 undeclared", "Größe3.dcm": "utf8 declared",
			"DIR/SUB/IMG1": "backslash", "a/b": "dots", "c\uFFFD\uFFFD[31m": "control",
		})
	})
	t.Run("escapes", func(t *testing.T) {
		b := python(t, `
for n in ('../up','a/../../up','/etc/passwd','C:/x','c:x','..\\win','\\\\srv\\x','..','a/..','ok..','..ok/x'): z.writestr(n,'z')`)
		got := files(t, open(t, b))
		want(t, got, map[string]string{
			"../up": "!path-escapes", "a/../../up": "!path-escapes", "/etc/passwd": "!path-escapes", "C:/x": "!path-escapes",
			"c:x": "!path-escapes", "../win": "!path-escapes", "//srv/x": "!path-escapes", "..": "!path-escapes", "a/..": "!path-escapes",
			"ok..": "z", "..ok/x": "z",
		})
	})
	t.Run("folders and devices", func(t *testing.T) {
		b := python(t, `
z.writestr('d/',''); z.writestr('d/e/',''); z.writestr('d/f','f')
i=zipfile.ZipInfo('fifo'); i.create_system=3; i.external_attr=0o010644<<16; z.writestr(i,'')`)
		want(t, files(t, open(t, b)), map[string]string{"d/f": "f", "fifo": "!symbolic-link"})
	})
	t.Run("zip64 in a stream", func(t *testing.T) {
		b := python(t, `
with z.open(zipfile.ZipInfo('big'),'w',force_zip64=True) as f: f.write(b'q'*1000)`)
		want(t, files(t, open(t, b)), map[string]string{"big": strings.Repeat("q", 1000)})
	})
	t.Run("70,000 entries", func(t *testing.T) {
		b := python(t, `
for i in range(70000): z.writestr('f%d'%i,'',zipfile.ZIP_STORED)`)
		if n := open(t, b).Len(); n != 70000 {
			t.Errorf("%d entries", n)
		}
		if _, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{Entries: 69999}); !errors.Is(err, ErrTooMany) {
			t.Errorf("too many entries: %v", err)
		}
		if _, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{Directory: 1 << 20}); !errors.Is(err, ErrTooMany) {
			t.Errorf("too large a directory: %v", err)
		}
	})
}

// build makes an archive with archive/zip, method 0 or 8.
func build(t testing.TB, method uint16, contents ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i, content := range contents {
		f, err := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("f%d", i), Method: method})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(f, content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// central returns the offset of the n-th central header.
func central(b []byte, n int) int {
	at := 0
	for range n + 1 {
		at += bytes.Index(b[at:], []byte("PK\x01\x02")) + 4
	}
	return at - 4
}

func TestDamage(t *testing.T) {
	text := strings.Repeat("The quick brown fox. ", 500)
	expect := func(b []byte, reason importer.ReasonCode) {
		t.Helper()
		_, err := content1(open(t, b), 0)
		var fault *importer.OpenError
		if !errors.As(err, &fault) || fault.Reason != reason {
			t.Errorf("%v, want %s", err, reason)
		}
		if errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v looks like a file that ends too early", err)
		}
	}
	for _, method := range []uint16{0, 8} {
		good := build(t, method, text)
		flip := func(at int, with byte) []byte {
			b := bytes.Clone(good)
			b[at] ^= with
			return b
		}
		c := central(good, 0)
		expect(flip(c+16, 1), importer.ReasonUnreadable)    // checksum
		expect(flip(c+24, 1), importer.ReasonUnreadable)    // size
		expect(flip(c+25, 1), importer.ReasonUnreadable)    // size
		expect(flip(c+21, 0x80), importer.ReasonUnreadable) // packed size reaches over the end
		expect(flip(0, 1), importer.ReasonUnreadable)       // local header
		expect(flip(6, 1), importer.ReasonEncrypted)        // encrypted by the local header only
		expect(flip(45, 0xff), importer.ReasonUnreadable)   // content
	}
	for _, b := range [][]byte{nil, []byte("PK"), []byte("PK\x05\x06"), make([]byte, 100_000), build(t, 8, text)[:150]} {
		if _, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{}); !errors.Is(err, ErrFormat) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	if a := open(t, []byte("PK\x05\x06"+strings.Repeat("\x00", 18))); a.Len() != 0 {
		t.Errorf("empty archive has %d files", a.Len())
	}
}

func TestBombs(t *testing.T) {
	zeros := strings.Repeat("\x00", 4<<20)
	limits := Limits{EntryGrace: 1 << 20, Grace: 6 << 20, Ratio: 100}
	b := build(t, 8, zeros, "small", zeros[:1<<20])
	a, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, limits)
	if err != nil {
		t.Fatal(err)
	}
	got := files(t, a)
	want(t, got, map[string]string{"f0": "!compression-bomb", "f1": "small", "f2": zeros[:1<<20]})

	limits.EntryGrace = 1 << 30
	if b = build(t, 8, zeros, zeros, zeros); len(b) > 100_000 {
		t.Fatal("not small")
	}
	limits.Ratio = 10
	if a, err = Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, limits); err != nil {
		t.Fatal(err)
	}
	if first, rest := a.Entry(0), a.Entry(1); first.Refused != "" || rest.Refused != importer.ReasonRatio {
		t.Errorf("the sum of all files: %q, %q", first.Refused, rest.Refused)
	}

	// A directory that says less than there is: reading stops there.
	b = build(t, 8, zeros)
	copy(b[central(b, 0)+24:], []byte{0, 4, 0, 0})
	r, err := open(t, b).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, r)
	var fault *importer.OpenError
	if n != 1024 || !errors.As(err, &fault) {
		t.Errorf("read %d, %v", n, err)
	}
}

func TestOverlap(t *testing.T) {
	text := strings.Repeat("overlap", 100)
	b := build(t, 8, text, text+"1", text+"2")
	copy(b[central(b, 2)+42:], b[central(b, 1)+42:central(b, 1)+46]) // the third lies where the second does
	a := open(t, b)
	if r := []importer.ReasonCode{a.Entry(0).Refused, a.Entry(1).Refused, a.Entry(2).Refused}; r[0] != "" || r[1] != "" || r[2] != importer.ReasonRatio {
		t.Errorf("refused: %q", r)
	}
	// One whose data cover the next.
	b = build(t, 0, text, text)
	c := central(b, 0)
	copy(b[c+20:], []byte{0xff, 2, 0, 0, 0xff, 2, 0, 0})
	if a = open(t, b); a.Entry(1).Refused != importer.ReasonRatio {
		t.Errorf("covered: %q", a.Entry(1).Refused)
	}
}

// TestAgainstStandardLibrary compares with archive/zip on a real medium.
func TestAgainstStandardLibrary(t *testing.T) {
	b := readFile(t, samples.File(t, "dlx-demo/patcd.zip"))
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	expected := map[string]string{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		expected[f.Name] = string(content)
	}
	want(t, files(t, open(t, b)), expected)
	if len(expected) < 6 {
		t.Fatalf("%d files", len(expected))
	}
}

func TestSeekStored(t *testing.T) {
	text := make([]byte, 300_000)
	for i := range text {
		text[i] = byte(i * i >> 3)
	}
	r, err := open(t, build(t, 0, string(text))).Open(0)
	if err != nil {
		t.Fatal(err)
	}
	s := r.(io.ReadSeeker)
	p := make([]byte, 1000)
	for _, step := range []struct {
		offset int64
		whence int
		at     int64
	}{{10, io.SeekStart, 10}, {100, io.SeekCurrent, 1110}, {200_000, io.SeekCurrent, 202_110}, {5, io.SeekStart, 5}, {-1000, io.SeekEnd, 299_000}} {
		at, err := s.Seek(step.offset, step.whence)
		if err != nil || at != step.at {
			t.Fatalf("Seek = %d, %v; want %d", at, err, step.at)
		}
		if _, err := io.ReadFull(s, p); err != nil || !bytes.Equal(p, text[at:at+1000]) {
			t.Fatalf("at %d: %v", at, err)
		}
	}
	if n, err := s.Read(p); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("at the end: %d, %v", n, err)
	}
	if _, err := s.Seek(-1, io.SeekStart); err == nil {
		t.Error("negative position")
	}
	if _, err := s.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(s); err != nil || !bytes.Equal(got, text) {
		t.Errorf("after seeking to the beginning: %d bytes, %v", len(got), err)
	}
	_ = r.Close()
	if _, err := r.Read(p); err == nil {
		t.Error("reads after Close")
	}
}

func TestHead(t *testing.T) {
	var contents []string
	for i := range 50 {
		contents = append(contents, fmt.Sprintf("%04d", i)+strings.Repeat("some text that is packed ", i*37))
	}
	for _, method := range []uint16{0, 8} {
		a := open(t, build(t, method, contents...))
		for i := range a.Len() {
			var p [4]byte
			if n := a.Head(i, p[:]); n != 4 || string(p[:]) != contents[i][:4] {
				t.Errorf("method %d, %d: %d %q", method, i, n, p)
			}
		}
	}
}

func TestConcurrentOpen(t *testing.T) {
	var contents []string
	for i := range 40 {
		contents = append(contents, strings.Repeat(fmt.Sprint(i), 10_000))
	}
	a := open(t, build(t, 8, contents...))
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range a.Len() {
				if b, err := content1(a, i); err != nil || string(b) != contents[i] {
					t.Errorf("%d: %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzZIPWalk(f *testing.F) {
	f.Add(build(f, 8, "deflate deflate deflate", "", "b"))
	f.Add(build(f, 0, "stored", "two"))
	f.Add(build(f, 8, strings.Repeat("\x00", 100_000)))
	f.Add([]byte("PK\x05\x06" + strings.Repeat("\x00", 18)))
	if _, err := exec.LookPath("/usr/bin/python3"); err == nil {
		f.Add(python(f, "z.writestr('../b\\\\x','b'*99,zipfile.ZIP_BZIP2)\nwith z.open(zipfile.ZipInfo('big'),'w',force_zip64=True) as f: f.write(b'q'*99)"))
	}
	short := map[string]string{"a": "encrypted", "b": strings.Repeat("e", 99), "c": ""}
	for _, tool := range [][]string{{"zip", "-q", "-Psecret"}, {"zip", "-q0", "-Psecret"}, {"7z", "-psecret", "-mem=ZipCrypto"},
		{"7z", "-psecret", "-mem=AES128"}, {"7z", "-psecret", "-mem=AES256", "-mx0"}} {
		if _, err := exec.LookPath(tool[0]); err == nil {
			f.Add(locked(f, short, tool[0], tool[1:]...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		limits := Limits{Entries: 1000, Directory: 1 << 20, EntryGrace: 1 << 20, Grace: 4 << 20}
		a, err := Open(bytes.NewReader(b), int64(len(b)), 4096, limits)
		if err != nil {
			return
		}
		if a.Unlock("secret") && a.Locked() {
			t.Fatal("locked and unlocked")
		}
		var total, most int64 = 0, 4<<20 + 250*int64(len(b))
		for i := range a.Len() {
			e := a.Entry(i)
			if !utf8.ValidString(e.Name) || e.Refused == "" && (e.Size < 0 || strings.Contains("/"+e.Name+"/", "/../") || strings.HasPrefix(e.Name, "/")) {
				t.Fatalf("entry %+v", e)
			}
			var head [4]byte
			n := a.Head(i, head[:])
			r, err := a.Open(i)
			if err != nil {
				continue
			}
			if s, ok := r.(io.Seeker); ok {
				_, _ = s.Seek(3, io.SeekStart)
				_, _ = s.Seek(0, io.SeekStart)
			}
			got, err := io.ReadAll(io.LimitReader(r, e.Size+1))
			if int64(len(got)) > e.Size || err == nil && int64(len(got)) != e.Size {
				t.Fatalf("read %d of %d, %v", len(got), e.Size, err)
			}
			if err == nil && !bytes.HasPrefix(got, head[:n]) {
				t.Fatalf("head %q of %.10q", head[:n], got)
			}
			if total += int64(len(got)); total > most {
				t.Fatalf("%d bytes out of %d", total, len(b))
			}
			_ = r.Close()
		}
	})
}
