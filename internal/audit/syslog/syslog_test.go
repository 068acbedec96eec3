package syslog_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/audit/syslog"
	"lotse/test/peer"
)

// receiver takes frames; after some it hangs up.
type receiver struct {
	net.Listener
	mu       sync.Mutex
	frames   []string
	accepted int
	hangUp   int // after so many frames of a connection; 0: never
}

func (r *receiver) serve() {
	for {
		conn, err := r.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.accepted++
		r.mu.Unlock()
		go r.take(conn)
	}
}

func (r *receiver) take(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 1; ; n++ {
		length, err := in.ReadString(' ')
		if err != nil {
			return
		}
		size, err := strconv.Atoi(strings.TrimSuffix(length, " "))
		if err != nil {
			return
		}
		frame := make([]byte, size)
		if _, err := io.ReadFull(in, frame); err != nil {
			return
		}
		r.mu.Lock()
		r.frames = append(r.frames, string(frame))
		stop := n == r.hangUp
		r.mu.Unlock()
		if stop {
			return
		}
	}
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]string{}, r.frames...)
}

func start(t *testing.T, l net.Listener, err error, hangUp int) *receiver {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{Listener: l, hangUp: hangUp}
	go r.serve()
	t.Cleanup(func() { _ = l.Close() })
	return r
}

func client(t *testing.T, c syslog.Config) *syslog.Client {
	t.Helper()
	c.Facility, c.Host, c.App, c.Process, c.MsgID = "authpriv", "häuschen 1", "lotse", "42", "DICOM+RFC3881"
	s, err := syslog.New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func messages(from, n int) []syslog.Message {
	var all []syslog.Message
	for i := range n {
		all = append(all, syslog.Message{At: time.Date(2026, 12, 1, 10, 0, 0, 1000, time.UTC), Severity: syslog.Notice, Text: []byte("<x>ü" + strconv.Itoa(from+i) + "</x>")})
	}
	return all
}

// TestFrames: what comes over TCP is what RFC 5424 and the octet counting of RFC 5425 say.
func TestFrames(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r := start(t, l, err, 0)
	c := client(t, syslog.Config{Address: "tcp://" + l.Addr().String()})
	for i := range 3 {
		if err := c.Send(t.Context(), messages(10*i, 10)); err != nil {
			t.Fatal(err)
		}
	}
	peer.Await(t, 10*time.Second, "all frames", func() bool { return len(r.got()) == 30 })
	for i, f := range r.got() {
		if want := "<85>1 2026-12-01T10:00:00.000001Z huschen1 lotse 42 DICOM+RFC3881 - \ufeff<x>ü" + strconv.Itoa(i) + "</x>"; f != want {
			t.Errorf("%q instead of %q", f, want)
		}
	}
	if r.accepted != 1 {
		t.Errorf("%d connections", r.accepted)
	}
}

// TestHangUp: a receiver that hangs up in the middle is an error, and what is sent again
// comes over another connection.
func TestHangUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	r := start(t, l, err, 5)
	c := client(t, syslog.Config{Address: "tcp://" + l.Addr().String()})
	if err := c.Send(t.Context(), messages(0, 10)); err == nil {
		t.Error("half was sent, and no error")
	}
	r.mu.Lock()
	r.hangUp = 0
	r.mu.Unlock()
	if err := c.Send(t.Context(), messages(0, 10)); err != nil {
		t.Fatal(err)
	}
	peer.Await(t, 10*time.Second, "all frames", func() bool { return len(r.got()) == 15 })
	if _ = l.Close(); c.Close() != nil {
		t.Error("not closed")
	}
	if err := c.Send(t.Context(), messages(0, 1)); err == nil {
		t.Error("sent to nobody")
	}
}

// TestTLS: the receiver must show a certificate that is trusted, of its name, and may want
// to see one.
func TestTLS(t *testing.T) {
	cert, key := peer.SelfSigned(t, t.TempDir())
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert})
	r := start(t, l, err, 0)
	address := "tls://" + l.Addr().String()
	for name, c := range map[string]struct {
		config *tls.Config
		works  bool
	}{
		"all is right":     {&tls.Config{RootCAs: pool, ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}}, true},
		"no certificate":   {&tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}, false},
		"another name":     {&tls.Config{RootCAs: pool, ServerName: "syslog.example.org", Certificates: []tls.Certificate{pair}}, false},
		"nobody it trusts": {&tls.Config{RootCAs: x509.NewCertPool(), ServerName: "127.0.0.1", Certificates: []tls.Certificate{pair}}, false},
	} {
		before := len(r.got())
		c.config.MinVersion = tls.VersionTLS12
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := client(t, syslog.Config{Address: address, TLS: c.config}).Send(ctx, messages(0, 3))
		cancel()
		if (err == nil) != c.works {
			t.Errorf("%s: %v", name, err)
		}
		if !c.works && len(r.got()) != before {
			t.Errorf("%s: something came", name)
		}
	}
	peer.Await(t, 10*time.Second, "all frames", func() bool { return len(r.got()) == 3 })
}

// TestUDP: one datagram for each message, without counting.
func TestUDP(t *testing.T) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := client(t, syslog.Config{Address: "udp://" + conn.LocalAddr().String()}).Send(t.Context(), messages(0, 2)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	for i := range 2 {
		buf := make([]byte, 2000)
		n, _, err := conn.ReadFrom(buf)
		if err != nil || !strings.HasPrefix(string(buf[:n]), "<85>1 ") || !strings.Contains(string(buf[:n]), "ü"+strconv.Itoa(i)) {
			t.Errorf("%q, %v", buf[:n], err)
		}
	}
}

// TestElsewhereOnlyTLS: other machines are told over TLS only.
func TestElsewhereOnlyTLS(t *testing.T) {
	for address, fine := range map[string]bool{"tcp://127.0.0.1:514": true, "udp://[::1]:514": true, "tcp://localhost:514": true, "tcp://192.0.2.1:514": false,
		"udp://syslog.example.org:514": false, "tls://192.0.2.1:6514": true, "http://127.0.0.1:80": false, "tls://nohost": false, "": false} {
		_, err := syslog.New(syslog.Config{Address: address, TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Facility: "local0"})
		if (err == nil) != fine {
			t.Errorf("%s: %v", address, err)
		}
	}
	if _, err := syslog.New(syslog.Config{Address: "tls://192.0.2.1:6514", Facility: "local0"}); err == nil {
		t.Error("TLS without a configuration")
	}
	if _, err := syslog.New(syslog.Config{Address: "tcp://127.0.0.1:1", Facility: "kern"}); err == nil {
		t.Error("a facility that is not for this")
	}
}
