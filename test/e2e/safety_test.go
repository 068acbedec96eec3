package e2e

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lotse/internal/synth"
	"lotse/test/peer"
	"lotse/test/samples"
)

// One decision is about one person: several patients are never made one by mistake.
func TestSeveralPatients(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"CT_small.dcm", "MR_small.dcm"} {
		b, err := os.ReadFile(samples.File(t, "dicom/Enet4__dicom-test-files/data/pydicom/"+name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := t.TempDir()
	lotse(t, "import", dir, "--to", "dir:"+out, "--patient-id", "1").want(t, 5)
	if files := filesBelow(t, out); len(files) > 0 {
		t.Fatalf("delivered without a choice: %v", files)
	}
	lotse(t, "import", dir, "--to", "dir:"+out, "--patient-id", "1", "--only-patient", "nobody").want(t, 2)
	rec := lotse(t, "import", dir, "--to", "dir:"+out, "--patient-id", "1", "--only-patient", "1CT1", "--json").want(t, 0).receipt(t)
	if rec.Totals.Delivered != 1 || rec.Totals.LeftOut != 1 {
		t.Errorf("%+v", rec.Totals)
	}
	lotse(t, "import", dir, "--to", "dir:"+out, "--patient-id", "1", "--same-patient").want(t, 0)
	lotse(t, "import", dir, "--to", "dir:"+t.TempDir()).want(t, 0) // nothing decided, nothing mixed
}

func TestContradictionIsNamed(t *testing.T) {
	rec := lotse(t, "import", samples.File(t, "dlx-demo/patcd.zip"), "--dry-run", "--json", "--patient-id", "1",
		"--patient-birth-date", "1980-01-01", "--patient-sex", "F").want(t, 0).receipt(t)
	found := map[string]bool{}
	for _, f := range rec.Findings {
		found[f.Code] = true
	}
	if !found["birth-date-differs"] || !found["sex-differs"] {
		t.Errorf("findings %v", rec.Findings)
	}
}

// damagedZIP is a CT of 12 slices with one compressed byte of slice 5 flipped
// behind its header, so that only its end shows the damage.
func damagedZIP(t *testing.T) string {
	t.Helper()
	var b bytes.Buffer
	if err := synth.CT(&b, synth.CTOptions{Slices: 12, Series: 1, Seed: 3}); err != nil {
		t.Fatal(err)
	}
	data := b.Bytes()
	zr, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range zr.File {
		if f.UncompressedSize64 < 100_000 {
			continue
		}
		if n++; n == 5 {
			at, err := f.DataOffset()
			if err != nil {
				t.Fatal(err)
			}
			data[at+int64(f.CompressedSize64)*3/4] ^= 0x10
		}
	}
	path := filepath.Join(t.TempDir(), "damaged.zip")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A damaged object is never half stored, and never stops the others.
func TestDamagedObject(t *testing.T) {
	scp := peer.StoreSCP(t, "+xa", "+B")
	rec := lotse(t, "import", damagedZIP(t), "--to", "dicom://SINK@"+scp.Addr(), "--patient-id", "1", "--json").want(t, 1).receipt(t)
	if rec.Totals.Delivered != 11 || rec.Totals.Failed != 1 {
		t.Errorf("%+v", rec.Totals)
	}
	for _, it := range rec.Items {
		if it.Fate == "failed" && it.Reason != "source-damaged" {
			t.Errorf("%s: %s", it.Path, it.Reason)
		}
	}
	if files := scp.Files(t); len(files) != 11 {
		t.Errorf("the peer has %d files", len(files))
	}
	dir := t.TempDir()
	lotse(t, "import", damagedZIP(t), "--to", "dir:"+dir, "--patient-id", "1").want(t, 1)
	if files := filesBelow(t, dir); len(files) != 11 {
		t.Errorf("the folder has %d files: %v", len(files), files)
	}
}

// The same medium imported twice changes nothing but the time of the trace, and
// every object keeps its identity.
func TestImportedTwice(t *testing.T) {
	zip, dir := samples.File(t, "dlx-demo/patcd.zip"), t.TempDir()
	for range 2 {
		lotse(t, args(local, "import", zip, "--to", "dir:"+dir)...).want(t, 0)
	}
	checkDelivered(t, filesBelow(t, dir))
}

// Nothing that a person answered or that names a patient is in what a script logs.
func TestNoSecretsInErrors(t *testing.T) {
	p := startPortal(t)
	r := lotse(t, "import", p.link("PASS-1"), "--password", "wrong-secret", "--to", "dir:"+t.TempDir(), "--patient-name", "Geheim^Person").want(t, 3)
	for _, secret := range []string{"wrong-secret", "PASS-1", "Geheim"} {
		if strings.Contains(r.err+r.out, secret) {
			t.Errorf("%s is shown: %s%s", secret, r.out, r.err)
		}
	}
}
