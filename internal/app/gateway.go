package app

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"lotse/internal/audit"
	"lotse/internal/importer"
	"lotse/internal/plaintext"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// Gateway is the service layer of `lotse serve`: use cases for people and
// machines, and the work of the jobs that carry an import on. It is safe for
// concurrent use; everything it knows is in the database and the sealed packages,
// so any number of nodes may have one.
type Gateway struct {
	db    *store.DB
	vault *sealed.Vault
	blobs blob.Store
	opts  GatewayOptions
	log   *slog.Logger
	clock clock
	keys  keyless
	name  string // of this gateway among all nodes
}

// GatewayOptions is how a gateway works. Zero durations stand for the defaults.
type GatewayOptions struct {
	Version string // for receipts and portals
	// Retention is how long anything of an import is kept, from its first durable
	// byte; 168 h, and never more.
	Retention time.Duration
	// Grace is how long an import is kept after all its deliveries were confirmed by
	// more than statuses; 24 h.
	Grace time.Duration
	// GraceRejected is how long an import is kept that was rejected or cancelled; 24 h.
	GraceRejected time.Duration
	// Receipts is how long the receipt of a delivery is kept, without what is personal,
	// when its import has been purged; ten years.
	Receipts time.Duration
	// Quiet is how long nothing may come before a received import is closed; 60 s.
	Quiet time.Duration
	// Persistence is how long a fetch or a delivery is tried again by itself; 24 h.
	Persistence time.Duration
	// Institution, Station and Issuer name the house in what is adjusted.
	Institution, Station, Issuer string
	// ReceiveAE is the AE title that is called by those who send; empty: any.
	ReceiveAE string
	// Languages are asked for at portals, most wanted first.
	Languages []string
	// Transport returns the guarded way out for one import.
	Transport func() http.RoundTripper
	// InsecureHTTP permits plain http where the transport does.
	InsecureHTTP bool
	// PublicURL is where people and machines find this installation.
	PublicURL string
	// CommitAE is the AE title under which reports of storage commitment come back.
	CommitAE string
	// CommitPatience is how long a report is waited for; 15 min.
	CommitPatience time.Duration
	// CommitWait is how long a report is waited for on the association that asked; 5 s.
	CommitWait time.Duration
	// LegalBasis is the usual ground of imports; treatment.
	LegalBasis importer.LegalBasis
	// Portals are hosts that answers may be sent to without anybody's confirming them,
	// in the spelling of hostname.Canonical.
	Portals []string
	// FolderRoots are the folders that destinations may be below; none: no folders.
	FolderRoots []string
	// Plaintext are the destinations that may be without TLS.
	Plaintext plaintext.Exceptions
	// Exposures are what the configuration has without TLS, for the overview.
	Exposures []Exposure
	// Certificates says when this node's certificates end; nil: it has none.
	Certificates func() []Certificate
	// DestinationCAs vouch for destinations; nil: the system's authorities.
	DestinationCAs *x509.CertPool
	// Warn sends a warning that an import ends undelivered; nil: only the page says so.
	Warn func(ctx context.Context, w Warning) error
	// RetentionAudit is how long what is personal in the audit trail can be read, from
	// the end of its month; 3 years.
	RetentionAudit time.Duration
	// ExportHead takes each signed head of the audit chain out of the database; nil: only
	// the API does.
	ExportHead func(store.Head) error
	// Receiver is told of all events, when they are linked; nil: nobody is.
	Receiver *AuditReceiver
	// Now is the clock of this node; nil: time.Now. Times in the database are its own.
	Now func() time.Time
	// Monotonic is a clock that nobody sets; nil: time.Now, whose differences are such.
	Monotonic func() time.Time
}

// MaxRetention is the longest that anything of an import is kept.
const MaxRetention = 168 * time.Hour

func (o GatewayOptions) withDefaults() GatewayOptions {
	or := func(d *time.Duration, otherwise time.Duration) {
		if *d <= 0 {
			*d = otherwise
		}
	}
	or(&o.Retention, MaxRetention)
	o.Retention = min(o.Retention, MaxRetention)
	or(&o.Grace, 24*time.Hour)
	or(&o.GraceRejected, 24*time.Hour)
	or(&o.Receipts, 10*365*24*time.Hour)
	or(&o.Quiet, time.Minute)
	or(&o.Persistence, 24*time.Hour)
	or(&o.CommitPatience, 15*time.Minute)
	or(&o.CommitWait, 5*time.Second)
	o.LegalBasis = cmp.Or(o.LegalBasis, importer.BasisTreatment)
	or(&o.RetentionAudit, 3*365*24*time.Hour)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Monotonic == nil {
		o.Monotonic = time.Now
	}
	return o
}

