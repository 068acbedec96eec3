package e2e

import (
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lotse/test/peer"
	"lotse/test/samples"
)

// in runs a tool in a folder.
func in(t *testing.T, dir, tool string, args ...string) {
	t.Helper()
	cmd := exec.Command(tool, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); errors.Is(err, exec.ErrNotFound) {
		t.Skipf("%s is not installed", tool)
	} else if err != nil {
		t.Fatalf("%s: %v\n%s", tool, err, out)
	}
}

// TestEncryptedArchive imports the demonstration exam from encrypted archives: with
// the password all of it arrives, without it the question is open.
func TestEncryptedArchive(t *testing.T) {
	medium := t.TempDir()
	peer.Run(t, "unzip", "-q", samples.File(t, "dlx-demo/patcd.zip"), "-d", medium)
	dir := t.TempDir()
	traditional, aes := filepath.Join(dir, "traditional.zip"), filepath.Join(dir, "aes.zip")
	in(t, medium, "zip", "-qr", "-Psecret", traditional, ".")
	in(t, medium, "7z", "a", "-tzip", "-mem=AES256", "-psecret", aes, ".")
	for _, zip := range []string{traditional, aes} {
		to := t.TempDir()
		lotse(t, args(local, "import", zip, "--password", "secret", "--to", "dir:"+to)...).want(t, 0)
		checkDelivered(t, filesBelow(t, to))

		to = t.TempDir()
		r := lotse(t, args(local, "import", zip, "--to", "dir:"+to)...).want(t, 5)
		if !strings.Contains(r.err, "protected by a password") || !strings.Contains(r.err, "[archive]") {
			t.Errorf("no password: %s", r.err)
		}
		r = lotse(t, args(local, "import", zip, "--password", "Secret", "--to", "dir:"+to)...).want(t, 2)
		if !strings.Contains(r.err, "does not open the archive") || strings.Contains(r.err, "Secret") {
			t.Errorf("wrong password: %s", r.err)
		}
		if left := filesBelow(t, to); len(left) > 0 {
			t.Errorf("delivered %v", left)
		}
	}
}

// TestPartlyEncryptedArchive delivers what can be read and says what cannot.
func TestPartlyEncryptedArchive(t *testing.T) {
	medium := t.TempDir()
	peer.Run(t, "unzip", "-q", samples.File(t, "dlx-demo/patcd.zip"), "-d", medium)
	zip := filepath.Join(t.TempDir(), "exam.zip")
	in(t, medium, "zip", "-qr", zip, "STUD01/SER01", "STUD01/SER02")
	in(t, medium, "zip", "-qr", "-Psecret", zip, "STUD01/SER03")
	for password, reason := range map[string]string{"": "encrypted", "wrong": "wrong-password"} {
		t.Setenv("LOTSE_PASSWORD", password)
		to := t.TempDir()
		rec := lotse(t, args(local, "import", zip, "--to", "dir:"+to, "--json")...).want(t, 1).receipt(t)
		if rec.Totals.Delivered != 2 || len(filesBelow(t, to)) != 2 {
			t.Errorf("%q: %+v", password, rec.Totals)
		}
		found := false
		for _, it := range rec.Items {
			found = found || it.Reason == reason && it.Path == "STUD01/SER03/IMG001"
		}
		if !found {
			t.Errorf("%q: %+v", password, rec.Items)
		}
	}
	t.Setenv("LOTSE_PASSWORD", "secret")
	to := t.TempDir()
	lotse(t, args(local, "import", zip, "--to", "dir:"+to)...).want(t, 0)
	if n := len(filesBelow(t, to)); n != 3 {
		t.Errorf("%d files", n)
	}
}
