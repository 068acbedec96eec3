package api_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth/access"
)

// seen is what a handler learns about the client.
type seen struct {
	Remote string
	Secure bool
	ID     string
}

func showClient(s *api.Server) {
	s.Handle(api.Route{Pattern: "GET /client", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(seen{api.Remote(r.Context()).String(), api.Secure(r.Context()), api.RequestID(r.Context())})
	}))
}

// TestTrustedProxies: headers of forwarding count from named proxies only, and only as
// far as those vouch for.
func TestTrustedProxies(t *testing.T) {
	own := netip.MustParsePrefix("127.0.0.1/32")
	proxies := netip.MustParsePrefix("10.0.0.0/8")
	for _, c := range []struct {
		name    string
		trusted []netip.Prefix
		forward string
		want    seen
	}{
		{"nobody is trusted", nil, "203.0.113.9", seen{"127.0.0.1", false, ""}},
		{"another one is trusted", []netip.Prefix{proxies}, "203.0.113.9", seen{"127.0.0.1", false, ""}},
		{"one proxy", []netip.Prefix{own}, "203.0.113.9", seen{"203.0.113.9", true, "proxy-1"}},
		{"what the client made up", []netip.Prefix{own}, "192.0.2.1, 203.0.113.9", seen{"203.0.113.9", true, "proxy-1"}},
		{"two proxies", []netip.Prefix{own, proxies}, "192.0.2.1, 203.0.113.9, 10.1.2.3", seen{"203.0.113.9", true, "proxy-1"}},
		{"nonsense", []netip.Prefix{own, proxies}, "203.0.113.9, unknown, 10.1.2.3", seen{"10.1.2.3", true, "proxy-1"}},
		{"mapped", []netip.Prefix{own}, "::ffff:203.0.113.9", seen{"203.0.113.9", true, "proxy-1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := start(t, api.Options{TrustedProxies: c.trusted}, showClient)
			_, body := n.ask(t, "GET", "/client", "", "X-Forwarded-For: "+c.forward, "X-Forwarded-Proto: https", "X-Request-Id: proxy-1")
			var got seen
			if err := json.Unmarshal([]byte(body), &got); err != nil {
				t.Fatal(err)
			}
			if c.want.ID == "" && got.ID != "proxy-1" {
				got.ID = ""
			}
			if got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	n := start(t, api.Options{TrustedProxies: []netip.Prefix{own}}, showClient)
	for _, id := range []string{"a b", "x\"y", strings.Repeat("x", 65), "ä"} {
		if answer, _ := n.ask(t, "GET", "/client", "", "X-Request-Id: "+id); answer.Header.Get("X-Request-Id") == id {
			t.Errorf("the proxy's id %q was taken", id)
		}
	}
}

// TestAccessLog: the line has the pattern and the import, and nothing of the address else.
func TestAccessLog(t *testing.T) {
	n := start(t, api.Options{}, things)
	id := "0198c0de-1111-7000-8000-000000000000"
	answer, _ := n.ask(t, "GET", "/api/v1/things/"+id, "", auth)
	n.ask(t, "GET", "/api/v1/things/Mueller-Erika", "", auth)
	n.ask(t, "GET", "/api/v1/things/Mueller-Erika?token=hush", "", auth)
	n.ask(t, "GET", "/api/v1/things/"+id, "")
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	log := n.log.String()
	if strings.Contains(log, "Erika") || strings.Contains(log, "hush") || strings.Contains(log, "good") || strings.Contains(log, "127.0.0.1") {
		t.Errorf("the log has personal data or secrets:\n%s", log)
	}
	if !strings.Contains(log, `"status":401`) || !strings.Contains(log, `"problem":"unauthenticated"`) {
		t.Errorf("the log does not say why somebody was refused:\n%s", log)
	}
	var line struct {
		Msg, Route, Import string
		RequestID          string `json:"request_id"`
		Status, Bytes      int
		Duration           int64
	}
	if err := json.Unmarshal([]byte(strings.SplitN(log, "\n", 2)[0]), &line); err != nil {
		t.Fatal(err)
	}
	if line.Route != "GET /api/v1/things/{import}" || line.Import != id || line.Status != 200 || line.Bytes == 0 || line.Duration == 0 || line.RequestID != answer.Header.Get("X-Request-Id") {
		t.Errorf("%+v", line)
	}
}

// TestBodies: chunked ones are bounded as well, slow ones end, and the handler's context
// outlives the reading.
func TestBodies(t *testing.T) {
	n := start(t, api.Options{Stall: 100 * time.Millisecond}, func(s *api.Server) {
		things(s)
		s.Handle(api.Route{Pattern: "POST /unlimited", Permission: "x", Body: api.Unlimited}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			count, _ := io.Copy(io.Discard, r.Body)
			_ = json.NewEncoder(w).Encode(count)
		}))
		s.Handle(api.Route{Pattern: "POST /long", Permission: "x"}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.ReadAll(r.Body)
			select {
			case <-r.Context().Done():
				w.WriteHeader(500)
			case <-time.After(300 * time.Millisecond): // longer than a client may stall
				w.WriteHeader(204)
			}
		}))
	})
	post := func(path string, body io.Reader) (*http.Response, string) {
		r, err := http.NewRequestWithContext(t.Context(), "POST", n.url+path, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer good")
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		defer answer.Body.Close()
		text, _ := io.ReadAll(answer.Body)
		return answer, string(text)
	}
	chunked := func(size int) io.Reader { return io.LimitReader(endless{}, int64(size)) }
	answer, body := post("/api/v1/things", chunked(api.DefaultBody+1))
	wantProblem(t, answer, body, 413, problem.TooLarge)
	if answer, body := post("/unlimited", chunked(5<<20)); answer.StatusCode != 200 || strings.TrimSpace(body) != "5242880" {
		t.Errorf("%d %s", answer.StatusCode, body)
	}
	if answer, _ := post("/long", strings.NewReader("{}")); answer.StatusCode != 204 {
		t.Errorf("the handler was cut off: %d", answer.StatusCode)
	}
	// A client that sends the beginning and stalls.
	for _, headers := range []string{"", "Idempotency-Key: k\r\n"} {
		c, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		_, _ = io.WriteString(c, "POST /api/v1/things HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer good\r\n"+headers+"Content-Length: 100\r\n\r\n{\"name\":")
		_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
		late, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(late.Body)
		wantProblem(t, late, string(text), 408, problem.Timeout)
	}
}

