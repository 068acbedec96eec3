package remote

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"lotse/internal/importer"
	"lotse/internal/tus"
)

const (
	// uploaders is how many files are uploaded at the same time.
	uploaders = 4
	// chunk is how much of a file is sent at once, in bytes, with its checksum.
	chunk = 8 << 20
	// maxVain is how often one place of a file is sent without getting on.
	maxVain = 10
)

// PhaseUpload is the phase in which files go to the server.
const PhaseUpload importer.Phase = "upload"

// shipment is the uploading of all files of an import.
type shipment struct {
	c        *Client
	id       string // of the import
	progress func(importer.Progress)

	mu      sync.Mutex
	state   importer.Progress
	skipped []Skipped
}

// ship uploads files, several at a time, and returns those that could not be read.
func (c *Client) ship(ctx context.Context, id string, g *gathered, progress func(importer.Progress)) ([]Skipped, error) {
	s := &shipment{c: c, id: id, progress: progress,
		state: importer.Progress{Phase: PhaseUpload, Total: g.bytes(), FilesTotal: len(g.files)}}
	group, ctx := errgroup.WithContext(ctx)
	next := make(chan *file)
	group.Go(func() error {
		defer close(next)
		for i := range g.files {
			select {
			case next <- &g.files[i]:
			case <-ctx.Done():
				return nil // what ended it says why
			}
		}
		return nil
	})
	for range min(uploaders, len(g.files)) {
		group.Go(func() error {
			buffer := make([]byte, min(chunk, largest(g.files)))
			for f := range next {
				if err := s.file(ctx, f, buffer); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	if len(s.skipped) == len(g.files) && err == nil {
		err = badSource(errors.New("no file can be read"))
	}
	return s.skipped, err
}

func largest(files []file) int64 {
	var n int64
	for _, f := range files {
		n = max(n, f.size)
	}
	return n
}

// advance notes that a file got on by some bytes; back when they are negative.
func (s *shipment) advance(bytes int64, files int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state.Done += bytes
	s.state.Files += files
	if s.progress != nil {
		s.progress(s.state)
	}
}

// readError is a failure of the disk, or whatever the file is on.
type readError struct{ err error }

func (e *readError) Error() string { return "remote: read: " + e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// file uploads one file. One that cannot be read is left out, and noted.
func (s *shipment) file(ctx context.Context, f *file, buffer []byte) error {
	u := &upload{Client: s.c, file: f, buffer: buffer, advance: func(n int64) { s.advance(n, 0) },
		key: rand.Text(), id: s.id}
	opened, err := f.open()
	if err == nil {
		u.content = opened
		err = u.run(ctx)
		_ = opened.Close() // it was read only
	} else {
		err = &readError{err}
	}
	var unreadable *readError
	if !errors.As(err, &unreadable) {
		if err == nil {
			s.advance(0, 1)
		}
		return err
	}
	if err := u.drop(ctx); err != nil {
		return err
	}
	s.mu.Lock()
	s.skipped = append(s.skipped, Skipped{Path: f.path, Reason: importer.ReasonUnreadable})
	s.mu.Unlock()
	s.advance(-u.offset, 1)
	return nil
}

// upload is the way of one file (tus 1.0.0: core, creation-with-upload, checksum).
type upload struct {
	*Client
	file    *file
	content io.ReaderAt
	buffer  []byte
	from    int64 // where in the file the bytes in buffer are from
	filled  int   // how many there are
	advance func(int64)

	id     string // of the import
	key    string // makes a creation that is sent twice one
	place  string // path of the upload, empty before it is there
	offset int64  // what the server has, durably
	vain   int    // attempts that did not get on
}

// run sends what the server does not have, until it has all.
func (u *upload) run(ctx context.Context) error {
	for u.place == "" || u.offset < u.file.size {
		if err := u.fill(); err != nil {
			return err
		}
		before := u.offset
		err := u.step(ctx)
		if err == nil && (u.offset > before || u.offset == u.file.size) {
			u.vain = 0
			continue
		}
		if u.vain++; err == nil && u.vain > maxVain {
			return fmt.Errorf("remote: an upload does not get on at %d of %d bytes", u.offset, u.file.size)
		}
		if err := u.recover(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

// fill reads what is to be sent next.
func (u *upload) fill() error {
	want := int(min(int64(len(u.buffer)), u.file.size-u.offset))
	if u.from == u.offset && u.filled == want {
		return nil
	}
	n, err := u.content.ReadAt(u.buffer[:want], u.offset)
	u.from, u.filled = u.offset, n
	switch {
	case n == want:
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return &readError{errChanged}
	}
	return &readError{err}
}

// step creates the upload with its first bytes, or appends to it.
func (u *upload) step(ctx context.Context) error {
	body := u.buffer[:u.filled]
	header := map[string]string{"Tus-Resumable": tus.Version}
	if len(body) > 0 {
		sum := sha256.Sum256(body)
		header["Content-Type"] = tus.ContentType
		header["Upload-Checksum"] = "sha256 " + base64.StdEncoding.EncodeToString(sum[:])
	}
	r := request{method: http.MethodPatch, path: u.place, header: header, body: body}
	if u.place == "" {
		r.method, r.path = http.MethodPost, apiPath+"/uploads"
		header["Upload-Length"] = strconv.FormatInt(u.file.size, 10)
		header["Upload-Metadata"] = metadata("import", u.id, "path", u.file.path, "key", u.key)
	} else {
		header["Upload-Offset"] = strconv.FormatInt(u.offset, 10)
	}
	resp, err := u.send(ctx, r)
	if err != nil {
		return err
	}
	_ = resp.Body.Close() // there is nothing in it
	u.outage.over()
	if u.place == "" {
		_, id := path.Split(resp.Header.Get("Location"))
		if id == "" {
			return &Refusal{Status: resp.StatusCode}
		}
		u.place = apiPath + "/uploads/" + id // of this server, wherever the answer points to
	}
	return u.arrived(resp)
}

func metadata(pairs ...string) string {
	text := ""
	for i := 0; i < len(pairs); i += 2 {
		if i > 0 {
			text += ","
		}
		text += pairs[i] + " " + base64.StdEncoding.EncodeToString([]byte(pairs[i+1]))
	}
	return text
}

// arrived takes over how much the server has.
func (u *upload) arrived(resp *http.Response) error {
	text := resp.Header.Get("Upload-Offset")
	if text == "" && u.filled == 0 {
		return nil // a creation without bytes
	}
	at, err := strconv.ParseInt(text, 10, 64)
	if err != nil || at < 0 || at > u.file.size {
		return &Refusal{Status: resp.StatusCode}
	}
	u.advance(at - u.offset)
	u.offset = at
	return nil
}

// recover finds out how to go on after a failure; nil stands for an answer that did
// not get on. What it returns is final.
func (u *upload) recover(ctx context.Context, err error) error {
	var refused *Refusal
	if errors.As(err, &refused) && u.vain <= maxVain {
		switch {
		case refused.Status == statusChecksum && u.place == "":
			u.key = rand.Text() // that upload is gone
			return nil
		case refused.Status == statusChecksum:
			return nil // it is sent again from the same place
		case refused.Status == http.StatusConflict, refused.Code == "upload-interrupted":
			err = nil
		}
	}
	if err = u.outage.judge(ctx, err); err != nil && !errors.Is(err, errAgain) {
		return err
	}
	if u.place == "" {
		return nil
	}
	return u.patiently(ctx, func() error {
		resp, err := u.send(ctx, request{method: http.MethodHead, path: u.place, header: map[string]string{"Tus-Resumable": tus.Version}})
		if err != nil {
			return err
		}
		_ = resp.Body.Close() // there is nothing in it
		return u.arrived(resp)
	})
}

// statusChecksum is the status of bytes that do not have their checksum (tus 1.0.0).
const statusChecksum = 460

// drop takes back an upload that will never be whole.
func (u *upload) drop(ctx context.Context) error {
	if u.place == "" {
		return nil
	}
	err := u.call(ctx, request{method: http.MethodDelete, path: u.place, header: map[string]string{"Tus-Resumable": tus.Version}}, nil)
	var refused *Refusal
	if errors.As(err, &refused) && (refused.Status == http.StatusNotFound || refused.Status == http.StatusGone) {
		return nil
	}
	return err
}
