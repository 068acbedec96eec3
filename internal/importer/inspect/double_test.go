package inspect

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
)

// mem is one file of memory.
type mem struct {
	path    string
	data    []byte
	refused importer.ReasonCode
	openErr error
	failAt  int // reading fails from here on; 0 never
}

// pack is a package over memory.
type pack struct {
	files []mem
	// stream: contents cannot seek. sizeless: sizes are not declared.
	stream, sizeless bool
	open             atomic.Int32 // contents that are open
	read             atomic.Int64 // bytes read
}

func (p *pack) Origin() importer.Origin {
	return importer.Origin{Kind: importer.FromMedium, Label: "test"}
}
func (p *pack) Len() int { return len(p.files) }
func (p *pack) File(i int) importer.File {
	f := p.files[i]
	size := int64(len(f.data))
	if p.sizeless {
		size = -1
	}
	return importer.File{Path: f.path, Size: size, Refused: f.refused}
}

func (p *pack) Open(i int) (io.ReadCloser, error) {
	f := p.files[i]
	if f.refused != "" {
		return nil, errors.New("a refused file is opened")
	}
	if f.openErr != nil {
		return nil, f.openErr
	}
	p.open.Add(1)
	c := &handle{Reader: bytes.NewReader(f.data), p: p, failAt: f.failAt}
	if p.stream {
		return c, nil
	}
	return seekHandle{c}, nil
}

type handle struct {
	*bytes.Reader
	p      *pack
	failAt int
}

var errScratch = errors.New("scratched")

func (h *handle) Read(b []byte) (int, error) {
	if h.failAt > 0 {
		at, _ := h.Reader.Seek(0, io.SeekCurrent)
		if at >= int64(h.failAt) {
			return 0, errScratch
		}
		b = b[:min(len(b), h.failAt-int(at))]
	}
	n, err := h.Reader.Read(b)
	h.p.read.Add(int64(n))
	return n, err
}
func (h *handle) Close() error { h.p.open.Add(-1); return nil }

// Only these methods are wanted of bytes.Reader.
func (h *handle) Seek()    {}
func (h *handle) WriteTo() {}
func (h *handle) ReadAt()  {}

type seekHandle struct{ *handle }

func (s seekHandle) Seek(offset int64, whence int) (int64, error) {
	return s.Reader.Seek(offset, whence)
}

// disk is a package over a folder.
type disk struct {
	root  string
	paths []string
	sizes []int64
}

func newDisk(t testing.TB, root string) *disk {
	t.Helper()
	d := &disk{root: root}
	err := filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		d.paths, d.sizes = append(d.paths, filepath.ToSlash(rel)), append(d.sizes, info.Size())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *disk) Origin() importer.Origin {
	return importer.Origin{Kind: importer.FromMedium, Label: "folder"}
}
func (d *disk) Len() int                 { return len(d.paths) }
func (d *disk) File(i int) importer.File { return importer.File{Path: d.paths[i], Size: d.sizes[i]} }
func (d *disk) Open(i int) (io.ReadCloser, error) {
	return os.Open(filepath.Join(d.root, filepath.FromSlash(d.paths[i])))
}

// attr is an attribute of an object under test; an Explicit VR Little Endian value.
type attr struct {
	tag   dicom.Tag
	vr    string
	value []byte
}

func str(tag dicom.Tag, vr, value string) attr {
	if len(value)%2 == 1 {
		if vr == "UI" {
			value += "\x00"
		} else {
			value += " "
		}
	}
	return attr{tag, vr, []byte(value)}
}

// items is a sequence of defined length.
func items(tag dicom.Tag, each ...[]attr) attr {
	var b []byte
	for _, item := range each {
		body := encode(item)
		b = binary.LittleEndian.AppendUint32(append(b, 0xFE, 0xFF, 0x00, 0xE0), uint32(len(body)))
		b = append(b, body...)
	}
	return attr{tag, "SQ", b}
}

func encode(attrs []attr) []byte {
	var b []byte
	for _, a := range attrs {
		b = binary.LittleEndian.AppendUint16(b, a.tag.Group())
		b = binary.LittleEndian.AppendUint16(b, a.tag.Element())
		b = append(b, a.vr...)
		switch a.vr {
		case "OB", "OW", "SQ", "UN", "UT", "OF":
			b = append(b, 0, 0)
			b = binary.LittleEndian.AppendUint32(b, uint32(len(a.value)))
		default:
			b = binary.LittleEndian.AppendUint16(b, uint16(len(a.value)))
		}
		b = append(b, a.value...)
	}
	return b
}

