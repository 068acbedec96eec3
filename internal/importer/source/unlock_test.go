package source

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lotse/internal/importer"
)

// encrypt makes an archive with Info-ZIP's zip, or with AES by 7-Zip.
func encrypt(t testing.TB, password string, aes bool, files ...file) string {
	t.Helper()
	dir, path := t.TempDir(), filepath.Join(t.TempDir(), "a.zip")
	var names []string
	for _, f := range files {
		write(t, filepath.Join(dir, f.name), f.content)
		names = append(names, filepath.Join(dir, f.name))
	}
	if aes {
		run(t, "7z", append([]string{"a", "-tzip", "-mem=AES256", "-p" + password, path}, names...)...)
	} else {
		run(t, "zip", append([]string{"-qj", "-n", "0", "-P", password, path}, names...)...) // *0 is stored
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// person types these passwords, one after the other, and then nothing.
type person struct {
	types []string
	asked []string // about which archives
	told  []importer.ProblemCode
}

func (p *person) hooks() Hooks {
	return Hooks{Password: func(_ context.Context, name string) (string, error) {
		p.asked = append(p.asked, name)
		if len(p.types) == 0 {
			return "", nil
		}
		password := p.types[0]
		p.types = p.types[1:]
		return password, nil
	}}
}

func wantQuestion(t *testing.T, p *importer.Problem) {
	t.Helper()
	if len(p.Questions) != 1 || p.Questions[0].Type != "ARCHIVE" || p.Questions[0].ID != "archive" || strings.Contains(p.Error(), "secret") {
		t.Errorf("%+v", p)
	}
}

func TestEncryptedArchive(t *testing.T) {
	for name, aes := range map[string]bool{"traditional": false, "AES": true} {
		t.Run(name, func(t *testing.T) {
			path := write(t, filepath.Join(t.TempDir(), "exam.zip"), encrypt(t, "secret", aes, file{"IMG1", "one"}, file{"IMG2", strings.Repeat("two", 9999)}))
			req := Request{Sources: []string{path}}
			all := []string{"IMG1 3", "IMG2 29997"}

			wantQuestion(t, fails(t, importer.ProblemQuestion, req, Hooks{}))
			given := req
			given.Password = "secret"
			o := must(t, given, Hooks{})
			wantListing(t, o, all...)
			if b := readAll(t, o)["IMG1"]; string(b) != "one" {
				t.Errorf("%q", b)
			}
			answered := req
			answered.Answers = map[string]string{"archive": "secret"}
			wantListing(t, must(t, answered, Hooks{}), all...)
			wrong := req
			wrong.Password = "Secret"
			wantQuestion(t, fails(t, importer.ProblemAnswer, wrong, Hooks{}))

			p := &person{types: []string{"wrong", " secret", "secret"}}
			wantListing(t, must(t, req, p.hooks()), all...)
			if !slices.Equal(p.asked, []string{"exam.zip", "exam.zip", "exam.zip"}) {
				t.Errorf("asked %q", p.asked)
			}
			p = &person{types: []string{"1", "2", "3", "secret"}}
			fails(t, importer.ProblemAnswer, req, p.hooks())
			if len(p.asked) != 3 {
				t.Errorf("asked %d times", len(p.asked))
			}
			p = &person{types: []string{"secret"}}
			wantListing(t, must(t, wrong, p.hooks()), all...)
			p = &person{}
			fails(t, importer.ProblemQuestion, req, p.hooks())
			if len(p.asked) != 1 {
				t.Errorf("asked %d times", len(p.asked))
			}
		})
	}
}

func TestWrongPasswordIsTold(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "exam.zip"), encrypt(t, "secret", false, file{"IMG1", "one"}))
	for again, asked := range map[bool]int{true: 3, false: 1} {
		p := &person{types: []string{"1", "2", "3", "4"}}
		hooks := p.hooks()
		hooks.Retry = func(_ context.Context, problem *importer.Problem) bool {
			wantQuestion(t, problem)
			p.told = append(p.told, problem.Code)
			return again
		}
		fails(t, importer.ProblemAnswer, Request{Sources: []string{path}}, hooks)
		if len(p.asked) != asked || len(p.told) != max(1, asked-1) || p.told[0] != importer.ProblemAnswer {
			t.Errorf("asked %d times, told %v", len(p.asked), p.told)
		}
	}
	gone := &importer.Problem{Code: importer.ProblemCancelled, Err: errors.New("left")}
	hooks := Hooks{Password: func(context.Context, string) (string, error) { return "", gone }}
	fails(t, importer.ProblemCancelled, Request{Sources: []string{path}}, hooks)
	ctx, cancel := context.WithCancel(context.Background())
	hooks.Password = func(context.Context, string) (string, error) { cancel(); return "secret", nil }
	var problem *importer.Problem
	if _, err := Open(ctx, Request{Sources: []string{path}}, hooks); !errors.As(err, &problem) || problem.Code != importer.ProblemCancelled {
		t.Errorf("cancelled: %v", err)
	}
}

