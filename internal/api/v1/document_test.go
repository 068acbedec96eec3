package v1_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"lotse/internal/api"
	"lotse/internal/store/storetest"
)

// guide is docs/api.md.
func guide(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestGuideRoutes: the table of the guide has the routes that there are.
func TestGuideRoutes(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	var want, got []string
	for _, r := range w.server.Routes() {
		if method, path, _ := strings.Cut(r.Pattern, " "+api.Base); path != "" {
			want = append(want, fmt.Sprintf("| %s %s | %s |", method, path, r.Permission))
		}
	}
	for _, line := range strings.Split(guide(t), "\n") {
		if regexp.MustCompile(`^\| [A-Z]+ /`).MatchString(line) {
			got = append(got, line)
		}
	}
	for _, line := range want {
		if !slices.Contains(got, line) {
			t.Errorf("the guide lacks %s", line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("there is no %s", line)
		}
	}
}

// TestGuideCommands runs the commands of the guide in their order.
func TestGuideCommands(t *testing.T) {
	for _, tool := range []string{"bash", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	w := open(t, storetest.SQLite(t))
	secret, err := w.tokens.Setup(t.Context())
	w.must(err)
	exam := filepath.Join(w.dir, "exam.zip")
	w.must(os.WriteFile(exam, w.demo().ZIP, 0o600))
	script := "set -euo pipefail\n"
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(guide(t), -1) {
		script += block[1]
	}
	folder := t.TempDir()
	c := exec.CommandContext(t.Context(), "bash", "-c", script)
	c.Dir = folder
	c.Env = append(os.Environ(), "LOTSE="+w.url, "SECRET="+secret, "EXAM="+exam, "ARCHIVE=dir:"+w.dir+"/archive")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, name := range []string{"receipt.json", "receipt-keys.json"} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || !json.Valid(text) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
	if files(t, w.dir+"/archive") == 0 {
		t.Error("nothing was delivered")
	}
}

// described is an operation of the OpenAPI document.
type described struct {
	OperationID string `json:"operationId"`
	Summary     string
	Tags        []string
	Permission  string `json:"x-permission"`
	Security    []map[string][]string
	Parameters  []struct {
		Name, In string
		Required bool
		Schema   map[string]any
	}
	RequestBody *struct{ Content map[string]any }
	Responses   map[string]struct {
		Description string
		Content     map[string]any
	}
}

// TestOpenAPI: every route is described, completely, and every reference leads somewhere.
func TestOpenAPI(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	a := w.ask("", "GET", "/api/v1/openapi.json", nil)
	var document struct {
		OpenAPI    string
		Info       struct{ Title, Version string }
		Paths      map[string]map[string]described
		Components struct{ Schemas map[string]any }
	}
	w.into(a, http.StatusOK, &document)
	if !strings.HasPrefix(document.OpenAPI, "3.1") || document.Info.Title == "" || document.Info.Version != "test" {
		t.Errorf("%s %+v", document.OpenAPI, document.Info)
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(string(a.body), -1) {
		if document.Components.Schemas[ref[1]] == nil {
			t.Errorf("%s leads nowhere", ref[1])
		}
	}
	ids := map[string]bool{}
	for _, r := range w.server.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " "+api.Base)
		if path == "" || path == "/openapi.json" {
			continue
		}
		op, ok := document.Paths[path][strings.ToLower(method)]
		if !ok || ids[op.OperationID] {
			t.Errorf("%s is not described, or twice: %q", r.Pattern, op.OperationID)
			continue
		}
		ids[op.OperationID] = true
		op.check(t, r, path)
	}
	page := w.ask("", "GET", "/api/docs", nil)
	for id := range ids {
		if !strings.Contains(string(page.body), id) {
			t.Errorf("%s is not on the page", id)
		}
	}
}

// check looks for what a description needs.
func (op described) check(t *testing.T, r api.Route, path string) {
	t.Helper()
	if op.Summary == "" || len(op.Tags) != 1 || op.Permission != string(r.Permission) || (len(op.Security) == 0) != (r.Permission == "public") {
		t.Errorf("%s: %+v", r.Pattern, op)
	}
	success := false
	for status, response := range op.Responses {
		success = success || status[0] == '2'
		if response.Description == "" {
			t.Errorf("%s: %s is not described", r.Pattern, status)
		}
	}
	if _, ok := op.Responses["default"].Content["application/problem+json"]; !ok || !success {
		t.Errorf("%s has the answers %+v", r.Pattern, op.Responses)
	}
	for _, name := range regexp.MustCompile(`\{([a-z]+)\}`).FindAllStringSubmatch(path, -1) {
		if !slices.ContainsFunc(op.Parameters, func(p struct {
			Name, In string
			Required bool
			Schema   map[string]any
		}) bool {
			return p.Name == name[1] && p.In == "path" && p.Required
		}) {
			t.Errorf("%s: the parameter %s is not described", r.Pattern, name[1])
		}
	}
}
