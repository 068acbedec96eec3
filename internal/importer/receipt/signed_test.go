package receipt

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"lotse/internal/importer"
)

var update = flag.Bool("update", false, "write the golden files anew")

// memory is a spool.
type memory struct{ data []byte }

func (m *memory) Write(p []byte) (int, error) { m.data = append(m.data, p...); return len(p), nil }
func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(m.data).ReadAt(p, off)
}

// counting makes the same bytes each time, which do not repeat.
type counting struct{ n uint64 }

func (c *counting) Read(p []byte) (int, error) {
	for i := 0; i < len(p); i += sha256.Size {
		c.n++
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, c.n))
		copy(p[i:], sum[:])
	}
	return len(p), nil
}

func testKey() Key { return Key(ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))) }

func testKeys(id string) (ed25519.PublicKey, bool) {
	return testKey().Public(), id == testKey().KeyID()
}

// The personal values of the example; none may be in a redacted receipt.
var personal = []string{"MUSTERMANN", "19700101", "4711", "1.2.276.0.1", "1.2.276.0.2", "IMG1", "befund", "CD of", "d1g3st", "pixels", "Doe", "12345",
	"not a uid", "a remark"}

// example is a receipt of everything there is.
func example(t *testing.T) *Receipt {
	t.Helper()
	at := time.Date(2026, 11, 21, 10, 20, 30, 654321000, time.FixedZone("", 3600))
	r := New(Head{Version: "0.2", Started: at, Finished: at.Add(time.Minute), Source: importer.Origin{Kind: importer.FromMedium, Label: "CD of Doe.zip"},
		Destination: "PACS@pacs.example:104", Problem: "some-failed", Patient: Patient{ID: "4711", Name: "MUSTERMANN^ÄNNE\u2028\x7f\x01\"\\\t", BirthDate: "19700101"},
		Findings: []importer.Finding{{Code: importer.FindingSexDiffers, Severity: importer.Serious, Item: -1, Detail: "Doe"},
			{Code: importer.FindingDuplicate, Severity: importer.Info, Item: 3, Path: "DICOM/IMG1", Count: 2}}}, &memory{})
	change := []importer.Change{{Path: "(0010,0010)", Name: "PatientName", Old: "Doe", New: "MUSTERMANN", Was: importer.Valued, Is: importer.Valued},
		{Path: "(0010,0040)", Name: "PatientSex", Was: importer.Absent, Is: importer.Empty}}
	for _, it := range []Item{
		{Item: 2, Path: "DICOM/IMG1 <&>", Kind: importer.KindInstance, Size: 12345, Fate: importer.Delivered, Status: "0000", Sent: 1, SOPClass: "1.2.840.10008.5.1.4.1.1.2",
			SOPInstance: "1.2.276.0.1", Study: "1.2.276.0.2", Series: "1.2.276.0.2.1", TransferSyntax: "1.2.840.10008.1.2.1", Bytes: 12345, Digest: "d1g3st",
			PixelBefore: "pixels", PixelAfter: "pixels", Changes: change, Findings: []importer.Finding{{Code: importer.FindingRepaired, Severity: importer.Info, Item: 2, Path: "IMG1"}}},
		{Item: 0, Path: "befund.pdf", Kind: importer.KindDocument, Size: -1, Fate: importer.Warned, Status: "B000", Sent: 2, Comment: "a remark on Doe", SOPClass: "not a uid", Bytes: 55},
		{Item: 1, Path: "DICOMDIR", Kind: importer.KindLeftOut, Size: 7, Fate: importer.LeftAside, Reason: string(importer.ReasonDICOMDIR), Sentence: "Table of contents"},
		{Item: 4, Path: "IMG1", Kind: importer.KindLeftOut, Fate: importer.LeftAside, Reason: string(importer.ReasonDamaged), Detail: "a remark",
			Findings: []importer.Finding{{Code: importer.FindingTruncated, Severity: importer.Warning, Item: 4}}},
		{Item: 3, Fate: importer.Failed, Kind: importer.KindInstance, Reason: "refused"},
	} {
		if err := r.Add(it); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func sign(t *testing.T, r *Receipt) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := r.writeSigned(t.Context(), &out, testKey(), &counting{}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func redact(t *testing.T, signed []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Redact(&out, bytes.NewReader(signed)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSigned(t *testing.T) {
	r := example(t)
	signed := sign(t, r)
	full, err := Verify(bytes.NewReader(signed), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	if full.Redacted() || len(full.Removed) != 0 || full.Kept["file"] != 4 || full.Kept["patient"] != 1 || full.Kept["findings"] != 2 || full.Totals != r.Totals ||
		full.Destination != r.Destination || !full.Started.Equal(r.Started) || !full.Finished.Equal(r.Finished) || full.Version != "0.2" || full.Problem != "some-failed" {
		t.Errorf("%+v", full)
	}
	for _, p := range personal {
		if !bytes.Contains(signed, []byte(p)) {
			t.Errorf("%q is not in the receipt: the search below cannot fail", p)
		}
	}
	rest := redact(t, signed)
	for _, p := range personal {
		if bytes.Contains(rest, []byte(p)) {
			t.Errorf("%q is still there", p)
		}
	}
	v, err := Verify(bytes.NewReader(rest), testKeys)
	if err != nil {
		t.Fatal(err)
	}
	if !v.Redacted() || fmt.Sprint(v.Removed) != fmt.Sprint(full.Kept) || v.Totals != full.Totals || v.KeyID != testKey().KeyID() {
		t.Errorf("%+v", v)
	}
	if !bytes.Equal(redact(t, rest), rest) {
		t.Error("redacted twice is another receipt")
	}
	golden(t, "signed.json", signed)
	golden(t, "redacted.json", rest)
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s differs (%v); -update writes it anew. The format is a promise: old receipts must verify", name, err)
	}
}

// TestGoldenVerifies reads the receipts that were written once.
func TestGoldenVerifies(t *testing.T) {
	for _, name := range []string{"signed.json", "redacted.json"} {
		f, err := os.Open(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := Verify(f, testKeys); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestIndependently verifies with a program that shares nothing with this package.
func TestIndependently(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed")
	}
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	der, err := x509.MarshalPKIXPublicKey(testKey().Public())
	if err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(t.TempDir(), "key.pem")
	if err := os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(receipt []byte) (string, error) {
		path := filepath.Join(t.TempDir(), "receipt.json")
		if err := os.WriteFile(path, receipt, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.CommandContext(t.Context(), python, "testdata/verify.py", path, key).CombinedOutput()
		return string(out), err
	}
	signed := sign(t, example(t))
	if out, err := run(signed); err != nil || !strings.Contains(out, "kept patient 1\n") {
		t.Errorf("%s %v", out, err)
	}
	if out, err := run(redact(t, signed)); err != nil || !strings.Contains(out, "removed patient 1\n") || strings.Contains(out, "kept") {
		t.Errorf("%s %v", out, err)
	}
	if out, err := run(bytes.Replace(signed, []byte(`"sent":2`), []byte(`"sent":3`), 1)); err == nil {
		t.Errorf("%s", out)
	}
}

// TestTampering changes what must not be changed, one thing at a time.
func TestTampering(t *testing.T) {
	signed := string(sign(t, example(t)))
	lines := strings.Split(signed, "\n") // format, head, items, 5 items, "],", proof, ""
	if len(lines) != 11 {
		t.Fatalf("%d lines", len(lines))
	}
	swapped := append([]string(nil), lines...)
	swapped[3], swapped[4] = swapped[4], swapped[3]
	without := append(append([]string(nil), lines[:4]...), lines[5:]...)
	twice := append(append([]string(nil), lines[:4]...), lines[3:]...)
	replace := func(old, new string) string {
		if strings.Count(signed, old) == 0 {
			t.Fatalf("no %s to replace", old)
		}
		return strings.Replace(signed, old, new, 1)
	}
	for name, c := range map[string]struct {
		text string
		flaw Flaw
	}{
		"order of items":      {strings.Join(swapped, "\n"), WrongSignature},
		"item taken out":      {strings.Join(without, "\n"), WrongSignature},
		"item put in":         {strings.Join(twice, "\n"), WrongSignature},
		"fate":                {replace(`"fate":"failed"`, `"fate":"delivered"`), WrongSignature},
		"total":               {replace(`"failed":1`, `"failed":0`), WrongSignature},
		"destination":         {replace("pacs.example", "pacs2.example"), WrongSignature},
		"time":                {replace("10:20:30", "10:20:31"), WrongSignature},
		"open value taken":    {replace(`"sent":2,`, ``), WrongSignature},
		"open value put in":   {replace(`"sent":2,`, `"sent":2,"sentx":1,`), WrongSignature},
		"count":               {replace(`"items":5`, `"items":6`), WrongSignature},
		"value":               {replace("DICOMDIR", "DICOMDIS"), WrongValue},
		"patient":             {replace("MUSTERMANN^", "MUSTERFRAU^"), WrongValue},
		"name twice":          {replace(`"sent":2,`, `"sent":2,"sent":2,`), Malformed},
		"value of no promise": {replace(`"values":{"changes"`, `"values":{"x":1,"changes"`), Malformed},
		"another format":      {replace(Format, "lotse-receipt/2"), Malformed},
		"another algorithm":   {replace(`"Ed25519"`, `"none"`), Malformed},
		"another key":         {replace(testKey().KeyID(), strings.Repeat("0", 32)), UnknownKey},
		"more behind":         {signed + "x", Malformed},
		"cut":                 {signed[:len(signed)-3], Malformed},
		"nothing":             {"", Malformed},
		"a list":              {"[]", Malformed},
		"too deep":            {replace(`"sent":2,`, `"sent":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`,`), Malformed},
		"fraction":            {replace(`"sent":2,`, `"sent":2.0,`), Malformed},
		"number too large":    {replace(`"sent":2,`, `"sent":9007199254740992,`), Malformed},
		"never ends":          {replace("MUSTERMANN^", strings.Repeat("x", 40<<20)), Malformed},
	} {
		v, err := Verify(strings.NewReader(c.text), testKeys)
		var invalid *InvalidError
		if !errors.Is(err, c.flaw) || !errors.As(err, &invalid) || v != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, p := range personal {
			if strings.Contains(err.Error(), p) {
				t.Errorf("%s: %v shows %s", name, err, p)
			}
		}
	}
	// A salt or a commitment that is another one.
	for _, name := range []string{"salt", "patient", "items_root", "signature"} {
		at := strings.Index(signed, `"`+name+`":"`) + len(name) + 4
		other := byte('A')
		if signed[at] == other {
			other = 'B'
		}
		if _, err := Verify(strings.NewReader(signed[:at]+string(other)+signed[at+1:]), testKeys); err == nil {
			t.Errorf("%s changed and not seen", name)
		}
	}
	// Signed with totals that are not those of the items.
	r := example(t)
	r.Totals.Delivered++
	if _, err := Verify(bytes.NewReader(sign(t, r)), testKeys); !errors.Is(err, WrongTotals) {
		t.Errorf("%v", err)
	}
}

func TestErrorsNamePlace(t *testing.T) {
	signed := strings.Replace(string(sign(t, example(t))), "befund.pdf", "befunde.pdf", 1)
	_, err := Verify(strings.NewReader(signed), testKeys)
	if err == nil || err.Error() != "receipt: a value has been changed: entry 1: file" {
		t.Errorf("%v", err)
	}
}

// TestSaltsDiffer makes sure that the same values do not show as the same, in one
// receipt nor in two.
func TestSaltsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for range 2 {
		var out bytes.Buffer
		if err := example(t).WriteSigned(t.Context(), &out, testKey()); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			Items []struct {
				Open struct {
					Commitments map[string]string `json:"commitments"`
				} `json:"open"`
			} `json:"items"`
		}
		if err := json.Unmarshal(out.Bytes(), &doc); err != nil || len(doc.Items) != 5 {
			t.Fatal(err)
		}
		for _, item := range doc.Items {
			for _, c := range item.Open.Commitments {
				if seen[c] {
					t.Error("a commitment twice")
				}
				seen[c] = true
			}
		}
	}
}

// failing fails after some bytes.
type failing struct {
	left int
	err  error
}

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, f.err
	}
	return len(p), nil
}

func (f *failing) Sign(context.Context, []byte) ([]byte, error) { return nil, f.err }
func (f *failing) KeyID() string                                { return "k" }

func TestFailuresAreTold(t *testing.T) {
	broken := errors.New("disk full")
	signed := sign(t, example(t))
	for left := 0; left < 9000; left += 1000 {
		if err := example(t).WriteSigned(t.Context(), &failing{left, broken}, testKey()); left < len(signed)-1 && !errors.Is(err, broken) {
			t.Errorf("%d bytes: %v", left, err)
		}
	}
	if err := Redact(&failing{10, broken}, bytes.NewReader(signed)); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := example(t).WriteSigned(t.Context(), io.Discard, &failing{0, broken}); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := example(t).writeSigned(t.Context(), io.Discard, testKey(), strings.NewReader("short")); err == nil {
		t.Error("signed without salts")
	}
	if _, err := Verify(io.MultiReader(bytes.NewReader(signed[:3000]), brokenReader{broken}), testKeys); !errors.Is(err, broken) {
		t.Error(err)
	}
	if err := Redact(io.Discard, strings.NewReader("{}")); !errors.Is(err, Malformed) {
		t.Error(err)
	}
	if s := fmt.Sprintf("%v %+v %x %s", testKey(), testKey(), testKey(), []any{testKey()}); strings.Contains(s, "07070707") || strings.Contains(s, "7 7 7") {
		t.Error("a key is shown")
	}
}

type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

// heap is a writer that looks at the live heap as bytes go by.
type heap struct {
	io.Writer
	since, most uint64
}

func (h *heap) Write(p []byte) (int, error) {
	if h.since += uint64(len(p)); h.since > 1<<20 {
		h.since = 0
		h.most = max(h.most, liveHeap())
	}
	return h.Writer.Write(p)
}

func liveHeap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestManyItems bounds the memory, whatever the number of items.
func TestManyItems(t *testing.T) {
	const items = 10_000
	dir := t.TempDir()
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	r := New(Head{}, create("spool"))
	for i := range items {
		err := r.Add(Item{Item: i, Path: fmt.Sprintf("DICOM/%d", i), Kind: importer.KindInstance, Fate: importer.Delivered, Size: 530_000,
			SOPInstance: fmt.Sprintf("1.2.3.%d", i), Study: "1.2.3", Series: "1.2.3.4", Digest: strings.Repeat("a", 64),
			Changes: []importer.Change{{Path: "(0010,0010)", Old: "A", New: "B"}, {Path: "(0010,0020)", Old: "A", New: "B"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	before := liveHeap()
	signed, rest := &heap{Writer: create("signed")}, &heap{Writer: create("redacted")}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(r.WriteSigned(t.Context(), signed, testKey()))
	open := func(name string) *heapReader {
		f, err := os.Open(filepath.Join(dir, name))
		must(err)
		t.Cleanup(func() { _ = f.Close() })
		return &heapReader{Reader: f, heap: heap{Writer: io.Discard}}
	}
	in := open("signed")
	must(Redact(rest, in))
	again := open("redacted")
	v, err := Verify(again, testKeys)
	must(err)
	if v.Totals.Delivered != items || v.Removed["file"] != items {
		t.Errorf("%+v", v)
	}
	most := max(signed.most, rest.most, in.most, again.most)
	if most == 0 || most > before+2<<20 {
		t.Errorf("the heap grew by %d KB", (int64(most)-int64(before))>>10)
	}
}

// heapReader is a reader that looks at the live heap as bytes go by.
type heapReader struct {
	io.Reader
	heap
}

func (h *heapReader) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	_, _ = h.heap.Write(p[:n])
	return n, err
}

func BenchmarkWriteSigned(b *testing.B) {
	r := New(Head{}, &memory{})
	for i := range 1000 {
		if err := r.Add(Item{Item: i, Path: "DICOM/IMG", SOPInstance: "1.2.3", Study: "1.2.3", Digest: strings.Repeat("a", 64)}); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		if err := r.WriteSigned(b.Context(), io.Discard, testKey()); err != nil {
			b.Fatal(err)
		}
	}
}

// TestSomeValuesRemoved keeps all values but one, as a person may do who shows a
// receipt to another.
func TestSomeValuesRemoved(t *testing.T) {
	signed := string(sign(t, example(t)))
	from := strings.Index(signed, `"patient":{"salt"`)
	to := from + strings.Index(signed[from:], `,"source"`) + 1
	v, err := Verify(strings.NewReader(signed[:from]+signed[to:]), testKeys)
	if err != nil || v.Redacted() || len(v.Removed) != 1 || v.Removed["patient"] != 1 || v.Kept["source"] != 1 {
		t.Errorf("%+v, %v", v, err)
	}
}