// endless is a body without end.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// TestClientThatTakesNothing ends a download, which is not one that is merely long.
func TestClientThatTakesNothing(t *testing.T) {
	ended := make(chan error, 1)
	n := start(t, api.Options{Stall: 200 * time.Millisecond}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "GET /endless", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, err := io.Copy(w, endless{})
			ended <- err
		}))
		s.Handle(api.Route{Pattern: "GET /slow", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for range 3 {
				_, _ = io.WriteString(w, "part\n")
				_ = http.NewResponseController(w).Flush()
				<-time.After(300 * time.Millisecond)
			}
		}))
	})
	c, err := net.Dial("tcp", strings.TrimPrefix(n.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, _ = io.WriteString(c, "GET /endless HTTP/1.1\r\nHost: x\r\n\r\n")
	select {
	case err := <-ended:
		if err == nil {
			t.Error("the endless ended")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("a client that takes nothing holds the handler")
	}
	if _, body := n.ask(t, "GET", "/slow", ""); strings.Count(body, "part") != 3 {
		t.Errorf("a slow answer was cut off: %q", body)
	}
}

// TestPanicInTheMiddle: the client sees that the answer is not whole.
func TestPanicInTheMiddle(t *testing.T) {
	n := start(t, api.Options{}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "GET /half", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, "half")
			_ = http.NewResponseController(w).Flush()
			panic("x")
		}))
	})
	answer, err := http.Get(n.url + "/half")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, err := io.ReadAll(answer.Body); err == nil {
		t.Errorf("half an answer looked whole: %q", text)
	}
}

// TestMeter counts by route.
func TestMeter(t *testing.T) {
	m := &counter{counts: map[string]int{}}
	n := start(t, api.Options{Meter: m, Metrics: m, MetricsListen: "127.0.0.1:0"}, things)
	n.ask(t, "GET", "/api/v1/things/1", "", auth)
	n.ask(t, "GET", "/api/v1/things/2", "", auth)
	n.ask(t, "GET", "/secret-path", "")
	if err := n.stop(); err != nil {
		t.Fatal(err)
	}
	if m.counts["GET /api/v1/things/{import} 200"] != 2 || m.counts["none 404"] != 1 || len(m.counts) != 2 {
		t.Errorf("%v", m.counts)
	}
}

