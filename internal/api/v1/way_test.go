package v1_test

import (
	"crypto/ed25519"
	"encoding/base64"
	"io/fs"
	"net/http"
	"os"
	"strings"
	"testing"

	"lotse/internal/app"
	"lotse/internal/auth/access"
	"lotse/internal/importer/receipt"
	"lotse/internal/store/storetest"
)

func actorOf(tenant string) access.Actor {
	return access.Actor{ID: "test", Tenant: tenant, Kind: access.Token}
}

// TestWay takes an exam from the upload to the receipt, on either database.
func TestWay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		w := open(t, p)
		s := w.reviewed(w.integrator)
		if len(s.Patients) != 1 || s.Received.Instances == 0 || s.Received.Parts != 1 {
			t.Fatalf("the review shows %+v", s)
		}
		var in app.InspectionView
		w.into(w.ask(w.integrator, "GET", "/api/v1/imports/"+s.ID+"/inspection", nil), http.StatusOK, &in)
		if len(in.Patients) != 1 || len(in.Patients[0].Studies[0].Series[0].Instances) == 0 || in.Files == 0 {
			t.Errorf("the inspection shows %+v", in)
		}
		for _, l := range in.LeftOut {
			if l.Path == "" || l.Reason == "" {
				t.Errorf("left out is %+v", l)
			}
		}
		if len(in.LeftOut) == 0 {
			t.Error("nothing is left out of a medium")
		}
		to, path := w.folder(w.admin)
		body := map[string]any{"patient": map[string]any{"id": "4711", "issuer": "HOUSE", "name": "New^Name"}, "destinations": []string{to},
			"accession_number": "A1", "set": map[string][]string{"StudyDescription": {"checked"}}}
		w.into(w.ask(w.integrator, "POST", "/api/v1/imports/"+s.ID+"/decision", body, `If-Match: "`+itoa(s.Version)+`"`), http.StatusOK, s)
		s = w.until(w.integrator, s.ID, "delivered")
		if len(s.Delivery) != 1 || s.Delivery[0].Delivered == 0 || files(t, path) != int(s.Delivery[0].Delivered) || s.Decision == nil || *s.Decision.Patient.ID != "4711" {
			t.Fatalf("%d files for %+v", files(t, path), s.Delivery)
		}
		w.receipt(s.ID, s.Delivery[0].ID, false)
		w.into(w.ask(w.integrator, "DELETE", "/api/v1/imports/"+s.ID, nil), http.StatusAccepted, nil)
		w.until(w.integrator, s.ID, "purged")
		w.receipt(s.ID, s.Delivery[0].ID, true)
		w.problem(w.ask(w.integrator, "GET", "/api/v1/imports/"+s.ID+"/inspection", nil), http.StatusGone, "gone")
		w.trail(s.ID, "import.created", "import.fetched", "import.inspected", "access.inspection", "import.decided", "import.verified", "access.receipt", "import.purged")
		for _, secret := range []string{"New^Name", "4711", w.admin, w.integrator} {
			if strings.Contains(w.log.String(), secret) {
				t.Errorf("%s is in the log", secret)
			}
		}
	})
}

// receipt verifies the receipt of a delivery with the keys of the API.
func (w *world) receipt(id, delivery string, redacted bool) {
	w.Helper()
	a := w.ask(w.integrator, "GET", "/api/v1/imports/"+id+"/deliveries/"+delivery+"/receipt", nil)
	w.into(a, http.StatusOK, nil)
	var keys struct{ Keys []app.ReceiptKey }
	w.into(w.ask(w.integrator, "GET", "/api/v1/receipt-keys", nil), http.StatusOK, &keys)
	v, err := receipt.Verify(strings.NewReader(string(a.body)), func(id string) (ed25519.PublicKey, bool) {
		for _, k := range keys.Keys {
			if raw, err := base64.StdEncoding.DecodeString(k.Public); err == nil && k.ID == id {
				return raw, true
			}
		}
		return nil, false
	})
	if err != nil || v.Redacted() != redacted || strings.Contains(string(a.body), "New^Name") == redacted {
		w.Errorf("receipt: %v\n%s", err, a.body)
	}
}

// trail checks that events are in the audit trail of an import, in this order.
func (w *world) trail(id string, want ...string) {
	w.Helper()
	var got struct{ Events []app.TrailEvent }
	w.into(w.ask(w.auditor, "GET", "/api/v1/imports/"+id+"/audit", nil), http.StatusOK, &got)
	i := 0
	for _, e := range got.Events {
		if i < len(want) && e.Event == want[i] {
			i++
		}
		if e.Actor == "" || e.At.IsZero() {
			w.Errorf("an event without actor or time: %+v", e)
		}
	}
	if i < len(want) {
		w.Errorf("%s is not in the trail %+v", want[i], got.Events)
	}
}

// files counts the files under a folder.
func files(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}
