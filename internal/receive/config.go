package receive

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"time"

	"lotse/dimse"
)

// Defaults of [Config] and [Limits].
const (
	DefaultAddress = "127.0.0.1:11112"
	DefaultGrace   = 20 * time.Second

	DefaultObjectBytes  = 4 << 30
	DefaultObjectTime   = 30 * time.Minute
	DefaultOpenObjects  = 16
	DefaultOpenWait     = 10 * time.Second
	DefaultAssociations = dimse.DefaultMaxAssociations
)

// Config is how a [Server] presents itself.
type Config struct {
	// Address is host:port to listen on; by default only on the loopback interface.
	Address string
	// AETitle is the own one; associations that call another are refused. When empty,
	// the rules alone decide, by their CalledAE.
	AETitle string
	// TLS, when set, is demanded. Client certificates are checked as its ClientAuth says.
	TLS *tls.Config
	// Limits for all senders together.
	Limits Limits
	// Grace is how long objects under way may go on when the server stops.
	Grace time.Duration
	// Timeouts of the protocol.
	Timeouts dimse.Timeouts
}

// Limits are quotas; zero means the default.
type Limits struct {
	// ObjectBytes is the longest data set.
	ObjectBytes int64
	// ObjectTime is how long one object may take to arrive.
	ObjectTime time.Duration
	// OpenObjects may arrive at the same time; further ones wait for OpenWait and are
	// refused as out of resources then.
	OpenObjects int
	OpenWait    time.Duration
	// Associations may be open at the same time; further ones are refused transiently.
	Associations int
}

func (c Config) withDefaults() Config {
	set(&c.Address, DefaultAddress)
	set(&c.Grace, DefaultGrace)
	set(&c.Limits.ObjectBytes, DefaultObjectBytes)
	set(&c.Limits.ObjectTime, DefaultObjectTime)
	set(&c.Limits.OpenObjects, DefaultOpenObjects)
	set(&c.Limits.OpenWait, DefaultOpenWait)
	set(&c.Limits.Associations, DefaultAssociations)
	return c
}

func set[T comparable](field *T, standard T) {
	var zero T
	if *field == zero {
		*field = standard
	}
}

// Rule lets one sender in. Who fits no rule is refused.
type Rule struct {
	// Name is what the owner of the rules calls it; it comes back with each object, as do
	// Tenant and Site, which say whose the object is, and Counted: the owner keeps a quota.
	Name, Tenant, Site string
	Counted            bool
	// CallingAE is the sender's AE title. CalledAE, when set, is the title it has to call.
	CallingAE, CalledAE string
	// Networks are where it may connect from; empty means anywhere, with a certificate:
	// a rule with neither fits nobody.
	Networks []netip.Prefix
	// Subject, when set, is the subject of the client certificate it has to have,
	// which the TLS configuration has to verify: the whole distinguished name as
	// RFC 2253 writes it, or, without an equals sign, the common name.
	Subject string
	// Objects lets it store objects, Reports report on storage commitment. Echo may
	// everybody who is let in.
	Objects, Reports bool
	// ObjectBytes and Associations, when not zero, are lower limits for this sender.
	ObjectBytes  int64
	Associations int
}

// Rules are asked at each association.
type Rules interface {
	// For gives the rules for a pair of AE titles; none is no error. A sender is let in to
	// store when network and certificate fit exactly one rule that permits it. After an
	// error the sender is told to try later.
	For(ctx context.Context, callingAE, calledAE string) ([]Rule, error)
}

// RuleList are rules that do not change.
type RuleList []Rule

// For implements [Rules].
func (l RuleList) For(_ context.Context, callingAE, calledAE string) ([]Rule, error) {
	var fit []Rule
	for _, r := range l {
		if r.CallingAE == callingAE && (r.CalledAE == "" || r.CalledAE == calledAE) {
			fit = append(fit, r)
		}
	}
	return fit, nil
}

// fits reports whether a rule lets in who comes from addr with a verified certificate
// (or nil).
func (r Rule) fits(addr netip.Addr, certificate *x509.Certificate) bool {
	inside := len(r.Networks) == 0 && r.Subject != "" // a title alone, anybody can write
	for _, n := range r.Networks {
		inside = inside || n.Contains(addr)
	}
	return inside && r.certified(certificate)
}

func (r Rule) certified(c *x509.Certificate) bool {
	switch {
	case r.Subject == "":
		return true
	case c == nil:
		return false
	case strings.Contains(r.Subject, "="):
		return c.Subject.String() == r.Subject
	}
	return c.Subject.CommonName == r.Subject
}
