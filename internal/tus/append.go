package tus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// chunk is the memory of a PATCH, in bytes.
const chunk = 64 << 10

// append takes the body of a request into an upload of a length at an offset, and
// returns the offset that is committed then, also with an error.
func (h *Handler) append(w http.ResponseWriter, r *http.Request, id string, length, offset int64, sum *checksum) (int64, error) {
	// What came is kept also when the client is gone: none of this ends with the request.
	ctx := context.WithoutCancel(r.Context())
	lease, err := h.store.Lease(ctx, id)
	if err != nil {
		return 0, fmt.Errorf("tus: take the writer's place: %w", err)
	}
	defer lease.Release()
	switch at := lease.Offset(); {
	case at != offset:
		return at, OffsetDiffers
	case r.ContentLength > length-at:
		return at, TooLarge
	}
	a := appending{Handler: h, ctx: ctx, lease: lease, length: length, at: offset, committed: offset, since: h.opt.Monotonic(), sum: sum}
	a.last = a.since
	body := newPatient(w, r, h.opt.Stall, h.opt.CommitTimeout)
	defer body.close()
	if err := a.take(body); err != nil {
		lease.Discard()
		return a.committed, err
	}
	return a.committed, nil
}

// appending is the state of one PATCH.
type appending struct {
	*Handler
	ctx       context.Context
	lease     Lease
	length    int64
	at        int64     // as far as is written
	committed int64     // as far as is promised
	since     time.Time // the beginning
	last      time.Time // commit
	sum       *checksum
}

// take reads the body to its end, or as far as it goes.
func (a *appending) take(body io.Reader) error {
	buf := make([]byte, chunk)
	for {
		n, err := body.Read(buf)
		if over := a.at + int64(n) - a.length; over > 0 {
			return TooLarge // only with a body of unknown length
		}
		if werr := a.write(buf[:n]); werr != nil {
			return werr
		}
		if err == nil && a.opt.Monotonic().Sub(a.since) >= a.opt.Longest {
			err = TooLong
		}
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			if a.sum != nil && !a.sum.right() {
				return ChecksumDiffers
			}
			return a.commit()
		case a.sum != nil:
			return err // nobody can tell whether what came is right
		default:
			if broken := a.commit(); broken != nil {
				return broken
			}
			return err
		}
	}
}

// write writes, and commits now and then where there is no checksum to wait for.
func (a *appending) write(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	if a.sum != nil {
		_, _ = a.sum.Write(p)
	}
	if _, err := a.lease.Write(p); err != nil {
		return fmt.Errorf("tus: write: %w", err)
	}
	a.at += int64(len(p))
	due := a.at-a.committed >= a.opt.CommitBytes || a.opt.Monotonic().Sub(a.last) >= a.opt.CommitEvery
	if a.sum != nil || !due || a.at == a.length { // the last one waits for the end of the body
		return nil
	}
	return a.commit()
}

func (a *appending) commit() error {
	if a.at == a.committed {
		return nil
	}
	ctx, cancel := context.WithTimeout(a.ctx, a.opt.CommitTimeout)
	defer cancel()
	offset, err := a.lease.Commit(ctx)
	if err != nil {
		return fmt.Errorf("tus: commit: %w", err)
	}
	if offset != a.at {
		return fmt.Errorf("tus: commit: offset %d where %d was written", offset, a.at)
	}
	a.committed, a.last = offset, a.opt.Monotonic()
	return nil
}

// patient reads a body and gives up when no byte comes for too long, or when the
// server stops. Its errors are Refusals.
type patient struct {
	ctx     context.Context
	body    io.Reader
	conn    *http.ResponseController
	stall   time.Duration
	grace   time.Duration // for what follows the last byte
	release func() bool
}

func newPatient(w http.ResponseWriter, r *http.Request, stall, grace time.Duration) *patient {
	p := &patient{ctx: r.Context(), body: r.Body, conn: http.NewResponseController(w), stall: stall, grace: grace}
	p.release = context.AfterFunc(p.ctx, func() { _ = p.conn.SetReadDeadline(time.Unix(1, 0)) })
	return p
}

// Read implements io.Reader. Deadlines that the connection does not have (in
// tests without one) are done without.
func (p *patient) Read(buf []byte) (int, error) {
	now := time.Now()
	_ = p.conn.SetReadDeadline(now.Add(p.stall))
	_ = p.conn.SetWriteDeadline(now.Add(p.stall + p.grace))
	if p.ctx.Err() != nil {
		return 0, Unavailable
	}
	n, err := p.body.Read(buf)
	var large *http.MaxBytesError
	switch {
	case errors.Is(err, io.EOF):
		_ = p.conn.SetReadDeadline(time.Time{}) // or it would be taken for the client's going
		return n, err
	case err == nil:
		return n, nil
	case errors.As(err, &large):
		return n, TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded) && time.Since(now) >= p.stall:
		return n, Stalled // net/http ends the context too
	case p.ctx.Err() != nil:
		return n, Unavailable
	}
	return n, Interrupted
}

// close ends the watch over the context. The deadline for the answer stays: net/http
// lifts it with the next request.
func (p *patient) close() { p.release() }
