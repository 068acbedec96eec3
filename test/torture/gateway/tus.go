package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Upload sends one file to an import by tus (tus.io), and goes on where the server
// says it stopped, until it has all of it.
type Upload struct {
	Client  *Client
	Import  string // id
	Path    string // of the file, relative
	Content []byte
	// Patch is how many bytes one request sends, Checksum whether it says their digest.
	Patch    int
	Checksum bool
	// OnBytes, when set, is called before each few bytes leave, and may wait.
	OnBytes func()

	id     string
	acked  int64 // the furthest that a 204 or a HEAD has promised
	sent   int64 // the furthest that a request went
	Proven int   // how often a promise was compared with what came after it
}

// Run uploads the file. An error of the type *BrokenPromiseError says that the
// server forgot what it had acknowledged.
func (u *Upload) Run(ctx context.Context) error {
	if err := u.create(ctx); err != nil {
		return err
	}
	size := int64(len(u.Content))
	for u.acked < size {
		a, err := u.patch(ctx)
		if err == nil && a.Status == http.StatusNoContent {
			if err := u.promised(a); err != nil {
				return err
			}
			continue
		}
		if err == nil && !again(a.Status) && a.Status != http.StatusConflict && !gone(a.Status) {
			return &UnexpectedError{a}
		}
		if !Wait(ctx, pause) {
			return context.Cause(ctx)
		}
		if done, err := u.ask(ctx); done || err != nil {
			return err
		}
	}
	return nil
}

// BrokenPromiseError is an acknowledgement that was not kept.
type BrokenPromiseError struct{ What string }

func (e *BrokenPromiseError) Error() string { return "a promise was broken: " + e.What }

func gone(status int) bool { return status == http.StatusNotFound || status == http.StatusGone }

// create makes the upload. Its key lets it be asked for again when the answer was lost.
func (u *Upload) create(ctx context.Context) error {
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	a, err := u.Client.Do(ctx, Request{Method: http.MethodPost, Path: "/api/v1/uploads", Header: map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": strconv.Itoa(len(u.Content)),
		"Upload-Metadata": "import " + coded(u.Import) + ",path " + coded(u.Path) + ",key " + coded(rand.Text()),
	}})
	if err != nil {
		return err
	}
	u.id = tail(a.Header.Get("Location"))
	return a.Expect(http.StatusCreated)
}

func (u *Upload) path() string { return "/api/v1/uploads/" + u.id }

// patch sends the next bytes, once.
func (u *Upload) patch(ctx context.Context) (*Answer, error) {
	end := min(u.acked+int64(u.Patch), int64(len(u.Content)))
	piece := u.Content[u.acked:end]
	header := map[string]string{"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream",
		"Upload-Offset": strconv.FormatInt(u.acked, 10)}
	if u.Checksum {
		sum := sha256.Sum256(piece)
		header["Upload-Checksum"] = "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	u.sent = max(u.sent, end)
	return u.Client.Once(ctx, Request{Method: http.MethodPatch, Path: u.path(), Header: header, Length: int64(len(piece)),
		Body: func() io.Reader { return &slow{r: bytes.NewReader(piece), each: u.OnBytes} }})
}

// slow gives a few bytes at a time, so that something can happen in between.
type slow struct {
	r    io.Reader
	each func()
}

func (s *slow) Read(p []byte) (int, error) {
	if s.each != nil {
		s.each()
		p = p[:min(len(p), 16<<10)]
	}
	return s.r.Read(p)
}

// ask finds out where to go on. An upload that is gone is complete when its import
// has moved on and every byte had been sent.
func (u *Upload) ask(ctx context.Context) (done bool, err error) {
	a, err := u.Client.Do(ctx, Request{Method: http.MethodHead, Path: u.path(), Header: map[string]string{"Tus-Resumable": "1.0.0"}})
	switch {
	case err != nil:
		return false, err
	case a.Status == http.StatusOK:
		return false, u.promised(a)
	case gone(a.Status) && u.sent == int64(len(u.Content)):
		im, err := u.Client.Import(ctx, u.Import)
		if err == nil && im.State == "fetching" {
			err = &BrokenPromiseError{fmt.Sprintf("the upload of an import that is still fetching is gone (%d)", a.Status)}
		}
		return true, err
	case gone(a.Status):
		return false, &BrokenPromiseError{fmt.Sprintf("an upload that was acknowledged is gone (%d)", a.Status)}
	}
	return false, &UnexpectedError{a}
}

// promised takes the offset of an answer.
func (u *Upload) promised(a *Answer) error {
	offset, err := strconv.ParseInt(a.Header.Get("Upload-Offset"), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: Upload-Offset: %w", a.Request, err)
	}
	if u.acked > 0 {
		u.Proven++
	}
	if offset < u.acked {
		return &BrokenPromiseError{fmt.Sprintf("offset %d was acknowledged, %d is there", u.acked, offset)}
	}
	if offset > u.sent {
		return &BrokenPromiseError{fmt.Sprintf("offset %d although only %d bytes were sent", offset, u.sent)}
	}
	u.acked = offset
	return nil
}
