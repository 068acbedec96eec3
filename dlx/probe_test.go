package dlx_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

func TestProbeLinkShapes(t *testing.T) {
	for name, c := range map[string]struct {
		link  string
		token string // as asked at tokentfa; "" when it has to be asked for
	}{
		"endpoint":          {link, "ABC-S1Z-98A"},
		"upper case QR":     {"HTTPS://PORTAL.EXAMPLE/token/ABC-S1Z-98A", "ABC-S1Z-98A"},
		"typed, no scheme":  {" portal.example/dlx/v1/token/ABC-S1Z-98A \n", "ABC-S1Z-98A"},
		"human page":        {"https://portal.example/view?token=ABC-S1Z-98A", "ABC-S1Z-98A"},
		"other parameter":   {"https://portal.example/view?lang=de&Code=ABC-S1Z-98A", "ABC-S1Z-98A"},
		"only parameter":    {"https://portal.example/view?zugang=ABC-S1Z-98A", "ABC-S1Z-98A"},
		"redirect to API":   {"https://portal.example/go?x=1&token=other", "ABC-S1Z-98A"},
		"token not shown":   {"https://portal.example/view?a=1&b=2", ""},
		"escaped segment":   {"https://portal.example/dlx/v1/token/A%2FB%20C", "A%2FB%20C"},
		"trailing slash":    {"https://portal.example/dlx/v1/token/ABC-S1Z-98A/", "ABC-S1Z-98A"},
		"fragment and port": {"https://portal.example:443/dlx/v1/token/ABC-S1Z-98A#x", "ABC-S1Z-98A"},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			mux := http.NewServeMux()
			mux.Handle("/", portal)
			mux.Handle("/go", dlxtest.Redirect(302, "/dlx/v1/token/ABC-S1Z-98A"))
			w.https("portal.example", mux)
			client := w.client()
			p, err := client.Probe(t.Context(), c.link)
			if err != nil {
				t.Fatal(err)
			}
			if p.Host != "portal.example" || p.ForeignHost != "" || len(p.Questions) != 1 {
				t.Fatalf("host %q foreign %q questions %d", p.Host, p.ForeignHost, len(p.Questions))
			}
			answers := map[string]string{"1": birth}
			_, err = client.Authenticate(t.Context(), p, answers)
			if c.token == "" {
				wantKind(t, err, dlx.TokenUnknown)
				if err := p.UseToken("ABC-S1Z-98A"); err != nil || p.NeedsToken() {
					t.Fatal("token not taken", err)
				}
				c.token = "ABC-S1Z-98A"
				_, err = client.Authenticate(t.Context(), p, answers)
			}
			if unknown := c.token != portal.LinkToken; unknown != errors.Is(err, dlx.Refused) {
				t.Fatal(err)
			}
			asked := portal.Requests(dlxtest.TokenTFA)
			if last := asked[len(asked)-1]; last.Path != "/dlx/v1/tokentfa/"+c.token {
				t.Errorf("asked %s", last.Path)
			}
		})
	}
}

func TestProbeSendsHeaderAndNoReferer(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	portal.Script(dlxtest.Token, dlxtest.Redirect(302, "/dlx/v1/token/ABC-S1Z-98A"))
	w.https("portal.example", portal)
	client := w.client(func(c *dlx.Config) { c.Languages = []string{"de-DE", "en"} })
	if _, err := client.Probe(t.Context(), "https://portal.example/view?token=ABC-S1Z-98A"); err != nil {
		t.Fatal(err)
	}
	for _, r := range portal.Requests() {
		if r.Header.Get(dlx.Header) == "" || r.Header.Get("Accept-Language") != "de-DE, en" || r.Header.Get("Referer") != "" {
			t.Errorf("headers %v", r.Header)
		}
	}
}

func TestProbeRefusesLinks(t *testing.T) {
	client := newWorld(t).client()
	for _, bad := range []string{
		"", "hello", "mailto:a@b.example", "ftp://portal.example/token/1", "https:///token/1", "https://u:p@portal.example/token/1",
		"https://portal.example/" + strings.Repeat("a", 5000), "javascript:alert(1)", "https://por tal.example/", "file:///etc/passwd",
		"https://2130706433/token/1", "https://0x7f.1/token/1", "https://a..example/", "https://[fe80::1%25eth0]/", "https://portal.example\x00/",
		"https://a\u2100b.example/token/1", "https:portal.example/token/1",
	} {
		if _, err := client.Probe(t.Context(), bad); err == nil {
			t.Errorf("%q: no error", bad)
		} else {
			wantKind(t, err, dlx.BadLink)
		}
	}
}