// NewGateway returns the service layer over an open database and vault.
func NewGateway(db *store.DB, vault *sealed.Vault, blobs blob.Store, log *slog.Logger, opts GatewayOptions) *Gateway {
	if vault != nil { // what is personal in audit events is sealed by every gateway
		db.SealEvents(audit.NewSealer(vault))
	}
	return &Gateway{db: db, vault: vault, blobs: blobs, log: log, opts: opts.withDefaults(), name: store.NewID()}
}

// Who asks for something. Every use case takes one.
type Who struct {
	Tenant  string
	Actor   string   // an id, never a name
	Session string   // id of the person's session; empty for machines
	Sites   []string // ids of the sites whose imports may be reached; empty: all
}

// machine is who acts when nobody asked: a job, a rule.
const machine = "lotse"

// scope is the database and the sealed packages of one tenant.
type scope struct {
	*Gateway
	who Who
	t   *store.Tenant
	v   *sealed.Tenant
}

func (g *Gateway) scope(ctx context.Context, who Who) (*scope, error) {
	v, err := g.vault.Tenant(ctx, who.Tenant)
	if err != nil {
		return nil, fmt.Errorf("open the tenant's keys: %w", err)
	}
	return &scope{Gateway: g, who: who, t: g.reach(who), v: v}, nil
}

// reach is the only way to the rows of a tenant: imports of sites that someone does not
// reach are not there, whatever they are asked for.
func (g *Gateway) reach(who Who) *store.Tenant { return g.db.Tenant(who.Tenant).Within(who.Sites) }

// Purposes of sealed columns.
const (
	sealedRequest  = "request"
	sealedSecrets  = "secrets"
	sealedQuestion = "question"
	sealedFetched  = "fetched"
	sealedDecision = "decision"
	sealedPart     = "part"
	sealedLine     = "line"
	sealedReport   = "report"
)

// seal turns a value into a sealed column of an import.
func (s *scope) seal(ctx context.Context, id, purpose string, value any) ([]byte, error) {
	if g, ok := value.(guarded); ok {
		value = g.reveal()
	}
	plain, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("seal %s: %w", purpose, err)
	}
	return s.v.Seal(ctx, id, purpose, plain)
}

// open reads a sealed column; nil leaves the value as it is.
func (s *scope) open(ctx context.Context, id, purpose string, column []byte, value any) error {
	if column == nil {
		return nil
	}
	plain, err := s.v.Open(ctx, id, purpose, column)
	if err != nil {
		return err
	}
	decode := func(to any) error { return json.Unmarshal(plain, to) }
	if g, ok := value.(guard); ok {
		err = g.restore(decode)
	} else {
		err = decode(value)
	}
	if err != nil {
		return fmt.Errorf("open %s: not what was sealed", purpose)
	}
	return nil
}

// move carries an import over one transition, with its audit event: there is no
// other way to change a state.
func (s *scope) move(tx *store.Tx, im *store.Import, e importer.Event, detail map[string]any) error {
	return s.moveNaming(tx, im, e, detail, nil)
}

// moveNaming is move whose audit event has something personal in it, sealed.
func (s *scope) moveNaming(tx *store.Tx, im *store.Import, e importer.Event, detail, personal map[string]any) error {
	from := im.State
	to, err := from.Next(e)
	if err != nil {
		return err
	}
	im.State = to
	if to.Ended() && im.Ended.IsZero() {
		im.Ended = tx.Now()
	}
	if err := tx.SaveImport(im); err != nil {
		return err
	}
	return s.auditNaming(tx, im.ID, "import."+string(e), from, to, detail, personal)
}

func (s *scope) audit(tx *store.Tx, id, event string, from, to any, detail map[string]any) error {
	return s.auditNaming(tx, id, event, from, to, detail, nil)
}

func (s *scope) auditNaming(tx *store.Tx, id, event string, from, to any, detail, personal map[string]any) error {
	all := map[string]any{"from": from, "to": to}
	for k, v := range detail {
		all[k] = v
	}
	return tx.Audit(store.Event{Import: id, Actor: s.who.Actor, Session: s.who.Session, Event: event, Detail: all, Personal: personal})
}

// moveDelivery carries a delivery over one transition, with its audit event.
func (s *scope) moveDelivery(tx *store.Tx, d *store.Delivery, e importer.DeliveryEvent, detail map[string]any) error {
	from := d.State
	to, err := from.Next(e)
	if err != nil {
		return err
	}
	d.State = to
	if to.Ended() {
		d.Settled = tx.Now()
	}
	if err := tx.SaveDelivery(d); err != nil {
		return err
	}
	return s.audit(tx, d.Import, "delivery."+string(e), from, to, map[string]any{"delivery": d.ID, "detail": detail})
}

// Errors that callers of use cases decide on.
var (
	// ErrNotFound: there is no such thing, or it belongs to someone else.
	ErrNotFound = store.ErrNotFound
	// ErrChanged: it changed since it was read.
	ErrChanged = errors.New("it has been changed in the meantime")
	// ErrGone: its time has ended, its key is erased.
	ErrGone = errors.New("the import has been erased")
)
