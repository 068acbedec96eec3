package e2e

import (
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestNotLinked: nothing in the binary can show what is in its memory over HTTP.
func TestNotLinked(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "lotse/cmd/lotse").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := strings.Fields(string(out))
	if !slices.Contains(linked, "net/http") {
		t.Fatal("the list of packages is not that of the binary")
	}
	for _, p := range []string{"net/http/pprof", "runtime/pprof", "net/http/httptest", "testing"} {
		if slices.Contains(linked, p) {
			t.Errorf("%s is linked", p)
		}
	}
	symbols, err := exec.Command("go", "tool", "nm", binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(symbols), "net/http/pprof.") {
		t.Error("the binary has symbols of net/http/pprof")
	}
}

// TestNothingIsStarted: no package of the product can start a program, so nothing is
// handed to one in a file.
func TestNothingIsStarted(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}} {{.Imports}}", "lotse/cmd/lotse").Output()
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for line := range strings.Lines(string(out)) {
		name, imports, _ := strings.Cut(line, " ")
		if !strings.HasPrefix(name, "lotse/") {
			continue
		}
		if own++; slices.Contains(strings.Fields(strings.Trim(imports, "[]\n")), "os/exec") {
			t.Errorf("%s starts programs", name)
		}
	}
	if own < 20 {
		t.Fatalf("only %d packages are the product's", own)
	}
}

// TestNothingToDebug: the listener of pages and API has neither metrics nor what the
// packages of Go would show of a process.
func TestNothingToDebug(t *testing.T) {
	s := startServer(t, nil)
	for _, path := range []string{"/metrics", "/debug/pprof/", "/debug/pprof/heap", "/debug/vars"} {
		resp, err := http.Get(s.url() + path)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
}
