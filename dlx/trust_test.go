package dlx_test

import (
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

// A forged link must not harvest answers: whatever leads to another site, no
// answer reaches it until it was confirmed.
func TestAnswersStayOnTheLinksSite(t *testing.T) {
	for name, lead := range map[string]func(portal *dlxtest.Portal){
		"redirect": func(p *dlxtest.Portal) {
			p.Script(dlxtest.Token, dlxtest.Redirect(302, "https://pörtal.example/dlx/v1/token/ABC-S1Z-98A"))
		},
		"apiBasePath": func(p *dlxtest.Portal) {
			p.Script(dlxtest.Token, dlxtest.JSON(strings.Replace(p.Questions, "/dlx/v1", "https://PÖRTAL.example./dlx/v1", 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			const foreign = "xn--prtal-jua.example"
			w, portal, thief := newWorld(t), dlxtest.New(nil), dlxtest.New(nil)
			lead(portal)
			w.https("portal.example", portal)
			w.https(foreign, thief)
			p, err := w.client().Probe(t.Context(), link)
			if err != nil {
				t.Fatal(err)
			}
			if p.ForeignHost != foreign || p.Host != foreign {
				t.Fatalf("host %q, foreign %q", p.Host, p.ForeignHost)
			}
			answers := map[string]string{"1": birth}
			_, err = w.client().Authenticate(t.Context(), p, answers)
			if e := wantKind(t, err, dlx.ForeignHost); e.Host != foreign {
				t.Errorf("host %q", e.Host)
			}
			if n := len(thief.Requests(dlxtest.TokenTFA)); n != 0 {
				t.Fatalf("%d requests with answers", n)
			}
			for _, confirmed := range []string{foreign, "pörtal.example", foreign + ":443"} {
				client := w.client(func(c *dlx.Config) { c.AllowHosts = []string{confirmed} })
				if _, err := client.Authenticate(t.Context(), p, answers); err != nil {
					t.Errorf("%s: %v", confirmed, err)
				}
			}
			for _, other := range []string{"portal.example", "example", foreign + ":8443", "x." + foreign, "", "http://" + foreign} {
				client := w.client(func(c *dlx.Config) { c.AllowHosts = []string{other} })
				_, err := client.Authenticate(t.Context(), p, answers)
				wantKind(t, err, dlx.ForeignHost)
			}
		})
	}
}

func TestConfirmedHostIsNotForeign(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	portal.Script(dlxtest.Token, dlxtest.Redirect(302, "https://api.other.example/dlx/v1/token/ABC-S1Z-98A"))
	w.https("portal.example", portal)
	w.https("api.other.example", dlxtest.New(nil))
	p, err := w.client(func(c *dlx.Config) { c.AllowHosts = []string{"api.other.example"} }).Probe(t.Context(), link)
	if err != nil || p.ForeignHost != "" || p.Host != "api.other.example" {
		t.Fatalf("%v %v", p, err)
	}
}

func TestSameSite(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	portal.Questions = strings.Replace(portal.Questions, "/dlx/v1", "https://api.portal.example/dlx/v1", 1)
	w.https("portal.example", portal)
	w.https("api.portal.example", portal)
	p, err := w.client().Probe(t.Context(), link)
	if err != nil || p.ForeignHost != "api.portal.example" {
		t.Fatalf("%+v %v", p, err)
	}
	var seen []string
	client := w.client(func(c *dlx.Config) {
		c.SameSite = func(a, b *url.URL) bool {
			seen = append(seen, a.String(), b.String())
			return strings.HasSuffix(b.Hostname(), ".portal.example")
		}
	})
	open(t, client, link)
	if all := strings.Join(seen, " "); all == "" || strings.Contains(all, "ABC") {
		t.Errorf("SameSite saw %s", all)
	}
}

// The answers' own request is redirected, as a last trick.
func TestAnswersDoNotFollowRedirects(t *testing.T) {
	for _, status := range []int{301, 302, 307, 308} {
		w, portal, thief := newWorld(t), dlxtest.New(nil), dlxtest.New(nil)
		portal.Script(dlxtest.TokenTFA,
			dlxtest.Redirect(status, "https://evil.example/dlx/v1/tokentfa/ABC-S1Z-98A"),
			dlxtest.Redirect(status, "http://portal.example/dlx/v1/tokentfa/ABC-S1Z-98A"),
			dlxtest.Redirect(303, "/dlx/v1/tokentfa/ABC-S1Z-98A"),
			dlxtest.Redirect(status, "/dlx/v1/./tokentfa/ABC-S1Z-98A"))
		w.https("portal.example", portal)
		w.http("portal.example", thief)
		w.https("evil.example", thief)
		client := w.client()
		p, err := client.Probe(t.Context(), link)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []dlx.Kind{dlx.ForeignHost, dlx.Insecure, dlx.Protocol} {
			_, err = client.Authenticate(t.Context(), p, map[string]string{"1": birth})
			wantKind(t, err, kind)
		}
		if _, err = client.Authenticate(t.Context(), p, map[string]string{"1": birth}); err != nil {
			t.Errorf("%d within the site: %v", status, err)
		}
		if n := len(thief.Requests()); n != 0 {
			t.Errorf("%d requests at the thief's", n)
		}
	}
}

// A download may lie elsewhere; the JWT does not go there, confirmed or not.
func TestJWTStaysWithTheAPI(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New([]byte("file"))
	var authorization []string
	w.https("portal.example", portal)
	w.https("storage.example", http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		authorization = append(authorization, r.Header.Get("Authorization"))
		_, _ = rw.Write([]byte("stored"))
	}))
	away := dlxtest.Redirect(302, "https://storage.example/signed?x=1")
	portal.Script(dlxtest.Download, away, away)
	err := open(t, w.client(), link).Fetch(t.Context(), "1", &memory{})
	wantKind(t, err, dlx.ForeignHost)
	if len(authorization) != 0 {
		t.Fatal("asked without confirmation")
	}
	sink := &memory{}
	client := w.client(func(c *dlx.Config) { c.AllowHosts = []string{"storage.example"} })
	if err := open(t, client, link).Fetch(t.Context(), "1", sink); err != nil || string(sink.data) != "stored" {
		t.Fatalf("%q %v", sink.data, err)
	}
	if len(authorization) != 1 || authorization[0] != "" {
		t.Errorf("authorization %q", authorization)
	}
}

func TestHTTP(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	w.http("portal.example", portal)
	w.http("127.0.0.1", portal)
	w.http("localhost", portal)
	w.https("portal.example", portal)
	plain := strings.Replace(link, "https", "http", 1)
	_, err := w.client().Probe(t.Context(), plain)
	wantKind(t, err, dlx.Insecure)
	_, err = w.client().Probe(t.Context(), "http://localhost.portal.example/token/1")
	wantKind(t, err, dlx.Insecure)
	if n := len(portal.Requests()); n != 0 {
		t.Fatalf("%d requests over http", n)
	}
	open(t, w.client(), "http://127.0.0.1/token/ABC-S1Z-98A")
	open(t, w.client(), "http://localhost/token/ABC-S1Z-98A")
	insecure := w.client(func(c *dlx.Config) { c.InsecureHTTP = true })
	open(t, insecure, plain)

	// Not even then from https back to http.
	portal.Script(dlxtest.Token, dlxtest.Redirect(302, plain))
	_, err = insecure.Probe(t.Context(), link)
	wantKind(t, err, dlx.Insecure)
	portal.Script(dlxtest.Token, dlxtest.JSON(strings.Replace(portal.Questions, "/dlx/v1", "http://other.example/dlx/v1", 1)))
	_, err = insecure.Probe(t.Context(), link)
	wantKind(t, err, dlx.Insecure)

	// From http to https is fine.
	portal.Script(dlxtest.Token, dlxtest.Redirect(302, link))
	open(t, insecure, plain)
}

func TestDialControl(t *testing.T) {
	srv := quiet(dlxtest.New(nil))
	srv.Start()
	t.Cleanup(srv.Close)
	var asked string
	transport := dlx.NewTransport(func(_, address string, _ syscall.RawConn) error {
		asked = address
		return syscall.EPERM
	})
	_, err := dlx.New(dlx.Config{Transport: transport}).Probe(t.Context(), srv.URL+"/token/ABC")
	if e := wantKind(t, err, dlx.Blocked); e.Temporary() || asked != srv.Listener.Addr().String() {
		t.Errorf("%v, control saw %s", e, asked)
	}
}
