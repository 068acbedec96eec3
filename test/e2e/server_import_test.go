package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lotse/test/peer"
	"lotse/test/samples"
)

// onServer are the flags of a decision as a server takes them.
var onServer = local[:len(local)-2]

func TestServerImportsLink(t *testing.T) {
	p, scp := startPortal(t), peer.StoreSCP(t, "+xa", "+B")
	s := startServer(t, p)
	s.destination("PACS", "dicom://SINK@"+scp.Addr())
	signed := filepath.Join(t.TempDir(), "receipt.json")
	r := s.lotse(args(onServer, "import", p.link("BIRTH-1"), "--birth-date", "1.1.1970", "--to", "PACS", "--json", "--receipt", signed)...).want(t, 0)
	rec := r.receipt(t)
	checkDelivered(t, scp.Files(t))
	if rec.Totals.Delivered != 5 {
		t.Errorf("totals %+v", rec.Totals)
	}
	for _, it := range rec.Items {
		switch {
		case it.Fate != "delivered" && (it.Reason == "" || it.Sentence == "" || strings.HasPrefix(it.Sentence, "reason.")):
			t.Errorf("%s: %s without a reason in words: %q %q", it.Path, it.Fate, it.Reason, it.Sentence)
		case it.Kind == "instance" && (it.Before == "" || it.Before != it.After || len(it.Changes) == 0 || it.Digest == ""):
			t.Errorf("%s: %+v", it.Path, it)
		}
	}
	info, err := os.Stat(signed)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	var form struct {
		Format string
		Proof  map[string]any
	}
	raw, err := os.ReadFile(signed)
	if err != nil || json.Unmarshal(raw, &form) != nil || form.Format != "lotse-receipt/1" || form.Proof["signature"] == nil {
		t.Errorf("no signed receipt: %v\n%.200s", err, raw)
	}
	if r.err != "" {
		t.Errorf("a script reads:\n%s", r.err)
	}
}

// TestServerImportsFiles: every way to hand files over ends with the same objects.
func TestServerImportsFiles(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	work := t.TempDir()
	cd := filepath.Join(work, "cd")
	peer.Run(t, "unzip", "-q", zip, "-d", cd)
	if err := os.Symlink("/etc/passwd", filepath.Join(cd, "link")); err != nil {
		t.Fatal(err)
	}
	peer.Run(t, "zip", "-q", "-j", filepath.Join(work, "outer.zip"), zip)
	encrypted := filepath.Join(work, "encrypted.zip")
	peer.Run(t, "sh", "-c", `cd "$1" && zip -q -r -P 132-238-252 "$2" . -x link`, "sh", cd, encrypted)
	p := startPortal(t)
	peer.Run(t, "qrencode", "-s", "5", "-o", filepath.Join(work, "letter.png"), p.link("BIRTH-1"))
	s := startServer(t, p)
	for name, source := range map[string][]string{
		"zip": {zip}, "folder": {cd}, "directory of the medium": {filepath.Join(cd, "DICOMDIR")}, "nested": {filepath.Join(work, "outer.zip")},
		"several":   {filepath.Join(cd, "STUD01"), filepath.Join(cd, "IHE_PDI")},
		"encrypted": {encrypted, "--password", "132-238-252"},
		"picture":   {filepath.Join(work, "letter.png"), "--birth-date", "1970-01-01"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s.destination(name, "dir:"+dir)
			r := s.lotse(args(onServer, append([]string{"import", "--to", name}, source...)...)...).want(t, 0)
			checkDelivered(t, filesBelow(t, dir))
			if !strings.Contains(r.out, "signature of the receipt is genuine") {
				t.Errorf("nothing is said of the signature:\n%s", r.out)
			}
			if linked := source[0] == cd || name == "directory of the medium"; linked != strings.Contains(r.err, "\n  link\n") {
				t.Errorf("the link that was not followed:\n%s", r.err)
			}
		})
	}
}

