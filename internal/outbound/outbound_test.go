package outbound

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"lotse/dlx"
)

// names is a name server whose answers can change.
type names struct {
	mu      sync.Mutex
	answers map[string][]string
	asked   atomic.Int64
}

// resolver starts the server.
func (n *names) resolver(t testing.TB) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	go n.serve(conn)
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func (n *names) serve(conn net.PacketConn) {
	buffer := make([]byte, 1500)
	for {
		size, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(buffer[:size]) != nil || len(m.Questions) != 1 {
			continue
		}
		q := m.Questions[0]
		m.Response, m.Additionals = true, nil
		n.mu.Lock()
		n.asked.Add(1)
		for _, text := range n.answers[strings.ToLower(strings.TrimSuffix(q.Name.String(), "."))] {
			a := netip.MustParseAddr(text)
			switch {
			case a.Is4() && q.Type == dnsmessage.TypeA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type},
					Body: &dnsmessage.AResource{A: a.As4()}})
			case a.Is6() && q.Type == dnsmessage.TypeAAAA:
				m.Answers = append(m.Answers, dnsmessage.Resource{Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, Type: q.Type},
					Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
			}
		}
		n.mu.Unlock()
		if packed, err := m.Pack(); err == nil {
			_, _ = conn.WriteTo(packed, from)
		}
	}
}

func (n *names) set(host string, addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.answers == nil {
		n.answers = map[string][]string{}
	}
	n.answers[host] = addresses
}

// web is a server on this machine that counts what reaches it.
type web struct {
	*httptest.Server
	port string
	hits atomic.Int64
}

func serve(t testing.TB, secure bool, h http.HandlerFunc) *web {
	t.Helper()
	w := &web{}
	w.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.hits.Add(1)
		h(rw, r)
	}))
	if secure {
		w.StartTLS()
	} else {
		w.Start()
	}
	t.Cleanup(w.Close)
	_, w.port, _ = net.SplitHostPort(w.Listener.Addr().String())
	return w
}

func hello(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }

func guard(t testing.TB, cfg Config) *Guard {
	t.Helper()
	g, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Close)
	return g
}

// get asks for a URL with a fresh client.
func get(t testing.TB, g *Guard, link string) (string, error) {
	t.Helper()
	c, err := g.Client()
	if err != nil {
		t.Fatal(err)
	}
	return getWith(t, c, link)
}

func getWith(t testing.TB, c *Client, link string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, link, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		if text := fmt.Sprintf("%v %+v", err, err); strings.Contains(text, "secret") {
			t.Errorf("the error tells the link: %s", text)
		}
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return string(b), err
}

func wantBlocked(t testing.TB, err error, reason Reason) {
	t.Helper()
	var b *BlockedError
	if !errors.As(err, &b) || b.Reason != reason {
		t.Errorf("%v, want %q", err, reason)
	}
}

func TestNothingInsideIsReached(t *testing.T) {
	inside := serve(t, false, hello)
	n := &names{}
	n.set("name.example", "127.0.0.1")
	n.set("six.example", "::1")
	n.set("mapped.example", "::ffff:127.0.0.1")
	n.set("both.example", "10.1.2.3", "127.0.0.1")
	g := guard(t, Config{Resolver: n.resolver(t), AllowHTTP: []string{
		"name.example", "six.example", "mapped.example", "both.example", "127.0.0.1", "localhost", "169.254.169.254", "0.0.0.0", "::1", "10.0.0.1"}})
	for host, reason := range map[string]Reason{
		"name.example": Internal, "six.example": Internal, "mapped.example": Internal, "both.example": Internal, "127.0.0.1": Internal,
		"localhost": Internal, "[::1]": Internal, "[::ffff:127.0.0.1]": Internal, "169.254.169.254": Metadata, "0.0.0.0": Special, "10.0.0.1": Internal,
	} {
		_, err := get(t, g, "http://"+host+":"+inside.port+"/secret?secret=1")
		wantBlocked(t, err, reason)
	}
	if inside.hits.Load() != 0 {
		t.Errorf("%d requests came through", inside.hits.Load())
	}
}