// TestMetricsListener: /metrics is there and nowhere else.
func TestMetricsListener(t *testing.T) {
	m := &counter{}
	n := start(t, api.Options{Metrics: m, MetricsListen: "127.0.0.1:0"}, nil)
	if answer, _ := n.ask(t, "GET", "/metrics", ""); answer.StatusCode != 404 {
		t.Errorf("the pages have metrics: %d", answer.StatusCode)
	}
	_, address := n.Addresses()
	answer, err := http.Get("http://" + address.String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); string(text) != "metrics" {
		t.Errorf("%s", text)
	}
}

// TestCurl: what curl makes of it.
func TestCurl(t *testing.T) {
	curl, err := exec.LookPath("curl")
	if err != nil {
		t.Skip("curl is not installed")
	}
	n := start(t, api.Options{}, things)
	run := func(args ...string) string {
		var stderr bytes.Buffer
		c := exec.CommandContext(t.Context(), curl, append([]string{"-sS", "--max-time", "20"}, args...)...)
		c.Stderr = &stderr
		out, err := c.Output()
		if err != nil {
			t.Fatalf("curl: %v %s", err, stderr.String())
		}
		return string(out)
	}
	if got := run("-H", auth, "--json", `{"name":"a","count":3}`, n.url+"/api/v1/things"); strings.TrimSpace(got) != `{"name":"a","count":3}` {
		t.Errorf("%s", got)
	}
	if got := run("-I", n.url+"/healthz"); !strings.HasPrefix(got, "HTTP/1.1 200 OK") {
		t.Errorf("%s", got)
	}
	if got := run("-X", "DELETE", "-w", "%{http_code}", "-H", auth, n.url+"/api/v1/things/1"); got != "204" {
		t.Errorf("%s", got)
	}
}

// counter is an api.Meter, and what /metrics answers.
type counter struct{ counts map[string]int }

func (c *counter) Begin() func(string, int, time.Duration) {
	return func(route string, status int, _ time.Duration) {
		if c.counts != nil {
			c.counts[route+" "+strconv.Itoa(status)]++
		}
	}
}

func (c *counter) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, "metrics")
}

// TestStop: what runs may end, streams end at once, nothing new is taken.
func TestStop(t *testing.T) {
	entered, proceed := make(chan struct{}), make(chan struct{})
	n := start(t, api.Options{Poll: 10 * time.Millisecond}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "GET /slow", Permission: access.Public}, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			close(entered)
			<-proceed
			if r.Context().Err() != nil {
				w.WriteHeader(500)
			}
		}))
		api.RegisterEvents(s, api.Operation{ID: "watch", Path: "/watch", Permission: access.Public},
			func(context.Context, *struct{ api.LastEvent }) (api.Snapshot[thing], error) {
				return api.Snapshot[thing]{Version: "1"}, nil
			})
	})
	slow := make(chan int, 1)
	go func() {
		answer, err := http.Get(n.url + "/slow")
		if err != nil {
			slow <- 0
			return
		}
		defer answer.Body.Close()
		slow <- answer.StatusCode
	}()
	<-entered
	stream, err := http.Get(n.url + "/api/v1/watch")
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	stopped := make(chan error, 1)
	go func() { stopped <- n.stop() }()
	if _, err := io.ReadAll(stream.Body); err != nil {
		t.Errorf("the stream did not end well: %v", err)
	}
	<-n.Stopping()
	select {
	case <-stopped:
		t.Error("it did not wait for the request")
	default:
	}
	close(proceed)
	if status := <-slow; status != 200 {
		t.Errorf("the request that ran: %d", status)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if _, err := http.Get(n.url + "/healthz"); err == nil {
		t.Error("it still answers")
	}
}

// TestStopIsBounded: a request that never ends does not hold the stop.
func TestStopIsBounded(t *testing.T) {
	entered := make(chan struct{})
	n := start(t, api.Options{Stop: 100 * time.Millisecond}, func(s *api.Server) {
		s.Handle(api.Route{Pattern: "GET /stuck", Permission: access.Public}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			close(entered)
			<-r.Context().Done()
		}))
	})
	go func() {
		if answer, err := http.Get(n.url + "/stuck"); err == nil {
			answer.Body.Close()
		}
	}()
	<-entered
	begun := time.Now()
	if err := n.stop(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("the stop took %s", took)
	}
}
