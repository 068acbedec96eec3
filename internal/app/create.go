package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"lotse/dlx"
	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Kinds of imports by how they came.
const (
	KindLink   = "link"   // fetched from a portal
	KindUpload = "upload" // handed over by a client
	KindDICOM  = "dicom"  // received by C-STORE
)

// Priorities of an import's jobs, in minutes: that much longer a job without one has to
// have waited to go first. What is queued in the evening lets people pass in the
// morning, however much of it is left, and has its turn before noon.
const (
	PriorityPerson = 12 * 60 // someone is waiting
	PriorityBatch  = 0
)

// NewImport is an import as it is asked for.
type NewImport struct {
	Kind string // KindLink or KindUpload
	// Site is the id of the site it belongs to; empty: the whole organisation, or the only
	// site that its creator reaches.
	Site string
	// LegalBasis is on what ground it is processed; empty: the tenant's usual one.
	LegalBasis importer.LegalBasis
	// Link is what the QR code holds; with KindLink.
	Link personal.Text
	// Known are answers that are known already.
	Known Answers
	// Select chooses among what a link gives; empty: everything.
	Select []string
	// Files is how many files will be uploaded; the import goes on by itself with the
	// last one. 0: until Complete is called.
	Files int
	// Priority is PriorityPerson or PriorityBatch.
	Priority int
	// Once names this creation: asked for again by the same actor within a day, it
	// begins nothing new. Empty: it may be asked for as often as one likes.
	Once string
}

// onceFor is how long a creation that is asked for again is the same.
const onceFor = 25 * time.Hour

// errOld: what the creation once began is not what is asked for now.
var errOld = errors.New("it was begun long ago")

// Answers are what a person knows. They are secrets: sealed, used, and erased when
// the fetch has ended.
type Answers struct {
	ByID                           map[string]personal.Text // a portal's questions by their id
	BirthDate, StudyDate, Password personal.Text
	AllowHosts                     []string // that a person confirmed; remembered for all imports
	// ArchivePassword opens an encrypted archive. It stays, sealed, as long as the
	// archive does: it is part of its key.
	ArchivePassword personal.Text
}

// request is what stays of how an import was asked for.
type request struct {
	Select []string
	Files  int
	// ArchivePassword and Archives, by the id of the question, open encrypted
	// archives: they stay, sealed, as long as these do.
	ArchivePassword personal.Text
	Archives        map[string]personal.Text
}

// secrets are needed until the fetch has ended.
type secrets struct {
	Link  personal.Text
	Known Answers
}

// Create begins an import and returns its id once it is durable.
func (g *Gateway) Create(ctx context.Context, who Who, n NewImport) (string, error) {
	if err := n.check(); err != nil {
		return "", err
	}
	var err error
	if n.Site, err = who.siteOf(n.Site); err != nil {
		return "", err
	}
	s, err := g.scope(ctx, who)
	if err != nil {
		return "", err
	}
	id, err := s.create(ctx, n)
	if n.Once != "" && (errors.Is(err, errOld) || errors.Is(err, sealed.ErrErased)) {
		n.Once = ""
		id, err = s.create(ctx, n)
	}
	return id, err
}

func (s *scope) create(ctx context.Context, n NewImport) (string, error) {
	im, err := s.begin(ctx, n.Kind, n.Once)
	if err != nil {
		return "", err
	}
	im.Site, im.Priority, im.LegalBasis = n.Site, n.Priority, string(n.LegalBasis)
	if im.Request, err = s.seal(ctx, im.ID, sealedRequest, request{Select: n.Select, Files: n.Files, ArchivePassword: n.Known.ArchivePassword}); err != nil {
		return "", err
	}
	if im.Secrets, err = s.seal(ctx, im.ID, sealedSecrets, secrets{Link: n.Link, Known: n.Known}); err != nil {
		return "", err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		err := s.insert(tx, im)
		if err == nil {
			err = s.confirmPortals(tx, im.ID, n.Known.AllowHosts)
		}
		switch {
		case n.Once != "" && errors.Is(err, store.ErrConflict):
			return s.stillNew(tx, im.ID)
		case err != nil || n.Kind != KindLink:
			return err
		}
		return s.enqueue(tx, jobFetch, im.Import)
	})
	if err != nil {
		return "", fmt.Errorf("create the import: %w", err)
	}
	return im.ID, nil
}

// InvalidError says which field of a request is wrong, in a code.
type InvalidError struct{ Field, Code string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Code }

