package inspect

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lotse/internal/importer"
	"lotse/test/samples"
)

// pythonInspector prints what pydicom reads of each file, one JSON object a line.
const pythonInspector = `
import json, sys, warnings
import pydicom
warnings.simplefilter("ignore")
def text(ds, name):
    v = ds.get(name)
    return "" if v is None else str(v).strip(" \0")
for path in sys.stdin.read().split("\n"):
    if not path: continue
    r = {"path": path}
    try:
        ds = pydicom.dcmread(path, force=True)
        meta = getattr(ds, "file_meta", {})
        r.update(sop=text(ds, "SOPInstanceUID"), cls=text(ds, "SOPClassUID"), study=text(ds, "StudyInstanceUID"),
            series=text(ds, "SeriesInstanceUID"), patient=text(ds, "PatientID"), modality=text(ds, "Modality"),
            date=text(ds, "StudyDate"), frames=text(ds, "NumberOfFrames"), syntax=str(meta.get("TransferSyntaxUID", "")),
            name=text(ds, "PatientName"), pixels=any(k in ds for k in ("PixelData", "FloatPixelData", "DoubleFloatPixelData")))
    except Exception as e:
        r["error"] = type(e).__name__
    print(json.dumps(r))
`

type pythonView struct {
	Path, SOP, Cls, Study, Series, Patient, Modality, Date, Frames, Syntax, Name, Error string
	Pixels                                                                              bool
}

func askPydicom(t *testing.T, d *disk) map[string]pythonView {
	t.Helper()
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-c", "import pydicom").Run(); err != nil {
		t.Skip("pydicom is not installed")
	}
	cmd := exec.Command(python, "-c", pythonInspector)
	cmd.Dir = d.root
	cmd.Stdin = strings.NewReader(strings.Join(d.paths, "\n"))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	views := map[string]pythonView{}
	for line := range strings.Lines(string(out)) {
		var v pythonView
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatal(err)
		}
		views[v.Path] = v
	}
	return views
}

