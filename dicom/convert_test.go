package dicom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestConversionAgreesWithDCMTK turns Implicit VR into Explicit and back, and
// compares with what dcmconv makes of the same file.
func TestConversionAgreesWithDCMTK(t *testing.T) {
	need(t, "dcmconv")
	dir := t.TempDir()
	converted := 0
	for _, path := range samplePaths(t) {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, syntax, _, ok := bare(t, data)
		option, target := "+ti", ImplicitVRLittleEndian
		if syntax.UID == ImplicitVRLittleEndian {
			option, target = "+te", ExplicitVRLittleEndian
		} else if syntax.UID == ExplicitVRBigEndian {
			option, target = "+te", ExplicitVRLittleEndian
		} else if syntax.UID != ExplicitVRLittleEndian {
			continue
		}
		if !ok || len(data) > 100<<10 || converted == 130/thinned {
			continue
		}
		theirs := filepath.Join(dir, "theirs.dcm")
		if _, complaint := run("dcmconv", option, path, theirs); strings.Contains(complaint, "E:") || strings.Contains(complaint, "F:") {
			continue
		}
		converted++
		want, err := os.ReadFile(theirs)
		if err != nil {
			t.Fatal(err)
		}
		for _, threshold := range []int64{0, 16, 200} {
			out := rewritten(t, data, ReadOptions{Threshold: threshold}, Rewrite{Syntax: target, File: true})
			if _, s, _, ok := bare(t, out); s.UID != target || !ok {
				t.Fatalf("%s: the outcome is in %s, as it should be %v", path, s.UID, ok)
			}
			for _, d := range jsonDifferences(t, path, out, want) {
				if d.tag != "FFFCFFFC" && !privateInImplicit(d) { // dcmconv takes the padding off
					t.Errorf("threshold %d: %s", threshold, d)
				}
			}
			if syntax.BigEndian {
				continue
			}
			back := rewritten(t, out, ReadOptions{Threshold: threshold}, Rewrite{Syntax: syntax.UID, File: true})
			for _, d := range jsonDifferences(t, path, back, data) {
				bytesOrWords := isVR(d.ours, "OB", "OW") && isVR(d.theirs, "OB", "OW") && bytes.Equal(inline(d.ours), inline(d.theirs))
				if !privateInImplicit(d) && !bytesOrWords { // the VR is not written in Implicit VR
					t.Errorf("there and back, threshold %d: %s", threshold, d)
				}
			}
		}
	}
	if t.Logf("%d files", converted); converted < 80/thinned {
		t.Errorf("only %d files", converted)
	}
}

// privateInImplicit: the VR of a private attribute is lost in Implicit VR; only a
// sequence of undefined length, as written here, shows itself.
func privateInImplicit(d difference) bool {
	tag, err := ParseTag(d.tag)
	return err == nil && tag.Private() && d.ours != nil && d.theirs != nil && (isVR(d.ours, "UN") || isVR(d.theirs, "UN"))
}

func jsonDifferences(t *testing.T, file string, ours, theirs []byte) []difference {
	t.Helper()
	var sets [2]map[string]any
	for i, data := range [][]byte{ours, theirs} {
		out, _, err := jsonOf(data, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if sets[i], err = parseJSONSet(out); err != nil {
			t.Fatal(err)
		}
	}
	return differences(file, Syntax{}, "", sets[0], sets[1])
}
