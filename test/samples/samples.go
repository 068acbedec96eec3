// Package samples finds the public DICOM test files that tests read. They are not
// part of the repository: the environment variable LOTSE_SAMPLES names their
// folder; without it, ../shared/samples beside the repository is taken.
package samples

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// Variable is the environment variable that names the folder of the samples.
const Variable = "LOTSE_SAMPLES"

// Dir returns the folder of the samples. It skips the test where there is none, and
// fails it where LOTSE_SAMPLES names a folder that does not exist.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := locate()
	if errors.Is(err, errAbsent) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// File returns the path of one sample, given by its slash-separated path in the
// folder. It skips the test where there are no samples at all, and fails it where
// only this one is missing.
func File(t testing.TB, rel string) string {
	t.Helper()
	path := filepath.Join(Dir(t), filepath.FromSlash(rel))
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("sample: %v", err)
	}
	return path
}

var errAbsent = errors.New("samples are absent")

func locate() (string, error) {
	if dir := os.Getenv(Variable); dir != "" {
		if err := checkDir(dir); err != nil {
			return "", fmt.Errorf("%s: %w", Variable, err)
		}
		return dir, nil
	}
	root, err := moduleRoot()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(root, "..", "shared", "samples")
	if err := checkDir(dir); errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("%w: set %s to their folder, or put it at ../shared/samples beside the repository", errAbsent, Variable)
	} else if err != nil {
		return "", fmt.Errorf("samples: %w", err)
	}
	return dir, nil
}

func checkDir(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s is not a folder", dir)
	}
	return nil
}

// moduleRoot is the nearest folder upwards with a go.mod: a test runs in the folder of its package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module root: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("find the module root: no go.mod upwards of the working directory")
		}
		dir = parent
	}
}
