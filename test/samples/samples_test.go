package samples

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestVariableNamesTheFolder(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(Variable, dir)
	if got := Dir(t); got != dir {
		t.Errorf("Dir = %s, want %s", got, dir)
	}
	want := filepath.Join(dir, "a.dcm")
	if err := os.WriteFile(want, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := File(t, "a.dcm"); got != want {
		t.Errorf("File = %s, want %s", got, want)
	}
}

func TestWrongVariableIsAnErrorNotASkip(t *testing.T) {
	t.Setenv(Variable, filepath.Join(t.TempDir(), "gone"))
	if _, err := locate(); !errors.Is(err, fs.ErrNotExist) || errors.Is(err, errAbsent) {
		t.Errorf("locate = %v, want a missing folder that is not taken for absent samples", err)
	}
}

// inRepository makes a module with a package folder, and works there.
func inRepository(t *testing.T) (parent string) {
	t.Helper()
	t.Setenv(Variable, "")
	parent, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	pkg := filepath.Join(parent, "repo", "some", "package")
	if err := os.MkdirAll(pkg, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, "repo", "go.mod"), []byte("module x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(pkg)
	return parent
}

func TestFolderBesideTheRepository(t *testing.T) {
	want := filepath.Join(inRepository(t), "shared", "samples")
	if err := os.MkdirAll(want, 0o700); err != nil {
		t.Fatal(err)
	}
	if got, err := locate(); err != nil || got != want {
		t.Errorf("locate = %s, %v; want %s", got, err, want)
	}
}

func TestNoSamplesIsAbsence(t *testing.T) {
	inRepository(t)
	if got, err := locate(); !errors.Is(err, errAbsent) {
		t.Errorf("locate = %s, %v; want %v", got, err, errAbsent)
	}
}