func TestAllowedHosts(t *testing.T) {
	n := &names{}
	n.set("portal.example", "127.0.0.1")
	n.set("other.example", "127.0.0.1")
	resolver := n.resolver(t)
	inside := serve(t, false, hello)
	url := "http://Portal.Example:" + inside.port + "/"
	for name, c := range map[string]struct {
		hosts, http []string
		reason      Reason
	}{
		"any port":             {[]string{"portal.example"}, []string{"portal.example"}, ""},
		"this port":            {[]string{"PORTAL.example.:" + inside.port}, []string{"portal.example:" + inside.port}, ""},
		"other port":           {[]string{"portal.example:1"}, []string{"portal.example"}, Internal},
		"other host":           {[]string{"other.example"}, []string{"portal.example"}, Internal},
		"its address only":     {[]string{"127.0.0.1"}, []string{"portal.example"}, Internal},
		"not without TLS":      {[]string{"portal.example"}, nil, PlainHTTP},
		"TLS on another port":  {[]string{"portal.example"}, []string{"portal.example:80"}, PlainHTTP},
		"a suffix is no match": {[]string{"example"}, []string{"portal.example"}, Internal},
	} {
		t.Run(name, func(t *testing.T) {
			text, err := get(t, guard(t, Config{Resolver: resolver, AllowHosts: c.hosts, AllowHTTP: c.http}), url)
			if c.reason != "" {
				wantBlocked(t, err, c.reason)
			} else if err != nil || text != "hello" {
				t.Errorf("%q, %v", text, err)
			}
		})
	}
}

// TestRebinding: a name that was good gives another address, or gives both.
func TestRebinding(t *testing.T) {
	n := &names{}
	inside := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Connection", "close")
		hello(w, r)
	})
	g := guard(t, Config{Resolver: n.resolver(t), AllowHosts: []string{"portal.example"}, AllowHTTP: []string{"portal.example", "evil.example"}})
	link := "http://portal.example:" + inside.port
	n.set("portal.example", "127.0.0.1")
	if _, err := get(t, g, link); err != nil {
		t.Fatal(err)
	}
	n.set("portal.example", "169.254.169.254")
	_, err := get(t, g, link)
	wantBlocked(t, err, Metadata)
	n.set("portal.example", "169.254.169.254", "127.0.0.1")
	if _, err := get(t, g, link); err != nil {
		t.Errorf("the good one of two addresses: %v", err)
	}
	asked := n.asked.Load()
	n.set("evil.example", "192.0.2.1", "127.0.0.1", "::1")
	_, err = get(t, g, "http://evil.example:"+inside.port)
	var b *BlockedError
	if !errors.As(err, &b) {
		t.Errorf("%v", err)
	}
	if n.asked.Load() == asked || inside.hits.Load() != 2 {
		t.Errorf("asked %d times, %d hits", n.asked.Load()-asked, inside.hits.Load())
	}
}

// TestMetadataByName: only an administrator who names the address means it.
func TestMetadataByName(t *testing.T) {
	j := guard(t, Config{AllowHosts: []string{"meta.example", "169.254.169.254"}})
	for host, want := range map[string]bool{"meta.example": true, "169.254.169.254": true, "other.example": false} {
		if err := j.admit(host, "80", "169.254.169.254:80"); (err == nil) != want {
			t.Errorf("%s: %v", host, err)
		}
	}
	j = guard(t, Config{AllowHosts: []string{"meta.example"}})
	for _, address := range []string{"169.254.169.254:80", "[fe80::1%lo]:80", "198.18.0.1:80", "0.0.0.0:80", "rubbish"} {
		if j.admit("meta.example", "80", address) == nil {
			t.Errorf("%s is permitted", address)
		}
	}
}

func TestRedirects(t *testing.T) {
	inside := serve(t, false, hello)
	var to atomic.Value
	to.Store("")
	portal := serve(t, true, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Referer") != "" {
			t.Error("the link was told to where it leads")
		}
		w.Header().Set("Location", to.Load().(string))
		w.WriteHeader(http.StatusFound)
	})
	n := &names{}
	n.set("example.com", "127.0.0.1") // the name in the certificate of httptest
	n.set("evil.example", "127.0.0.1")
	roots := x509.NewCertPool()
	roots.AddCert(portal.Certificate())
	g := guard(t, Config{Resolver: n.resolver(t), Roots: roots, AllowHosts: []string{"example.com"}, AllowHTTP: []string{
		"169.254.169.254", "evil.example", "127.0.0.1", "localhost", "10.0.0.1"}, MaxRedirects: 3})
	self := "https://example.com:" + portal.port + "/secret"
	for target, reason := range map[string]Reason{
		"http://169.254.169.254/latest/meta-data/secret": Metadata, "http://evil.example:" + inside.port: Internal,
		"http://127.0.0.1:" + inside.port: Internal, "http://localhost:" + inside.port: Internal, "http://example.com:" + inside.port: PlainHTTP,
		"https://[::ffff:10.0.0.1]/": Internal, "ftp://example.com/secret": BadTarget, "https://example.com:22/": Port, "https://10.0.0.1:5432/": Port,
		"/secret": Redirects,
	} {
		to.Store(target)
		_, err := get(t, g, self)
		wantBlocked(t, err, reason)
	}
	to.Store("http://%zz/secret")
	if _, err := get(t, g, self); err == nil {
		t.Error("a location that is none was followed")
	}
	if inside.hits.Load() != 0 {
		t.Errorf("%d requests came through", inside.hits.Load())
	}
}

