package receive

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/dimse/pdu"
)

func networks(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	var out []netip.Prefix
	for _, s := range list {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, p)
	}
	return out
}

// broken are Rules that cannot be had.
type broken struct{}

func (broken) For(context.Context, string, string) ([]Rule, error) {
	return nil, errors.New("database is down")
}

func TestAdmission(t *testing.T) {
	good := Rule{CallingAE: "SENDER", Networks: here(), Objects: true}
	with := func(change func(*Rule)) RuleList {
		r := good
		change(&r)
		return RuleList{r}
	}
	for name, c := range map[string]struct {
		title  string
		rules  Rules
		reason byte // 0: let in
		later  bool
	}{
		"known":            {"LOTSE", RuleList{good}, 0, false},
		"any called AE":    {"", RuleList{good}, 0, false},
		"right called AE":  {"", with(func(r *Rule) { r.CalledAE = "LOTSE" }), 0, false},
		"right network":    {"LOTSE", with(func(r *Rule) { r.Networks = networks(t, "10.0.0.0/8", "127.0.0.0/24") }), 0, false},
		"second rule":      {"LOTSE", RuleList{{CallingAE: "SENDER", Networks: networks(t, "10.0.0.0/8")}, good}, 0, false},
		"nobody":           {"LOTSE", RuleList{}, pdu.ReasonCallingAE, false},
		"other calling AE": {"LOTSE", with(func(r *Rule) { r.CallingAE = "sender" }), pdu.ReasonCallingAE, false},
		"other called AE":  {"OTHER", RuleList{good}, pdu.ReasonCalledAE, false},
		"called by rule":   {"", with(func(r *Rule) { r.CalledAE = "OTHER" }), pdu.ReasonCallingAE, false},
		"wrong network":    {"LOTSE", with(func(r *Rule) { r.Networks = networks(t, "10.0.0.0/8", "::1/128") }), pdu.ReasonCallingAE, false},
		"from anywhere":    {"LOTSE", with(func(r *Rule) { r.Networks = nil }), pdu.ReasonCallingAE, false},
		"no certificate":   {"LOTSE", with(func(r *Rule) { r.Subject = "ct1" }), pdu.ReasonCallingAE, false},
		"two rules":        {"LOTSE", RuleList{good, {Tenant: "other", CallingAE: "SENDER", Networks: here(), Objects: true}}, pdu.ReasonCallingAE, false},
		"two, one fits":    {"LOTSE", RuleList{good, {CallingAE: "SENDER", Objects: true, Networks: networks(t, "10.0.0.0/8")}}, 0, false},
		"two reports":      {"LOTSE", RuleList{{CallingAE: "SENDER", Networks: here(), Reports: true}, {Tenant: "other", CallingAE: "SENDER", Networks: here(), Reports: true}}, 0, false},
		"no rules to read": {"LOTSE", broken{}, pdu.ReasonCongestion, true},
	} {
		r := start(t, Config{AETitle: c.title}, c.rules, &shelf{}, nil)
		a, err := dimse.Dial(t.Context(), r.addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE"}, contexts())
		var refused *dimse.RejectError
		switch {
		case c.reason == 0 && err != nil, c.reason != 0 && !errors.As(err, &refused):
			t.Errorf("%s: %v", name, err)
		case c.reason != 0 && (refused.Reason != c.reason || dimse.Temporary(err) != c.later):
			t.Errorf("%s: %v", name, err)
		}
		if a != nil {
			_ = a.Close()
		}
	}
}

// TestNothingAllowed: who is let in for reports only may echo and report, not store.
func TestNothingAllowed(t *testing.T) {
	b := &book{}
	r := start(t, Config{}, RuleList{{Name: "archive", CallingAE: "SENDER", Networks: here(), Reports: true}}, &shelf{}, b)
	a := dial(t, r.addr)
	if answer, err := a.Echo(t.Context()); err != nil || answer.Status != dimse.Success {
		t.Errorf("echo: %v, %v", answer.Status, err)
	}
	store(t, a, newObject(t, 1, 100), dimse.NotAuthorized)
	tell(t, a, "2.25.1", dimse.Success)
	tell(t, a, "2.25.2", dimse.InvalidArgument)
	tell(t, a, "2.25.3", dimse.ProcessingFailure)
	b.mu.Lock()
	if len(b.got) != 1 || b.got[0].Rule != "archive" || b.got[0].AETitle != "SENDER" || b.got[0].Own != "LOTSE" || b.got[0].Addr == nil {
		t.Errorf("reported by %+v", b.got)
	}
	b.mu.Unlock()
	other := start(t, Config{}, RuleList{{CallingAE: "SENDER", Networks: here(), Objects: true}}, &shelf{}, b)
	tell(t, dial(t, other.addr), "2.25.1", dimse.NotAuthorized)
	without := start(t, Config{}, anybody(), &shelf{}, nil)
	_, err := commitment.Tell(t.Context(), dial(t, without.addr), commitment.Report{TransactionUID: "2.25.1"})
	var missing *dimse.ContextError
	if !errors.As(err, &missing) {
		t.Errorf("without reports: %v", err)
	}
}

// book knows one open transaction, and fails at another.
type book struct {
	mu  sync.Mutex
	got []Reporter
}

func (b *book) Report(_ context.Context, from Reporter, r commitment.Report) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch r.TransactionUID {
	case "2.25.1":
		b.got = append(b.got, from)
		return nil
	case "2.25.2":
		return ErrUnknownTransaction
	}
	return errors.New("database is down")
}

