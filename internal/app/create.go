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
	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// Kinds of imports by how they came.
const (
	KindLink   = "link"   // fetched from a portal
	KindUpload = "upload" // handed over by a client
	KindDICOM  = "dicom"  // received by C-STORE
)

// Priorities of an import's jobs.
const (
	PriorityPerson = 10 // someone is waiting
	PriorityBatch  = 0
)

// NewImport is an import as it is asked for.
type NewImport struct {
	Kind string // KindLink or KindUpload
	Site string
	// Link is what the QR code holds; with KindLink.
	Link string
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
	ByID                           map[string]string // a portal's questions by their id
	BirthDate, StudyDate, Password string
	AllowHosts                     []string // that a person confirmed
	// ArchivePassword opens an encrypted archive. It stays, sealed, as long as the
	// archive does: it is part of its key.
	ArchivePassword string
}

// request is what stays of how an import was asked for.
type request struct {
	Select []string
	Files  int
	// ArchivePassword and Archives, by the id of the question, open encrypted
	// archives: they stay, sealed, as long as these do.
	ArchivePassword string
	Archives        map[string]string
}

// secrets are needed until the fetch has ended.
type secrets struct {
	Link  string
	Known Answers
}

// Create begins an import and returns its id once it is durable.
func (g *Gateway) Create(ctx context.Context, who Who, n NewImport) (string, error) {
	if err := n.check(); err != nil {
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
	im.Site, im.Priority = n.Site, n.Priority
	if im.Request, err = s.seal(ctx, im.ID, sealedRequest, request{Select: n.Select, Files: n.Files, ArchivePassword: n.Known.ArchivePassword}); err != nil {
		return "", err
	}
	if im.Secrets, err = s.seal(ctx, im.ID, sealedSecrets, secrets{Link: n.Link, Known: n.Known}); err != nil {
		return "", err
	}
	err = s.t.Write(ctx, func(tx *store.Tx) error {
		err := s.insert(tx, im)
		switch {
		case n.Once != "" && errors.Is(err, store.ErrConflict):
			return s.begun(tx, im.ID)
		case err != nil || n.Kind != KindLink:
			return err
		}
		return s.enqueue(tx, jobFetch, im)
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
		n.Link = strings.TrimSpace(n.Link)
		u, err := url.Parse(n.Link)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return &InvalidError{"link", "not-a-link"}
		}
	case KindUpload:
		if n.Link != "" {
			return &InvalidError{"link", "not-with-upload"}
		}
	default:
		return &InvalidError{"kind", "unknown"}
	}
	if n.Files < 0 {
		return &InvalidError{"files", "negative"}
	}
	return n.Known.check()
}

func (a *Answers) check() error {
	for field, date := range map[string]*string{"birth_date": &a.BirthDate, "study_date": &a.StudyDate} {
		if *date == "" {
			continue
		}
		d, err := dlx.ParseDate(*date)
		if err != nil {
			return &InvalidError{field, "not-a-date"}
		}
		*date = string(d)
	}
	return nil
}

// begun makes sure that a creation that was asked for before is still the same.
func (s *scope) begun(tx *store.Tx, id string) error {
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

// begin makes the key of a new import. Should the import itself not come to be, the
// key stays and opens nothing: nothing was sealed with it that anyone was promised.
func (s *scope) begin(ctx context.Context, kind, once string) (*store.Import, error) {
	id, err := s.importID(ctx, once)
	if err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	im := &store.Import{ID: id, Kind: kind, State: importer.Fetching, CreatedBy: s.who.Actor, Priority: PriorityPerson}
	if err := s.v.CreateImport(ctx, im.ID); err != nil {
		return nil, fmt.Errorf("begin an import: %w", err)
	}
	return im, nil
}

// insert writes the row of a new import.
func (s *scope) insert(tx *store.Tx, im *store.Import) error {
	limits, err := s.keeping(tx)
	if err != nil {
		return err
	}
	im.Created = tx.Now()
	im.Expires = im.Created.Add(limits.retention)
	im.Purge = im.Expires
	if err := tx.InsertImport(im); err != nil {
		return err
	}
	if err := tx.MeterImport(im); err != nil {
		return err
	}
	return s.audit(tx, im.ID, "import.created", "", im.State, map[string]any{"kind": im.Kind})
}
