package receive

import (
	"bytes"
	"compress/flate"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lotse/dicom"
	"lotse/test/peer"
	"lotse/test/samples"
)

// write keeps an object as a file for the senders.
func (o object) write(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "object.dcm")
	file := append(dicom.FileMeta(ctStorage, o.instance, dicom.ExplicitVRLittleEndian), o.data...)
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// wantSame checks that the data set arrived as it is in the file.
func wantSame(t *testing.T, s *shelf, o object) {
	t.Helper()
	if file := s.file(o.instance); !bytes.HasSuffix(file, o.data) {
		t.Errorf("%s: %d bytes, not those that were sent", o.instance, len(file))
	}
}

func TestStorescuAndDcmsend(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{AETitle: "LOTSE"}, anybody(), s, nil)
	one, two := newObject(t, 1, 200_000), newObject(t, 2, 3_000_000)
	peer.Run(t, "echoscu", "-aec", "LOTSE", "127.0.0.1", r.port(t))
	peer.Run(t, "storescu", "-xe", "-aec", "LOTSE", "127.0.0.1", r.port(t), one.write(t))
	peer.Run(t, "dcmsend", "-aec", "LOTSE", "127.0.0.1", r.port(t), two.write(t))
	wantSame(t, s, one)
	wantSame(t, s, two)
	if out, err := peer.Try(t, "storescu", "-v", "-aet", "STRANGER", "-aec", "LOTSE", "127.0.0.1", r.port(t), one.write(t)); err == nil ||
		!strings.Contains(out, "Calling AE Title Not Recognized") {
		t.Errorf("a stranger: %v\n%s", err, out)
	}
}

// TestRefusedStorescu: the sender hears why.
func TestRefusedStorescu(t *testing.T) {
	rules := RuleList{{CallingAE: "STORESCU", Networks: here(), Objects: true, ObjectBytes: 1000}}
	r := start(t, Config{}, rules, &shelf{}, nil)
	out, _ := peer.Try(t, "storescu", "-d", "-xe", "127.0.0.1", r.port(t), newObject(t, 1, 5000).write(t))
	if !strings.Contains(out, "0xa700") || !strings.Contains(out, errTooLarge.Text) {
		t.Errorf("the sender does not hear why:\n%s", out)
	}
}

func TestOrthancSends(t *testing.T) {
	s := &shelf{}
	r := start(t, Config{AETitle: "LOTSE"}, anybody(), s, nil)
	port, err := strconv.Atoi(r.port(t))
	if err != nil {
		t.Fatal(err)
	}
	o := peer.Orthanc(t, map[string]any{"DicomModalities": map[string]any{"lotse": []any{"LOTSE", "127.0.0.1", port}}})
	const n = 12
	for i := range n {
		file, err := os.Open(newObject(t, i, 20_000).write(t))
		if err != nil {
			t.Fatal(err)
		}
		post(t, o.URL()+"/instances", file)
		_ = file.Close()
	}
	ids := o.Instances(t)
	post(t, o.URL()+"/modalities/lotse/store", strings.NewReader(`["`+strings.Join(ids, `","`)+`"]`))
	if s.count() != n {
		t.Errorf("%d of %d came", s.count(), n)
	}
	metas, _ := s.got()
	for _, m := range metas {
		if m.CallingAE != o.AET || m.Study != "2.25.2000" {
			t.Errorf("meta %+v", m)
		}
	}
}

func post(t *testing.T, url string, body io.Reader) {
	t.Helper()
	resp, err := http.Post(url, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if answer, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v\n%s", url, resp.Status, err, answer)
	}
}