func TestProbeTellsWhoAnswered(t *testing.T) {
	for name, c := range map[string]struct {
		answer    http.Handler
		kind      dlx.Kind
		temporary bool
	}{
		"page":              {dlxtest.HTML(), dlx.NotDLX, false},
		"other JSON":        {dlxtest.JSON(`{"hello":"world"}`), dlx.NotDLX, false},
		"empty object":      {dlxtest.JSON(`{}`), dlx.NotDLX, false},
		"empty":             {dlxtest.JSON(``), dlx.NotDLX, false},
		"null":              {dlxtest.JSON(`null`), dlx.NotDLX, false},
		"not found":         {dlxtest.Status(404), dlx.NotDLX, false},
		"forbidden":         {dlxtest.Status(403), dlx.NotDLX, false},
		"server error":      {dlxtest.Status(500), dlx.Unavailable, true},
		"bad gateway":       {dlxtest.Status(502), dlx.Unavailable, true},
		"busy":              {dlxtest.NotReady("30"), dlx.Unavailable, true},
		"too many requests": {dlxtest.RetryAfter(429, 7), dlx.Unavailable, true},
		"huge":              {dlxtest.Huge("tfaQuestion", 3<<20), dlx.Protocol, false},
		"gzip bomb":         {dlxtest.GzipBomb(64 << 20), dlx.Protocol, false},
		"redirect loop":     {dlxtest.Redirect(302, "/dlx/v1/token/ABC-S1Z-98A"), dlx.TooManyRedirects, false},
		"to http":           {dlxtest.Redirect(302, "http://portal.example/dlx/v1/token/ABC-S1Z-98A"), dlx.Insecure, false},
		"to local http":     {dlxtest.Redirect(302, "http://127.0.0.1/token/ABC"), dlx.Insecure, false},
		"to a file":         {dlxtest.Redirect(302, "file:///etc/passwd"), dlx.Protocol, false},
		"to a user":         {dlxtest.Redirect(302, "https://a:b@portal.example/"), dlx.Protocol, false},
		"to nonsense":       {dlxtest.Redirect(302, "http://[::1"), dlx.Protocol, false},
		"broken":            {http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }), dlx.Unavailable, true},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			for range 10 {
				portal.Script(dlxtest.Token, c.answer)
			}
			w.https("portal.example", portal)
			_, err := w.client().Probe(t.Context(), link)
			if e := wantKind(t, err, c.kind); e.Temporary() != c.temporary {
				t.Errorf("temporary %v: %v", e.Temporary(), e)
			}
		})
	}
}

func TestProbeUnreachable(t *testing.T) {
	w := newWorld(t)
	_, err := w.client().Probe(t.Context(), link)
	if e := wantKind(t, err, dlx.Unavailable); e.Reason != dlx.NameNotFound || e.Host != "portal.example" {
		t.Errorf("%v", e)
	}
	w.hosts["portal.example:443"] = "127.0.0.1:1"
	_, err = w.client().Probe(t.Context(), link)
	if e := wantKind(t, err, dlx.Unavailable); e.Reason != dlx.CannotConnect {
		t.Errorf("%v", e)
	}
	w.http("plain.example", dlxtest.New(nil))
	w.hosts["portal.example:443"] = w.hosts["plain.example:80"]
	_, err = w.client().Probe(t.Context(), link)
	wantKind(t, err, dlx.Insecure)
}

func TestProbeCertificate(t *testing.T) {
	srv := quiet(dlxtest.New(nil))
	srv.StartTLS()
	t.Cleanup(srv.Close)
	_, err := dlx.New(dlx.Config{}).Probe(t.Context(), srv.URL+"/token/ABC")
	if e := wantKind(t, err, dlx.Insecure); e.Reason != dlx.BadCertificate {
		t.Errorf("%v", e)
	}
}

