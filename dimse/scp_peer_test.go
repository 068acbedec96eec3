package dimse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"lotse/dimse/pdu"
	"lotse/test/peer"
)

// ctDump is a small CT object as dump2dcm reads it.
const ctDump = `(0002,0010) UI [%s]
(0008,0016) UI [1.2.840.10008.5.1.4.1.1.2]
(0008,0018) UI [2.25.4000.%d]
(0008,0060) CS [CT]
(0010,0010) PN [Test^Object]
(0010,0020) LO [T1]
(0020,000d) UI [2.25.2000]
(0020,000e) UI [2.25.3000]
(0028,0002) US 1
(0028,0004) CS [MONOCHROME2]
(0028,0010) US 2
(0028,0011) US 2
(0028,0100) US 16
(0028,0101) US 16
(0028,0102) US 15
(0028,0103) US 0
(7fe0,0010) OW 1\2\3\4
`

// dumped makes a file and gives its data set, to compare with what arrives.
func dumped(t *testing.T, number int) (path string, o object) {
	t.Helper()
	path = peer.FromDump(t, fmt.Sprintf(ctDump, ExplicitVRLittleEndian, number), "+te")
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	// Preamble, prefix and the group length element are 144 bytes; its value says
	// how long the rest of the file meta information is.
	meta := 144 + int(file[140]) + int(file[141])<<8
	return path, object{class: ctStorage, instance: fmt.Sprintf("2.25.4000.%d", number), syntax: ExplicitVRLittleEndian, data: file[meta:]}
}

func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

func TestEchoscu(t *testing.T) {
	s := startSink(t, func(s *sink) { s.AETitle = "LOTSE" })
	peer.Run(t, "echoscu", "-aec", "LOTSE", "--repeat", "5", "127.0.0.1", portOf(s.addr))
	peer.Run(t, "echoscu", "-aec", "LOTSE", "-ppc", "128", "-pts", "38", "127.0.0.1", portOf(s.addr))
	if out, err := peer.Try(t, "echoscu", "-v", "-aec", "WRONG", "127.0.0.1", portOf(s.addr)); err == nil || !strings.Contains(out, "Called AE Title Not Recognized") {
		t.Errorf("wrong AE title: %v\n%s", err, out)
	}
	peer.Run(t, "echoscu", "-aec", "LOTSE", "--abort", "127.0.0.1", portOf(s.addr))
}

func TestStorescu(t *testing.T) {
	s := startSink(t, nil)
	one, first := dumped(t, 1)
	two, second := dumped(t, 2)
	peer.Run(t, "storescu", "-v", "-xe", "127.0.0.1", portOf(s.addr), one, two)
	s.wantIntact(t, 0, first)
	s.wantIntact(t, 1, second)
	if err := s.awaitEnd(t); err != nil {
		t.Errorf("association ended with %v", err)
	}
	if p := s.objects()[0].Peer; p.CallingAE != "STORESCU" || !strings.HasPrefix(p.ImplementationVersion, "OFFIS_DCMTK") {
		t.Errorf("peer %s, %s", p.CallingAE, p.ImplementationVersion)
	}
}

func TestDcmsend(t *testing.T) {
	s := startSink(t, func(s *sink) { s.MaxPDU = 4096 })
	file, o := dumped(t, 1)
	peer.Run(t, "dcmsend", "-v", "-aec", "ANY", "127.0.0.1", portOf(s.addr), file)
	s.wantIntact(t, 0, o)
}

// TestHandlerStatus checks that failures reach the peer, also without reading Data.
func TestHandlerStatus(t *testing.T) {
	s := startSink(t, func(s *sink) {
		s.Store = func(_ context.Context, in StoreIndication) Status {
			if strings.HasSuffix(in.SOPInstance, ".1") {
				return OutOfResources
			}
			return s.keep(t.Context(), in)
		}
	})
	one, _ := dumped(t, 1)
	two, second := dumped(t, 2)
	out, err := peer.Try(t, "storescu", "-v", "--no-halt", "-xe", "127.0.0.1", portOf(s.addr), one, two)
	if err != nil && !strings.Contains(out, "OutOfResources") || !strings.Contains(out, "a700") && !strings.Contains(out, "OutOf") {
		t.Errorf("%v\n%s", err, out)
	}
	s.wantIntact(t, 0, second)
}

