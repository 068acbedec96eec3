package app

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/sealed"
	"lotse/internal/store"
	"lotse/internal/synth"
)

func text(s string) *string { return &s }

func madeUp(t *testing.T) *synth.Demo {
	t.Helper()
	d, err := synth.DemoExam(1)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// deliver takes an uploaded demonstration exam to a folder.
func deliverDemo(t *testing.T, w *world) (id, path string) {
	t.Helper()
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1, Priority: PriorityPerson})
	if err != nil {
		t.Fatal(err)
	}
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	s := w.until(id, importer.Review)
	if len(s.Patients) != 1 || s.Received.Instances == 0 {
		t.Fatalf("the review shows %s", show(s))
	}
	destination, path := w.folder()
	err = w.Decide(ctx, w.who, id, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711"), Issuer: text("HOUSE"), Name: text("New^Name")},
		Destinations: []string{destination}})
	if err != nil {
		t.Fatal(err)
	}
	return id, path
}

func TestUploadIsDelivered(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, nil)
	id, path := deliverDemo(t, w)
	s := w.until(id, importer.Arrived)
	d := s.Delivery[0]
	if d.State != importer.DeliveryVerified || d.Objects != d.Delivered || int(d.Delivered) != files(t, path) || d.Proof != proofStatuses {
		t.Fatalf("%d files for %s", files(t, path), show(s))
	}
	checkReceipt(t, w, id, d.ID, false)
	checkTrail(t, w, id)
	if err := w.Delete(t.Context(), w.who, id, 0); err != nil {
		t.Fatal(err)
	}
	w.until(id, importer.Purged)
	checkReceipt(t, w, id, d.ID, true)
	if n := files(t, w.dir+"/blobs"); n != 0 {
		t.Errorf("%d blobs are left", n)
	}
	checkTrail(t, w, id)
}

// checkReceipt verifies the receipt of a delivery.
func checkReceipt(t *testing.T, w *world, id, delivery string, redacted bool) {
	t.Helper()
	r, err := w.Receipt(t.Context(), w.who, id, delivery)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	v, err := receipt.Verify(strings.NewReader(string(raw)), func(id string) (ed25519.PublicKey, bool) {
		var public ed25519.PublicKey
		err := w.db.Tenant("main").Read(t.Context(), func(tx *store.Tx) error {
			keys, err := tx.SigningKeys()
			for _, k := range keys {
				if k.ID == id {
					public, err = base64.StdEncoding.DecodeString(k.Public)
				}
			}
			return err
		})
		return public, err == nil && public != nil
	})
	if err != nil || v.Redacted() != redacted {
		t.Fatalf("receipt: %v, redacted %v\n%s", err, v != nil && v.Redacted(), raw)
	}
	if personal := strings.Contains(string(raw), "New^Name"); personal == redacted {
		t.Errorf("the name is in the receipt: %v", personal)
	}
}

// checkTrail makes sure that the audit events lead from state to state without a gap.
func checkTrail(t *testing.T, w *world, id string) {
	t.Helper()
	var state string
	var im *store.Import
	err := w.db.Tenant("main").Read(t.Context(), func(tx *store.Tx) (err error) {
		if im, err = tx.Import(id); err != nil {
			return err
		}
		events, err := tx.Events(id)
		for _, e := range events {
			from, _ := e.Detail["from"].(string)
			to, _ := e.Detail["to"].(string)
			if !strings.HasPrefix(e.Event, "import.") {
				continue
			}
			if from != state {
				t.Errorf("%s comes from %q, the state was %q", e.Event, from, state)
			}
			state = to
		}
		return err
	})
	if err != nil || state != string(im.State) {
		t.Errorf("the trail ends in %q, the import is %s: %v", state, im.State, err)
	}
}

func TestRetentionErases(t *testing.T) {
	clock := &shift{}
	w := newWorld(t, t.TempDir(), clock, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1})
	if err != nil {
		t.Fatal(err)
	}
	w.upload(id, "exam.zip", madeUp(t).ZIP)
	s := w.until(id, importer.Review)
	if left := time.Until(s.Expires); left > MaxRetention || left < MaxRetention-time.Minute {
		t.Errorf("it expires in %s", left)
	}
	clock.add(MaxRetention + time.Minute)
	// A clock that jumped pauses erasing …
	if err := w.retention(ctx); err != nil {
		t.Fatal(err)
	}
	if why, err := w.ClockPaused(ctx); err != nil || why == "" {
		t.Fatalf("erasing is not paused: %q, %v", why, err)
	}
	// … until an administrator has looked at it.
	if err := w.ConfirmClock(ctx, w.who); err != nil {
		t.Fatal(err)
	}
	if err := w.retention(ctx); err != nil {
		t.Fatal(err)
	}
	w.until(id, importer.Purged)
	v, err := w.vault.Tenant(ctx, "main")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Seal(ctx, id, "any", nil); !errors.Is(err, sealed.ErrErased) {
		t.Errorf("the key is still there: %v", err)
	}
	if n, err := w.Overdue(ctx); err != nil || n != 0 {
		t.Errorf("%d imports are overdue: %v", n, err)
	}
}

// TestWarnsBeforeTheEnd tells of an undelivered import twice before it is erased,
// and tries again when the warning cannot be sent.
func TestWarnsBeforeTheEnd(t *testing.T) {
	clock := &shift{}
	var sent []Warning
	var away error
	w := newWorld(t, t.TempDir(), clock, func(o *GatewayOptions) {
		o.Warn = func(_ context.Context, w Warning) error {
			if away == nil {
				sent = append(sent, w)
			}
			return away
		}
	})
	w.close() // the test runs the periodic step itself
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload})
	must(t, err)
	step := func(want int) {
		t.Helper()
		must(t, w.warn(ctx))
		must(t, w.warn(ctx))
		if len(sent) != want {
			t.Fatalf("%d warnings, want %d: %+v", len(sent), want, sent)
		}
	}
	step(0)
	clock.add(MaxRetention - 71*time.Hour)
	away = errors.New("the mail server is away")
	step(0)
	away = nil
	step(1)
	clock.add(48 * time.Hour)
	step(2)
	if sent[0].Import != id || sent[1].Tenant != "main" || sent[1].State != importer.Fetching {
		t.Errorf("warned of %+v", sent)
	}
}
