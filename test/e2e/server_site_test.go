package e2e

import (
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lotse/test/peer"
	"lotse/test/samples"
	"lotse/test/torture/gateway"
)

// TestServerSite imports for a site by its name: its institution is in the objects, and
// only its destinations can be named.
func TestServerSite(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	var own, north struct{ ID string }
	s.post("/destinations", map[string]string{"name": "north archive", "address": "dir:" + dir}, &own)
	s.destination("archive", "dir:"+t.TempDir())
	s.post("/sites", map[string]any{"name": "North", "issuer": "NORTH", "institution": "Clinic North", "destinations": []string{own.ID}}, &north)
	zip := samples.File(t, "dlx-demo/patcd.zip")
	for name, c := range map[string]struct {
		args []string
		says string
	}{
		"unknown site":          {[]string{"--site", "Nowhere", "--to", "archive"}, "It has: North"},
		"another's destination": {[]string{"--site", "North", "--to", "archive"}, "It has: north archive"},
	} {
		r := s.lotse(args(onServer, append([]string{"import", zip}, c.args...)...)...).want(t, 2)
		if !strings.Contains(r.err, c.says) {
			t.Errorf("%s: %q is not in: %s", name, c.says, r.err)
		}
	}
	lotse(t, "import", zip, "--to", "dir:"+t.TempDir(), "--site", "North").want(t, 2)
	s.lotse("import", zip, "--site", "North", "--to", "north archive", "--patient-id", "4711", "--patient-name", "Müller^Jörg").want(t, 0)
	var list struct {
		Imports []struct{ ID, Site string }
	}
	if status := s.call(http.MethodGet, "/imports?site="+north.ID, nil, &list); status != http.StatusOK || len(list.Imports) != 1 || list.Imports[0].Site != north.ID {
		t.Errorf("%d %+v", status, list)
	}
	for _, file := range filesBelow(t, dir) {
		if out := peer.Run(t, "dcmdump", "+P", "0010,0021", "+P", "0008,0080", "+P", "0018,a001", file); !strings.Contains(out, "[NORTH]") || !strings.Contains(out, "[Clinic North]") {
			t.Errorf("%s says nothing of the site:\n%s", filepath.Base(file), out)
		}
	}
}

// TestSecondTenant makes a second organisation on an installation that runs: its first
// administrator gets in by a command, and what is sent to it is its own.
func TestSecondTenant(t *testing.T) {
	s := startServer(t, nil)
	s.kill()
	port := strconv.Itoa(peer.FreePort(t))
	s.env = append(s.env, "LOTSE_DICOM_LISTEN=127.0.0.1:"+port)
	s.start()
	for _, v := range s.env { // commands at the console use the server's configuration
		name, value, _ := strings.Cut(v, "=")
		t.Setenv(name, value)
	}
	command := func(parts ...string) run { return lotseIn(t.Context(), t, s.dir, parts...) }
	command("tenant", "administrator", "clinic").want(t, 2)
	command("tenant", "create", "clinic", "Clinic").want(t, 0)
	first := s.tokens
	made := command("tenant", "administrator", "clinic").want(t, 0)
	token := strings.TrimSpace(made.out)
	if !strings.HasPrefix(token, "lotse_") || strings.Contains(made.err, token) || !strings.Contains(made.err, "clinic") {
		t.Fatalf("%q, %q", made.out, made.err)
	}
	caller := map[string]any{"name": "CT", "calling_ae_title": "CT1", "networks": []string{"127.0.0.1"}}
	s.post("/callers", caller, nil)
	second, err := gateway.TokensBy(token, s.postBy)
	if err != nil {
		t.Fatal(err)
	}
	s.tokens = gateway.Tokens{Administrator: token, Importer: token}
	var me struct {
		Tenant string
		Roles  []string
	}
	if status := s.call(http.MethodGet, "/me", nil, &me); status != http.StatusOK || me.Tenant != "clinic" || !slices.Equal(me.Roles, []string{"administrator"}) {
		t.Errorf("%d %+v", status, me)
	}
	caller["called_ae_title"] = "CLINIC"
	s.post("/callers", caller, nil)
	file := samples.File(t, "dicom/Enet4__dicom-test-files/data/pydicom/CT_small.dcm")
	for _, called := range []string{"LOTSE", "CLINIC", "CLINIC"} {
		peer.Run(t, "storescu", "-aet", "CT1", "-aec", called, "127.0.0.1", port, file)
	}
	for tokens, want := range map[gateway.Tokens]int{first: 1, second: 2} {
		s.tokens = tokens
		var list struct {
			Imports []struct{ Received struct{ Parts int } }
		}
		if status := s.call(http.MethodGet, "/imports", nil, &list); status != http.StatusOK || len(list.Imports) != 1 || list.Imports[0].Received.Parts != want {
			t.Errorf("%d %+v, want %d objects", status, list, want)
		}
	}
}
