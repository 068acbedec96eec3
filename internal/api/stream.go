package api

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// writer counts what is written, and gives every write a deadline of its own: a client
// that takes nothing ends, one that is slow or waits for events does not.
type writer struct {
	http.ResponseWriter
	control   *http.ResponseController
	stall     time.Duration
	code      int
	bytes     int64
	truncated bool // a handler failed in the middle of its answer
}

func newWriter(w http.ResponseWriter, stall time.Duration) *writer {
	rw := &writer{ResponseWriter: w, control: http.NewResponseController(w), stall: stall}
	rw.until(time.Time{}) // of the connection's last request
	return rw
}

// until sets the deadline of writing, where the connection has one.
func (w *writer) until(t time.Time) { _ = w.control.SetWriteDeadline(t) }

// status is the answer's status; nothing written is 200, as net/http has it.
func (w *writer) status() int {
	if w.code == 0 {
		return http.StatusOK
	}
	return w.code
}

// Unwrap is the writer below, for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// WriteHeader remembers the final status.
func (w *writer) WriteHeader(code int) {
	if w.code == 0 && (code >= 200 || code == http.StatusSwitchingProtocols) {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

// Write writes within the time a client may stall.
func (w *writer) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	w.until(time.Now().Add(w.stall))
	n, err := w.ResponseWriter.Write(p)
	w.until(time.Time{})
	w.bytes += int64(n)
	return n, err
}

// FlushError sends what is written so far.
func (w *writer) FlushError() error {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	w.until(time.Now().Add(w.stall))
	defer w.until(time.Time{})
	return w.control.Flush()
}

// Flush is FlushError for those who cannot tell an error.
func (w *writer) Flush() { _ = w.FlushError() }

// finish bounds what net/http writes after the handler. Before that it may have to read
// what is left of the body, which takes up to one stall.
func (w *writer) finish() { w.until(time.Now().Add(2 * w.stall)) }

// expect bounds the reading of a body: net/http reads what a handler leaves of it.
func (w *writer) expect(t time.Time) { _ = w.control.SetReadDeadline(t) }

// body is a request's body with bounds: of its size, of the time between two bytes, and
// of all of it.
type body struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	end     time.Time
}

// newBody bounds a body. It may take four times the stall as a whole.
func newBody(w http.ResponseWriter, r io.ReadCloser, limit int64, stall time.Duration) *body {
	below := w // http.MaxBytesReader closes the connection through the writer of net/http
	for {
		u, ok := below.(interface{ Unwrap() http.ResponseWriter })
		if !ok {
			break
		}
		below = u.Unwrap()
	}
	return &body{http.MaxBytesReader(below, r, limit), http.NewResponseController(w), stall, time.Now().Add(4 * stall)}
}

// Read reads within the bounds. Its errors are *http.MaxBytesError and
// os.ErrDeadlineExceeded besides those of the connection. After the end there is no
// deadline left, since net/http would take its passing for the client's leaving; after
// an error there is one that has passed, since net/http would wait for the rest.
func (b *body) Read(p []byte) (int, error) {
	deadline := time.Now().Add(b.stall)
	if deadline.After(b.end) {
		deadline = b.end
	}
	_ = b.control.SetReadDeadline(deadline)
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.control.SetReadDeadline(time.Time{})
	} else if err != nil {
		_ = b.control.SetReadDeadline(time.Now())
	}
	return n, err
}
