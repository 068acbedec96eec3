package synth_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"lotse/dicom"
	"lotse/internal/synth"
)

var fileName = regexp.MustCompile(`^[A-Z0-9_]{1,8}(\.[A-Z]{3})?$`)

// smallCT is a CT with every reconstruction in it.
func smallCT(t *testing.T, seed uint64) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := synth.CT(&b, synth.CTOptions{Slices: 9, Series: 4, Rows: 64, Columns: 64, Seed: seed}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// unpack writes a medium below a folder and returns its names in order.
func unpack(t *testing.T, medium []byte) (dir string, names []string) {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(medium), int64(len(medium)))
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(in)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name)
		for part := range strings.SplitSeq(f.Name, "/") {
			if !fileName.MatchString(part) && part != "IHE_PDI" {
				t.Errorf("%s is no file name for a medium", f.Name)
			}
		}
	}
	return dir, names
}

// images are the names below the folder of the images.
func images(names []string) []string {
	var found []string
	for _, name := range names {
		if strings.HasPrefix(name, "DICOM/") {
			found = append(found, name)
		}
	}
	return found
}

// verify fails the test for every line with which dciodvfy calls a file wrong.
func verify(t *testing.T, path string) {
	t.Helper()
	out := tool(t, "dciodvfy", path)
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "Error") {
			t.Errorf("%s: %s", filepath.Base(path), line)
		}
	}
}

// tool runs a program that may end with a status, or skips the test.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput()
	var status *exec.ExitError
	if err != nil && !errors.As(err, &status) {
		t.Fatal(err)
	}
	return string(out)
}

func TestSameSeedSameBytes(t *testing.T) {
	if !bytes.Equal(smallCT(t, 7), smallCT(t, 7)) {
		t.Error("the same seed gave another medium")
	}
	if bytes.Equal(smallCT(t, 7), smallCT(t, 8)) {
		t.Error("another seed gave the same medium")
	}
	first, err := synth.DemoExam(3)
	if err != nil {
		t.Fatal(err)
	}
	second, err := synth.DemoExam(3)
	if err != nil {
		t.Fatal(err)
	}
	if sha256.Sum256(first.ZIP) != sha256.Sum256(second.ZIP) {
		t.Error("the demonstration is another one each time")
	}
}

func TestCTIsValid(t *testing.T) {
	dir, names := unpack(t, smallCT(t, 1))
	files := images(names)
	if len(files) != 9 {
		t.Fatalf("%d images, want 9", len(files))
	}
	paths := make([]string, len(files))
	for i, name := range files {
		paths[i] = filepath.Join(dir, name)
		verify(t, paths[i])
	}
	verify(t, filepath.Join(dir, "DICOMDIR"))
	if out := tool(t, "dcentvfy", paths...); out != "" {
		t.Errorf("the images contradict each other:\n%s", out)
	}
}

