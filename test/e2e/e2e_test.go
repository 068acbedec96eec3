// Package e2e tests the built binary as its users run it, against real peers.
package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"lotse/test/samples"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "lotse-e2e-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "lotse")
	build := exec.Command("go", "build", "-o", binary, "lotse/cmd/lotse")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// run is one finished call of lotse.
type run struct {
	out, err string
	code     int
}

// lotse runs the binary with English messages and nothing on its input.
func lotse(t *testing.T, args ...string) run {
	t.Helper()
	return lotseIn(t.Context(), t, "", args...)
}

func lotseIn(ctx context.Context, t *testing.T, dir string, args ...string) run {
	t.Helper()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LANG=en_GB.UTF-8", "LC_ALL=")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return run{out: out.String(), err: errs.String(), code: cmd.ProcessState.ExitCode()}
}

func (r run) want(t *testing.T, code int) run {
	t.Helper()
	if r.code != code {
		t.Fatalf("exit code %d, want %d\n%s\n%s", r.code, code, r.out, r.err)
	}
	return r
}

// receipt is what the tests read of one.
type receipt struct {
	DryRun bool `json:"dry_run"`
	Totals struct {
		CameIn    int `json:"came_in"`
		Delivered int `json:"delivered"`
		Warned    int `json:"delivered_with_warning"`
		Failed    int `json:"failed"`
		LeftOut   int `json:"left_out"`
		Planned   int `json:"planned"`
	} `json:"totals"`
	Problem  string `json:"problem"`
	Findings []struct {
		Code string `json:"code"`
	} `json:"findings"`
	Items []struct {
		Path, Kind, Fate, Reason, Sentence string
		Instance                           string `json:"sop_instance_uid"`
		Class                              string `json:"sop_class_uid"`
		Digest                             string `json:"source_sha256"`
		Before                             string `json:"pixel_sha256_before"`
		After                              string `json:"pixel_sha256_after"`
		Changes                            []struct{ Path, Name, Old, New string }
	}
}

func (r run) receipt(t *testing.T) receipt {
	t.Helper()
	var rec receipt
	if err := json.Unmarshal([]byte(r.out), &rec); err != nil {
		t.Fatalf("the receipt is no JSON: %v\n%.400s\n%s", err, r.out, r.err)
	}
	s := rec.Totals
	if s.CameIn != len(rec.Items) || s.CameIn != s.Delivered+s.Warned+s.Failed+s.LeftOut+s.Planned {
		t.Errorf("totals do not add up: %+v, %d items", s, len(rec.Items))
	}
	return rec
}

// portal is a running independent DLX portal.
type portal struct {
	t    *testing.T
	port string
}

func startPortal(t *testing.T) *portal {
	t.Helper()
	python := "/usr/bin/python3"
	if _, err := os.Stat(python); err != nil {
		t.Skip("Debian's python3 is not installed: the independent portal cannot run")
	}
	root := samples.Dir(t)
	cmd := exec.Command(python, "testdata/portal.py", filepath.Join(root, "dlx-demo", "patcd.zip"), filepath.Join(root, "dlx-demo", "report_mustermann.pdf"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return &portal{t: t, port: strings.TrimSpace(line)}
}

func (p *portal) link(token string) string {
	return "http://127.0.0.1:" + p.port + "/view?token=" + token
}

// filesBelow lists all regular files below dir.
func filesBelow(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