// TestPartlyEncrypted: what can be read goes on, the rest says why not.
func TestPartlyEncrypted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.zip")
	for _, name := range []string{"plain", "first", "second", "nothing"} {
		write(t, filepath.Join(dir, name), strings.Repeat(name, len(name)%7))
	}
	run(t, "zip", "-qj", path, filepath.Join(dir, "plain"))
	run(t, "zip", "-qj", "-Pone", path, filepath.Join(dir, "first"))
	run(t, "zip", "-qj", "-Ptwo", path, filepath.Join(dir, "second"))
	req := Request{Sources: []string{path}}
	wantListing(t, must(t, req, Hooks{}), "plain 25", "first !encrypted", "second !encrypted")
	req.Password = "wrong"
	wantListing(t, must(t, req, Hooks{}), "plain 25", "first !wrong-password", "second !wrong-password")
	req.Password = "one"
	wantListing(t, must(t, req, Hooks{}), "plain 25", "first 25", "second !wrong-password")

	// An empty file is nothing that can be read.
	alone := filepath.Join(dir, "b.zip")
	run(t, "zip", "-qj", alone, filepath.Join(dir, "nothing"))
	run(t, "zip", "-qj", "-Pone", alone, filepath.Join(dir, "first"))
	fails(t, importer.ProblemQuestion, Request{Sources: []string{alone}}, Hooks{})
}

func TestNestedEncrypted(t *testing.T) {
	big := strings.Repeat("DICOM ", 50_000)
	for name, aes := range map[string]bool{"traditional": false, "AES": true} {
		t.Run(name, func(t *testing.T) {
			inner := encrypt(t, "inside", aes, file{"a", big}, file{"b0", "bb"})
			same := encrypt(t, "outside", aes, file{"c", "c"})
			outer := encrypt(t, "outside", aes, file{"inner", inner}, file{"inner0", inner}, file{"same", same}, file{"z", "z"})
			path := write(t, filepath.Join(t.TempDir(), "outer.zip"), outer)
			all := []string{"inner !container", "inner!/a 300000", "inner!/b0 2", "inner0 !container", "inner0!/a 300000", "inner0!/b0 2",
				"same !container", "same!/c 1", "z 1"}
			p := &person{types: []string{"outside", "inside"}}
			o := must(t, Request{Sources: []string{path}}, p.hooks())
			wantListing(t, o, all...)
			if string(readAll(t, o)["inner0!/a"]) != big {
				t.Error("another content")
			}
			if !slices.Equal(p.asked, []string{"outer.zip", "inner"}) {
				t.Errorf("asked %q", p.asked)
			}
			wantListing(t, must(t, Request{Sources: []string{path}, Password: "outside"}, Hooks{}), "inner !container", "inner!/a !wrong-password",
				"inner!/b0 !wrong-password", "inner0 !container", "inner0!/a !wrong-password", "inner0!/b0 !wrong-password", all[6], all[7], all[8])
			wantListing(t, must(t, Request{Sources: []string{path}, Password: "outside", Limits: Limits{Scratch: 100}}, Hooks{}),
				"inner !too-large", "inner0 !too-large", "same !too-large", "z 1")

			plain := filepath.Join(t.TempDir(), "medium")
			write(t, filepath.Join(plain, "1.zip"), same)
			write(t, filepath.Join(plain, "2.zip"), zipped(t, file{"deep0", same}))
			p = &person{types: []string{"outside"}}
			wantListing(t, must(t, Request{Sources: []string{plain}}, p.hooks()), "1.zip !container", "1.zip!/c 1", "2.zip !container",
				"2.zip!/deep0 !container", "2.zip!/deep0!/c 1")
			if !slices.Equal(p.asked, []string{"1.zip"}) {
				t.Errorf("asked %q", p.asked)
			}
			fails(t, importer.ProblemQuestion, Request{Sources: []string{plain}}, Hooks{})
		})
	}
}

// TestNobodyIsAskedForDocuments: an encrypted file with the make of an office
// document is a file.
func TestNobodyIsAskedForDocuments(t *testing.T) {
	document := encrypt(t, "secret", false, file{"[Content_Types].xml", "<x/>"})
	path := write(t, filepath.Join(t.TempDir(), "z"), zipped(t, file{"letter.docx", document}))
	p := &person{types: []string{"secret"}}
	o := must(t, Request{Sources: []string{path}}, p.hooks())
	if len(p.asked) > 0 || o.Len() != 1 || o.File(0).Refused != "" {
		t.Errorf("asked %q, %q", p.asked, listing(o))
	}
}
