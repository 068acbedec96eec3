package config

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// update rewrites the expectations of the golden files: go test -update.
func update() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "rewrite the golden files")
	flag.Parse()
	os.Exit(m.Run())
}

// scene is a golden file: sections that begin with "-- name --".
type scene struct {
	names []string
	texts map[string]string
}

func readScene(t *testing.T, path string) scene {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := scene{texts: map[string]string{}}
	heads := regexp.MustCompile(`(?m)^-- (\S+) --\n`)
	at := heads.FindAllSubmatchIndex(text, -1)
	for i, head := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		name := string(text[head[2]:head[3]])
		s.names, s.texts[name] = append(s.names, name), string(text[head[1]:end])
	}
	return s
}

func (s scene) write(t *testing.T, path string) {
	t.Helper()
	var b strings.Builder
	for _, name := range s.names {
		fmt.Fprintf(&b, "-- %s --\n%s", name, s.texts[name])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestGolden reads each scene's file and environment and compares what is in force,
// warned of and wrong. No secret of a scene may appear: they all contain "hush".
func TestGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	if len(files) == 0 {
		t.Fatal("no golden files")
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			s := readScene(t, path)
			name := ""
			if _, ok := s.texts["lotse.yaml"]; ok {
				name = FileName
			}
			secrets := func(file string) (string, error) {
				if v, ok := s.texts[file]; ok {
					return strings.TrimSuffix(v, "\n"), nil
				}
				return "", errors.New("reading the secret: no such file")
			}
			c, origins, err := parse(name, []byte(s.texts["lotse.yaml"]), strings.Fields(s.texts["environ"]), secrets)
			got := map[string]string{"errors": "", "explain": "", "warnings": ""}
			if err != nil {
				got["errors"] = err.Error() + "\n"
			}
			if c != nil {
				var b bytes.Buffer
				if err := Explain(&b, c, origins); err != nil {
					t.Fatal(err)
				}
				got["explain"] = b.String()
				got["warnings"] = strings.Join(append(c.Warnings(), ""), "\n")
			}
			for section, text := range got {
				if strings.Contains(text, "hush") {
					t.Errorf("a secret is shown in %s:\n%s", section, text)
				}
				want, ok := s.texts[section]
				if update() && ok {
					s.texts[section] = text
				} else if diff := cmp.Diff(want, text); ok && diff != "" {
					t.Errorf("%s (-want +got):\n%s", section, diff)
				}
			}
			if _, expected := s.texts["errors"]; !expected && err != nil {
				t.Errorf("unexpected: %v", err)
			}
			if update() {
				s.write(t, path)
			}
		})
	}
}

// TestNoFile is `lotse serve` with nothing at all.
func TestNoFile(t *testing.T) {
	t.Chdir(t.TempDir())
	c, origins, err := Load(Sources{})
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.PublicURL = "http://localhost:8080"
	if diff := cmp.Diff(want, *c, cmp.Comparer(func(a, b Secret) bool { return a.Reveal() == b.Reveal() })); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(origins) != 0 {
		t.Errorf("origins: %v", origins)
	}
}