// TestSamplesKeepTheirIdentity peeks into all public test files.
func TestSamplesKeepTheirIdentity(t *testing.T) {
	dir := samples.Dir(t)
	peeked := 0
	err := filepath.WalkDir(filepath.Join(dir, "dicom"), func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil || len(raw) < 140 || string(raw[128:132]) != "DICM" {
			return err
		}
		whole, err := dicom.NewReader(bytes.NewReader(raw), int64(len(raw)), dicom.ReadOptions{})
		if err != nil || whole.Meta() == nil {
			return nil // damaged: nothing to compare with
		}
		head, _, err := whole.Head()
		if err != nil {
			return nil
		}
		want := identity{head.String(dicom.SOPClassUID), head.String(dicom.SOPInstanceUID), head.String(studyInstanceUID)}
		if want.check() != nil {
			return nil
		}
		length, ok := whole.Meta().Int(0x00020000)
		if !ok {
			return nil
		}
		data := raw[min(144+length, len(raw)):]
		prefix, got, err := peek(bytes.NewReader(data), whole.Meta().String(dicom.TransferSyntaxUID))
		peeked++
		if err != nil || got != want || !bytes.HasPrefix(data, prefix) {
			t.Errorf("%s: %v, same identity %v", filepath.Base(path), err, got == want)
		}
		return nil
	})
	if err != nil || peeked < 200 {
		t.Errorf("%d files, %v", peeked, err)
	}
}

var errBroken = errors.New("connection lost")

// TestPeek: long sequences in front, a source that breaks.
func TestPeek(t *testing.T) {
	long := func(bytes int) func(*dicom.Dataset) {
		return func(d *dicom.Dataset) {
			var items []*dicom.Dataset
			for range bytes / 70 {
				item := dicom.New()
				item.Put(dicom.NewBytes(0x00081155, dicom.UI, []byte("1.2.276.0.7230010.3.1.4.8323329.1234.1700000000.1")))
				items = append(items, item)
			}
			d.Put(dicom.NewSequence(0x00081140, items...))
		}
	}
	for _, n := range []int{0, 60_000, 65_000, 500_000, 4_000_000} {
		o := newObject(t, 1, 100, long(n))
		prefix, id, err := peek(bytes.NewReader(o.data), dicom.ExplicitVRLittleEndian)
		if err != nil || id != (identity{ctStorage, o.instance, "2.25.2000"}) || !bytes.HasPrefix(o.data, prefix) {
			t.Errorf("%d bytes in front: %+v, %v", n, id, err)
		}
	}
	packed := deflated(t, newObject(t, 1, 100, func(d *dicom.Dataset) {
		noise := make([]byte, 12_000_000)
		_, _ = rand.Read(noise)
		d.Put(dicom.NewBytes(0x7FE00010, dicom.OW, noise))
	}).data)
	if prefix, id, err := peek(bytes.NewReader(packed), dicom.DeflatedExplicitVRLittleEndian); err != nil || id.study != "2.25.2000" || len(prefix) != peekSizes[0] {
		t.Errorf("deflated: %+v after %d bytes, %v", id, len(prefix), err)
	}
	var refusal *Refusal
	o := newObject(t, 1, 100, long(14_000_000))
	if _, _, err := peek(bytes.NewReader(o.data), dicom.ExplicitVRLittleEndian); !errors.As(err, &refusal) {
		t.Errorf("too much in front: %v", err)
	}
	small := newObject(t, 1, 100)
	half := io.MultiReader(bytes.NewReader(small.data[:50]), failing{})
	if _, _, err := peek(half, dicom.ExplicitVRLittleEndian); !errors.Is(err, errBroken) {
		t.Errorf("broken off: %v", err)
	}
}

func deflated(t *testing.T, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

// FuzzPeek must lose no byte and never panic.
func FuzzPeek(f *testing.F) {
	f.Add([]byte("\x08\x00\x16\x00UI\x04\x001.2\x00\x08\x00\x18\x00UI\x04\x001.3\x00\x20\x00\x0d\x00UI\x04\x001.4\x00"), dicom.ExplicitVRLittleEndian)
	f.Add([]byte("\x08\x00\x16\x00\x04\x00\x00\x001.2\x00\x20\x00\x0d\x00\x04\x00\x00\x001.4\x00"), dicom.ImplicitVRLittleEndian)
	f.Add([]byte("\x08\x00\x16\x00"), dicom.DeflatedExplicitVRLittleEndian)
	f.Fuzz(func(t *testing.T, data []byte, syntax string) {
		prefix, id, err := peek(bytes.NewReader(data), syntax)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(data, prefix) || id.check() != nil {
			t.Fatalf("%+v", id)
		}
		if _, err := fileMeta(id, syntax, "AE"); err != nil {
			t.Fatal(err)
		}
	})
}
