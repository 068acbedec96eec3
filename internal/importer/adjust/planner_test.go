package adjust

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
	"lotse/test/samples"
)

// ctHead reads the header of a CT slice.
func ctHead(t testing.TB) ([]byte, *dicom.Dataset) {
	data, err := os.ReadFile(samples.File(t, "dicom/Enet4__dicom-test-files/data/pydicom/CT_small.dcm"))
	if err != nil {
		t.Fatal(err)
	}
	return data, head(t, data)
}

func head(t testing.TB, data []byte) *dicom.Dataset {
	r, err := dicom.NewReader(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ds, _, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	return ds
}

// TestPlannerConcurrently: one planner for many instances at the same time gives
// each the same edits. Run with -race.
func TestPlannerConcurrently(t *testing.T) {
	data, _ := ctHead(t)
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	_, want, err := adjustFile(p, data)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				_, got, err := adjustFile(p, data)
				if err != nil || !bytes.Equal(got, want) {
					t.Error("the results differ", err)
				}
			}
		})
	}
	wg.Wait()
}

// TestPlanLeavesTheHeader: planning changes nothing in the data set it reads.
func TestPlanLeavesTheHeader(t *testing.T) {
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range sampleFiles(t)[:200] {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r, err := dicom.NewReader(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{})
		if err != nil {
			continue
		}
		ds, _, err := r.Head()
		if err != nil {
			continue
		}
		if _, err := p.Plan(ds); err != nil {
			t.Fatal(path, err)
		}
		var planned, fresh strings.Builder
		dumpLevel(&planned, ds, 0)
		dumpLevel(&fresh, head(t, data), 0)
		if planned.String() != fresh.String() {
			t.Errorf("%s: the header is another after planning", path)
		}
	}
}

// TestParsedHeader: a header whose sequences were looked into before is read the
// same, left alone, and its old values are recorded even when the edits are then
// carried out on it.
func TestParsedHeader(t *testing.T) {
	input := `(0008,0005) CS ISO_IR 100
(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2
(0008,0050) SH FA-77
(0008,1115) SQ
> item
>(0008,0050) SH FA-77
>(0008,103E) LO Sch\xe4del
`
	source, err := parseDataset(t, input).Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	r, err := dicom.NewReader(bytes.NewReader(source), int64(len(source)), dicom.ReadOptions{Syntax: dicom.ExplicitVRLittleEndian})
	if err != nil {
		t.Fatal(err)
	}
	ds, _, err := r.Head()
	if err != nil {
		t.Fatal(err)
	}
	item := ds.Items(0x00081115)[0]
	adj, err := Plan(ds, scheduled())
	if err != nil {
		t.Fatal(err)
	}
	if got := item.String(0x0008103E); got != "Schädel" {
		t.Errorf("after planning the item reads %q", got)
	}
	if _, err := ds.Apply(adj.Edits...); err != nil {
		t.Fatal(err)
	}
	if item.String(tagAccession) != "" {
		t.Error("the nested accession number is still there")
	}
	old := ds.Items(tagOriginal)[0].Items(tagModified)[0].Items(0x00081115)
	if len(old) != 1 || old[0].String(tagAccession) != "FA-77" {
		t.Error("the old sequence is not recorded as it was")
	}
}

