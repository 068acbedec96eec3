package source

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"lotse/internal/importer"
	"lotse/test/samples"
)

// must opens a request that has to succeed, and leaves nothing in the scratch folder.
func must(t testing.TB, req Request, hooks Hooks) *Opened {
	t.Helper()
	if req.ScratchDir == "" {
		req.ScratchDir = t.TempDir()
	}
	o, err := Open(context.Background(), req, hooks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(req.ScratchDir); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	})
	return o
}

// fails opens a request that has to fail with a code.
func fails(t testing.TB, code importer.ProblemCode, req Request, hooks Hooks) *importer.Problem {
	t.Helper()
	o, err := Open(context.Background(), req, hooks)
	if err == nil {
		_ = o.Close()
		t.Fatalf("opened %d files, want %s", o.Len(), code)
	}
	var p *importer.Problem
	if !errors.As(err, &p) || p.Code != code {
		t.Fatalf("%v, want %s", err, code)
	}
	return p
}

// listing is every file as "path size", or "path !reason".
func listing(o *Opened) []string {
	var all []string
	for i := range o.Len() {
		f := o.File(i)
		if f.Refused != "" {
			all = append(all, f.Path+" !"+string(f.Refused))
			continue
		}
		all = append(all, fmt.Sprintf("%s %d", f.Path, f.Size))
	}
	return all
}

