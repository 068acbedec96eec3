package remote

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"time"

	"lotse/internal/importer"
)

// Pauses between two attempts to reach a server.
const (
	leastPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// errAgain says that it is time to try again.
var errAgain = errors.New("again")

// outage is a time in which the server does not answer, as all requests see it.
type outage struct {
	host     string
	patience time.Duration
	lost     func(until time.Time)
	back     func()

	mu    sync.Mutex
	met   bool      // it has answered
	since time.Time // zero: it answers
	said  bool      // lost was called
}

// judge returns errAgain, after a pause, for a failure that may pass; nil and final
// errors as they are. A *LostError is the end of patience.
func (o *outage) judge(ctx context.Context, err error) error {
	var broke *brokenError
	var refused *Refusal
	away := errors.As(err, &broke)
	errors.As(err, &refused)
	switch {
	case away && (broke.certificate || broke.unsent && !o.known()):
		return &LostError{Host: o.host, Never: !o.known(), Certificate: broke.certificate, Err: broke.err}
	case away:
	case refused != nil && refused.Temporary():
		away = refused.Status >= 500
	case err == nil, refused != nil:
		o.over()
		return err
	default:
		return err
	}
	pause, ended := o.pause(away)
	switch {
	case ended && broke != nil:
		return &LostError{Host: o.host, Err: broke.err}
	case ended:
		return err
	case refused != nil:
		pause = max(pause, refused.wait)
	}
	return sleep(ctx, pause)
}

// sleep returns errAgain after a while.
func sleep(ctx context.Context, pause time.Duration) error {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return &importer.Problem{Code: importer.ProblemCancelled, Err: context.Cause(ctx)}
	case <-timer.C:
		return errAgain
	}
}

// beginning is how long a creation that is under way may take when the person has
// enough.
const beginning = 5 * time.Second

// lingering is a context that ends some time after another one.
func lingering(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	later, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var timer *time.Timer
	done := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		timer = time.AfterFunc(d, cancel)
		close(done)
	})
	return later, func() {
		cancel()
		if !stop() { // it has begun
			<-done
			timer.Stop()
		}
	}
}

// over notes that the server answers.
func (o *outage) over() {
	o.mu.Lock()
	said := o.said
	o.met, o.since, o.said = true, time.Time{}, false
	o.mu.Unlock()
	if said && o.back != nil {
		o.back()
	}
}

// pause notes that the server does not do its work, being away or busy, and says how
// long to wait, or that waiting has ended.
func (o *outage) pause(away bool) (time.Duration, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	now := time.Now()
	if o.since.IsZero() {
		o.since = now
	}
	if away && !o.said && o.lost != nil {
		o.said = true
		defer o.lost(o.since.Add(o.patience))
	}
	down := now.Sub(o.since)
	if down > o.patience {
		return 0, true
	}
	pause := min(max(down/2, leastPause), mostPause)
	return pause + rand.N(pause/4), false //nolint:gosec // it spreads attempts, and guards nothing
}

// known reports whether the server has ever answered.
func (o *outage) known() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.met
}

// watch ends a context when nothing moves for too long.
type watch struct {
	mu     sync.Mutex
	timer  *time.Timer
	stall  time.Duration
	cancel context.CancelCauseFunc
}

var errStalled = errors.New("nothing came for too long")

func newWatch(ctx context.Context, stall time.Duration) (context.Context, *watch) {
	watched, cancel := context.WithCancelCause(ctx)
	w := &watch{stall: stall, cancel: cancel}
	w.timer = time.AfterFunc(stall, func() { cancel(errStalled) })
	return watched, w
}

// moved begins the time anew, from now on with another patience unless it is 0.
func (w *watch) moved(stall time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if stall > 0 {
		w.stall = stall
	}
	if w.timer.Stop() {
		w.timer.Reset(w.stall)
	}
}

func (w *watch) end() {
	w.timer.Stop()
	w.cancel(nil)
}

// over watches the body of a request, which the transport closes by itself.
func (w *watch) over(r io.ReadCloser) io.ReadCloser { return &watched{ReadCloser: r, watch: w} }

// last watches the body of the answer; closing it ends the watch.
func (w *watch) last(r io.ReadCloser) *watched { return &watched{ReadCloser: r, watch: w, last: true} }

type watched struct {
	io.ReadCloser
	watch *watch
	last  bool
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.ReadCloser.Read(p)
	if n > 0 {
		w.watch.moved(0)
	}
	return n, err
}

// Close implements io.Closer.
func (w *watched) Close() error {
	if w.last {
		defer w.watch.end()
	}
	return w.ReadCloser.Close()
}
