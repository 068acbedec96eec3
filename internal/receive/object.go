package receive

import (
	"errors"
	"io"
	"time"
)

// body is the data set of one object on its way, with its quotas.
type body struct {
	src   io.Reader
	left  int64     // bytes that may still come
	until time.Time // when it has to be there
	err   error     // what ended it before its end, or nil
}

var (
	errTooLarge = &Refusal{Reason: OutOfResources, Text: "the object is larger than allowed"}
	errTooSlow  = &Refusal{Reason: OutOfResources, Text: "the object took too long to arrive"}
)

// pass takes n bytes off the quotas.
func (b *body) pass(n int) error {
	b.left -= int64(n)
	switch {
	case b.left < 0:
		b.err = errTooLarge
	case time.Now().After(b.until):
		b.err = errTooSlow
	}
	return b.err
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	if b.err != nil {
		return 0, b.err
	}
	n, err := b.src.Read(p)
	if quota := b.pass(n); quota != nil {
		return 0, quota
	}
	if err != nil && !errors.Is(err, io.EOF) {
		b.err = err
	}
	return n, err
}

// WriteTo implements io.WriterTo, without a copy where the source can.
func (b *body) WriteTo(w io.Writer) (int64, error) {
	if b.err != nil {
		return 0, b.err
	}
	to := &passing{body: b, w: w}
	n, err := io.Copy(to, b.src)
	if err != nil && b.err == nil && to.err == nil {
		b.err = err // of the source
	}
	return n, err
}

// passing writes what is within the quotas.
type passing struct {
	body *body
	w    io.Writer
	err  error // of w
}

func (p *passing) Write(b []byte) (int, error) {
	if err := p.body.pass(len(b)); err != nil {
		return 0, err
	}
	n, err := p.w.Write(b)
	p.err = err
	return n, err
}

// whole is a file as it is handed on. It remembers whether it was read to its end.
type whole struct {
	r     io.Reader
	ended bool
}

// Read implements io.Reader.
func (f *whole) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	f.ended = f.ended || errors.Is(err, io.EOF)
	return n, err
}

// WriteTo implements io.WriterTo.
func (f *whole) WriteTo(w io.Writer) (int64, error) {
	n, err := io.Copy(w, f.r)
	f.ended = f.ended || err == nil
	return n, err
}

var errUnread = errors.New("the intake did not read the whole object")

// verify makes sure that nothing was left unread.
func (f *whole) verify() error {
	if f.ended {
		return nil
	}
	var one [1]byte
	if n, err := io.ReadFull(f.r, one[:]); n > 0 || !errors.Is(err, io.EOF) {
		return errors.Join(errUnread, err)
	}
	return nil
}