func wantListing(t testing.TB, o *Opened, want ...string) {
	t.Helper()
	if got := listing(o); !slices.Equal(got, want) {
		t.Errorf("got\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	readAll(t, o)
}

// readAll reads every file, and checks that all of them are what they are said to be.
func readAll(t testing.TB, o *Opened) map[string][]byte {
	t.Helper()
	contents := map[string][]byte{}
	for i := range o.Len() {
		f := o.File(i)
		r, err := o.Open(i)
		var fault *importer.OpenError
		if f.Refused != "" {
			if !errors.As(err, &fault) || fault.Reason != f.Refused {
				t.Errorf("%s: %v, want %s", f.Path, err, f.Refused)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		b, err := io.ReadAll(r)
		if err != nil || int64(len(b)) != f.Size {
			t.Errorf("%s: %d of %d bytes, %v", f.Path, len(b), f.Size, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		contents[f.Path] = b
	}
	return contents
}

type file struct{ name, content string }

// zipped makes an archive; names that end in "0" are stored.
func zipped(t testing.TB, files ...file) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, f := range files {
		method := zip.Deflate
		if strings.HasSuffix(f.name, "0") {
			method = zip.Store
		}
		out, err := w.CreateHeader(&zip.FileHeader{Name: f.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(out, f.content)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t testing.TB, path, content string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestArchiveOfMedium(t *testing.T) {
	path := samples.File(t, "dlx-demo/patcd.zip")
	o := must(t, Request{Sources: []string{path}}, Hooks{})
	want := []string{
		"DICOMDIR 1886", "IHE_PDI/REPORTS/report_mustermann.pdf 98979", "IHE_PDI/REPORTS/study_overview.jpg 42516",
		"STUD01/SER01/IMG001 40104", "STUD01/SER02/IMG001 45830", "STUD01/SER03/IMG001 40268",
	}
	wantListing(t, o, want...)
	if o.Origin() != (importer.Origin{Kind: importer.FromMedium, Label: "patcd.zip"}) {
		t.Errorf("origin %+v", o.Origin())
	}
	// The same under a name that says nothing.
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	renamed := write(t, filepath.Join(t.TempDir(), "exam.pdf"), string(b))
	wantListing(t, must(t, Request{Sources: []string{renamed}}, Hooks{}), want...)
	if err := os.Remove(renamed); err != nil {
		t.Fatal(err)
	}
}

func TestNestedArchives(t *testing.T) {
	big := strings.Repeat("DICOM ", 50_000)
	level4 := zipped(t, file{"too deep", "x"})
	level3 := zipped(t, file{"c", big}, file{"4", level4})
	level2 := zipped(t, file{"b", "bb"}, file{"3.0", level3})
	level1 := zipped(t, file{"a", "a"}, file{"2", level2}, file{"z", "z"})
	damaged := level1[:len(level1)-10]
	office := zipped(t, file{"[Content_Types].xml", "<x/>"}, file{"word/document.xml", "<x/>"})
	java := zipped(t, file{"META-INF/MANIFEST.MF", "x"}, file{"A.class", "x"})
	top := zipped(t, file{"1", level1}, file{"damaged", damaged}, file{"letter.docx", office}, file{"viewer.jar0", java},
		file{"plain", "PKnot"}, file{"bad", "PK\x03\x04 but no archive"})
	dir := t.TempDir()
	path := write(t, filepath.Join(dir, "top"), top)
	inside := []string{
		"1 !container", "1!/a 1", "1!/2 !container", "1!/2!/b 2", "1!/2!/3.0 !container",
		fmt.Sprintf("1!/2!/3.0!/c %d", len(big)), "1!/2!/3.0!/4 !nested-too-deep", "1!/z 1",
		"damaged !archive-damaged", fmt.Sprintf("letter.docx %d", len(office)), fmt.Sprintf("viewer.jar0 %d", len(java)),
		"plain 5", "bad !archive-damaged",
	}
	o := must(t, Request{Sources: []string{path}}, Hooks{})
	wantListing(t, o, inside...)
	if got := readAll(t, o)["1!/2!/3.0!/c"]; string(got) != big {
		t.Error("content of the innermost differs")
	}
	shallow := must(t, Request{Sources: []string{path}, Limits: Limits{Depth: 1}}, Hooks{})
	wantListing(t, shallow, append([]string{"1 !container", "1!/a 1", "1!/2 !nested-too-deep", "1!/z 1"}, inside[8:]...)...)
	small := must(t, Request{Sources: []string{path}, Limits: Limits{Scratch: 100}}, Hooks{})
	wantListing(t, small, append([]string{"1 !too-large", "damaged !too-large", "letter.docx !too-large"}, inside[10:]...)...)

	write(t, filepath.Join(dir, "folder", "t"), top)
	o = must(t, Request{Sources: []string{filepath.Join(dir, "folder")}, Limits: Limits{Depth: 4}}, Hooks{})
	var below []string
	for _, line := range inside {
		below = append(below, "t!/"+line)
	}
	wantListing(t, o, append([]string{"t !container"}, below...)...)
}

func TestHostileNamesAndLimits(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "z"), zipped(t, file{"../../evil", "x"}, file{`C:\evil`, "x"}, file{"ok", "xyz"}, file{"more", "xyz"}))
	wantListing(t, must(t, Request{Sources: []string{path}}, Hooks{}), "../../evil !path-escapes", "C:/evil !path-escapes", "ok 3", "more 3")
	wantListing(t, must(t, Request{Sources: []string{path}, Limits: Limits{Total: 5}}, Hooks{}),
		"../../evil !path-escapes", "C:/evil !path-escapes", "ok 3", "more !too-large")
	var l Limits
	l.Archive.Entries = 3
	fails(t, importer.ProblemBadSource, Request{Sources: []string{path}, Limits: l}, Hooks{})
	l.Archive.Entries = 4
	wrapped := write(t, filepath.Join(t.TempDir(), "w"), zipped(t, file{"inner", zipped(t, file{"a", ""}, file{"b", ""}, file{"c", ""}, file{"d", ""})}))
	wantListing(t, must(t, Request{Sources: []string{wrapped}, Limits: l}, Hooks{}), "inner !too-large")
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	root := filepath.Join(dir, "medium")
	write(t, filepath.Join(dir, "secret"), "secret")
	write(t, filepath.Join(root, "b", "IMG2"), "two")
	write(t, filepath.Join(root, "b", "IMG1"), "one")
	write(t, filepath.Join(root, "a"), "")
	write(t, filepath.Join(root, "odd\xfc\x1bname"), "odd")
	write(t, filepath.Join(root, "d\xfc", "x"), "x")
	vanishing := write(t, filepath.Join(root, "vanishes"), "v")
	err := errors.Join(os.Symlink("../secret", filepath.Join(root, "link")), os.Symlink("b", filepath.Join(root, "folderlink")),
		syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	o := must(t, Request{Sources: []string{root + "/"}}, Hooks{})
	wantListing(t, o, "a 0", "b/IMG1 3", "b/IMG2 3", "d\uFFFD/x 1", "folderlink !symbolic-link", "link !symbolic-link",
		"odd\uFFFD\uFFFDname 3", "pipe !symbolic-link", "vanishes 1")
	if o.Origin() != (importer.Origin{Kind: importer.FromMedium, Label: "medium"}) {
		t.Errorf("origin %+v", o.Origin())
	}
	// Another file, a link or a pipe in its place later is not read.
	for _, replace := range []func() error{
		func() error { return nil },
		func() error { return os.Symlink("../secret", vanishing) },
		func() error { return syscall.Mkfifo(vanishing, 0o600) },
	} {
		_ = os.Remove(vanishing)
		if err := replace(); err != nil {
			t.Fatal(err)
		}
		_, err := o.Open(o.Len() - 1)
		var fault *importer.OpenError
		if !errors.As(err, &fault) || fault.Reason != importer.ReasonUnreadable || strings.Contains(err.Error(), "vanish") {
			t.Errorf("open: %v", err)
		}
	}
}

func TestDICOMDIRStandsForItsFolder(t *testing.T) {
	dir := t.TempDir()
	run(t, "unzip", "-q", samples.File(t, "dlx-demo/patcd.zip"), "-d", dir)
	o := must(t, Request{Sources: []string{filepath.Join(dir, "DICOMDIR")}}, Hooks{})
	if o.Len() != 6 || o.Origin().Kind != importer.FromMedium {
		t.Errorf("%v, %+v", listing(o), o.Origin())
	}
	image := must(t, Request{Sources: []string{filepath.Join(dir, "STUD01/SER01/IMG001")}}, Hooks{})
	wantListing(t, image, "IMG001 40104")
	if image.Origin().Kind != importer.FromUpload {
		t.Errorf("origin %+v", image.Origin())
	}
	renamed := filepath.Join(dir, "other")
	if err := os.Rename(filepath.Join(dir, "DICOMDIR"), renamed); err != nil {
		t.Fatal(err)
	}
	wantListing(t, must(t, Request{Sources: []string{renamed}}, Hooks{}), "other 1886")
}

func run(t testing.TB, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("%s is not installed", name)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func TestSeveralSources(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "1", "cd", "IMG1"), "1")
	write(t, filepath.Join(dir, "2", "cd", "IMG1"), "22")
	report := write(t, filepath.Join(dir, "report.pdf"), "%PDF-1.4")
	archive := write(t, filepath.Join(dir, "exam.zip"), zipped(t, file{"a/b", "x"}))
	o := must(t, Request{Sources: []string{filepath.Join(dir, "1", "cd"), filepath.Join(dir, "2", "cd"), report, archive}}, Hooks{})
	wantListing(t, o, "cd/IMG1 1", "cd (2)/IMG1 2", "report.pdf 8", "exam.zip!/a/b 1")
	if o.Origin() != (importer.Origin{Kind: importer.FromMedium, Label: "cd, cd, report.pdf, exam.zip"}) {
		t.Errorf("origin %+v", o.Origin())
	}
}

func TestBadSources(t *testing.T) {
	dir := t.TempDir()
	fails(t, importer.ProblemUsage, Request{}, Hooks{})
	p := fails(t, importer.ProblemNoSource, Request{Sources: []string{filepath.Join(dir, "Mustermann")}}, Hooks{})
	if strings.Contains(p.Error(), "Mustermann") {
		t.Errorf("the error names the file: %v", p)
	}
	fails(t, importer.ProblemNothing, Request{Sources: []string{dir}}, Hooks{})
	fails(t, importer.ProblemBadSource, Request{Sources: []string{os.DevNull}}, Hooks{})
	truncated := write(t, filepath.Join(dir, "z"), zipped(t, file{"a", strings.Repeat("abc", 1000)})[:60])
	fails(t, importer.ProblemBadSource, Request{Sources: []string{truncated}}, Hooks{})
	fails(t, importer.ProblemAnswer, Request{Sources: []string{truncated}, BirthDate: "1.2.70"}, Hooks{})
	plain := write(t, filepath.Join(dir, "f"), "x")
	fails(t, importer.ProblemUsage, Request{Sources: []string{plain}, Select: []string{"1"}}, Hooks{})
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var problem *importer.Problem
	if _, err := Open(ctx, Request{Sources: []string{dir}}, Hooks{}); !errors.As(err, &problem) || problem.Code != importer.ProblemCancelled {
		t.Errorf("cancelled: %v", err)
	}
}

func random(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestConcurrentReading(t *testing.T) {
	var inner, outer []file
	for i := range 50 {
		inner = append(inner, file{fmt.Sprintf("f%d", i), strings.Repeat(fmt.Sprint(i), 5000)})
	}
	outer = append(outer, file{"packed", zipped(t, inner...)}, file{"stored0", zipped(t, inner...)})
	path := write(t, filepath.Join(t.TempDir(), "z"), zipped(t, outer...))
	o := must(t, Request{Sources: []string{path}}, Hooks{})
	if o.Len() != 102 {
		t.Fatalf("%d files", o.Len())
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() { readAll(t, o) })
	}
	wg.Wait()
}