func TestProbeLiberal(t *testing.T) {
	for name, body := range map[string]string{
		"single objects":    `{"apiInfo":{"dlxVersion":"v1","apiBasePath":"/dlx/v1"},"tfaQuestion":{"questionId":1,"questionType":"pat_birth_date","answerFormat":"date","question":{"text":"Geburtstag?","language":"DE"}}}`,
		"text for question": `{"tfaQuestion":[{"questionId":"1","questionType":"PAT_BIRTH_DATE","question":"Geburtstag?"}]}`,
		"unknown and null":  "\ufeff\n" + `{"x":[{}],"apiInfo":[null,{"dlxVersion":1,"y":{},"capabilities":[]}],"tfaQuestion":[null,{"questionId":"1","questionType":"STUDY_DATE","answerFormat":null,"question":[null,{"text":"Geburtstag?"}]}]}`,
		"Latin-1":           `{"tfaQuestion":[{"questionId":"1","answerFormat":"DATE","question":[{"text":"Geburtstag?","hint":"f` + "\xfc" + `r"}]}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			portal.Script(dlxtest.Token, dlxtest.JSON(body))
			w.https("portal.example", portal)
			p, err := w.client().Probe(t.Context(), link)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Questions) != 1 || p.Questions[0].ID != "1" || p.Questions[0].Format != dlx.FormatDate || p.Questions[0].In("de") != "Geburtstag?" {
				t.Fatalf("%+v", p.Questions)
			}
			if _, err := w.client().Authenticate(t.Context(), p, map[string]string{"1": birth}); err != nil {
				t.Fatal(err)
			}
			sent := portal.Requests(dlxtest.TokenTFA)[0]
			want := `{"tfaAnswer":[{"questionId":"1","answer":"19700101"}]}`
			if name == "single objects" {
				want = `{"tfaAnswer":[{"questionId":1,"answer":"19700101"}]}`
			}
			if sent.Body != want || sent.Header.Get("Content-Type") != "application/json" {
				t.Errorf("sent %s", sent.Body)
			}
		})
	}
}

func TestAPIBasePath(t *testing.T) {
	for name, c := range map[string]struct{ declared, path string }{
		"absolute":        {`"https://portal.example/deep/api/v1/"`, "/deep/api/v1/tokentfa/ABC-S1Z-98A"},
		"relative":        {`"/other/v1"`, "/other/v1/tokentfa/ABC-S1Z-98A"},
		"empty":           {`""`, "/app/dlx/v1/tokentfa/ABC-S1Z-98A"},
		"null":            {`null`, "/app/dlx/v1/tokentfa/ABC-S1Z-98A"},
		"behind a proxy":  {`"http://portal.example/dlx/v1"`, "/dlx/v1/tokentfa/ABC-S1Z-98A"},
		"with a query":    {`"/dlx/v1?a=b#c"`, "/dlx/v1/tokentfa/ABC-S1Z-98A"},
		"escaped":         {`"/a%2Fb"`, "/a%2Fb/tokentfa/ABC-S1Z-98A"},
		"without a sense": {`"http://[::1"`, "/app/dlx/v1/tokentfa/ABC-S1Z-98A"},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			portal.Questions = strings.Replace(portal.Questions, `"/dlx/v1"`, c.declared, 1)
			w.https("portal.example", portal)
			open(t, w.client(), "https://portal.example/app/dlx/v1/token/ABC-S1Z-98A")
			if got := portal.Requests(dlxtest.TokenTFA)[0].Path; got != c.path {
				t.Errorf("asked %s, want %s", got, c.path)
			}
		})
	}
	t.Run("human page", func(t *testing.T) {
		w, portal := newWorld(t), dlxtest.New(nil)
		portal.Questions = strings.Replace(portal.Questions, `"apiBasePath":"/dlx/v1"`, `"x":1`, 1)
		w.https("portal.example", portal)
		open(t, w.client(), "https://portal.example/view?token=ABC-S1Z-98A")
		if got := portal.Requests(dlxtest.TokenTFA)[0].Path; got != "/dlx/v1/tokentfa/ABC-S1Z-98A" {
			t.Errorf("asked %s", got)
		}
	})
	t.Run("version 1 wins", func(t *testing.T) {
		w, portal := newWorld(t), dlxtest.New(nil)
		portal.Questions = strings.Replace(portal.Questions, `"apiInfo":[`, `"apiInfo":[{"dlxVersion":"v2","apiBasePath":"/dlx/v2","capabilities":{"download":"true","dicomweb":{"wadoRs":{"available":1,"url":"https://portal.example/wado"}}}},`, 1)
		w.https("portal.example", portal)
		p, err := w.client().Probe(t.Context(), link)
		if err != nil || p.APIBase.Path != "/dlx/v1" {
			t.Fatalf("%v %v", p, err)
		}
		if c := p.APIInfo[0].Capabilities; !c.Download || !c.WADO.Available || c.WADO.URL == "" || c.Import {
			t.Errorf("capabilities %+v", c)
		}
	})
}

func TestAPIInfo(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	portal.Script(dlxtest.APIInfo, nil, dlxtest.JSON(`[{"dlxVersion":"v2"}]`), dlxtest.HTML(), dlxtest.Status(503))
	w.https("portal.example", portal)
	for _, want := range []string{"v1", "v2"} {
		infos, err := w.client().APIInfo(t.Context(), "https://portal.example/dlx/v1/")
		if err != nil || len(infos) != 1 || infos[0].Version != want {
			t.Fatalf("%v %v", infos, err)
		}
	}
	_, err := w.client().APIInfo(t.Context(), "https://portal.example/dlx/v1")
	wantKind(t, err, dlx.NotDLX)
	_, err = w.client().APIInfo(t.Context(), "https://portal.example/dlx/v1")
	wantKind(t, err, dlx.Unavailable)
}
