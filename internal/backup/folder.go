package backup

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"lotse/internal/sealed/durable"
)

// within reports whether a file lies in a folder, also by way of links.
func within(path, dir string) (bool, error) {
	real, err := resolve(path)
	if err != nil {
		return false, err
	}
	folder, err := resolve(dir)
	if err != nil {
		return false, err
	}
	rel, err := filepath.Rel(folder, real)
	if err != nil {
		return false, nil // on another volume
	}
	return rel == "." || rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// resolve follows links as far as a path exists.
func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	rest := ""
	for at := path; ; at = filepath.Dir(at) {
		real, err := filepath.EvalSymlinks(at)
		if err == nil {
			return filepath.Join(real, rest), nil
		}
		if !errors.Is(err, fs.ErrNotExist) || at == filepath.Dir(at) {
			return "", err
		}
		rest = filepath.Join(filepath.Base(at), rest)
	}
}

// ours reports whether a folder is empty or has nothing but what a backup leaves.
func ours(files durable.Files) (bool, error) {
	entries, err := files.ReadDir(".")
	if err != nil {
		return false, err
	}
	for _, e := range entries {
		name := e.Name()
		if name != manifestName && name != blobsFolder && name != lockName && name != "lost+found" &&
			!strings.HasPrefix(name, tablesPrefix) && !strings.HasPrefix(name, tempPrefix) {
			return false, nil
		}
	}
	return true, nil
}

// existing opens a backup's folder that must be there.
func existing(dir string) (*durable.Folder, error) {
	info, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return nil, &Refusal{Code: NoBackup}
	}
	if err != nil {
		return nil, err
	}
	return durable.OpenFolder(dir)
}
