package app

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"lotse/internal/demo"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/test/peer"
)

// portal is a DLX portal with the demonstration exam.
func portal(t *testing.T) *demo.Portal {
	t.Helper()
	d := examOf(t)
	p, err := demo.StartPortal(d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func examOf(t *testing.T) demo.Exam {
	d := madeUp(t)
	return demo.Exam{ZIP: d.ZIP, BirthDate: d.BirthDate, Description: d.Description, PatientName: d.PatientName, Modalities: d.Modalities}
}

// TestLinkAsksAndGoesOn follows a link, answers wrongly, then rightly, and delivers
// to an archive that commits itself.
func TestLinkAsksAndGoesOn(t *testing.T) {
	p := portal(t)
	pacs := peer.StoreSCP(t)
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindLink, Link: personal.New(p.Link), Priority: PriorityPerson})
	if err != nil {
		t.Fatal(err)
	}
	s := w.until(id, importer.Waiting)
	if s.Question == nil || s.Question.Code != "question-open" || len(s.Question.Questions) != 1 {
		t.Fatalf("the question is %s", show(s))
	}
	question := s.Question.Questions[0].ID
	if err := w.Answer(ctx, w.who, id, s.Version, Answers{ByID: personal.NewMap(map[string]string{question: "19990101"})}, nil); err != nil {
		t.Fatal(err)
	}
	s = w.until(id, importer.Waiting)
	if s.Question.Code != "portal-refused" {
		t.Fatalf("a wrong answer gives %s", show(s))
	}
	if err := w.Answer(ctx, w.who, id, 0, Answers{BirthDate: personal.New(madeUp(t).BirthDate), ByID: personal.NewMap(map[string]string{question: madeUp(t).BirthDate})}, nil); err != nil {
		t.Fatal(err)
	}
	s = w.until(id, importer.Review)
	im, err := (&scope{Gateway: w.Gateway, t: w.db.Tenant("main")}).read(ctx, id)
	if err != nil || im.Secrets != nil {
		t.Errorf("secrets are kept after the fetch: %v", err)
	}
	d, err := w.AddDestination(ctx, w.who, NewDestination{Name: "PACS", Address: fmt.Sprintf("dicom://%s@127.0.0.1:%d", pacs.AET, pacs.Port)})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Decide(ctx, w.who, id, s.Version, NewDecision{Patient: importer.LocalPatient{ID: text("4711")}, Destinations: []string{d.ID}}); err != nil {
		t.Fatal(err)
	}
	s = w.until(id, importer.Arrived)
	if n := files(t, pacs.Dir); n == 0 || int64(n) != s.Delivery[0].Delivered {
		t.Errorf("the archive has %d objects, the delivery says %d", n, s.Delivery[0].Delivered)
	}
	checkTrail(t, w, id)
}

// TestPortalAway waits for a portal that is down, says why, and goes on.
func TestPortalAway(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindLink, Link: personal.New(strings.Replace(gone.URL, "127.0.0.1", "localhost", 1) + "/dlx/v1/token/ABC")})
	if err != nil {
		t.Fatal(err)
	}
	var s *Snapshot
	peer.Await(t, testPatience, "the import to say that the portal is down", func() bool {
		if s, err = w.Snapshot(ctx, w.who, id); err != nil {
			t.Fatal(err)
		}
		return s.Problem != nil
	})
	if s.State != importer.Fetching || s.Problem.Code != "portal-down" || s.RetryAt == nil {
		t.Fatalf("it says %s", show(s))
	}
	if err := w.Cancel(ctx, w.who, id, 0); err != nil {
		t.Fatal(err)
	}
	w.until(id, importer.Cancelled)
	checkTrail(t, w, id)
}