// TestOddFiles: attributes that are there twice are both replaced, and a sequence
// hidden in UN is edited inside.
func TestOddFiles(t *testing.T) {
	var source []byte
	for _, part := range []string{"(0008,0016) UI 1.2.840.10008.5.1.4.1.1.2\n(0008,0050) SH FA-77\n(0010,0020) LO L-42", "(0010,0020) LO F-1",
		"(0010,0021) LO HOUSE\n(0010,0024) SQ\n> item\n(0029,0010) LO VENDOR"} {
		b, err := parseDataset(t, part).Encode(dicom.ExplicitVRLittleEndian)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, b...)
	}
	source = append(source, 0x29, 0, 1, 0x10, 'U', 'N', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFE, 0xFF, 0, 0xE0, 12, 0, 0, 0,
		8, 0, 0x50, 0, 4, 0, 0, 0, 'F', 'A', '-', '7', 0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0)
	d := scheduled()
	d.Patient.Issuer, d.Patient.Name = ptr("HOUSE"), nil
	adj, out := carryOut(t, source, dicom.ExplicitVRLittleEndian, d, false)
	if len(adj.Changes) != 3 {
		t.Errorf("changes:\n%s", showChanges(adj.Changes))
	}
	text := dump(t, out, dicom.ExplicitVRLittleEndian)
	if strings.Count(text, "\n(0010,0020) LO PatientID = L-42\n") != 1 || strings.Contains(text, "\n(0010,0020) LO PatientID = F-1") {
		t.Errorf("the second patient ID survives:\n%s", text)
	}
	if !strings.Contains(text, "(0029,1001) UN (0029,1001)\n> item\n>(0008,0050) SH AccessionNumber\n") {
		t.Errorf("the accession number in UN survives:\n%s", text)
	}
}

// FuzzPlan: whatever the reader reads can be planned and written, and each edit
// leads somewhere.
func FuzzPlan(f *testing.F) {
	for _, path := range sampleFiles(f)[:60] {
		if data, err := os.ReadFile(path); err == nil && len(data) < 20<<10 {
			f.Add(data)
		}
	}
	planners := make([]*Planner, 2)
	for i, d := range []*importer.Decision{scheduled(), unscheduled()} {
		p, err := NewPlanner(d)
		if err != nil {
			f.Fatal(err)
		}
		planners[i] = p
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, p := range planners {
			_, out, err := adjustFile(p, data)
			if err == nil && out == nil {
				t.Error("nothing was written")
			}
			if err != nil && strings.HasPrefix(err.Error(), "unused edits") {
				t.Error(err)
			}
		}
	})
}

// TestApplyAgreesWithRewrite: the edits mean the same in memory and on the way.
func TestApplyAgreesWithRewrite(t *testing.T) {
	data, ds := ctHead(t)
	adj, err := Plan(ds, unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	_, out, err := adjustFile(p, data)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ds.Apply(adj.Edits...); err != nil {
		t.Fatal(err)
	}
	encoded, err := ds.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(out, encoded) {
		t.Error("the data set edited in memory is not what the rewritten file has")
	}
}

func TestPlanIsTheSameTwice(t *testing.T) {
	_, ds := ctHead(t)
	one, err := Plan(ds, unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	two, err := Plan(ds, unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(paths(one.Edits)) != fmt.Sprint(paths(two.Edits)) || !reflect.DeepEqual(one.Changes, two.Changes) {
		t.Error("the same decision was planned differently")
	}
}

// TestDecisionThatSaysNothing plans nothing.
func TestDecisionThatSaysNothing(t *testing.T) {
	_, ds := ctHead(t)
	adj, err := Plan(ds, &importer.Decision{At: decisionTime(), Institution: "Klinikum Süd"})
	if err != nil || len(adj.Edits)+len(adj.Changes)+len(adj.Findings) > 0 {
		t.Error(adj, err)
	}
}

func TestVisitRefusesTooMuchText(t *testing.T) {
	p, err := NewPlanner(unscheduled())
	if err != nil {
		t.Fatal(err)
	}
	v := p.Visit()
	path := dicom.At(0x0040A730).Into(0, 0x0040A160)
	e := dicom.NewBytes(0x0040A160, dicom.UT, bytes.Repeat([]byte{0xE4}, 1<<20))
	for range 40 {
		v.See(path, dicom.New(), &e)
	}
	_, ds := ctHead(t)
	if _, err := p.PlanScanned(ds, v); !errors.Is(err, errVisitLimit) {
		t.Error(err)
	}
}

func BenchmarkPlan(b *testing.B) {
	for name, d := range map[string]*importer.Decision{"charset stays": scheduled(), "to UTF-8": unscheduled()} {
		b.Run(name, func(b *testing.B) {
			_, ds := ctHead(b)
			p, err := NewPlanner(d)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Plan(ds); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
