package deliver

import (
	"os"
	"path/filepath"
	"testing"

	"lotse/test/peer"
)

// TestCheckDestinations tries a folder that is not there yet, one that cannot be,
// an archive, and none.
func TestCheckDestinations(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b")
	if c := Test(t.Context(), Address{Folder: path}, Options{}); len(c) != 1 || !c[0].OK {
		t.Errorf("a folder to be made: %+v", c)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("the trial left %v (%v)", left, err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c := Test(t.Context(), Address{Folder: filepath.Join(file, "x")}, Options{}); c[0].OK {
		t.Error("a folder inside a file is fine")
	}
	scp := peer.StoreSCP(t)
	got := map[string]bool{}
	address, err := ParseAddress("dicom://" + scp.AET + "@" + scp.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range Test(t.Context(), address, Options{}) {
		got[c.Name] = c.OK
	}
	for name, want := range map[string]bool{"tcp": true, "association": true, "echo": true, "commitment": false, "1.2.840.10008.5.1.4.1.1.2": true} {
		if ok, tried := got[name]; !tried || ok != want {
			t.Errorf("%s: tried %v, %v", name, tried, ok)
		}
	}
	gone, err := ParseAddress("dicom://X@127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	if c := Test(t.Context(), gone, Options{}); len(c) != 1 || c[0].OK || c[0].Name != "tcp" {
		t.Errorf("nobody there: %+v", c)
	}
}