// The whole corpus as one medium: what pydicom says of each file is what the
// inspection says.
func TestCorpusAgreesWithPydicom(t *testing.T) {
	d := newDisk(t, filepath.Join(samples.Dir(t), "dicom"))
	in, err := Run(t.Context(), d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	balanced(t, in, d)
	views := askPydicom(t, d)

	studies, series, patients := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range in.Patients {
		for _, st := range p.Studies {
			for _, se := range st.Series {
				for _, i := range se.Instances {
					v := views[d.paths[i.Item]]
					compare(t, v, p, st, se, i)
					studies[v.Study], series[v.Study+" "+v.Series] = true, true
					patients[v.Patient] = true
				}
			}
		}
	}
	nStudies, nSeries, ids := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, p := range in.Patients {
		ids[p.ID] = true
		for _, st := range p.Studies {
			nStudies[st.UID] = true
			for _, se := range st.Series {
				nSeries[st.UID+" "+se.UID] = true
			}
		}
	}
	if len(ids) != len(patients) || len(nStudies) != len(studies) || len(nSeries) != len(series) {
		t.Errorf("patient IDs, studies, series: %d, %d, %d; pydicom counts %d, %d, %d", len(ids), len(nStudies), len(nSeries), len(patients), len(studies), len(series))
	}
	checkLeftOut(t, in, d, views)
}

// compare compares one instance with what pydicom says.
func compare(t *testing.T, v pythonView, p *importer.Patient, st *importer.Study, se *importer.Series, i importer.Instance) {
	t.Helper()
	if v.Error != "" { // it reads less than we do
		return
	}
	frames := fmt.Sprint(i.Frames)
	if strings.Trim(v.Frames, "0123456789") != "" || v.Frames == "" { // no number
		frames = v.Frames
	}
	got := []string{i.SOPInstance, i.SOPClass, st.UID, se.UID, p.ID, frames}
	want := []string{v.SOP, v.Cls, v.Study, v.Series, v.Patient, v.Frames}
	for n := range got {
		if a, b := strings.Join(strings.Fields(got[n]), " "), strings.Join(strings.Fields(want[n]), " "); a != b && !(n < 2 && b == "") {
			t.Errorf("%s: %q, pydicom says %q", v.Path, a, b)
		}
	}
	if v.Syntax != "" && v.Syntax != i.TransferSyntax {
		t.Logf("%s: declares %s, is %s", v.Path, v.Syntax, i.TransferSyntax)
	}
}

// checkLeftOut checks each reason against what pydicom says.
func checkLeftOut(t *testing.T, in *importer.Inspection, d *disk, views map[string]pythonView) {
	t.Helper()
	count := map[importer.ReasonCode]int{}
	uses := map[string]int{}
	for _, v := range views {
		uses[v.SOP]++
	}
	for _, l := range in.LeftOut {
		count[l.Reason]++
		v := views[d.paths[l.Item]]
		var ok bool
		switch l.Reason {
		case importer.ReasonNoIdentity:
			ok = v.SOP == "" || v.Cls == ""
		case importer.ReasonDuplicate, importer.ReasonConflict:
			ok = uses[v.SOP] > 1 || v.Error != ""
		case importer.ReasonTruncated:
			ok = l.Detail != withoutPixels || !v.Pixels
		case importer.ReasonDICOMDIR:
			ok = strings.Contains(v.Path, "DICOMDIR")
		case importer.ReasonUnsupported:
			ok = filepath.Base(v.Path) == "SC_rgb_jpeg.dcm" // declared as JPEG, written in Implicit VR
		case importer.ReasonDocumentUnfit:
			ok = v.Path == "MANIFEST.tsv"
		}
		if !ok {
			t.Errorf("%s is left out as %s (%s); pydicom says %+v", d.paths[l.Item], l.Reason, l.Detail, v)
		}
	}
	t.Logf("%d instances, left out: %v", in.Instances(), count)
	var cut []string
	for _, l := range in.LeftOut {
		if l.Reason == importer.ReasonTruncated && l.Detail != withoutPixels {
			cut = append(cut, filepath.Base(d.paths[l.Item]))
		}
	}
	want := []string{"MR_truncated.dcm", "emri_small_jpeg_2k_lossless_too_short.dcm", "rtplan_truncated.dcm"}
	if slices.Sort(cut); !slices.Equal(cut, want) {
		t.Errorf("truncated: %q, want %q", cut, want)
	}
	if count[importer.ReasonDICOMDIR] != 8 {
		t.Errorf("%d DICOMDIRs, want 8", count[importer.ReasonDICOMDIR])
	}
}

// The corpus reads the same when it comes as a stream of unknown length.
func TestCorpusAsStream(t *testing.T) {
	d := newDisk(t, filepath.Join(samples.Dir(t), "dicom"))
	want, err := Run(t.Context(), d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, sizeless := range []bool{false, true} {
		got, err := Run(t.Context(), streamed{d, sizeless}, Options{Workers: 3})
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.paths {
			if a, b := fate(want, i), fate(got, i); a != b {
				t.Errorf("sizeless %v: %s is %s as a stream, %s else", sizeless, d.paths[i], b, a)
			}
		}
		if a, b := len(want.Patients), len(got.Patients); a != b {
			t.Errorf("%d patients, %d as a stream", a, b)
		}
	}
}

// streamed is a disk whose contents cannot seek.
type streamed struct {
	*disk
	sizeless bool
}

func (s streamed) File(i int) importer.File {
	f := s.disk.File(i)
	if s.sizeless {
		f.Size = -1
	}
	return f
}

func (s streamed) Open(i int) (io.ReadCloser, error) {
	f, err := s.disk.Open(i)
	if err != nil {
		return nil, err
	}
	return struct {
		io.Reader
		io.Closer
	}{f, f}, nil
}

func TestDemonstrationExam(t *testing.T) {
	z, err := zip.OpenReader(samples.File(t, "dlx-demo/patcd.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	p := &pack{}
	for _, f := range z.File {
		if f.FileInfo().IsDir() {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		p.files = append(p.files, mem{path: f.Name, data: data})
	}
	in := runPack(t, p)
	if len(in.Patients) != 1 || len(in.Patients[0].Studies) != 1 || len(in.Patients[0].Studies[0].Series) != 3 || in.Instances() != 3 {
		t.Fatalf("%d patients, %d instances", len(in.Patients), in.Instances())
	}
	st := in.Patients[0].Studies[0]
	var documents []string
	for _, d := range in.Documents {
		documents = append(documents, d.Type+" "+d.Title)
		if d.Study != st {
			t.Errorf("%s hangs from %+v", d.Title, d.Study)
		}
	}
	if want := []string{"application/pdf report_mustermann", "image/jpeg study_overview"}; !slices.Equal(documents, want) {
		t.Errorf("documents %q, want %q", documents, want)
	}
	if len(in.LeftOut) != 1 || in.LeftOut[0].Reason != importer.ReasonDICOMDIR {
		t.Errorf("left out: %+v", in.LeftOut)
	}
	for _, f := range in.Findings {
		if f.Severity != importer.Info {
			t.Errorf("finding %+v", f)
		}
	}
}
