package demo

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"lotse/dlx"
)

// Exam is what the portal hands out.
type Exam struct {
	ZIP         []byte // an IHE PDI medium
	BirthDate   string // YYYYMMDD, the right answer to the portal's question
	Description string
	PatientName string // as DLX writes it: Family,Given
	Modalities  []string
}

// Portal is a running demonstration portal.
type Portal struct {
	// Link is what the QR code on the patient's letter holds.
	Link   string
	server *http.Server
	done   chan struct{}
}

// StartPortal serves exam on a free port of the loopback interface.
func StartPortal(exam Exam) (*Portal, error) {
	token := rand.Text()
	h, err := dlx.NewHandler(&exams{token: token, exam: exam}, dlx.HandlerConfig{Vendor: "Lotse demonstration"})
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Portal{Link: "http://" + ln.Addr().String() + "/view?token=" + token, done: make(chan struct{}),
		server: &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}}
	go func() {
		defer close(p.done)
		_ = p.server.Serve(ln) // always ends with ErrServerClosed after Close
	}()
	return p, nil
}

// Close ends the portal.
func (p *Portal) Close() error {
	err := p.server.Close()
	<-p.done
	return err
}

// exams is the portal's stock: one exam behind one token.
type exams struct {
	token string
	exam  Exam
}

const (
	grant = "demo"
	whole = "exam"
)

func (e *exams) Lookup(_ context.Context, token string) (dlx.Exam, bool, error) {
	if token != e.token {
		return dlx.Exam{}, false, nil
	}
	q := dlx.BirthDateQuestion()
	return dlx.Exam{Questions: []dlx.Question{q}, Grant: grant,
		Answers: map[string]dlx.Secret{q.ID: dlx.NewSecret(e.exam.BirthDate)}}, true, nil
}

func (e *exams) List(context.Context, string) ([]dlx.Item, error) {
	return []dlx.Item{{ID: whole, MIMEType: "application/zip", Description: e.exam.Description,
		PatientName: e.exam.PatientName, Modalities: e.exam.Modalities}}, nil
}

func (e *exams) Open(_ context.Context, _, id string) (*dlx.Content, error) {
	if id != whole {
		return nil, os.ErrNotExist
	}
	return e.OpenAll(context.Background(), grant)
}

func (e *exams) OpenAll(context.Context, string) (*dlx.Content, error) {
	return &dlx.Content{Body: memory{bytes.NewReader(e.exam.ZIP)}, MIMEType: "application/zip", ETag: `"demo"`}, nil
}

type memory struct{ *bytes.Reader }

func (memory) Close() error { return nil }

var _ io.ReadSeekCloser = memory{}
