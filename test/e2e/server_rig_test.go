package e2e

import (
	"bytes"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lotse/test/peer"
	"lotse/test/torture/gateway"
)

// patience is how long a test waits for what must happen.
const patience = 90 * time.Second

// server is a running `lotse serve` over SQLite in a folder of its own.
type server struct {
	t      *testing.T
	dir    string
	port   int
	env    []string
	cmd    *exec.Cmd
	ended  chan struct{}
	out    *safeBuffer
	tokens gateway.Tokens
	file   string // that holds the token of what imports
}

// safeBuffer is written by a process and read by a test.
type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// startServer starts a server that may fetch from a portal of the test, with further
// variables, and sets it up.
func startServer(t *testing.T, p *portal, env ...string) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), port: peer.FreePort(t)}
	s.env = []string{"LOTSE_DATA_DIR=" + filepath.Join(s.dir, "data"), "LOTSE_LISTEN=127.0.0.1:" + strconv.Itoa(s.port),
		"LOTSE_PUBLIC_URL=http://127.0.0.1:" + strconv.Itoa(s.port), "LOTSE_DICOM_LISTEN=off", "LOTSE_METRICS_LISTEN=off",
		"LOTSE_FOLDERS_ROOTS=" + os.TempDir(), // of all temporary folders of the tests
		"LOTSE_INSTITUTION=Klinikum Musterstadt", "LANG=en_GB.UTF-8", "LC_ALL="}
	if p != nil {
		s.env = append(s.env, "LOTSE_OUTBOUND_ALLOW_HOSTS=127.0.0.1:"+p.port, "LOTSE_OUTBOUND_ALLOW_HTTP=127.0.0.1:"+p.port,
			"LOTSE_OUTBOUND_PORTALS=127.0.0.1:"+p.port)
	}
	s.env = append(s.env, env...)
	s.start()
	t.Cleanup(func() {
		s.kill()
		if t.Failed() {
			t.Logf("the server says:\n%s", s.out)
		}
	})
	s.setUp()
	s.file = filepath.Join(s.dir, "token")
	if err := os.WriteFile(s.file, []byte(s.tokens.Importer+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// setUp takes the one-time link and makes the tokens.
func (s *server) setUp() {
	s.t.Helper()
	_, secret, ok := strings.Cut(s.out.String(), "/setup#")
	if !ok {
		s.t.Fatalf("no link to set up:\n%s", s.out)
	}
	var err error
	if s.tokens, err = gateway.MakeTokens(strings.Fields(secret)[0], s.postBy); err != nil {
		s.t.Fatal(err)
	}
}

// postBy makes something by a token that comes with it.
func (s *server) postBy(token, path string, body map[string]string) (string, error) {
	s.tokens = gateway.Tokens{Administrator: token, Importer: token}
	var made struct{ Token string }
	s.post(strings.TrimPrefix(path, "/api/v1"), body, &made)
	return made.Token, nil
}

func (s *server) url() string { return "http://127.0.0.1:" + strconv.Itoa(s.port) }

// start starts the process and waits until it is ready.
func (s *server) start() {
	s.t.Helper()
	s.cmd = exec.Command(binary, "serve")
	s.cmd.Dir, s.cmd.Env = s.dir, append(os.Environ(), s.env...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	s.out, s.ended = &safeBuffer{}, make(chan struct{})
	s.cmd.Stdout, s.cmd.Stderr = s.out, s.out
	if err := s.cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // it is killed in the end
		close(s.ended)
	}()
	peer.Await(s.t, patience, "the server to be ready", func() bool {
		select {
		case <-s.ended:
			s.t.Fatalf("the server has ended:\n%s", s.out)
		default:
		}
		return strings.Contains(s.out.String(), "Lotse is ready")
	})
}

// kill ends the process at once.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
}

// call asks the API.
func (s *server) call(method, path string, in, out any) int {
	s.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url()+"/api/v1"+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+s.tokens.For(method, path))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	if resp.StatusCode < 300 && out != nil {
		if err := json.Unmarshal(raw, out); err != nil {
			s.t.Fatalf("%s %s: %v\n%s", method, path, err, raw)
		}
	}
	return resp.StatusCode
}