func tell(t *testing.T, a *dimse.Association, transaction string, want dimse.Status) {
	t.Helper()
	answer, err := commitment.Tell(t.Context(), a, commitment.Report{TransactionUID: transaction,
		Committed: []commitment.Reference{{SOPClass: ctStorage, SOPInstance: "1.2.3"}}})
	if err != nil || answer.Status != want {
		t.Errorf("report: %v, %v; want %v", answer.Status, err, want)
	}
}

// TestOnlyRule: the one that lets store counts, whatever else lets report.
func TestOnlyRule(t *testing.T) {
	report := Rule{Name: "archive", Reports: true}
	store := Rule{Name: "ct", Tenant: "a", Site: "north", Objects: true, ObjectBytes: 5}
	both := store
	both.Reports = true
	for name, c := range map[string]struct {
		fit     []Rule
		want    Rule
		storing int
	}{
		"store":            {[]Rule{store}, store, 1},
		"report":           {[]Rule{report}, report, 0},
		"report and store": {[]Rule{report, store}, both, 1},
		"store and report": {[]Rule{store, report, report}, both, 1},
		"ambiguous":        {[]Rule{store, report, store}, both, 2},
	} {
		rule, storing := only(c.fit)
		if storing != c.storing || !reflect.DeepEqual(rule, c.want) {
			t.Errorf("%s: %+v, %d", name, rule, storing)
		}
	}
	if names := named([]Rule{report, store, {Name: "caller CT1", Objects: true}}); fmt.Sprint(names) != "[a ct caller CT1]" {
		t.Errorf("named %q", names)
	}
}

// TestAmbiguousIsSaid: the log tells an administrator which rules to narrow, and nothing
// of where the sender is.
func TestAmbiguousIsSaid(t *testing.T) {
	var said bytes.Buffer
	from := networks(t, "10.0.0.0/8")
	rules := RuleList{{Name: "1", Tenant: "main", CallingAE: "SENDER", Networks: from, Objects: true}, {Name: "2", Tenant: "clinic", CallingAE: "SENDER", Networks: from, Objects: true}}
	s, err := New(Config{}, rules, lazy{}, nil, slog.New(slog.NewTextHandler(&said, nil)))
	if err != nil {
		t.Fatal(err)
	}
	err = s.admit(t.Context(), &dimse.Peer{CallingAE: "SENDER", CalledAE: "LOTSE", Addr: &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4567}})
	var refused *dimse.RejectError
	if !errors.As(err, &refused) || refused.Reason != pdu.ReasonCallingAE || dimse.Temporary(err) {
		t.Errorf("%v", err)
	}
	for text, want := range map[string]bool{"ambiguous": true, "main 1": true, "clinic 2": true, "SENDER": true, "10.1.2.3": false} {
		if strings.Contains(said.String(), text) != want {
			t.Errorf("%q is said: %v\n%s", text, !want, said.String())
		}
	}
}

