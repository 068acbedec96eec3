package inspect

import (
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/internal/importer"
)

func picture(w, h int) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)))
	return b.Bytes()
}

func photo(w, h int) []byte {
	var b bytes.Buffer
	_ = jpeg.Encode(&b, image.NewGray(image.Rect(0, 0, w, h)), nil)
	return b.Bytes()
}

const pdf = "%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<<>>\n%%EOF\n"

func TestKindsByContent(t *testing.T) {
	ct := newCT(1).file()
	utf16 := "\xff\xfeB\x00e\x00f\x00u\x00n\x00d\x00"
	cases := []struct {
		path, data string
		want       string
	}{
		{"IMG/report.pdf", string(ct), "instance"}, // a name decides nothing
		{"IMG/thumbs.db", string(newCT(2).file()), "instance"},
		{"IMG/viewer.exe", string(newCT(3).file()), "instance"},
		{"IMG/4", string(newCT(4).body()), "instance"},            // no file meta information
		{"IMG/5", string(newCT(5).file()[128:]), "instance"},      // no preamble
		{"IMG/6", string(newCT(6).file()[128+4:]), "instance"},    // nor prefix
		{"IMG/7", "MZ" + string(newCT(7).file()[2:]), "instance"}, // a program, too
		{"IMG/8", "II*\x00" + string(newCT(8).file()[4:]), "instance"},
		{"a/befund", pdf, "document"},
		{"a/image.dcm", string(photo(200, 150)), "document"},
		{"a/x.bin", string(picture(200, 150)), "document"},
		{"a/late.pdf", "\r\n\r\nmail header\n" + pdf, "document"},
		{"a/icon.png", string(picture(64, 200)), "viewer-data"},
		{"a/logo.jpg", string(photo(640, 100)), "viewer-data"},
		{"a/broken.jpg", "\xff\xd8\xff\xe0 and no more", "document-unfit"},
		{"a/broken.png", "\x89PNG\r\n\x1a\n", "document-unfit"},
		{"a/x.tif", "II*\x00\x08\x00\x00\x00", "document-unfit"},
		{"a/x.gif", "GIF89a\x00\x01\x00\x01", "document-unfit"},
		{"a/x.bmp", "BM0000000000\x36\x00\x00\x00\x00\x00\x00\x00\x28\x00\x00\x00", "unknown-content"},
		{"a/y.bmp", "BM000000000000\x28\x00\x00\x00\x00\x00\x00\x00", "document-unfit"},
		{"a/x.mp4", "\x00\x00\x00\x20ftypisom0000", "document-unfit"},
		{"a/x.rtf", `{\rtf1 Befund}`, "document-unfit"},
		{"a/x.docx", "PK\x03\x04" + strings.Repeat("0", 26) + "[Content_Types].xml", "document-unfit"},
		{"a/x.odt", "PK\x03\x04" + strings.Repeat("0", 26) + "mimetypeapplication/vnd.oasis.opendocument.text", "document-unfit"},
		{"a/x.doc", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document-unfit"},
		{"a/x.html", "<!DOCTYPE html><html>Befund", "document-unfit"},
		{"a/cda.xml", `<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3">`, "document-unfit"},
		{"a/x.xml", `<?xml version="1.0"?><settings/>`, "unknown-content"},
		{"a/letter.txt", "Sehr geehrte Frau Kollegin, \xfcber", "document-unfit"},
		{"a/letter16.txt", utf16, "document-unfit"},
		{"p/start", "MZ\x90\x00\x03", "program"},
		{"p/run", "\x7fELF\x02\x01", "program"},
		{"p/mac", "\xcf\xfa\xed\xfe\x07", "program"},
		{"p/x.sh", "#!/bin/sh\n", "program"},
		{"p/x.bat", "@ECHO OFF\r\nstart x", "program"},
		{"p/x.jar", "PK\x03\x04" + strings.Repeat("0", 26) + "META-INF/MANIFEST.MF", "program"},
		{"p/x.msi", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "program"},
		{"p/x.cab", "MSCF\x00", "program"},
		{"AUTORUN.INF", "[AutoRun]\r\nopen=start.exe", "program"},
		{"p/report.pdf", pdf, "viewer-data"},
		{"p/img/splash.png", string(picture(800, 600)), "viewer-data"},
		{"p/img/splash.gif", "GIF89a\x00\x01\x00\x01", "viewer-data"},
		{"p/help.html", "<html>", "viewer-data"},
		{"p/settings.xml", "<?xml version='1.0'?><a/>", "viewer-data"},
		{"p/help.chm", "ITSF\x03\x00\x00\x00", "viewer-data"},
		{"p/licence.txt", "Permission is hereby granted", "viewer-data"},
		{"p/REPORTS/report.pdf", pdf, "document"},
		{"IHE_PDI/style.css", "body { margin: 0 }", "viewer-data"},
		{"IHE_PDI/page.htm", "<html>", "viewer-data"},
		{"IHE_PDI/big.jpg", string(photo(300, 300)), "viewer-data"},
		{"IHE_PDI/REPORTS/x.pdf", pdf, "document"},
		{"IHE_PDI/REPORTS/x.jpg", string(photo(300, 300)), "document"},
		{"IHE_PDI/x.pdf", pdf, "document"},
		{"README.TXT", "This disc holds", "index-page"},
		{"INDEX.HTM", "<html>", "index-page"},
		{"IHE_XDM/SUBSET01/METADATA.XML", `<?xml version="1.0"?><lcm:SubmitObjectsRequest>`, "index-page"},
		{"thumbs.db", "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "junk"},
		{".DS_Store", "\x00\x00\x00\x01Bud1\x00", "junk"},
		{"__MACOSX/IMG/._1", "\x00\x05\x16\x07\x00\x02", "junk"},
		{"desktop.ini", "\r\n[.ShellClassInfo]\r\n", "junk"},
		{"md5", "0123456789abcdef0123456789abcdef  IMG/1\n", "junk"},
		{"SUMS", "SHA256 (a) = " + strings.Repeat("ab", 32) + "\n", "junk"},
		{"a.sfv", "; made by\nIMG.DCM 01AB23CD\n", "junk"},
		{"nothing", "", "empty"},
		{"zeros", strings.Repeat("\x00", 5000), "unknown-content"},
		{"noise", "\x8b\x01\xf7\x00\x93\xcc\xfe\x10", "unknown-content"},
		{"exam.rar", "Rar!\x1a\x07\x01\x00", "unknown-content"},
	}
	for _, stream := range []bool{false, true} {
		p := &pack{stream: stream, sizeless: stream}
		for _, c := range cases {
			p.files = append(p.files, mem{path: c.path, data: []byte(c.data)})
		}
		in := runPack(t, p)
		for i, c := range cases {
			if got := fate(in, i); got != c.want {
				t.Errorf("stream %v: %s is %s, want %s", stream, c.path, got, c.want)
			}
		}
		if f := finding(in, importer.FindingExecutable); f == nil || f.Path != "IMG/7" || f.Count != 0 {
			t.Errorf("finding on the executable preamble: %+v", f)
		}
	}
}

func TestReasonsOfDICOM(t *testing.T) {
	long := bytes.Repeat([]byte{1}, 70<<10)
	cases := []struct {
		name string
		data []byte
		want string
	}{
		{"good", newCT(1).file(), "instance"},
		{"no class", func() []byte {
			e := newCT(2).without(dicom.SOPClassUID)
			e.class = ""
			return e.file()
		}(), "no-sop-instance"},
		{"class from meta", newCT(3).without(dicom.SOPClassUID).file(), "instance"},
		{"no instance", newCT(4).without(dicom.SOPInstanceUID).file(), "no-sop-instance"},
		{"endless uid", newCT(5).set(str(dicom.SOPInstanceUID, "UI", strings.Repeat("1.2", 200))).file(), "no-sop-instance"},
		{"command class", newCT(6).set(str(dicom.SOPClassUID, "UI", "1.2.840.10008.1.1")).file(), "not-storable"},
		{"private class", newCT(7).set(str(dicom.SOPClassUID, "UI", "1.3.12.2.1107.5.9.1")).file(), "instance"},
		{"GE syntax", func() []byte {
			e := newCT(8)
			e.syntax = dicom.GEPrivateImplicitBigEndian
			return e.file()
		}(), "unsupported"},
		{"private syntax", func() []byte {
			e := newCT(9)
			e.syntax = "1.2.276.0.7230010.3.1.99"
			return e.file()
		}(), "unsupported"},
		{"declared implicit", func() []byte {
			e := newCT(10)
			e.syntax = dicom.ImplicitVRLittleEndian
			return e.file()
		}(), "instance"},
		{"no pixel data", newCT(11).without(dicom.PixelData).file(), "truncated"},
		{"report", newCT(12).set(str(dicom.SOPClassUID, "UI", srClass)).without(dicom.PixelData, rows, bitsAllocated).file(), "instance"},
		{"too deep", newCT(13).set(deep(100)).file(), "too-large"},
		{"too large", newCT(14).set(attr{0x00091001, "UN", long}, str(0x00090010, "LO", "X")).file(), "instance"},
		{"broken deflate", append(dicom.FileMeta(ctClass, "1.2", dicom.DeflatedExplicitVRLittleEndian),
			bytes.Repeat([]byte{0xFF, 0x07, 0x91}, 50_000)...), "damaged"},
		{"endless fragment", append(append(newCT(15).without(dicom.PixelData).file(),
			"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"...), long...), "damaged"},
		{"prefix only", append(make([]byte, 128), "DICM"...), "no-sop-instance"},
	}
	var files []mem
	for _, c := range cases {
		files = append(files, mem{path: "d/" + c.name, data: c.data})
	}
	in := run(t, files...)
	for i, c := range cases {
		if got := fate(in, i); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if f := finding(in, importer.FindingUnsupportedSyntax); f == nil || f.Count != 2 || f.Severity != importer.Serious {
		t.Errorf("unsupported syntax: %+v", f)
	}
	for _, p := range in.Patients[0].Studies[0].Series[0].Instances {
		if want := dicom.ExplicitVRLittleEndian; p.TransferSyntax != want {
			t.Errorf("item %d: transfer syntax %s, want the one it has", p.Item, p.TransferSyntax)
		}
	}
}

func deep(n int) attr {
	const tag = 0x0040A730
	a := items(tag, []attr{str(0x0040A040, "CS", "TEXT")})
	for range n {
		a = items(tag, []attr{a})
	}
	return a
}

func TestOnePass(t *testing.T) {
	big := bytes.Repeat([]byte("x "), 40<<10)
	padding := attr{dicom.DataSetTrailingPadding, "OB", make([]byte, 100)}
	encapsulated := newCT(6).without(dicom.PixelData)
	encapsulated.syntax = dicom.JPEGBaseline8Bit
	fragments := append(encapsulated.file(), "\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd\xfe\xff\xdd\xe0\x00\x00\x00\x00"...)
	cases := []struct {
		name string
		data []byte
		want bool
	}{
		{"native to the end", newCT(1).file(), true},
		{"trailing padding", newCT(2).set(padding).file(), true},
		{"trailing bytes", append(newCT(3).file(), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), true},
		{"large value before", newCT(4).set(attr{0x00091001, "UN", big}, str(0x00090010, "LO", "X")).file(), false},
		{"attribute after", newCT(5).set(str(0x7FE10010, "LO", "X")).file(), false},
		{"encapsulated", fragments, true},
		{"signed", newCT(7).set(items(dicom.DigitalSignaturesSequence, []attr{str(0x04000100, "UI", "1.2")})).file(), false},
		{"MAC", newCT(8).set(items(dicom.MACParametersSequence, []attr{str(0x00080005, "CS", "")})).file(), false},
	}
	for _, sizeless := range []bool{false, true} {
		p := &pack{sizeless: sizeless, stream: sizeless}
		for _, c := range cases {
			p.files = append(p.files, mem{path: c.name, data: c.data})
		}
		in := runPack(t, p)
		if in.Instances() != len(cases) {
			t.Fatalf("%d instances, want %d: %+v", in.Instances(), len(cases), in.LeftOut)
		}
		for _, i := range in.Patients[0].Studies[0].Series[0].Instances {
			if c := cases[i.Item]; i.OnePass != c.want {
				t.Errorf("sizeless %v, %s: OnePass = %v, want %v", sizeless, c.name, i.OnePass, c.want)
			}
		}
	}
}

// squeeze deflates b.
func squeeze(b []byte) []byte {
	var out bytes.Buffer
	w, _ := flate.NewWriter(&out, flate.BestSpeed)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// However a file is cut, it is not taken for whole, but where it ends between the
// series and the description of its pixels: that is said.
func TestCutAnywhere(t *testing.T) {
	encapsulated := newCT(2).without(dicom.PixelData)
	encapsulated.syntax = dicom.JPEGBaseline8Bit
	fragments := append(encapsulated.file(), "\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x04\x00\x00\x00abcd\xfe\xff\xdd\xe0\x00\x00\x00\x00"...)
	deflated := newCT(3)
	deflated.syntax = dicom.DeflatedExplicitVRLittleEndian
	for name, whole := range map[string][]byte{"native": newCT(1).file(), "encapsulated": fragments, "bare": newCT(3).body(),
		"deflated": append(dicom.FileMeta(ctClass, "1.2", deflated.syntax), squeeze(deflated.body())...)} {
		if n := run(t, mem{path: "whole", data: whole}).Instances(); n != 1 {
			t.Fatalf("%s: the whole file is no instance", name)
		}
		for _, stream := range []bool{false, true} {
			p := &pack{stream: stream}
			for n := range whole {
				p.files = append(p.files, mem{path: fmt.Sprint("cut/", n), data: whole[:n]})
			}
			in := runPack(t, p)
			if n := in.Instances(); n > 1 || n == 1 && finding(in, importer.FindingRepaired) == nil {
				t.Errorf("%s: %d of %d cut files are taken for whole", name, n, len(whole))
			}
			truncated, between := 0, 0
			for _, l := range in.LeftOut {
				switch l.Reason {
				case importer.ReasonTruncated:
					truncated++
				case importer.ReasonEmpty, importer.ReasonUnknownContent, importer.ReasonNoIdentity:
				case importer.ReasonConflict:
					between++ // with the other ends between two elements there
				default:
					t.Errorf("%s, %d bytes: %s (%s)", name, l.Item, l.Reason, l.Detail)
				}
			}
			if between > 12 || truncated < len(whole)-440 {
				t.Errorf("%s: %d of %d are found truncated", name, truncated, len(whole))
			}
			if f := finding(in, importer.FindingTruncated); f == nil || f.Severity != importer.Serious || f.Count != truncated {
				t.Errorf("%s: finding %+v", name, f)
			}
		}
	}
}

func TestSourceErrors(t *testing.T) {
	ct := newCT(1).set(attr{dicom.PixelData, "OW", make([]byte, 100<<10)}).file()
	fragments := append(newCT(2).without(dicom.PixelData).file(), "\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff\xfe\xff\x00\xe0\x00\x00\x00\x00\xfe\xff\x00\xe0\x00\x00\x01\x00"...)
	fragments = append(fragments, make([]byte, 0x10000)...)
	in := runPack(t, &pack{stream: true, files: []mem{
		{path: "refused", refused: importer.ReasonEncrypted},
		{path: "gone", openErr: &importer.OpenError{Reason: importer.ReasonCompression, Err: errScratch}},
		{path: "wrapped", openErr: fmt.Errorf("open: %w", &importer.OpenError{Reason: importer.ReasonRatio, Err: errScratch})},
		{path: "other", openErr: errScratch},
		{path: "head", data: ct, failAt: 100},
		{path: "header", data: newCT(3).set(attr{0x00091001, "UN", make([]byte, 9000)}).file(), failAt: 6000},
		{path: "pixels", data: fragments, failAt: 20000},
		{path: "beyond", data: ct, failAt: 90000}, // nothing there is needed
		{path: "fine", data: newCT(4).file()},
		{path: "picture", data: photo(3000, 3000), failAt: 4097},
	}})
	want := []string{"encrypted", "compression", "compression-bomb", "unreadable", "unreadable", "unreadable", "unreadable", "instance", "instance", "document"}
	for i, w := range want {
		if got := fate(in, i); got != w {
			t.Errorf("item %d: %s, want %s", i, got, w)
		}
	}
	f := finding(in, importer.FindingUnreadable)
	if f == nil || f.Count != 7 || f.Severity != importer.Serious || !strings.Contains(f.Detail, "unreadable: 4") {
		t.Errorf("finding: %+v", f)
	}
}

func TestNoFileIsReadWhole(t *testing.T) {
	const big = 8 << 20
	p := &pack{files: []mem{
		{path: "1", data: newCT(1).set(attr{dicom.PixelData, "OW", make([]byte, big)}).file()},
		{path: "2", data: newCT(2).set(attr{dicom.PixelData, "OW", make([]byte, big)}, str(0x7FE10010, "LO", "X")).file()},
		{path: "a.pdf", data: []byte("%PDF-1.7" + strings.Repeat(" ", big) + "%%EOF")},
		{path: "b", data: append([]byte("MZ\x00"), make([]byte, big)...)},
	}}
	in := runPack(t, p)
	if in.Instances() != 2 || len(in.Documents) != 1 {
		t.Fatalf("%d instances, %d documents", in.Instances(), len(in.Documents))
	}
	if n := p.read.Load(); n > 200<<10 {
		t.Errorf("%d bytes read of %d", n, in.Bytes)
	}
	p.stream = true
	p.read.Store(0)
	p.files = p.files[:1]
	runPack(t, p)
	if n := p.read.Load(); n > 50<<10 {
		t.Errorf("stream: %d bytes read", n)
	}
}

func TestProgress(t *testing.T) {
	p := &pack{}
	for i := range 50 {
		p.files = append(p.files, mem{path: fmt.Sprint(i), data: newCT(i).file()})
	}
	p.files = append(p.files, mem{path: "again", data: newCT(3).file()})
	var last importer.Progress
	n := 0
	in, err := Run(t.Context(), p, Options{Workers: 4, Progress: func(g importer.Progress) {
		if g.Phase != importer.PhaseInspect || g.Done < last.Done || g.Files < last.Files || g.Done > g.Total || g.FilesTotal != 51 {
			t.Errorf("after %+v comes %+v", last, g)
		}
		last = g
		n++
	}})
	if err != nil {
		t.Fatal(err)
	}
	if last.Files != 51 || last.Done != last.Total || n != 53 || last.Total <= in.Bytes {
		t.Errorf("%d calls, at last %+v", n, last)
	}
}

func TestDeterministic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	p := &pack{stream: true}
	for i := range 400 {
		e := newCT(i % 300)
		e.set(str(patientID, "LO", fmt.Sprint("P", i%3)), str(studyInstanceUID, "UI", fmt.Sprint("1.2.", i%7)),
			str(seriesInstanceUID, "UI", fmt.Sprint("1.2.3.", i%11)), str(instanceNumber, "IS", fmt.Sprint(r.IntN(50))))
		data := e.file()
		switch i % 13 {
		case 5:
			data = data[:r.IntN(len(data))]
		case 6:
			e.attrs[patientName] = str(patientName, "PN", "M\xfcller")
			data = e.without(dicom.SpecificCharacterSet).file()
		}
		p.files = append(p.files, mem{path: fmt.Sprint("f/", i), data: data})
	}
	want, err := Run(t.Context(), p, Options{Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, want, p)
	for _, workers := range []int{2, 8, 33} {
		got, err := Run(t.Context(), p, Options{Workers: workers})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%d workers: another result", workers)
		}
	}
}

// endless is a content that ends only with the context.
type endless struct {
	started chan<- struct{}
	ctx     context.Context
}

func (e endless) Read(b []byte) (int, error) {
	select {
	case e.started <- struct{}{}:
	default:
	}
	<-e.ctx.Done()
	clear(b)
	return len(b), nil
}
func (endless) Close() error { return nil }

type endlessPack struct {
	pack
	started chan struct{}
	ctx     context.Context
}

func (p *endlessPack) Open(int) (io.ReadCloser, error) { return endless{p.started, p.ctx}, nil }

func TestCancelled(t *testing.T) {
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(t.Context())
	p := &endlessPack{started: make(chan struct{}, 1), ctx: ctx}
	p.files = make([]mem, 1000)
	done := make(chan error)
	go func() {
		in, err := Run(ctx, p, Options{Workers: 4})
		if in != nil {
			err = errors.New("a result in spite of the end")
		}
		done <- err
	}()
	<-p.started
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}

func TestMemory(t *testing.T) {
	const n = 4000
	p := &pack{files: make([]mem, n)}
	for i := range p.files {
		e := newCT(i).set(str(dicom.SOPInstanceUID, "UI", fmt.Sprintf("1.3.12.2.1107.5.1.4.1001.30000024010208150000000%012d", i)),
			str(seriesInstanceUID, "UI", fmt.Sprintf("1.3.12.2.1107.5.1.4.1001.3000002401020815.%d", i/400)))
		p.files[i] = mem{path: fmt.Sprintf("DICOM/S%03d/I%05d", i/400, i), data: e.file()}
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	in, err := Run(t.Context(), p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	per := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / n
	t.Logf("%d bytes per instance", per)
	if per > 600 {
		t.Errorf("%d bytes per instance are held", per)
	}
	if in.Instances() != n {
		t.Errorf("%d instances", in.Instances())
	}
	runtime.KeepAlive(p)
}