func (s *server) post(path string, in, out any) {
	s.t.Helper()
	if status := s.call(http.MethodPost, path, in, out); status >= 300 {
		s.t.Fatalf("POST %s: %d", path, status)
	}
}

// destination adds one.
func (s *server) destination(name, address string) {
	s.t.Helper()
	s.post("/destinations", map[string]string{"name": name, "address": address}, nil)
}

// imported is what the tests read of an import.
type imported struct {
	ID       string
	State    string
	Received struct{ Bytes int64 }
	Delivery []struct {
		State     string
		Delivered int64
	} `json:"deliveries"`
}

// imports lists the imports, newest first.
func (s *server) imports() []imported {
	s.t.Helper()
	var list struct{ Imports []imported }
	if status := s.call(http.MethodGet, "/imports", nil, &list); status != http.StatusOK {
		s.t.Fatalf("list: %d", status)
	}
	return list.Imports
}

// only returns the only import there is, as it stands; nil when there is none.
func (s *server) only() *imported {
	s.t.Helper()
	list := s.imports()
	if len(list) == 0 {
		return nil
	}
	if len(list) > 1 {
		s.t.Fatalf("%d imports, want one: %+v", len(list), list)
	}
	var one imported
	if status := s.call(http.MethodGet, "/imports/"+list[0].ID, nil, &one); status != http.StatusOK {
		s.t.Fatalf("get: %d", status)
	}
	return &one
}

// lotse runs a command that uses the server.
func (s *server) lotse(args ...string) run {
	s.t.Helper()
	return lotse(s.t, append(args, "--server", s.url(), "--token-file", s.file)...)
}

// command is one that runs in the background.
type command struct {
	*exec.Cmd
	t         *testing.T
	out, errs *safeBuffer
	ended     chan struct{}
}

// start runs a command that uses the server at an address in the background.
func (s *server) background(url string, args ...string) *command {
	s.t.Helper()
	c := &command{t: s.t, out: &safeBuffer{}, errs: &safeBuffer{}, ended: make(chan struct{})}
	c.Cmd = exec.Command(binary, append(args, "--server", url, "--token-file", s.file)...)
	c.Env = append(os.Environ(), "LANG=en_GB.UTF-8", "LC_ALL=")
	c.Stdout, c.Stderr = c.out, c.errs
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := c.Start(); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		_ = c.Cmd.Wait() // its exit code says how it ended
		close(c.ended)
	}()
	s.t.Cleanup(func() {
		_ = c.Process.Kill()
		<-c.ended
	})
	return c
}

// wait waits for its end.
func (c *command) wait() run {
	c.t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		c.t.Fatalf("the command does not end:\n%s\n%s", c.out, c.errs)
	}
	return run{out: c.out.String(), err: c.errs.String(), code: c.ProcessState.ExitCode()}
}

// line is a bad line to an address: slow, and cut now and then.
type line struct {
	net.Listener
	rate  int // bytes per second upstream, 0: as fast as it goes
	every int // cut after so many bytes upstream, 0: never

	mu   sync.Mutex
	to   string
	cuts int
	sent int
}

func badLine(t *testing.T, to string, rate, every int) *line {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	l := &line{Listener: ln, to: to, rate: rate, every: every}
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return // closed
			}
			go l.pass(conn)
		}
	}()
	return l
}

// pass connects two ends until one of them goes, or the line is cut.
func (l *line) pass(near net.Conn) {
	defer near.Close()
	l.mu.Lock()
	to := l.to
	l.mu.Unlock()
	far, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer far.Close()
	go func() {
		_, _ = io.Copy(near, far) // until one of them goes
		_ = near.Close()
	}()
	buf := make([]byte, 16<<10)
	for {
		n, err := near.Read(buf)
		if n > 0 && !l.allowed(n) {
			return
		}
		if _, werr := far.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}

// allowed takes its time for some bytes, and says whether the line still stands.
func (l *line) allowed(n int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rate > 0 {
		timer := time.NewTimer(time.Duration(n) * time.Second / time.Duration(l.rate))
		<-timer.C
	}
	before := l.sent
	l.sent += n
	if l.every > 0 && before/l.every != l.sent/l.every {
		l.cuts++
		return false
	}
	return true
}

// lead changes where the line goes.
func (l *line) lead(to string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.to = to
}

func (l *line) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cuts
}
