package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"lotse/test/peer"
)

// reader uses the pages in a browser, with the keyboard only.
type reader struct {
	*peer.Browser
	t     *testing.T
	shots string // folder for pictures of the pages; empty: none
}

// fill types texts into the fields of a form, one after the other from where the focus
// is, and sends it.
func (p *reader) fill(texts ...string) {
	p.t.Helper()
	for i, text := range texts {
		if i > 0 {
			p.Press("Tab")
		}
		p.Type(text)
	}
	p.Press("Enter")
}

// see waits until a section is shown and takes its picture, in the sizes of a desk and
// of a phone.
func (p *reader) see(section string) {
	p.t.Helper()
	p.Until(`document.querySelector("#` + section + `") && !document.querySelector("#` + section + `").hidden`)
	if wide, err := p.Eval(`document.documentElement.scrollWidth > document.documentElement.clientWidth`); err != nil || wide != "false" {
		p.t.Errorf("%s is wider than the window: %v", section, err)
	}
	if broken, err := p.Eval(`window.complaints.join("; ")`); err != nil || broken != "" {
		p.t.Errorf("%s: %s, %v", section, broken, err)
	}
	if unnamed, err := p.Eval(`[...document.querySelectorAll("input:not(.unseen)")].filter((i) => !i.labels.length).length`); err != nil || unnamed != "0" {
		p.t.Errorf("%s: %s fields have no label, %v", section, unnamed, err)
	}
	if p.shots == "" {
		return
	}
	for name, size := range map[string][3]int{"desk": {1280, 900, 0}, "phone": {375, 800, 0}, "dark": {1280, 900, 1}} {
		p.Size(size[0], size[1], size[2] == 1)
		lang, _ := p.Eval("document.documentElement.lang")
		if err := os.WriteFile(filepath.Join(p.shots, section+"-"+lang+"-"+name+".png"), p.Picture(), 0o600); err != nil {
			p.t.Fatal(err)
		}
	}
	p.Size(375, 800, false)
}

// TestPages: the first administrator is made, logs in with a second factor, and looks
// after the account, with nothing but a keyboard, on a page as wide as a phone.
// PAGE_PICTURES names a folder for pictures.
func TestPages(t *testing.T) {
	for _, lang := range []string{"en", "de"} {
		t.Run(lang, func(t *testing.T) {
			s := &server{t: t, dir: t.TempDir(), port: peer.FreePort(t)}
			s.env = []string{"LOTSE_DATA_DIR=" + filepath.Join(s.dir, "data"), "LOTSE_LISTEN=localhost:" + strconv.Itoa(s.port), "LOTSE_DICOM_LISTEN=off",
				"LOTSE_METRICS_LISTEN=off", "LOTSE_SECURITY_SECOND_FACTOR=administrator", "LANG=en_GB.UTF-8", "LC_ALL="}
			s.start()
			t.Cleanup(s.kill)
			_, secret, _ := strings.Cut(s.out.String(), "/setup#")
			url := "http://localhost:" + strconv.Itoa(s.port)
			p := &reader{Browser: peer.Chromium(t, lang), t: t, shots: os.Getenv("PAGE_PICTURES")}
			p.Complaints()
			p.Size(375, 800, false)

			p.Open(url + "/setup#" + strings.Fields(secret)[0])
			p.see("begin")
			p.fill("Käthe Lotsin", "kaethe", "kaethe@example.org", "kurzundgut1234", "anders") // Tab by Tab
			p.Until(`document.querySelector("#begin-form [role=alert]").textContent.length > 10`)
			p.Open("about:blank")
			p.Open(url + "/setup#" + strings.Fields(secret)[0])
			p.see("begin")
			p.fill("Käthe Lotsin", "kaethe", "kaethe@example.org", "vier wilde Hirsche tanzen", "vier wilde Hirsche tanzen")
			p.see("done")
			p.Press("Enter") // the focus is on the link to log in
			p.see("begin")
			p.fill("kaethe", "falsch falsch falsch")
			p.Until(`document.querySelector("#begin-form [role=alert]").textContent.length > 10`)
			p.see("begin")
			p.Eval(`document.querySelector("#login").focus()`)
			p.fill("Kaethe", "vier wilde Hirsche tanzen")
			p.see("enrol-factor")
			if names := p.Cookies(); !slices.Equal(names, []string{"__Host-lotse"}) {
				t.Errorf("the browser has the cookies %v", names)
			}
			key, err := p.Eval(`document.querySelector("#enrol-secret").textContent`)
			if err != nil {
				t.Fatal(err)
			}
			code, err := totp.GenerateCode(strings.ReplaceAll(key, " ", ""), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			p.fill(code)
			p.see("account")
			p.Until(`document.querySelector("#name").textContent === "Käthe Lotsin" && document.querySelectorAll("#sessions li").length === 1 && document.querySelectorAll("#factors li").length === 1`)
			p.Eval(`document.querySelector("#token-name").focus()`)
			p.fill("a script")
			p.Until(`document.querySelector("#token").value.startsWith("lotse_")`)
			p.Eval(`document.querySelector("#present").focus()`)
			p.fill("vier wilde Hirsche tanzen", "fünf zahme Rehe schlafen", "fünf zahme Rehe schlafen")
			p.Until(`document.querySelector("#said").textContent.length > 10`)
			p.see("account")
			p.Eval(`document.querySelector("#logout").focus()`)
			p.Press("Enter")
			p.see("begin")
			if names := p.Cookies(); len(names) != 0 {
				t.Errorf("the browser keeps %v", names)
			}
			p.Open(url + "/account") // nobody is in
			p.see("begin")
		})
	}
}
