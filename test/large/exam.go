package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"

	"lotse/internal/synth"
)

// exam is a ZIP of slices of one study, stored as they are, that is made while it is
// read: it is never in memory or on a disk as a whole.
type exam struct {
	slice  []byte // one of them
	at     []int  // where its own UID is
	digits int    // how many digits at the end of that tell the slices apart
	count  int
}

// newExam is one of at least size bytes.
func newExam(size int64, rows int) (*exam, error) {
	first, err := synth.Slice(synth.SliceOptions{Seed: 1, Rows: rows, Columns: rows})
	if err != nil {
		return nil, err
	}
	second, err := synth.Slice(synth.SliceOptions{Seed: 1, Number: 1, Rows: rows, Columns: rows})
	if err != nil {
		return nil, err
	}
	uid := instance(first)
	if uid == nil || bytes.Equal(uid, instance(second)) {
		return nil, fmt.Errorf("a slice does not say its UID as it should")
	}
	x := &exam{slice: first, digits: 8, count: int(size/int64(len(first))) + 1}
	for from := 0; ; {
		i := bytes.Index(first[from:], uid)
		if i < 0 {
			break
		}
		from += i + len(uid)
		x.at = append(x.at, from-x.digits)
	}
	if len(x.at) != 2 {
		return nil, fmt.Errorf("a slice has its UID in %d places", len(x.at)) // (0002,0003), (0008,0018)
	}
	return x, nil
}

// instance is the value of SOP Instance UID (0008,0018), Explicit VR Little Endian.
func instance(file []byte) []byte {
	_, rest, ok := bytes.Cut(file, []byte("\x08\x00\x18\x00UI"))
	if !ok || len(rest) < 2 {
		return nil
	}
	length := int(rest[0]) | int(rest[1])<<8
	return bytes.TrimRight(rest[2:min(2+length, len(rest))], "\x00")
}

// writeTo writes the ZIP, always the same.
func (x *exam) writeTo(w io.Writer) error {
	z := zip.NewWriter(w)
	slice := bytes.Clone(x.slice)
	for n := range x.count {
		for _, at := range x.at {
			copy(slice[at:], fmt.Sprintf("%0*d", x.digits, n+1))
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("DICOM/%05d/%08d", n/1000, n), Method: zip.Store})
		if err != nil {
			return err
		}
		if _, err := f.Write(slice); err != nil {
			return err
		}
	}
	return z.Close()
}

// size is how many bytes it has.
func (x *exam) size() (int64, error) {
	var n counter
	err := x.writeTo(&n)
	return int64(n), err
}

type counter int64

func (c *counter) Write(p []byte) (int, error) {
	*c += counter(len(p))
	return len(p), nil
}

// open gives it to be read once.
func (x *exam) open() io.ReadCloser {
	r, w := io.Pipe()
	go func() { _ = w.CloseWithError(x.writeTo(w)) }()
	return r
}
