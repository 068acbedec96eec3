package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/internal/importer"
)

// uploaded are files as one upload of them.
func uploaded(source string, files ...file) []Part {
	origin := importer.Origin{Kind: importer.FromUpload, Label: source}
	var parts []Part
	for _, f := range files {
		parts = append(parts, Part{Source: source, Origin: origin, Name: f.name, Size: int64(len(f.content)), Data: strings.NewReader(f.content)})
	}
	return parts
}

// TestUploads are the same as what the command line makes of the same files.
func TestUploads(t *testing.T) {
	inner := zipped(t, file{"y", "yy"})
	medium := []file{{"A/IMG", "image"}, {"A/b.zip", zipped(t, file{"x", "x"}, file{"deep", inner})}, {"DICOMDIR", "dir"}, {"z.pdf", "%PDF-1.4"}}
	dir := filepath.Join(t.TempDir(), "cd")
	for _, f := range medium {
		write(t, filepath.Join(dir, f.name), f.content)
	}
	alone := write(t, filepath.Join(t.TempDir(), "exam.zip"), medium[1].content)
	for name, c := range map[string]struct {
		parts   []Part
		sources []string
	}{
		"folder":     {uploaded("cd", medium...), []string{dir}},
		"archive":    {uploaded("up", file{"exam.zip", medium[1].content}), []string{alone}},
		"a file":     {uploaded("up", file{"z.pdf", "%PDF-1.4"}), []string{filepath.Join(dir, "z.pdf")}},
		"two of all": {slices.Concat(uploaded("cd", medium...), uploaded("exam.zip", file{"exam.zip", medium[1].content})), []string{dir, alone}},
	} {
		t.Run(name, func(t *testing.T) {
			o, want := assembled(t, c.parts, Request{}), must(t, Request{Sources: c.sources}, Hooks{})
			if !slices.Equal(listing(o), listing(want)) {
				t.Errorf("got\n%q\nwant\n%q", listing(o), listing(want))
			}
			for path, b := range readAll(t, want) {
				if !bytes.Equal(readAll(t, o)[path], b) {
					t.Errorf("%s has another content", path)
				}
			}
			again := assembled(t, c.parts, Request{})
			if !slices.Equal(listing(o), listing(again)) {
				t.Errorf("the second time\n%q", listing(again))
			}
		})
	}
}

func TestUploadedNames(t *testing.T) {
	o := assembled(t, uploaded("u", file{"../../etc/passwd", "a"}, file{`C:\x\..\y`, "b"}, file{"/abs//./f", "c"}, file{"same", "d"}, file{"same", "e"},
		file{"bell\a\u202e", "f"}, file{"\xff", "g"}, file{"", "h"}), Request{})
	wantListing(t, o, "etc/passwd 1", "C:/x/y 1", "abs/f 1", "same 1", "same 1", "bell\uFFFD\uFFFD 1", "\uFFFD 1", " 1")
}