func TestDemoIsValid(t *testing.T) {
	demo, err := synth.DemoExam(1)
	if err != nil {
		t.Fatal(err)
	}
	dir, names := unpack(t, demo.ZIP)
	var paths []string
	for _, name := range images(names) {
		paths = append(paths, filepath.Join(dir, name))
		verify(t, filepath.Join(dir, name))
	}
	verify(t, filepath.Join(dir, "DICOMDIR"))
	if out := tool(t, "dcentvfy", paths...); out != "" {
		t.Errorf("the images contradict each other:\n%s", out)
	}
	report := filepath.Join(dir, "IHE_PDI/REPORTS/BEFUND.PDF")
	text := tool(t, "pdftotext", "-layout", report, "-")
	for _, want := range []string{"Müßig, Jörg", "17.04.1961", "Beurteilung"} {
		if !strings.Contains(text, want) {
			t.Errorf("the report lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "Error") {
		t.Errorf("pdftotext complains:\n%s", text)
	}
}

// The directory must lead to every file, by the offsets that it holds.
func TestDirectoryOffsets(t *testing.T) {
	demo, err := synth.DemoExam(1)
	if err != nil {
		t.Fatal(err)
	}
	for name, medium := range map[string][]byte{"CT": smallCT(t, 1), "demo": demo.ZIP} {
		t.Run(name, func(t *testing.T) {
			dir, names := unpack(t, medium)
			raw, err := os.ReadFile(filepath.Join(dir, "DICOMDIR"))
			if err != nil {
				t.Fatal(err)
			}
			seen := make(map[string]bool)
			follow(t, raw, offset(t, raw, 0, 0x00041200), seen)
			for _, name := range images(names) {
				if !seen[strings.ReplaceAll(name, "/", `\`)] {
					t.Errorf("the directory does not lead to %s", name)
				}
				delete(seen, strings.ReplaceAll(name, "/", `\`))
			}
			if len(seen) != 0 {
				t.Errorf("the directory leads to files that are missing: %v", seen)
			}
		})
	}
}

// follow walks the records from the item at an offset, next ones and lower ones.
func follow(t *testing.T, raw []byte, at int, seen map[string]bool) {
	t.Helper()
	for at != 0 {
		if at+8 > len(raw) || !bytes.Equal(raw[at:at+4], []byte{0xFE, 0xFF, 0x00, 0xE0}) {
			t.Fatalf("no record at offset %d", at)
		}
		if lower := offset(t, raw, at, 0x00041420); lower != 0 {
			follow(t, raw, lower, seen)
		} else {
			seen[value(raw, at, 0x00041500)] = true
		}
		at = offset(t, raw, at, 0x00041400)
	}
}

// offset finds the next UL element with a tag behind a place, and value the next
// of characters, both in Explicit VR Little Endian.
func offset(t *testing.T, raw []byte, from int, tag dicom.Tag) int {
	t.Helper()
	v := value(raw, from, tag)
	if len(v) != 4 {
		t.Fatalf("no %s behind offset %d", tag, from)
	}
	return int(v[0]) | int(v[1])<<8 | int(v[2])<<16 | int(v[3])<<24
}

func value(raw []byte, from int, tag dicom.Tag) string {
	header := []byte{byte(tag >> 16), byte(tag >> 24), byte(tag), byte(tag >> 8)}
	at := bytes.Index(raw[from:], header)
	if at < 0 {
		return ""
	}
	at += from
	n := int(raw[at+6]) | int(raw[at+7])<<8
	v := string(raw[at+8 : at+8+n])
	if string(raw[at+4:at+6]) != "UL" {
		v = strings.TrimRight(v, " ")
	}
	return v
}

// A slice must be about as large, and compress about as well, as one of a scanner.
func TestCTWeighsLikeARealOne(t *testing.T) {
	var b bytes.Buffer
	if err := synth.CT(&b, synth.CTOptions{Slices: 8, Series: 4, Seed: 1}); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	var plain, packed uint64
	for _, f := range r.File {
		plain, packed = plain+f.UncompressedSize64, packed+f.CompressedSize64
	}
	if size := plain / 8; size < 520_000 || size > 540_000 {
		t.Errorf("%d bytes a slice", size)
	}
	if ratio := float64(plain) / float64(packed); ratio < 1.75 || ratio > 2.05 {
		t.Errorf("compresses to 1/%.2f", ratio)
	}
}

// head reads everything before the pixel data.
func head(t *testing.T, raw []byte) *dicom.Dataset {
	t.Helper()
	r, err := dicom.NewReader(bytes.NewReader(raw), int64(len(raw)), dicom.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	d, _, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestHeaderIsRich(t *testing.T) {
	raw, err := synth.Slice(synth.SliceOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	d := head(t, raw)
	if n := d.Len(); n < 90 || n > 120 {
		t.Errorf("%d elements in the header", n)
	}
}

func TestSliceInEverySyntax(t *testing.T) {
	syntaxes := map[string]string{
		"implicit": dicom.ImplicitVRLittleEndian, "explicit": dicom.ExplicitVRLittleEndian,
		"big endian": dicom.ExplicitVRBigEndian, "deflated": dicom.DeflatedExplicitVRLittleEndian,
	}
	for name, syntax := range syntaxes {
		t.Run(name, func(t *testing.T) {
			patient, err := dicom.NewText(0x00100010, "Größe^Örs")
			if err != nil {
				t.Fatal(err)
			}
			raw, err := synth.Slice(synth.SliceOptions{
				Syntax: syntax, Charset: "ISO_IR 192",
				Elements: []dicom.Element{patient}, Without: []dicom.Tag{0x00081030},
			})
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "slice.dcm")
			if err := os.WriteFile(path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
			dump := tool(t, "dcmdump", path)
			if !strings.Contains(dump, "[Größe^Örs]") || strings.Contains(dump, "StudyDescription") {
				t.Errorf("elements are not as asked for:\n%s", dump)
			}
			if strings.Contains(dump, "E: ") || strings.Contains(dump, "W: ") {
				t.Errorf("dcmdump complains:\n%s", dump)
			}
		})
	}
}

func TestSlicesAreOneSeries(t *testing.T) {
	instances := make(map[string]bool)
	var study string
	for i := range 3 {
		raw, err := synth.Slice(synth.SliceOptions{Seed: 5, Number: i})
		if err != nil {
			t.Fatal(err)
		}
		d := head(t, raw)
		instances[d.String(dicom.SOPInstanceUID)] = true
		if i > 0 && d.String(0x0020000D) != study {
			t.Error("another study")
		}
		study = d.String(0x0020000D)
		if got := d.String(0x00200013); got != strconv.Itoa(i+1) {
			t.Errorf("instance number %s", got)
		}
	}
	if len(instances) != 3 {
		t.Error("instances share a UID")
	}
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []synth.CTOptions{{Slices: -1}, {Rows: 5000}, {Slices: 100_000}} {
		if err := synth.CT(io.Discard, o); err == nil {
			t.Errorf("%+v was accepted", o)
		}
	}
	if _, err := synth.Slice(synth.SliceOptions{Syntax: "1.2.840.10008.1.2.4.50"}); err == nil {
		t.Error("a compressed syntax was accepted")
	}
}
