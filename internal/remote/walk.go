package remote

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
)

// openFlags keep a FIFO that took a file's place from blocking.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// file is one to be uploaded.
type file struct {
	root *os.Root // nothing outside of it is ever read
	name string   // from the root
	path string   // what the server is told: from what was named, with '/'
	size int64
	// changed is when it was written last: what is sent must be one file, not two halves.
	changed int64
}

// Skipped is a file of a folder that is not uploaded, and why.
type Skipped struct {
	Path   string
	Reason importer.ReasonCode
}

// gathered is what there is to upload.
type gathered struct {
	files   []file
	skipped []Skipped
	roots   []*os.Root
	taken   map[string]bool // names that sources have
}

func (g *gathered) close() {
	for _, r := range g.roots {
		_ = r.Close() // they are read only
	}
}

// bytes is the size of all files.
func (g *gathered) bytes() int64 {
	var n int64
	for _, f := range g.files {
		n += f.size
	}
	return n
}

// gather finds the files of sources that are none of links.
func gather(ctx context.Context, found []source.Found) (*gathered, error) {
	g := &gathered{taken: map[string]bool{}}
	for _, f := range found {
		name := f.Folder
		if name == "" {
			name = f.File
		}
		if err := g.source(ctx, name, f.Folder != "", len(found) > 1); err != nil {
			g.close()
			return nil, err
		}
	}
	if len(g.files) == 0 {
		g.close()
		return nil, &importer.Problem{Code: importer.ProblemNothing, Err: errors.New("remote: no files")}
	}
	return g, nil
}

// source adds a folder, or a file.
func (g *gathered) source(ctx context.Context, name string, folder, several bool) error {
	absolute, err := filepath.Abs(name)
	if err != nil {
		return badSource(err)
	}
	dir := absolute
	if !folder {
		dir = filepath.Dir(absolute)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return badSource(err)
	}
	g.roots = append(g.roots, root)
	prefix := ""
	if several {
		prefix = g.unique(filepath.Base(absolute))
	}
	if folder {
		return g.walk(ctx, root, ".", prefix)
	}
	path := filepath.Base(absolute)
	if several {
		path = prefix
	}
	if reason := g.add(root, filepath.Base(absolute), path); reason != "" {
		return badSource(errors.New("the file cannot be read"))
	}
	return nil
}

// unique is a name for a source that no other one has.
func (g *gathered) unique(name string) string {
	unique := name
	for n := 2; g.taken[unique]; n++ {
		unique = fmt.Sprintf("%s (%d)", name, n)
	}
	g.taken[unique] = true
	return unique
}

// walk goes through a folder, sorted by name. Links and devices are not followed.
func (g *gathered) walk(ctx context.Context, root *os.Root, dir, prefix string) error {
	entries, err := list(root, dir)
	if err != nil {
		if dir == "." && len(entries) == 0 {
			return badSource(err)
		}
		g.skip(dir, prefix, importer.ReasonUnreadable)
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return &importer.Problem{Code: importer.ProblemCancelled, Err: context.Cause(ctx)}
		}
		name := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			if err := g.walk(ctx, root, name, prefix); err != nil {
				return err
			}
		case !e.Type().IsRegular():
			g.skip(name, prefix, importer.ReasonLink)
		default:
			if reason := g.add(root, name, under(prefix, name)); reason != "" {
				g.skip(name, prefix, reason)
			}
		}
	}
	return nil
}

// list returns what is in a folder, as much of it as can be had.
func list(root *os.Root, dir string) ([]fs.DirEntry, error) {
	f, err := root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	return entries, err
}

// add adds a file, or says why it cannot be.
func (g *gathered) add(root *os.Root, name, path string) importer.ReasonCode {
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return importer.ReasonUnreadable
	case !info.Mode().IsRegular():
		return importer.ReasonLink
	}
	g.files = append(g.files, file{root: root, name: name, path: path, size: info.Size(), changed: info.ModTime().UnixNano()})
	return ""
}

func (g *gathered) skip(name, prefix string, reason importer.ReasonCode) {
	g.skipped = append(g.skipped, Skipped{Path: under(prefix, name), Reason: reason})
}

// under is the path that the server is told: valid UTF-8, with '/'.
func under(prefix, name string) string {
	path := strings.ToValidUTF8(filepath.ToSlash(name), "\uFFFD")
	if prefix != "" {
		path = prefix + "/" + path
	}
	return path
}

// errChanged says that a file is not the one that was found.
var errChanged = errors.New("the file has changed since it was listed")

// open opens a file that is still the one that was found.
func (f *file) open() (*os.File, error) {
	opened, err := f.root.OpenFile(f.name, openFlags, 0)
	if err != nil {
		return nil, err
	}
	info, err := opened.Stat()
	if err == nil && (!info.Mode().IsRegular() || info.Size() != f.size || info.ModTime().UnixNano() != f.changed) {
		err = errChanged
	}
	if err != nil {
		return nil, errors.Join(err, opened.Close())
	}
	return opened, nil
}

// badSource is the problem of a source that cannot be read. The error has no name of
// a file: these are often names of persons.
func badSource(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err
	}
	return &importer.Problem{Code: importer.ProblemBadSource, Err: fmt.Errorf("remote: %w", err)}
}