// TestKnownTypes are not read to be assembled: what was received is an object.
func TestKnownTypes(t *testing.T) {
	lost := errors.New("the store is away")
	parts := uploaded("r", file{"1", "a"}, file{"2", "b"})
	for i := range parts {
		parts[i].Type, parts[i].Data = dlx.DICOM, broken{lost}
	}
	o := assembled(t, parts, Request{})
	if o.Len() != 2 || o.Err() != nil {
		t.Fatalf("%d files, %v", o.Len(), o.Err())
	}
	r, err := o.Open(1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(r); err == nil || !errors.Is(o.Err(), lost) {
		t.Errorf("%v, and the package says %v", err, o.Err())
	}
}

// TestStoreFailsMeanwhile: that is never read as a damaged archive.
func TestStoreFailsMeanwhile(t *testing.T) {
	lost := errors.New("the store is away")
	content := zipped(t, file{"a", "aa"}, file{"n.zip", zipped(t, file{"b", strings.Repeat("b", 1000)})})
	for fail := 0; ; fail++ {
		parts := uploaded("up", file{"exam.zip", content}, file{"other", "o"})
		store := &flaky{strings.NewReader(content), fail, 0, lost}
		parts[0].Data = store
		o, err := Assemble(t.Context(), parts, Request{ScratchDir: t.TempDir()}, Hooks{})
		if err == nil {
			store.fail = -1
			wantListing(t, o, "exam.zip !container", "exam.zip!/a 2", "exam.zip!/n.zip !container", "exam.zip!/n.zip!/b 1000", "other 1")
			_ = o.Close()
			if fail < 3 {
				t.Errorf("only %d reads", fail)
			}
			return
		}
		if !errors.Is(err, lost) {
			t.Fatalf("read %d: %v", fail, err)
		}
	}
}

// flaky fails on one read and works again.
type flaky struct {
	io.ReaderAt
	fail  int
	reads int
	err   error
}

func (f *flaky) ReadAt(p []byte, off int64) (int, error) {
	if f.reads++; f.reads-1 == f.fail {
		return 0, f.err
	}
	return f.ReaderAt.ReadAt(p, off)
}

// TestPasswordsOfEach asks for each archive by an id that stays the same whatever the
// others turn out to hold.
func TestPasswordsOfEach(t *testing.T) {
	first := encrypt(t, "one", true, file{"inner.zip", encrypt(t, "two", true, file{"a", "a"})}, file{"x", "x"})
	second := encrypt(t, "three", true, file{"b", "b"})
	parts := uploaded("cd", file{"first.zip", first}, file{"second.zip", second}, file{"plain", "p"})
	ids := func(q []importer.Question) (all []string) {
		for _, q := range q {
			all = append(all, q.ID+" "+q.Text[""])
		}
		return all
	}
	req := Request{Later: true, Answers: map[string]string{}}
	for _, step := range []struct {
		id, answer string
		code       importer.ProblemCode
		open       []string
	}{
		{"", "", importer.ProblemQuestion, []string{"archive.1 first.zip", "archive.2 second.zip"}},
		{"archive.1", "one", importer.ProblemQuestion, []string{"archive.1.1 first.zip!/inner.zip", "archive.2 second.zip"}},
		{"archive.2", "3", importer.ProblemAnswer, []string{"archive.1.1 first.zip!/inner.zip", "archive.2 second.zip"}},
		{"archive.1.1", "", importer.ProblemAnswer, []string{"archive.2 second.zip"}},
	} {
		if step.id != "" {
			req.Answers[step.id] = step.answer
		}
		if got := ids(asksFor(t, step.code, parts, req)); !slices.Equal(got, step.open) {
			t.Errorf("after %s: %q, want %q", step.id, got, step.open)
		}
	}
	req.Answers["archive.2"] = "three"
	wantListing(t, assembled(t, parts, req), "first.zip !container", "first.zip!/inner.zip !container", "first.zip!/inner.zip!/a !wrong-password",
		"first.zip!/x 1", "second.zip !container", "second.zip!/b 1", "plain 1")
	req.Answers["archive.1.1"] = "two"
	o := assembled(t, parts, req)
	if f := o.File(2); f.Refused != "" || f.Path != "first.zip!/inner.zip!/a" {
		t.Errorf("%q", listing(o))
	}
	// Without Later nobody is asked, as on the command line.
	wantListing(t, assembled(t, parts, Request{}), "first.zip !container", "first.zip!/inner.zip !encrypted", "first.zip!/x !encrypted",
		"second.zip !container", "second.zip!/b !encrypted", "plain 1")
}

func TestFewQuestionsAtOnce(t *testing.T) {
	locked := encrypt(t, "one", false, file{"a", "a"})
	var files []file
	for i := range 50 {
		files = append(files, file{fmt.Sprint(i), locked})
	}
	if q := asksFor(t, importer.ProblemQuestion, uploaded("u", files...), Request{Later: true}); len(q) != maxOpen {
		t.Errorf("%d questions", len(q))
	}
}

func TestAssembleBounds(t *testing.T) {
	parts := uploaded("u", file{"1", "aaaa"}, file{"2", zipped(t, file{"x", "x"})}, file{"3", "b"})
	parts = append(parts, Part{Source: "u", Origin: parts[0].Origin, Name: "4", Refused: importer.ReasonNotGiven})
	wantListing(t, assembled(t, parts, Request{Limits: Limits{Total: 5}}), "1 4", "2 !too-large", "3 1", "4 !not-given")
	for n := 1; n < 4; n++ {
		req := Request{}
		req.Limits.Archive.Entries = n
		o, err := Assemble(t.Context(), parts, req, Hooks{})
		var p *importer.Problem
		if !errors.As(err, &p) || p.Code != importer.ProblemBadSource {
			t.Errorf("%d entries: %v", n, err)
			_ = o.Close()
		}
	}
	fails := func(code importer.ProblemCode, ctx context.Context, parts []Part) {
		t.Helper()
		var p *importer.Problem
		if _, err := Assemble(ctx, parts, Request{}, Hooks{}); !errors.As(err, &p) || p.Code != code {
			t.Errorf("%v, want %s", err, code)
		}
	}
	fails(importer.ProblemNothing, t.Context(), nil)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	fails(importer.ProblemCancelled, gone, parts)
}

// TestManyParts holds a package of received objects to what they may cost.
func TestManyParts(t *testing.T) {
	const n = 20_000
	parts := make([]Part, n)
	for i := range parts {
		parts[i] = Part{Source: "r", Name: "IMG", Size: 1, Data: broken{}, Type: dlx.DICOM}
	}
	before := heap()
	o := assembled(t, parts, Request{})
	cost := int64(heap()) - int64(before)
	runtime.KeepAlive(parts)
	t.Logf("%d parts: %d KiB", n, cost>>10)
	if cost > 8<<20 || o.Len() != n {
		t.Errorf("%d bytes", cost)
	}
}
