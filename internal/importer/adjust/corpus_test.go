package adjust

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"lotse/dicom"
	"lotse/internal/importer"
	"lotse/test/samples"
)

func ptr(s string) *string { return &s }

func unscheduled() *importer.Decision {
	return &importer.Decision{At: decisionTime(), Origin: importer.FromMedium, ForeignIssuer: "ELSEWHERE",
		Institution: "Klinikum Süd", Station: "DESK1", UIDKey: []byte("corpus"),
		Patient: importer.LocalPatient{ID: ptr("L-42"), Issuer: ptr("HOUSE"), Name: ptr("Šimunić^Änne"),
			BirthDate: ptr("19500103"), Sex: ptr("F")}}
}

func scheduled() *importer.Decision {
	return &importer.Decision{At: decisionTime(), Origin: importer.FromPortal, UIDKey: []byte("corpus"),
		Patient:   importer.LocalPatient{ID: ptr("L-42"), Name: ptr("Doe^Jane")},
		Accession: ptr("A-1")}
}

// sampleFiles are the DICOM files of the corpus.
func sampleFiles(t testing.TB) []string {
	var files []string
	err := filepath.WalkDir(filepath.Join(samples.Dir(t), "dicom"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.HasSuffix(path, ".tsv") {
			files = append(files, path)
		}
		return err
	})
	if err != nil || len(files) < 100 {
		t.Fatal(err, len(files))
	}
	return files
}

// each runs f for the files, as many at a time as there are processors.
func each(t *testing.T, files []string, f func(t *testing.T, path string)) {
	var wg sync.WaitGroup
	next := make(chan string)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for path := range next {
				f(t, path)
			}
		})
	}
	for _, path := range files {
		next <- path
	}
	close(next)
	wg.Wait()
}

var errNoObject = errors.New("no object to adjust")

// adjustFile carries a decision out on a file, through memory alone if it can be.
func adjustFile(p *Planner, data []byte) (importer.Adjustment, []byte, error) {
	r, err := dicom.NewReader(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{})
	if err != nil {
		return importer.Adjustment{}, nil, errNoObject
	}
	head, complete, err := r.Head()
	if err != nil || head.String(dicom.SOPInstanceUID) == "" {
		return importer.Adjustment{}, nil, errNoObject
	}
	var adj importer.Adjustment
	if complete {
		adj, err = p.Plan(head)
	} else {
		if err := r.Reset(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{}); err != nil {
			return importer.Adjustment{}, nil, err
		}
		v := p.Visit()
		if head, err = r.Scan(v.See); err != nil {
			return importer.Adjustment{}, nil, errNoObject
		}
		adj, err = p.PlanScanned(head, v)
		if err == nil {
			err = r.Reset(bytes.NewReader(data), int64(len(data)), dicom.ReadOptions{})
		}
	}
	if err != nil {
		return adj, nil, err
	}
	var out bytes.Buffer
	sum, err := r.Rewrite(&out, dicom.Rewrite{Edits: adj.Edits, File: true})
	if errors.Is(err, dicom.ErrTruncated) {
		return adj, nil, errNoObject
	}
	if err == nil && len(sum.Unused) > 0 {
		err = errors.New("unused edits: " + strings.Join(paths(sum.Unused), ", "))
	}
	return adj, out.Bytes(), err
}

// TestValidatorFindsNothingNew: what dciodvfy finds wrong with an adjusted object
// was wrong before.
func TestValidatorFindsNothingNew(t *testing.T) {
	if _, err := exec.LookPath("dciodvfy"); err != nil {
		t.Skip("dciodvfy (dicom3tools) is not installed")
	}
	planners := map[string]*Planner{}
	for name, d := range map[string]*importer.Decision{"unscheduled": unscheduled(), "scheduled": scheduled()} {
		p, err := NewPlanner(d)
		if err != nil {
			t.Fatal(err)
		}
		planners[name] = p
	}
	dir := t.TempDir()
	var mu sync.Mutex
	checked := 0
	each(t, sampleFiles(t), func(t *testing.T, path string) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Error(err)
			return
		}
		before, alive := validatorErrors(t, path)
		if !alive {
			return
		}
		for name, p := range planners {
			_, out, err := adjustFile(p, data)
			if errors.Is(err, errNoObject) {
				continue
			}
			if err != nil {
				t.Errorf("%s, %s: %v", path, name, err)
				continue
			}
			made := temporary(t, dir, out)
			after, alive := validatorErrors(t, made)
			if err := os.Remove(made); err != nil {
				t.Error(err)
			}
			if !alive {
				t.Errorf("%s, %s: the validator crashes on the result only", path, name)
			}
			for _, line := range after {
				if !slices.Contains(before, line) {
					t.Errorf("%s, %s: %s", path, name, line)
				}
			}
			mu.Lock()
			checked++
			mu.Unlock()
		}
	})
	t.Logf("%d adjusted objects validated", checked)
	if checked < 500 {
		t.Errorf("only %d objects were validated", checked)
	}
}

func temporary(t *testing.T, dir string, b []byte) string {
	f, err := os.CreateTemp(dir, "*.dcm")
	if err != nil {
		t.Error(err)
		return ""
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Error(err)
	}
	return f.Name()
}

// validatorErrors are the lines of dciodvfy that begin with Error; false when it
// crashed.
func validatorErrors(t *testing.T, path string) ([]string, bool) {
	cmd := exec.Command("dciodvfy", path)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if errors.As(err, &exit) && !exit.Exited() {
		return nil, false
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "Error") {
			lines = append(lines, strings.TrimSpace(line))
		}
	}
	return lines, true
}
