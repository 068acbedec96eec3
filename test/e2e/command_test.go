package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lotse/test/peer"
	"lotse/test/samples"
)

func TestInspect(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	text := lotse(t, "inspect", zip).want(t, 0).out
	for _, want := range []string{"Mustermann", "OT", "report_mustermann"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing:\n%s", want, text)
		}
	}
	german := lotse(t, "--lang", "de", "inspect", zip).want(t, 0).out
	if german == text {
		t.Error("German and English are the same")
	}
	var any map[string]any
	if err := json.Unmarshal([]byte(lotse(t, "inspect", zip, "--json").want(t, 0).out), &any); err != nil {
		t.Error(err)
	}
}

func TestDump(t *testing.T) {
	file := samples.File(t, "dicom/Enet4__dicom-test-files/data/pydicom/CT_small.dcm")
	if out := lotse(t, "dump", file).want(t, 0).out; !strings.Contains(out, "PatientName") {
		t.Error(out)
	}
	var got, want any
	if err := json.Unmarshal([]byte(lotse(t, "dump", file, "--json").want(t, 0).out), &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(peer.Run(t, "dcm2json", file)), &want); err != nil {
		t.Fatal(err)
	}
	for _, tag := range []string{"00100010", "00280010", "00080060"} {
		g, _ := json.Marshal(got.(map[string]any)[tag])
		w, _ := json.Marshal(want.(map[string]any)[tag])
		if string(g) != string(w) {
			t.Errorf("%s: %s, dcm2json %s", tag, g, w)
		}
	}
	lotse(t, "dump", samples.File(t, "dlx-demo/report_mustermann.pdf")).want(t, 1)
	lotse(t, "dump", "/nowhere").want(t, 2)
}

func TestUsage(t *testing.T) {
	lotse(t, "--help").want(t, 0)
	lotse(t, "version").want(t, 0)
	lotse(t).want(t, 2)
	lotse(t, "import").want(t, 2)
	lotse(t, "import", "--no-such-flag").want(t, 2)
}

func TestEcho(t *testing.T) {
	scp := peer.StoreSCP(t)
	lotse(t, "echo", "dicom://SINK@"+scp.Addr()).want(t, 0)
	scp.Kill()
	<-scp.Ended()
	lotse(t, "echo", "dicom://SINK@"+scp.Addr()).want(t, 1)
}

func TestDemoOnce(t *testing.T) {
	dir := t.TempDir()
	r := lotse(t, "demo", "--once", "--keep", dir).want(t, 0)
	if !strings.Contains(r.out, "█") && !strings.Contains(r.out, "▄") {
		t.Error("no QR code was shown")
	}
	files := filesBelow(t, dir)
	if len(files) < 20 {
		t.Fatalf("the PACS has %d files", len(files))
	}
	out := pydicom(t, `
print({(str(d.PatientID), str(d.AccessionNumber)) for d in map(pydicom.dcmread, sys.argv[1:])})`, files...)
	if strings.TrimSpace(out) != "{('4711', 'A-2026-0815')}" {
		t.Error(out)
	}
}

// TestKilled kills an import in the middle: nothing of the exam stays on the disk
// but what was delivered whole, and a second run completes it.
func TestKilled(t *testing.T) {
	p, scp := startPortal(t), peer.StoreSCP(t, "+xa", "+B")
	temp := t.TempDir()
	cmd := exec.Command(binary, "import", p.link("SLOW-1"), "--birth-date", "1970-01-01", "--to", "dicom://SINK@"+scp.Addr(), "--temp-dir", temp, "--patient-id", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peer.Await(t, 20*time.Second, "the import to open its temporary file", func() bool {
		return holdsDeletedFile(cmd.Process.Pid, temp)
	})
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed on purpose
	if left := filesBelow(t, temp); len(left) > 0 {
		t.Errorf("left on the disk: %v", left)
	}
	lotse(t, args(local, "import", p.link("SLOW-1"), "--birth-date", "1970-01-01", "--to", "dicom://SINK@"+scp.Addr(), "--temp-dir", temp)...).want(t, 0)
	checkDelivered(t, scp.Files(t))
}

// holdsDeletedFile reports whether the process has a file open that was in dir and
// has no name any more.
func holdsDeletedFile(pid int, dir string) bool {
	fds, _ := filepath.Glob(filepath.Join("/proc", itoa(pid), "fd", "*"))
	for _, fd := range fds {
		if target, err := os.Readlink(fd); err == nil && strings.HasPrefix(target, dir) && strings.HasSuffix(target, "(deleted)") {
			return true
		}
	}
	return false
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestInterrupted(t *testing.T) {
	p := startPortal(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	temp := t.TempDir()
	cmd := exec.CommandContext(ctx, binary, "import", p.link("SLOW-1"), "--birth-date", "1970-01-01", "--to", "dir:"+t.TempDir(), "--temp-dir", temp, "--patient-id", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	peer.Await(t, 20*time.Second, "the import to open its temporary file", func() bool {
		return holdsDeletedFile(cmd.Process.Pid, temp)
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 1 {
		t.Errorf("exit code %d", code)
	}
}