func TestLimits(t *testing.T) {
	released := make(chan struct{})
	defer close(released)
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/header":
			w.Header().Set("X-Large", strings.Repeat("x", 20_000))
		case "/slow":
			_ = http.NewResponseController(w).Flush()
			select {
			case <-released:
			case <-r.Context().Done():
			}
		default:
			_, _ = w.Write(bytes.Repeat([]byte("x"), len(r.URL.Path)-1))
		}
	})
	host := []string{"127.0.0.1"}
	g := guard(t, Config{AllowHosts: host, AllowHTTP: host, MaxBody: 10, MaxHeader: 10_000, MaxTime: 5 * time.Second})
	if text, err := get(t, g, s.URL+"/"+strings.Repeat("y", 10)); err != nil || len(text) != 10 {
		t.Errorf("%q, %v", text, err)
	}
	if text, err := get(t, g, s.URL+"/"+strings.Repeat("y", 11)); !errors.Is(err, ErrTooLarge) || len(text) != 10 {
		t.Errorf("%q, %v", text, err)
	}
	if _, err := get(t, g, s.URL+"/header"); err == nil {
		t.Error("a large header was read")
	}
	g = guard(t, Config{AllowHosts: host, AllowHTTP: host, MaxTime: 50 * time.Millisecond})
	if _, err := get(t, g, s.URL+"/slow"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestCookiesAreOfOneClient(t *testing.T) {
	s := serve(t, false, func(w http.ResponseWriter, r *http.Request) {
		c, err := r.Cookie("session")
		if err == nil {
			_, _ = io.WriteString(w, c.Value)
		}
		http.SetCookie(w, &http.Cookie{Name: "session", Value: "mine"})
	})
	host := []string{"127.0.0.1"}
	g := guard(t, Config{AllowHosts: host, AllowHTTP: host})
	mine, err := g.Client()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"", "mine"} {
		if text, err := getWith(t, mine, s.URL); err != nil || text != want {
			t.Errorf("%q, %v", text, err)
		}
	}
	if text, err := get(t, g, s.URL); err != nil || text != "" {
		t.Errorf("another client has %q, %v", text, err)
	}
}

// TestProxy: names are the proxy's to resolve, addresses are refused here.
func TestProxy(t *testing.T) {
	proxy := serve(t, false, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Host) })
	to, err := url.Parse(proxy.URL)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"portal.example", "127.0.0.1", "10.0.0.1", "2130706433", "0x7f.1", "localhost", "intranet", "pacs.local", "::1", "allowed.local"}
	g := guard(t, Config{Proxy: to, AllowHTTP: all, AllowHosts: []string{"allowed.local"}})
	for _, host := range []string{"portal.example", "allowed.local"} {
		if text, err := get(t, g, "http://"+host+"/"); err != nil || text != host {
			t.Errorf("%q, %v", text, err)
		}
	}
	for host, reason := range map[string]Reason{
		"127.0.0.1": BareNumber, "10.0.0.1": BareNumber, "2130706433": BareNumber, "0x7f.1": BareNumber, "[::1]": BareNumber,
		"localhost": Internal, "intranet": Internal, "pacs.local": Internal,
	} {
		_, err := get(t, g, "http://"+host+"/secret")
		wantBlocked(t, err, reason)
	}
	if proxy.hits.Load() != 2 {
		t.Errorf("%d requests reached the proxy", proxy.hits.Load())
	}
}

// TestUnderDLX: package dlx recognises what is blocked without knowing this package.
func TestUnderDLX(t *testing.T) {
	inside := serve(t, true, hello)
	g := guard(t, Config{})
	_, err := dlx.New(dlx.Config{Transport: g.Transport(), InsecureHTTP: true}).Probe(t.Context(), inside.URL+"/dlx/v1/token/secret")
	if !errors.Is(err, dlx.Blocked) || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
	_, err = dlx.New(dlx.Config{Transport: g.Transport(), InsecureHTTP: true}).Probe(t.Context(), "http://portal.example/dlx/v1/token/secret")
	if !errors.Is(err, dlx.Blocked) {
		t.Errorf("%v", err)
	}
	if inside.hits.Load() != 0 {
		t.Error("the request was made")
	}
}
