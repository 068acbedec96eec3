package v1_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/internal/app"
	"lotse/internal/demo"
	"lotse/internal/importer"
	"lotse/internal/store/storetest"
	"lotse/test/peer"
)

// portal is a portal that hands the demonstration exam out.
func (w *world) portal() (*demo.Portal, string) {
	w.Helper()
	d := w.demo()
	p, err := demo.StartPortal(demo.Exam{ZIP: d.ZIP, BirthDate: d.BirthDate, Description: d.Description, PatientName: d.PatientName, Modalities: d.Modalities})
	w.must(err)
	w.Cleanup(func() { _ = p.Close() })
	return p, d.BirthDate
}

// question is the id of the demonstration portal's question.
func (w *world) question(link string) string {
	w.Helper()
	portal, err := dlx.New(dlx.Config{InsecureHTTP: true}).Probe(w.Context(), link)
	w.must(err)
	return portal.Questions[0].ID
}

// login is the importer as another system sees it, with its access.
func (w *world) login(name, password string) (*dlx.ImportClient, dlx.Access, error) {
	w.Helper()
	importer, err := dlx.New(dlx.Config{InsecureHTTP: true}).Importer(w.url + "/dlx/v2")
	w.must(err)
	access, err := importer.AdminAuth(w.Context(), dlx.Credentials{Username: dlx.NewSecret(name), Password: dlx.NewSecret(password), Scopes: []string{dlx.ScopeImport}})
	return importer, access, err
}

// TestLinkExchange: another vendor's system hands a link over and learns that the exam
// has come.
func TestLinkExchange(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p, birthDate := w.portal()
	client, access, err := w.login("integrator of main", w.integrator)
	w.must(err)
	if access.Token.Reveal() == "" || strings.Join(access.Scopes, " ") != dlx.ScopeImport {
		t.Errorf("%v", access.Scopes)
	}
	info, err := client.APIInfo(t.Context())
	if err != nil || info.Version != "v2" || info.Vendor != "Lotse test" || !info.Capabilities.Import || info.BasePath != w.url+"/dlx/v2" {
		t.Errorf("%+v, %v", info, err)
	}
	for _, c := range [][2]string{{"integrator of main", w.integrator + "x"}, {"administrator of main", w.integrator}, {"x", "lotse_"}} {
		if _, _, err := w.login(c[0], c[1]); !errors.Is(err, dlx.Refused) {
			t.Errorf("%s may log in: %v", c[0], err)
		}
	}
	request := dlx.ImportRequest{Link: dlx.NewSecret(p.Link), Answers: []dlx.Answer{{QuestionID: w.question(p.Link), Answer: dlx.NewSecret(birthDate)}}}
	if _, err := client.Import(t.Context(), dlx.NewSecret("lotse_wrong"), request); !errors.Is(err, dlx.Refused) {
		t.Errorf("without access: %v", err)
	}
	status, err := client.Import(t.Context(), access.Token, request)
	w.must(err)
	peer.Await(t, patience, "the exam to have come", func() bool {
		status, err = client.Status(t.Context(), access.Token, status.URL)
		w.must(err)
		return status.State.Ended()
	})
	if status.State != dlx.ImportCompleted || status.Items == 0 {
		t.Errorf("%+v", status)
	}
	id := status.URL[strings.LastIndex(status.URL, "/")+1:]
	if s := w.get(w.integrator, id); s.State != importer.Review || s.Kind != app.KindLink {
		t.Errorf("%+v", s)
	}
	if _, err := client.Status(t.Context(), dlx.NewSecret(w.stranger.integrator), status.URL); !errors.Is(err, dlx.NotFound) {
		t.Errorf("another tenant sees it: %v", err)
	}
	if strings.Contains(w.log.String(), p.Link) || strings.Contains(w.log.String(), birthDate) {
		t.Error("the link or the answer is in the log")
	}
}

// TestLinkExchangeAsks: what is not answered is asked in Lotse, and cancelling is said.
func TestLinkExchangeAsks(t *testing.T) {
	w := open(t, storetest.SQLite(t))
	p, birthDate := w.portal()
	client, access, err := w.login("integrator of main", w.integrator)
	w.must(err)
	status, err := client.Import(t.Context(), access.Token, dlx.ImportRequest{Link: dlx.NewSecret(p.Link)})
	w.must(err)
	if status.State != dlx.ImportStarted {
		t.Fatalf("%+v", status)
	}
	id := status.URL[strings.LastIndex(status.URL, "/")+1:]
	s := w.until(w.integrator, id, "waiting")
	if status, err = client.Status(t.Context(), access.Token, status.URL); err != nil || !strings.Contains(status.Message, "answer") {
		t.Errorf("%+v, %v", status, err)
	}
	if s.Question == nil || len(s.Question.Questions) != 1 {
		t.Fatalf("it asks %+v", s.Question)
	}
	at := "/api/v1/imports/" + id + "/answers"
	w.problem(w.ask(w.integrator, "POST", at, map[string]any{"birth_date": "x"}), http.StatusUnprocessableEntity, "invalid", "body.birth_date: not-a-date")
	answer := map[string]any{"answers": map[string]string{s.Question.Questions[0].ID: birthDate}}
	w.problem(w.ask(w.integrator, "POST", at, answer, `If-Match: "999"`), http.StatusPreconditionFailed, "precondition-failed")
	w.into(w.ask(w.integrator, "POST", at, answer, `If-Match: "`+itoa(s.Version)+`"`), http.StatusOK, nil)
	w.until(w.integrator, id, "review")
	w.into(w.ask(w.integrator, "POST", "/api/v1/imports/"+id+"/cancel", nil), http.StatusOK, nil)
	if status, err = client.Status(t.Context(), access.Token, status.URL); err != nil || status.State != dlx.ImportFailed {
		t.Errorf("%+v, %v", status, err)
	}
	if _, err := client.Import(t.Context(), access.Token, dlx.ImportRequest{Link: dlx.NewSecret("no link at all")}); !errors.Is(err, dlx.BadLink) {
		t.Errorf("%v", err)
	}
}
