package deliver

import (
	"bufio"
	"bytes"
	"context"
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
type Folder struct{ path string }

// NewFolder returns the destination at path, which is made when needed.
func NewFolder(path string) *Folder { return &Folder{path: path} }

// String names the folder.
func (f *Folder) String() string { return f.path }

// Deliver writes each object to a file of its own: first under a temporary name,
// then synced and renamed, so that a file with its final name is complete.
func (f *Folder) Deliver(ctx context.Context, objects Objects, report Report) error {
	var rd dicom.Reader
	for i := range objects.Len() {
		o := objects.Object(i)
		r := Result{Index: i, Object: o, Status: -1, Syntax: o.TransferSyntax, Sent: 1}
		if ctx.Err() != nil {
			r.Fate, r.Reason, r.Err, r.Sent = importer.Failed, FailureCancelled, context.Cause(ctx), 0
		} else {
			r.Rendered, r.Reason, r.Err = f.write(ctx, objects, i, &rd)
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

func (f *Folder) write(ctx context.Context, objects Objects, i int, rd *dicom.Reader) (Rendered, FailureCode, error) {
	o := objects.Object(i)
	dir := filepath.Join(f.path, name(o.Study), name(o.Series))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return Rendered{}, FailureWrite, err
	}
	tmp, err := os.CreateTemp(dir, ".lotse-*.part")
	if err != nil {
		return Rendered{}, FailureWrite, err
	}
	defer os.Remove(tmp.Name())
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
	if err := mayReplace(final, tmp.Name()); err != nil {
		return out, FailureExists, err
	}
	if err := errors.Join(os.Rename(tmp.Name(), final), syncFolder(dir)); err != nil {
		return out, FailureWrite, err
	}
	return out, FailureNone, nil
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// mayReplace allows a file to take the place of an earlier delivery of the same
// patient's object, never of another patient's.
func mayReplace(old, fresh string) error {
	before, err := patientID(old)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("the file already there cannot be read: %w", err)
	}
	after, err := patientID(fresh)
	if err != nil {
		return err
	}
	if !bytes.Equal(before, after) {
		return errors.New("a file with this SOP Instance UID and another Patient ID is already there")
	}
	return nil
}

func patientID(path string) ([]byte, error) {
	f, err := os.Open(path)
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
