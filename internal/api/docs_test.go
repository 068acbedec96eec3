package api_test

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
)

// TestOpenAPI: the document says what the server does.
func TestOpenAPI(t *testing.T) {
	st := &state{}
	n := start(t, api.Options{Version: "0.2.0"}, func(s *api.Server) {
		things(s)
		api.RegisterEvents(s, api.Operation{ID: "watch-thing", Path: "/things/{import}/events", Permission: "things.read", Tag: "Things"}, st.look)
	})
	answer, body := n.ask(t, "GET", "/api/v1/openapi.json", "")
	if answer.StatusCode != 200 || answer.Header.Get("Content-Type") != "application/openapi+json" {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	var document struct {
		OpenAPI string
		Info    struct{ Title, Version string }
		Servers []struct{ URL string }
		Paths   map[string]map[string]struct {
			OperationID string
			Permission  string `json:"x-permission"`
			Security    []map[string][]string
			Parameters  []struct{ Name, In string }
			Responses   map[string]struct {
				Content map[string]struct{ Schema map[string]any }
			}
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal([]byte(body), &document); err != nil {
		t.Fatal(err)
	}
	if document.OpenAPI != "3.1.0" || document.Info.Version != "0.2.0" || len(document.Servers) != 1 || document.Servers[0].URL != "/api/v1" {
		t.Errorf("%+v", document)
	}
	for _, r := range n.Routes() {
		method, path, _ := strings.Cut(r.Pattern, " ")
		below, ok := strings.CutPrefix(path, api.Base)
		if !ok || path == api.Base+"/openapi.json" {
			continue
		}
		op, ok := document.Paths[below][strings.ToLower(method)]
		if !ok || op.Permission != string(r.Permission) || len(op.Security) != 2 {
			t.Errorf("%s: %+v", r.Pattern, op)
		}
		schema := op.Responses["default"].Content[problem.ContentType].Schema
		if schema["$ref"] != "#/components/schemas/Problem" {
			t.Errorf("%s: errors are described as %v", r.Pattern, op.Responses["default"])
		}
		key := slices.ContainsFunc(op.Parameters, func(p struct{ Name, In string }) bool { return p.Name == "Idempotency-Key" })
		if key != r.Idempotent {
			t.Errorf("%s: the key is described: %v", r.Pattern, key)
		}
	}
	for name := range document.Components.Schemas {
		if strings.HasPrefix(name, "Error") {
			t.Errorf("a schema of nobody: %s", name)
		}
	}
	if _, ok := document.Paths["/things/{import}/events"]["get"].Responses["200"].Content["text/event-stream"]; !ok {
		t.Error("the stream is not described")
	}
	if _, ok := document.Paths["/things"]["post"].Responses["201"]; !ok {
		t.Error("201 is not described")
	}
	if _, ok := document.Paths["/things/{import}"]["delete"].Responses["204"]; !ok {
		t.Error("204 is not described")
	}
}

// TestDocsPage: every operation, schema and code is on the page; nothing is loaded from
// elsewhere, nothing is inline.
func TestDocsPage(t *testing.T) {
	n := start(t, api.Options{}, things)
	answer, body := n.ask(t, "GET", "/api/docs", "")
	if answer.StatusCode != 200 || !strings.Contains(answer.Header.Get("Content-Security-Policy"), "script-src 'self';") {
		t.Fatalf("%d %v", answer.StatusCode, answer.Header)
	}
	wanted := []string{`id="create-thing"`, "/api/v1/things/{import}", "things.delete", `id="schema-Thing"`, "Idempotency-Key", "&#34;name&#34;: &#34;box&#34;"}
	for _, e := range problem.Catalogue() {
		wanted = append(wanted, `id="problem-`+string(e.Code)+`"`)
	}
	for _, want := range wanted {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href)="([^"#][^"]*)"`).FindAllStringSubmatch(body, -1) {
		if !strings.HasPrefix(m[1], "/api/") {
			t.Errorf("the page refers to %s", m[1])
		} else if answer, _ := n.ask(t, "GET", m[1], ""); answer.StatusCode != 200 {
			t.Errorf("%s: %d", m[1], answer.StatusCode)
		}
	}
	if regexp.MustCompile(`<script>|<style|style="| on[a-z]+="|javascript:`).MatchString(body) {
		t.Error("the page has something inline")
	}
}

// TestDocsInBrowser: the page's script runs under its policy.
func TestDocsInBrowser(t *testing.T) {
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip("chromium is not installed")
	}
	n := start(t, api.Options{}, things)
	c := exec.CommandContext(t.Context(), browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--virtual-time-budget=3000", "--enable-logging=stderr", "--dump-dom", n.url+"/api/docs#create-thing")
	var errors strings.Builder
	c.Stderr = &errors
	c.WaitDelay = 5 * time.Second
	dom, err := c.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, errors.String())
	}
	if !regexp.MustCompile(`<details class="operation" id="create-thing" open`).Match(dom) || strings.Contains(string(dom), `id="search" hidden`) {
		t.Errorf("the script did not run:\n%s", dom)
	}
	if strings.Contains(errors.String(), "Content Security Policy") {
		t.Errorf("%s", errors.String())
	}
}
