package deliver

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"lotse/dicom"
	"lotse/dicom/uid"
	"lotse/internal/importer"
)

// Folder is a destination of Part 10 files, study/series/instance.dcm.
type Folder struct {
	path  string
	below string // see Below
}

// NewFolder returns the destination at path, which is made when needed.
func NewFolder(path string) *Folder { return &Folder{path: path} }

// Below returns the folder as one that must not be outside of root, an absolute path of
// a folder that is there, whatever links lead to when it is used.
func (f *Folder) Below(root string) *Folder { return &Folder{path: f.path, below: root} }

// String names the folder.
func (f *Folder) String() string { return f.path }

// open opens the folder, and makes it when needed. Nothing done through what it returns
// leads out of it.
func (f *Folder) open() (*os.Root, error) {
	if f.below == "" {
		if err := os.MkdirAll(f.path, 0o700); err != nil {
			return nil, err
		}
		return os.OpenRoot(f.path)
	}
	inside, err := filepath.Rel(f.below, f.path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(f.below)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := root.MkdirAll(inside, 0o700); err != nil {
		return nil, err
	}
	return root.OpenRoot(inside)
}

// Deliver writes each object to a file of its own: first under a temporary name,
// then synced and renamed, so that a file with its final name is complete.
func (f *Folder) Deliver(ctx context.Context, objects Objects, report Report) error {
	var rd dicom.Reader
	root, closed := f.open()
	if closed == nil {
		defer root.Close()
	}
	for i := range objects.Len() {
		o := objects.Object(i)
		r := Result{Index: i, Object: o, Status: -1, Syntax: o.TransferSyntax, Sent: 1}
		switch {
		case ctx.Err() != nil:
			r.Fate, r.Reason, r.Err, r.Sent = importer.Failed, FailureCancelled, context.Cause(ctx), 0
		case closed != nil:
			r.Fate, r.Reason, r.Err, r.Sent = importer.Failed, FailureWrite, closed, 0
		default:
			r.Rendered, r.Reason, r.Err = write(ctx, root, objects, i, &rd)
			r.Fate = importer.Delivered
			if r.Reason != FailureNone {
				r.Fate = importer.Failed
			}
		}
		if err := report(r); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// name makes one step of a path from a UID; what is no UID is hashed.
func name(s string) string {
	if uid.Valid(s) == nil {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "invalid-uid-" + hex.EncodeToString(sum[:8])
}

// temporary makes a file with a name of its own.
func temporary(root *os.Root, dir string) (*os.File, string, error) {
	path := filepath.Join(dir, ".lotse-"+rand.Text()+".part")
	f, err := root.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	return f, path, err
}

func write(ctx context.Context, root *os.Root, objects Objects, i int, rd *dicom.Reader) (Rendered, FailureCode, error) {
	o := objects.Object(i)
	dir := filepath.Join(name(o.Study), name(o.Series))
	if err := root.MkdirAll(dir, 0o700); err != nil {
		return Rendered{}, FailureWrite, err
	}
	tmp, fresh, err := temporary(root, dir)
	if err != nil {
		return Rendered{}, FailureWrite, err
	}
	defer func() { _ = root.Remove(fresh) }() // it has another name by then
	w := bufio.NewWriterSize(tmp, 256<<10)
	out, err := objects.Render(ctx, i, rd, w, Form{File: true})
	if err != nil {
		code := FailureSource
		var path *os.PathError
		if errors.As(err, &path) && path.Path == tmp.Name() {
			code = FailureWrite
		}
		return out, code, errors.Join(err, tmp.Close())
	}
	if err := errors.Join(w.Flush(), tmp.Sync(), tmp.Close()); err != nil {
		return out, FailureWrite, err
	}
	final := filepath.Join(dir, name(o.SOPInstance)+".dcm")
	if err := mayReplace(root, final, fresh); err != nil {
		return out, FailureExists, err
	}
	if err := errors.Join(root.Rename(fresh, final), syncFolder(root, dir)); err != nil {
		return out, FailureWrite, err
	}
	return out, FailureNone, nil
}

func syncFolder(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mayReplace allows a file to take the place of an earlier delivery of the same
// patient's object, never of another patient's.
func mayReplace(root *os.Root, old, fresh string) error {
	before, err := patientID(root, old)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file already there cannot be read: %w", err)
	}
	after, err := patientID(root, fresh)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, after) {
		return errors.New("a file with this SOP Instance UID and another Patient ID is already there")
	}
	return nil
}

func patientID(root *os.Root, path string) ([]byte, error) {
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rd, err := dicom.NewReader(io.Reader(f), -1, dicom.ReadOptions{})
	if err != nil {
		return nil, err
	}
	head, _, err := rd.Head()
	if err != nil {
		return nil, err
	}
	return []byte(head.String(dicom.Tag(0x00100020))), nil
}
