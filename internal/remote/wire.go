package remote

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"

	"lotse/internal/api/idempotency"
	"lotse/internal/app"
)

// apiPath is where the API is below the address of the server.
const apiPath = "/api/v1"

// Known are answers that a person knows. They are secrets.
type Known struct {
	Answers   map[string]string `json:"answers,omitempty"` // by the id of the question
	BirthDate string            `json:"birth_date,omitempty"`
	StudyDate string            `json:"study_date,omitempty"`
	Password  string            `json:"password,omitempty"`
	// ArchivePassword opens an encrypted archive.
	ArchivePassword string   `json:"archive_password,omitempty"`
	AllowHosts      []string `json:"allow_hosts,omitempty"`
}

// newImport is the body of a creation.
type newImport struct {
	Kind     string   `json:"kind"`
	Link     string   `json:"link,omitempty"`
	Known    *Known   `json:"known,omitempty"`
	Select   []string `json:"select,omitempty"`
	Priority string   `json:"priority,omitempty"`
	Site     string   `json:"site,omitempty"` // an id
	Basis    string   `json:"legal_basis,omitempty"`
}

// answers are the body of an answer to an import's question.
type answers struct {
	Known
	Select []string `json:"select,omitempty"`
}

// Decision is what a person decides. Nil fields leave what came as it is.
type Decision struct {
	Patient     Patient             `json:"patient"`
	Accession   *string             `json:"accession_number,omitempty"`
	Set         map[string][]string `json:"set,omitempty"` // by keyword
	OnlyPatient string              `json:"only_patient,omitempty"`
	SamePatient bool                `json:"same_patient,omitempty"`
	Reason      string              `json:"reason,omitempty"`

	Destinations []string `json:"destinations"` // ids
}

// Patient is the local patient.
type Patient struct {
	ID        *string `json:"id,omitempty"`
	Issuer    *string `json:"issuer,omitempty"`
	Name      *string `json:"name,omitempty"`
	BirthDate *string `json:"birth_date,omitempty"` // YYYYMMDD
	Sex       *string `json:"sex,omitempty"`
}

// create begins an import. Whoever ends ctx meanwhile has to know what was begun, so
// that it ends a little later.
func (c *Client) create(ctx context.Context, n newImport) (*app.Snapshot, error) {
	ctx, stop := lingering(ctx, beginning)
	defer stop()
	r, err := jsonRequest(http.MethodPost, apiPath+"/imports", n)
	if err != nil {
		return nil, err
	}
	r.header[idempotency.Header] = rand.Text()
	s := &app.Snapshot{}
	return s, c.call(ctx, r, s)
}

// importPath is below an import.
func importPath(id, below string) string { return apiPath + "/imports/" + id + below }

// Snapshot returns an import as it stands.
func (c *Client) Snapshot(ctx context.Context, id string) (*app.Snapshot, error) {
	s := &app.Snapshot{}
	return s, c.call(ctx, request{method: http.MethodGet, path: importPath(id, "")}, s)
}

// act does something with an import as it was seen, once: when the connection breaks,
// the import itself tells what became of it.
func (c *Client) act(ctx context.Context, seen *app.Snapshot, what string, in any) error {
	r := request{method: http.MethodPost, path: importPath(seen.ID, "/"+what), header: map[string]string{}}
	if in != nil {
		var err error
		if r, err = jsonRequest(r.method, r.path, in); err != nil {
			return err
		}
	}
	if seen.Version > 0 {
		r.header["If-Match"] = strconv.Quote(strconv.FormatInt(seen.Version, 10))
	}
	return c.once(ctx, r, nil)
}

// Cancel stops an import. It tries no longer than the connection stands.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.act(ctx, &app.Snapshot{ID: id}, "cancel", nil)
}

// destinations lists what the server delivers to.
func (c *Client) destinations(ctx context.Context) ([]app.DestinationView, error) {
	var list struct {
		Destinations []app.DestinationView `json:"destinations"`
	}
	err := c.call(ctx, request{method: http.MethodGet, path: apiPath + "/destinations"}, &list)
	return list.Destinations, err
}

// site finds one by its id or its name; the error is a *SiteError.
func (c *Client) site(ctx context.Context, name string) (*app.SiteView, error) {
	var list struct {
		Sites []app.SiteView `json:"sites"`
	}
	if err := c.call(ctx, request{method: http.MethodGet, path: apiPath + "/sites"}, &list); err != nil {
		return nil, err
	}
	none := &SiteError{}
	for i, s := range list.Sites {
		if s.ID == name || s.Name == name {
			return &list.Sites[i], nil
		}
		none.Known = append(none.Known, s.Name)
	}
	return nil, none
}

// destination finds one by its id or its name among those that a site sends to, or among
// all; the error is a *DestinationError.
func (c *Client) destination(ctx context.Context, name string, site *app.SiteView) (string, error) {
	list, err := c.destinations(ctx)
	if err != nil {
		return "", err
	}
	none := &DestinationError{}
	for _, d := range list {
		if site != nil && len(site.Destinations) > 0 && !slices.Contains(site.Destinations, d.ID) {
			continue
		}
		if d.ID == name || d.Name == name {
			return d.ID, nil
		}
		none.Known = append(none.Known, d.Name)
	}
	return "", none
}

// Receipt copies the signed receipt of a delivery into what begin returns, which is
// called again when the connection broke.
func (c *Client) Receipt(ctx context.Context, id, delivery string, begin func() (io.Writer, error)) error {
	return c.patiently(ctx, func() error {
		resp, err := c.send(ctx, request{method: http.MethodGet, path: importPath(id, "/deliveries/"+delivery+"/receipt")})
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		w, err := begin()
		if err != nil {
			return err
		}
		body := &reading{r: resp.Body}
		if _, err := io.Copy(w, body); body.err != nil {
			return broken(ctx, body.err)
		} else if err != nil {
			return fmt.Errorf("keep the receipt: %w", err)
		}
		return nil
	})
}

// reading tells errors of reading from those of writing.
type reading struct {
	r   io.Reader
	err error
}

// Read implements io.Reader.
func (s *reading) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// Keys returns the public keys that the server's receipts are signed with, by id.
func (c *Client) Keys(ctx context.Context) (map[string]ed25519.PublicKey, error) {
	var list struct {
		Keys []struct {
			ID     string `json:"id"`
			Public string `json:"public"`
		} `json:"keys"`
	}
	if err := c.call(ctx, request{method: http.MethodGet, path: apiPath + "/receipt-keys"}, &list); err != nil {
		return nil, err
	}
	keys := map[string]ed25519.PublicKey{}
	for _, k := range list.Keys {
		public, err := base64.StdEncoding.DecodeString(k.Public)
		if err == nil && len(public) == ed25519.PublicKeySize {
			keys[k.ID] = public
		}
	}
	return keys, nil
}