const (
	ctClass = "1.2.840.10008.5.1.4.1.1.2"
	srClass = "1.2.840.10008.5.1.4.1.1.88.11"
)

// exam makes objects; its attributes can be replaced one by one.
type exam struct {
	attrs  map[dicom.Tag]attr
	class  string // in the file meta information
	syntax string
}

// newCT is a CT slice of study 1.2.3, series 1.2.3.1.
func newCT(instance int) *exam {
	e := &exam{attrs: map[dicom.Tag]attr{}, class: ctClass, syntax: dicom.ExplicitVRLittleEndian}
	return e.set(
		str(dicom.SpecificCharacterSet, "CS", "ISO_IR 100"),
		str(dicom.SOPClassUID, "UI", ctClass), str(dicom.SOPInstanceUID, "UI", fmt.Sprintf("1.2.3.1.%d", instance)),
		str(studyDate, "DA", "20240102"), str(studyTime, "TM", "1011"), str(modality, "CS", "CT"),
		str(studyDescription, "LO", "Thorax"), str(patientName, "PN", "Muster^Max"), str(patientID, "LO", "4711"),
		str(patientBirthDate, "DA", "19700131"), str(patientSex, "CS", "M"),
		str(studyInstanceUID, "UI", "1.2.3"), str(seriesInstanceUID, "UI", "1.2.3.1"), str(seriesNumber, "IS", "1"),
		str(instanceNumber, "IS", fmt.Sprint(instance)),
		attr{rows, "US", []byte{16, 0}}, attr{0x00280011, "US", []byte{16, 0}}, attr{bitsAllocated, "US", []byte{16, 0}},
		attr{dicom.PixelData, "OW", bytes.Repeat([]byte{byte(instance), 7}, 256)})
}

func (e *exam) set(attrs ...attr) *exam {
	for _, a := range attrs {
		e.attrs[a.tag] = a
	}
	return e
}

func (e *exam) without(tags ...dicom.Tag) *exam {
	for _, t := range tags {
		delete(e.attrs, t)
	}
	return e
}

// body is the data set.
func (e *exam) body() []byte {
	var list []attr
	for _, a := range e.attrs {
		list = append(list, a)
	}
	slices.SortFunc(list, func(a, b attr) int { return cmp.Compare(a.tag, b.tag) })
	return encode(list)
}

// file is the whole Part 10 file.
func (e *exam) file() []byte {
	instance := strings.TrimRight(string(e.attrs[dicom.SOPInstanceUID].value), "\x00")
	return append(dicom.FileMeta(e.class, instance, e.syntax), e.body()...)
}

// run inspects files and checks what must hold of every inspection.
func run(t testing.TB, files ...mem) *importer.Inspection {
	t.Helper()
	return runPack(t, &pack{files: files})
}

func runPack(t testing.TB, p *pack) *importer.Inspection {
	t.Helper()
	in, err := Run(t.Context(), p, Options{Workers: 3})
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, in, p)
	if n := p.open.Load(); n != 0 {
		t.Fatalf("%d contents are still open", n)
	}
	return in
}

// balanced checks that every file is in the inspection exactly once.
func balanced(t testing.TB, in *importer.Inspection, pkg importer.Package) {
	t.Helper()
	count := make([]int, pkg.Len())
	for _, p := range in.Patients {
		for _, st := range p.Studies {
			for _, se := range st.Series {
				for _, i := range se.Instances {
					count[i.Item]++
				}
			}
		}
	}
	for _, d := range in.Documents {
		count[d.Item]++
	}
	for _, l := range in.LeftOut {
		count[l.Item]++
		if l.Reason == "" {
			t.Errorf("item %d is left out without a reason", l.Item)
		}
	}
	for i, n := range count {
		if n != 1 {
			t.Errorf("item %d (%s) is in the inspection %d times", i, pkg.File(i).Path, n)
		}
	}
	if in.Files != pkg.Len() {
		t.Errorf("Files = %d, want %d", in.Files, pkg.Len())
	}
}

// fate is what became of one item: "instance", "document" or the reason.
func fate(in *importer.Inspection, item int) string {
	for _, l := range in.LeftOut {
		if int(l.Item) == item {
			return string(l.Reason)
		}
	}
	for _, d := range in.Documents {
		if int(d.Item) == item {
			return "document"
		}
	}
	return "instance"
}

// finding returns the finding with a code, nil when there is none.
func finding(in *importer.Inspection, code importer.FindingCode) *importer.Finding {
	for i := range in.Findings {
		if in.Findings[i].Code == code {
			return &in.Findings[i]
		}
	}
	return nil
}