// TestWhichFile: the flag before LOTSE_CONFIG before ./lotse.yaml; a named one must be there.
func TestWhichFile(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	for _, name := range []string{"lotse.yaml", "variable.yaml", "flag.yaml"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("station: "+strings.TrimSuffix(name, ".yaml")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for want, from := range map[string]Sources{
		"lotse":    {},
		"variable": {Environ: []string{"LOTSE_CONFIG=variable.yaml"}},
		"flag":     {Path: "flag.yaml", Environ: []string{"LOTSE_CONFIG=variable.yaml"}},
	} {
		if c, _, err := Load(from); err != nil || c.Station != want {
			t.Errorf("%s: %v, %v", want, c, err)
		}
	}
	if _, _, err := Load(Sources{Path: "absent.yaml"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a named file that is absent: %v", err)
	}
	if err := os.WriteFile("large.yaml", bytes.Repeat([]byte("#"), maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Load(Sources{Path: "large.yaml"}); err == nil {
		t.Error("a file without bound was read")
	}
}

// TestSecretFile reads a secret as container platforms hand them out.
func TestSecretFile(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("dsn", []byte("postgres://lotse:hush@localhost/lotse\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _, err := Load(Sources{Environ: []string{"LOTSE_DATABASE_URL_FILE=dsn"}})
	if err != nil || c.Database.URL.Reveal() != "postgres://lotse:hush@localhost/lotse" {
		t.Errorf("%v", err)
	}
	_, _, err = Load(Sources{Environ: []string{"LOTSE_DATABASE_URL_FILE=dsn", "LOTSE_DATABASE_URL=postgres://x/y"}})
	if err == nil || !strings.Contains(err.Error(), "besides LOTSE_DATABASE_URL") {
		t.Errorf("both: %v", err)
	}
}

// TestVariablesAreDistinct: a variable means one key, and no key looks like a
// variable of Kubernetes or of a command.
func TestVariablesAreDistinct(t *testing.T) {
	seen := map[string]string{}
	foreign := regexp.MustCompile(orchestrated)
	for _, s := range settings() {
		names := []string{Variable(s.key)}
		if s.secret() {
			names = append(names, Variable(s.key)+"_FILE")
		}
		for _, name := range names {
			if other := seen[name]; other != "" {
				t.Errorf("%s is both %s and %s", name, other, s.key)
			}
			if foreign.MatchString(name) || slices.Contains(otherVariables(), name) {
				t.Errorf("%s is taken", name)
			}
			seen[name] = s.key
		}
	}
	if len(seen) < 40 {
		t.Errorf("only %d variables", len(seen))
	}
}

// TestExample: the example shows every key with its default, and is right when
// everything in it is uncommented.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../../lotse.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if c, origins, err := parse("example", text, nil, nil); err != nil || len(origins) != 0 {
		t.Errorf("as it is, it changes something: %v %v %v", c, origins, err)
	}
	// A key follows "#" at once or after its indentation of two and more; sentences have one space.
	all := regexp.MustCompile(`(?m)^#([^ \n])`).ReplaceAll(text, []byte("$1"))
	all = regexp.MustCompile(`(?m)^#(  +(- )?[a-z0-9_]+:)`).ReplaceAll(all, []byte("$1"))
	c, origins, err := parse("example", all, nil, nil)
	if err != nil {
		t.Fatalf("uncommented: %v", err)
	}
	for _, s := range settings() {
		if origins[s.key].Line == 0 {
			t.Errorf("%s is not in the example", s.key)
		}
	}
	for _, list := range settings() {
		for _, m := range list.members {
			if origins[list.key+"[0]."+m.key].Line == 0 {
				t.Errorf("%s: %s is not in the example", list.key, m.key)
			}
		}
	}
	d := Default()
	if c.Listen != d.Listen || c.Retention != d.Retention || c.Workers != d.Workers || c.Log.Level != d.Log.Level || c.Log.Format != d.Log.Format || c.Log.Keep != d.Log.Keep || c.LegalBasis != d.LegalBasis ||
		c.DICOM.Quiet != d.DICOM.Quiet || c.Outbound.MaxSize != d.Outbound.MaxSize || c.Metrics != d.Metrics || c.DataDir != d.DataDir {
		t.Error("the example's values are not the defaults")
	}
}

// FuzzParse: no input panics; what is accepted can be explained and passes its own
// check; what is refused says so in faults that never show a secret.
func FuzzParse(f *testing.F) {
	f.Add([]byte("listen: :8080\n"), "LOTSE_LOG_LEVEL=debug")
	f.Add([]byte("database: {url: postgres://a:hush@b/c}\nblobs: &x {s3: {bucket: b}}\nkeyring: *x\n"), "LOTSE_MAIL_TO=a@b, c@d")
	f.Add([]byte("dicom:\n  callers:\n    - {ae_title: CT1, addresses: [10.0.0.0/8, '::1'], max_object: 2GiB}\n"), "LOTSE_X=1")
	f.Add([]byte("a: &a [*a]\n<<: *a\n? [x]\n: y\n"), "LOTSE_DATABASE_URL_FILE=f")
	f.Add([]byte("retention: {images: 169h}\nretention: 5\n---\n"), "LOTSE_")
	f.Fuzz(func(t *testing.T, text []byte, variable string) {
		if len(text) > 1<<14 {
			return
		}
		c, origins, err := parse(FileName, text, []string{variable}, func(string) (string, error) { return "hush", nil })
		var faults *Error
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("layering or decoding failed for checked values: %v", err)
		}
		var b bytes.Buffer
		if err := Explain(&b, c, origins); err != nil {
			t.Fatal(err)
		}
		if err == nil && len(c.check(origins, nil)) > 0 {
			t.Fatal("accepted, and yet wrong")
		}
	})
}