func TestIdentityProvider(t *testing.T) {
	s := startSink(t, func(s *sink) {
		s.Admit = func(_ context.Context, p *Peer) error {
			if p.Identity == nil || string(p.Identity.Primary) != "user" || string(p.Identity.Secondary) != "secret" {
				return errors.New("who is there?")
			}
			return nil
		}
	})
	file, o := dumped(t, 1)
	args := []string{"-rsp", "-xe", "127.0.0.1", portOf(s.addr), file}
	peer.Run(t, "storescu", append([]string{"-usr", "user", "-pwd", "secret"}, args...)...)
	s.wantIntact(t, 0, o)
	for _, wrong := range [][]string{{"-usr", "user", "-pwd", "wrong"}, {"-usr", "user"}} {
		if out, err := peer.Try(t, "storescu", append(wrong, args...)...); err == nil {
			t.Errorf("%v was let in:\n%s", wrong, out)
		}
	}
	if n := len(s.objects()); n != 1 {
		t.Errorf("%d objects", n)
	}
	a := dial(t, s.addr, "ANY", Config{Identity: &pdu.UserIdentity{Type: pdu.IdentityUsernamePasscode, PositiveResponse: true,
		Primary: []byte("user"), Secondary: []byte("secret")}})
	if !a.IdentityConfirmed() {
		t.Error("identity not confirmed")
	}
}

func TestPolicyRefuses(t *testing.T) {
	s := startSink(t, func(s *sink) {
		s.Policy = func(string, []string) (string, pdu.Result) { return "", pdu.AbstractSyntaxNotSupported }
	})
	file, _ := dumped(t, 1)
	if out, err := peer.Try(t, "storescu", "127.0.0.1", portOf(s.addr), file); err == nil {
		t.Errorf("stored against the policy:\n%s", out)
	}
	if len(s.objects()) != 0 {
		t.Error("an object arrived")
	}
}

// TestUnknownService asks for C-FIND in a context that the policy accepts.
func TestUnknownService(t *testing.T) {
	s := startSink(t, nil)
	out, _ := peer.Try(t, "findscu", "-v", "-S", "-k", "QueryRetrieveLevel=STUDY", "127.0.0.1", portOf(s.addr))
	if !strings.Contains(out, "0x211") {
		t.Errorf("no refusal in:\n%s", out)
	}
}

func TestProviderTLS(t *testing.T) {
	pair, _, keyFile, certFile := certificate(t)
	s := &sink{}
	s.Store = s.keep
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	s.serve(t, ln)
	file, o := dumped(t, 1)
	peer.Run(t, "storescu", "+tls", keyFile, certFile, "+cf", certFile, "-xe", "127.0.0.1", portOf(s.addr), file)
	s.wantIntact(t, 0, o)
}

// TestStopAborts stops a server while a peer is connected.
func TestStopAborts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- (&Server{}).Serve(ctx, ln) }()
	a := dial(t, ln.Addr().String(), "ANY", Config{})
	if _, err := a.Echo(t.Context()); err != nil {
		t.Fatal(err)
	}
	cancel()
	var aborted *AbortError
	if _, err := a.Echo(t.Context()); !errors.As(err, &aborted) {
		t.Errorf("echo at a stopped server: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestAssociationLimit(t *testing.T) {
	s := startSink(t, func(s *sink) { s.MaxAssociations = 1 })
	a := dial(t, s.addr, "ANY", Config{})
	_, err := Dial(t.Context(), s.addr, Config{CallingAE: "LOTSE", CalledAE: "ANY"}, []PresentationContext{VerificationContext(1)})
	var refused *RejectError
	if !errors.As(err, &refused) || !Temporary(err) {
		t.Errorf("second association: %v", err)
	}
	if err := a.Release(t.Context()); err != nil {
		t.Error(err)
	}
	peer.Await(t, quick.Response*5, "a free place", func() bool {
		b, err := Dial(t.Context(), s.addr, Config{CallingAE: "LOTSE", CalledAE: "ANY"}, []PresentationContext{VerificationContext(1)})
		if err == nil {
			_ = b.Close()
		}
		return err == nil
	})
}

// TestQuickAckProvider compares the delay per object when DCMTK sends to us: it
// writes headers and data apart under Nagle's algorithm, too.
func TestQuickAckProvider(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_QUICKACK is for Linux")
	}
	file, _ := dumped(t, 1)
	measure := func(disable bool) time.Duration {
		s := startSink(t, func(s *sink) { s.DisableQuickAck = disable })
		args := []string{"-xe", "--repeat", "40", "127.0.0.1", portOf(s.addr), file}
		begin := time.Now()
		peer.Run(t, "storescu", args...)
		if n := len(s.objects()); n < 40 {
			t.Fatalf("%d objects arrived", n)
		}
		return time.Since(begin)
	}
	with, without := measure(false), measure(true)
	t.Logf("40 objects: %v with, %v without TCP_QUICKACK", with, without)
	if without < 4*with {
		t.Errorf("TCP_QUICKACK gains too little: %v instead of %v", with, without)
	}
}