func (n *NewImport) check() error {
	switch n.Kind {
	case KindLink:
		link := strings.TrimSpace(n.Link.Reveal())
		n.Link = personal.New(link)
		u, err := url.Parse(link)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return &InvalidError{"link", "not-a-link"}
		}
	case KindUpload:
		if n.Link.IsSet() {
			return &InvalidError{"link", "not-with-upload"}
		}
	default:
		return &InvalidError{"kind", "unknown"}
	}
	if n.LegalBasis != "" && !n.LegalBasis.Known() {
		return &InvalidError{"legal_basis", "unknown"}
	}
	if n.Files < 0 {
		return &InvalidError{"files", "negative"}
	}
	return n.Known.check()
}

func (a *Answers) check() error {
	for field, date := range map[string]*personal.Text{"birth_date": &a.BirthDate, "study_date": &a.StudyDate} {
		if !date.IsSet() {
			continue
		}
		d, err := dlx.ParseDate(date.Reveal())
		if err != nil {
			return &InvalidError{field, "not-a-date"}
		}
		*date = personal.New(string(d))
	}
	hosts := make([]string, len(a.AllowHosts))
	for i, host := range a.AllowHosts {
		canonical, err := hostname.Canonical(host)
		if err != nil {
			return &InvalidError{"allow_hosts", "not-a-host"}
		}
		hosts[i] = canonical
	}
	a.AllowHosts = hosts
	return nil
}

// stillNew makes sure that a creation that was asked for before is still the same.
func (s *scope) stillNew(tx *store.Tx, id string) error {
	im, err := tx.Import(id)
	if err == nil && im.Created.Before(tx.Now().Add(-onceFor)) {
		err = errOld
	}
	return err
}

// importID is the id of a new import, with once always the same.
func (s *scope) importID(ctx context.Context, once string) (string, error) {
	if once == "" {
		return store.NewID(), nil
	}
	mac, err := s.v.MAC(ctx, "import", s.who.Actor+" "+once)
	if err != nil {
		return "", err
	}
	return uuid.NewSHA1(uuid.Nil, []byte(mac)).String(), nil
}

// beginTime is how long an import may take from the beginning of its key to its row, by
// the database's time: much less than the time after which a key without a row is
// collected, which nothing was sealed with that anyone was promised.
const beginTime = time.Hour

// begun is an import that has its key and not yet its row.
type begun struct {
	*store.Import
	since time.Time // by the database; zero: its key is that of an attempt long ago
}

// begin makes the key of a new import, or takes that of an attempt just before.
func (s *scope) begin(ctx context.Context, kind, once string) (*begun, error) {
	id, err := s.importID(ctx, once)
	if err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	im := &begun{Import: &store.Import{ID: id, Kind: kind, State: importer.Fetching, CreatedBy: s.who.Actor, Priority: PriorityPerson}}
	if im.since, err = s.databaseTime(ctx); err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	there, err := s.v.BeginImport(ctx, im.ID)
	if err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	if !there {
		return im, nil
	}
	made, err := s.v.ImportMade(ctx, im.ID)
	if err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	if im.since.Sub(made).Abs() > beginTime { // or the keyring's clock is another
		im.since = zeroTime
	}
	return im, nil
}

// insert writes the row of a new import. errOld when it was begun so long ago that its
// key may be collected.
func (s *scope) insert(tx *store.Tx, im *begun) error {
	if err := occupy(tx, im.Site); err != nil {
		return err
	}
	kept, err := readSettings(tx)
	if err != nil {
		return err
	}
	limits := s.limits(kept.Set)
	if im.LegalBasis == "" {
		im.LegalBasis = string(s.legalBasis(kept.Set))
	}
	im.Created = tx.Now()
	if im.Kind == KindUpload {
		im.Quiet = im.Created.Add(uploadIdle)
	}
	im.Expires = im.Created.Add(limits.retention)
	im.Purge = im.Expires
	if err := tx.InsertImport(im.Import); err != nil {
		return err
	}
	if tx.Now().Sub(im.since) > beginTime {
		return errOld
	}
	if err := tx.MeterImport(im.Import); err != nil {
		return err
	}
	detail := map[string]any{"kind": im.Kind, "legal_basis": im.LegalBasis}
	if im.Site != "" {
		detail["site"] = im.Site
	}
	return s.audit(tx, im.ID, "import.created", "", im.State, detail)
}