func TestChoose(t *testing.T) {
	const jpip, private = "1.2.840.10008.1.2.4.94", "1.2.826.0.1.3680043.9.9"
	for _, c := range []struct {
		class    string
		proposed []string
		want     string
		result   pdu.Result
	}{
		{ctStorage, []string{dicom.JPEGBaseline8Bit, dicom.ExplicitVRLittleEndian}, dicom.JPEGBaseline8Bit, pdu.Acceptance},
		{ctStorage, []string{dicom.ExplicitVRBigEndian, dicom.ImplicitVRLittleEndian}, dicom.ImplicitVRLittleEndian, pdu.Acceptance},
		{ctStorage, []string{dicom.ExplicitVRBigEndian}, dicom.ExplicitVRBigEndian, pdu.Acceptance},
		{ctStorage, []string{jpip, private}, private, pdu.Acceptance},
		{ctStorage, []string{jpip}, "", pdu.TransferSyntaxesNotSupported},
		{ctStorage, nil, "", pdu.TransferSyntaxesNotSupported},
		{"1.2.826.0.1.3680043.9.1", []string{dicom.ImplicitVRLittleEndian}, dicom.ImplicitVRLittleEndian, pdu.Acceptance},
		{"1.2.840.10008.5.1.4.1.2.2.1", []string{dicom.ImplicitVRLittleEndian}, "", pdu.AbstractSyntaxNotSupported}, // C-FIND
	} {
		if got, result := choose(c.class, c.proposed); got != c.want || result != c.result {
			t.Errorf("%s %v: %q, %v", c.class, c.proposed, got, result)
		}
	}
}

// authority issues certificates for tests.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test CA"}, IsCA: true,
		BasicConstraintsValid: true, NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	a := &authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.pool.AddCert(a.cert)
	return a
}

func (a *authority) issue(t *testing.T, name pkix.Name) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: name, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestCertificates(t *testing.T) {
	ca := newAuthority(t)
	s := &shelf{}
	r := start(t, Config{TLS: &tls.Config{Certificates: []tls.Certificate{ca.issue(t, pkix.Name{CommonName: "lotse"})},
		ClientAuth: tls.VerifyClientCertIfGiven, ClientCAs: ca.pool, MinVersion: tls.VersionTLS12}}, RuleList{
		{Name: "by name", CallingAE: "SENDER", Subject: "ct1", Objects: true},
		{Name: "by distinguished name", CallingAE: "SENDER", Subject: "CN=ct2,O=Hospital", Objects: true},
	}, s, nil)
	for name, c := range map[string]struct {
		subject *pkix.Name
		rule    string
	}{
		"common name":        {&pkix.Name{CommonName: "ct1", Organization: []string{"Anybody"}}, "by name"},
		"distinguished name": {&pkix.Name{CommonName: "ct2", Organization: []string{"Hospital"}}, "by distinguished name"},
		"other organisation": {&pkix.Name{CommonName: "ct2", Organization: []string{"Elsewhere"}}, ""},
		"clever common name": {&pkix.Name{CommonName: "CN=ct2,O=Hospital"}, ""},
		"none":               {nil, ""},
	} {
		client := &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
		if c.subject != nil {
			client.Certificates = []tls.Certificate{ca.issue(t, *c.subject)}
		}
		a, err := dimse.Dial(t.Context(), r.addr, dimse.Config{CallingAE: "SENDER", CalledAE: "LOTSE", TLS: client}, contexts())
		if (err == nil) != (c.rule != "") {
			t.Errorf("%s: %v", name, err)
		}
		if a == nil {
			continue
		}
		store(t, a, newObject(t, 1, 100_000), dimse.Success)
		if metas, _ := s.got(); metas[len(metas)-1].Rule != c.rule {
			t.Errorf("%s: let in by %q", name, metas[len(metas)-1].Rule)
		}
		_ = a.Close()
	}
}
