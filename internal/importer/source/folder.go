package source

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
)

// folder is the shelf of a folder's files. They are opened through an os.Root, so
// that nothing outside the folder is ever read.
type folder struct {
	root   *os.Root
	prefix string
	files  []folderFile
}

type folderFile struct {
	path    string // from the root, as the disk writes it
	size    int64
	written int64 // when it was changed last, in nanoseconds, as far as it could be opened
	refused importer.ReasonCode
}

var errChanged = errors.New("the file has changed since it was listed")

func (f *folder) file(place int32) importer.File {
	file := f.files[place]
	return importer.File{
		Path: f.prefix + printable(filepath.ToSlash(file.path)), Size: file.size, Refused: file.refused,
	}
}

func (f *folder) open(place int32) (io.ReadCloser, error) {
	file, data, err := f.openPath(f.files[place].path)
	if err != nil {
		return nil, &importer.OpenError{Reason: importer.ReasonUnreadable, Err: bare(err)}
	}
	if data.size != f.files[place].size || written(file) != f.files[place].written {
		_ = file.Close()
		return nil, &importer.OpenError{Reason: importer.ReasonUnreadable, Err: errChanged}
	}
	return &content{SectionReader: data.section(), closer: file}, nil
}

// written is when a file was changed last: what is delivered must be what was
// inspected, and of the patient that was decided on.
func written(f *os.File) int64 {
	info, err := f.Stat()
	if err != nil {
		return 0
	}
	return info.ModTime().UnixNano()
}

func (f *folder) openPath(path string) (*os.File, blob, error) {
	file, err := f.root.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, blob{}, err
	}
	data, err := local(file)
	if err != nil {
		_ = file.Close()
		return nil, blob{}, err
	}
	return file, data, nil
}

// folder adds what is below a folder, sorted by name. Links and devices are listed
// and not followed.
func (b *builder) folder(path string) error {
	root, err := os.OpenRoot(path)
	if err != nil {
		return badSource(err)
	}
	b.closeWithPackage(root)
	absolute, err := filepath.Abs(path)
	if err != nil {
		return badSource(err)
	}
	label := printable(filepath.Base(absolute))
	b.came(importer.FromMedium, label)
	w := &walk{builder: b, folder: &folder{root: root, prefix: b.prefix(label, "/")}}
	w.shelf = b.shelf(w.folder)
	return w.walk(".")
}

// maxKept is how many archives in folders may stay open: each is an open file.
const maxKept = 900

// walk goes through a folder.
type walk struct {
	*builder
	folder *folder
	shelf  int32
}

func (w *walk) walk(dir string) error {
	entries, err := w.list(dir)
	if err != nil {
		if dir == "." && len(entries) == 0 {
			return badSource(err)
		}
		if err := w.put(dir, -1, importer.ReasonUnreadable); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if err := w.ctx.Err(); err != nil {
			return err
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = w.walk(path)
		case !e.Type().IsRegular():
			err = w.put(path, -1, importer.ReasonLink)
		default:
			err = w.regular(path)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// list returns what is in a folder, as much of it as can be had.
func (w *walk) list(dir string) ([]fs.DirEntry, error) {
	f, err := w.folder.root.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	return entries, err
}

// put lists a file. Every file of a folder goes through it, and nothing between it
// and what is inside the file.
func (w *walk) put(path string, size int64, refused importer.ReasonCode) error {
	if !w.room(1) {
		return badSource(errTooMany)
	}
	w.folder.files = append(w.folder.files, folderFile{path: path, size: size, refused: refused})
	w.add(w.shelf, int32(len(w.folder.files)-1))
	return nil
}

// regular lists a file, and what is in it when it is an archive.
func (w *walk) regular(path string) error {
	f, data, err := w.folder.openPath(path)
	if err != nil {
		return w.put(path, -1, importer.ReasonUnreadable)
	}
	keep := false
	defer func() {
		if !keep {
			_ = f.Close()
		}
	}()
	head, err := data.head()
	if err != nil {
		return w.put(path, data.size, importer.ReasonUnreadable)
	}
	if !w.fits(data.size) {
		return w.put(path, data.size, importer.ReasonTooLarge)
	}
	if err := w.put(path, data.size, ""); err != nil {
		return err
	}
	number := len(w.folder.files) - 1
	w.folder.files[number].written = written(f)
	if dlx.Sniff(head) != dlx.ZIP {
		return nil
	}
	open := func() (blob, importer.ReasonCode, error) {
		if w.kept >= maxKept {
			return blob{}, importer.ReasonTooLarge, nil
		}
		return data, "", nil
	}
	reason, err := w.nested(open, place{prefix: w.folder.file(int32(number)).Path + "!/", depth: 1})
	if err != nil {
		return err
	}
	w.folder.files[number].refused = reason
	if keep = reason == importer.ReasonContainer; keep {
		w.kept++
		w.closeWithPackage(f)
	}
	return nil
}
