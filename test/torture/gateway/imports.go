package gateway

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"time"
)

// Import is what the API says of an import, as far as the tests look at it.
type Import struct {
	ID       string     `json:"id"`
	Version  int64      `json:"version"`
	State    string     `json:"state"`
	Kind     string     `json:"kind"`
	Problem  *Problem   `json:"problem"`
	RetryAt  *time.Time `json:"retry_at"`
	Created  time.Time  `json:"created"`
	Next     []string   `json:"next"`
	Received struct {
		Parts, Bytes, Files, Instances int64
	} `json:"received"`
	Patients []struct {
		Studies []struct {
			UID string `json:"study_instance_uid"`
		} `json:"studies"`
	} `json:"patients"`
	Deliveries []Delivery `json:"deliveries"`
}

// Problem is why an import does not go on.
type Problem struct {
	Code string `json:"code"`
	Host string `json:"host"`
}

// Delivery is where one delivery stands.
type Delivery struct {
	ID          string     `json:"id"`
	Destination string     `json:"destination"`
	State       string     `json:"state"`
	Objects     int64      `json:"objects"`
	Delivered   int64      `json:"delivered"`
	Warned      int64      `json:"delivered_with_warning"`
	Failed      int64      `json:"failed"`
	Starts      int64      `json:"starts"`
	Problem     string     `json:"problem"`
	RetryAt     *time.Time `json:"retry_at"`
	Receipt     bool       `json:"receipt"`
}

// Ended reports a state that is not left any more.
func (im *Import) Ended() bool {
	switch im.State {
	case "delivered", "rejected", "cancelled", "purged":
		return true
	}
	return false
}

// Known are answers that are known when an import is asked for.
type Known struct {
	BirthDate string `json:"birth_date,omitempty"`
}

// NewImport is an import as it is asked for.
type NewImport struct {
	Kind  string `json:"kind"`
	Link  string `json:"link,omitempty"`
	Known *Known `json:"known,omitempty"`
	Files int    `json:"files,omitempty"`
}

// Create asks for an import until it is acknowledged, and returns its id.
func (c *Client) Create(ctx context.Context, n NewImport) (string, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/imports", JSON: n,
		Header: map[string]string{"Idempotency-Key": rand.Text()}})
	if err != nil {
		return "", err
	}
	var im Import
	return im.ID, a.Decode(&im, http.StatusCreated)
}

// Import reads an import.
func (c *Client) Import(ctx context.Context, id string) (*Import, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/api/v1/imports/" + id})
	if err != nil {
		return nil, err
	}
	im := &Import{}
	return im, a.Decode(im, http.StatusOK)
}

// Imports lists imports with a query such as "state=review", all pages.
func (c *Client) Imports(ctx context.Context, query string) ([]Import, error) {
	var all []Import
	cursor := ""
	for {
		path := "/api/v1/imports?limit=100&" + query
		if cursor != "" {
			path += "&cursor=" + cursor
		}
		a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: path})
		if err != nil {
			return nil, err
		}
		var page struct {
			Imports []Import `json:"imports"`
			Next    string   `json:"next_cursor"`
		}
		if err := a.Decode(&page, http.StatusOK); err != nil {
			return nil, err
		}
		all = append(all, page.Imports...)
		if cursor = page.Next; cursor == "" {
			return all, nil
		}
	}
}

// Decision is what is decided about an import.
type Decision struct {
	Patient      *Patient `json:"patient,omitempty"`
	Reason       string   `json:"reason,omitempty"`
	Destinations []string `json:"destinations"`
}

// Patient is the local one.
type Patient struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
}

// Decide decides about an import as it stands in im. When it was decided already,
// by an earlier attempt whose answer was lost, that is no error.
func (c *Client) Decide(ctx context.Context, im *Import, d Decision) error {
	a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/imports/" + im.ID + "/decision", JSON: d,
		Header: map[string]string{"If-Match": fmt.Sprintf("%q", fmt.Sprint(im.Version))}})
	if err != nil {
		return err
	}
	if a.Status == http.StatusConflict || a.Status == http.StatusPreconditionFailed {
		now, err := c.Import(ctx, im.ID)
		if err == nil && now.State == "review" { // something else changed it
			return c.Decide(ctx, now, d)
		}
		return err
	}
	return a.Expect(http.StatusOK)
}

// Act posts to an import: complete, retry, cancel. A conflict means that it is not
// possible, or not any more.
func (c *Client) Act(ctx context.Context, id, what string) error {
	a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/imports/" + id + "/" + what})
	if err != nil {
		return err
	}
	return a.Expect(http.StatusOK, http.StatusAccepted)
}

// NewDestination adds a destination and returns its id.
func (c *Client) NewDestination(ctx context.Context, name, address string) (string, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/destinations", Header: map[string]string{"Idempotency-Key": rand.Text()},
		JSON: map[string]string{"name": name, "address": address, "verify": "statuses"}})
	if err != nil {
		return "", err
	}
	var made struct{ ID string }
	return made.ID, a.Decode(&made, http.StatusCreated)
}

// Event is one entry of an import's audit trail.
type Event struct {
	At     time.Time      `json:"at"`
	Actor  string         `json:"actor"`
	Event  string         `json:"event"`
	Detail map[string]any `json:"detail"`
}

// Text is a member of the event's detail, or empty.
func (e Event) Text(member string) string {
	s, _ := e.Detail[member].(string)
	return s
}

// Audit reads the events of an import.
func (c *Client) Audit(ctx context.Context, id string) ([]Event, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/api/v1/imports/" + id + "/audit"})
	if err != nil {
		return nil, err
	}
	var trail struct {
		Events []Event `json:"events"`
	}
	return trail.Events, a.Decode(&trail, http.StatusOK)
}

// Receipt is a signed receipt, as far as the tests look at it.
type Receipt struct {
	Items []struct {
		Open struct {
			Kind   string `json:"kind"`
			Fate   string `json:"fate"`
			Reason string `json:"reason"`
			Sent   int    `json:"sent"`
		} `json:"open"`
		Values struct {
			Object struct {
				Value struct {
					SOPInstance string `json:"sop_instance_uid"`
				} `json:"value"`
			} `json:"object"`
		} `json:"values"`
	} `json:"items"`
}

// ReceiptOf reads the receipt of a delivery, whole.
func (c *Client) ReceiptOf(ctx context.Context, id, delivery string) (*Receipt, error) {
	a, err := c.Do(ctx, Request{Method: http.MethodGet, Path: "/api/v1/imports/" + id + "/deliveries/" + delivery + "/receipt"})
	if err != nil {
		return nil, err
	}
	r := &Receipt{}
	return r, a.Decode(r, http.StatusOK)
}