func TestServerQuestions(t *testing.T) {
	p := startPortal(t)
	s := startServer(t, p)
	s.destination("folder", "dir:"+t.TempDir())
	encrypted := filepath.Join(t.TempDir(), "encrypted.zip")
	peer.Run(t, "zip", "-q", "-j", "-P", "secret", encrypted, samples.File(t, "dlx-demo/patcd.zip"))
	to := []string{"--to", "folder", "--patient-id", "1"}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{"password", []string{p.link("PASS-1"), "--password", "132-238-252"}, 0, ""},
		{"custom", []string{p.link("CUSTOM-1"), "--answer", "d=29.2.2024", "--answer", "s=Königsallee"}, 0, ""},
		{"wrong", []string{p.link("BIRTH-1"), "--birth-date", "1971-01-01"}, 3, "does not know"},
		{"unknown link", []string{p.link("NONE-1"), "--birth-date", "1970-01-01"}, 3, "does not know"},
		{"expired", []string{p.link("EXPIRED-1"), "--birth-date", "1970-01-01"}, 4, "expired"},
		{"no answer", []string{p.link("BIRTH-1")}, 5, "[birth] What is the birth date?"},
		{"not a date", []string{p.link("BIRTH-1"), "--birth-date", "30.2.1970"}, 2, "birth_date"},
		{"not permitted", []string{"http://127.0.0.1:1/view?token=x"}, 1, "does not permit"},
		{"select none", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--select", "Knie"}, 2, ""},
		{"select one", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--select", "Befund"}, 0, ""},
		{"contradiction", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--patient-birth-date", "1971-02-03", "--patient-sex", "F"}, 5, "--reason"},
		{"contradiction accepted", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--patient-birth-date", "1971-02-03", "--reason", "checked by phone"}, 0, ""},
		{"no such patient", []string{p.link("BIRTH-1"), "--birth-date", "1970-01-01", "--only-patient", "nobody"}, 2, ""},
		{"no password", []string{encrypted}, 1, ""},
		{"no file", []string{"/nowhere/at/all"}, 2, ""},
		{"a link and a file", []string{p.link("BIRTH-1"), encrypted}, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := s.lotse(args(to, append([]string{"import"}, c.args...)...)...).want(t, c.code)
			if !strings.Contains(r.err, c.says) {
				t.Errorf("%q is not in: %s", c.says, r.err)
			}
			for _, secret := range []string{"BIRTH-1", "NONE-1", "EXPIRED-1", "1971", "19710101", "token=", s.tokens.Importer} {
				if strings.Contains(r.err, secret) {
					t.Errorf("the message gives %s away: %s", secret, r.err)
				}
			}
		})
	}
}

// TestServerUsage: what can be seen to be wrong begins nothing.
func TestServerUsage(t *testing.T) {
	zip := samples.File(t, "dlx-demo/patcd.zip")
	s := startServer(t, nil)
	s.destination("folder", "dir:"+t.TempDir())
	stranger := filepath.Join(t.TempDir(), "stranger")
	if err := os.WriteFile(stranger, []byte("lotse_"+strings.Repeat("A", 43)), 0o600); err != nil {
		t.Fatal(err)
	}
	server := []string{"--server", s.url(), "--token-file", s.file}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no destination":         {args([]string{"--to", "elsewhere"}, server...), 2, "It has: folder"},
		"destination missing":    {server, 2, "--to"},
		"no token":               {[]string{"--server", s.url(), "--to", "folder"}, 2, "--token-file"},
		"unknown token":          {[]string{"--server", s.url(), "--to", "folder", "--token-file", stranger}, 2, "access key"},
		"not a server":           {[]string{"--server", "lotse.example", "--token", "x", "--to", "folder"}, 2, "not the address"},
		"without encryption":     {[]string{"--server", "http://lotse.example", "--token", "x", "--to", "folder"}, 2, "https"},
		"nobody there":           {[]string{"--server", "http://127.0.0.1:1", "--token", "x", "--to", "folder"}, 1, "does not answer"},
		"dry run":                {args([]string{"--to", "folder", "--dry-run"}, server...), 2, "--dry-run"},
		"left with a decision":   {args([]string{"--to", "folder", "--wait=false"}, server...), 2, "--wait=false"},
		"a reason for nobody":    {[]string{"--to", "dir:" + t.TempDir(), "--reason", "x"}, 2, "--server"},
		"a value that is none":   {args([]string{"--to", "folder", "--patient-sex", "male"}, server...), 2, ""},
		"waiting without server": {[]string{"--to", "dir:" + t.TempDir(), "--wait=false"}, 2, "--server"},
	} {
		t.Run(name, func(t *testing.T) {
			r := lotse(t, append([]string{"import", zip}, c.args...)...).want(t, c.code)
			if !strings.Contains(r.err, c.says) || strings.Contains(r.err, s.tokens.Importer) {
				t.Errorf("%q is not in, or the token is: %s", c.says, r.err)
			}
		})
	}
	if list := s.imports(); len(list) != 0 {
		t.Errorf("begun: %+v", list)
	}
	german := lotse(t, "--lang", "de", "import", zip, "--server", "http://127.0.0.1:1", "--token", "x", "--to", "y").want(t, 1)
	if !strings.Contains(german.err, "antwortet nicht") {
		t.Error(german.err)
	}
}

func TestServerIsLeft(t *testing.T) {
	p := startPortal(t)
	s := startServer(t, p)
	for name, source := range map[string][]string{"link": {p.link("BIRTH-1"), "--birth-date", "1970-01-01"}, "upload": {samples.File(t, "dlx-demo/patcd.zip")}} {
		t.Run(name, func(t *testing.T) {
			r := s.lotse(append([]string{"import", "--wait=false"}, source...)...).want(t, 0)
			var one imported
			peer.Await(t, patience, "the import to be in review", func() bool {
				s.call("GET", "/imports/"+strings.TrimSpace(r.out), nil, &one)
				return one.State == "review"
			})
		})
	}
}
