package dimse

import (
	"context"
	"net"
	"sync"
	"time"
)

// guard lets a context interrupt blocking I/O. Deadlines are set only through it,
// so that an interrupt cannot be overwritten by the next regular deadline.
type guard struct {
	conn net.Conn

	mu    sync.Mutex
	watch *watch // of the operation under way, or nil
}

// watch is one turn of watching a context.
type watch struct {
	ctx context.Context
}

// follow makes the end of ctx interrupt the I/O until the returned function is called.
func (g *guard) follow(ctx context.Context) (stop func()) {
	if ctx.Done() == nil {
		return func() {}
	}
	w := &watch{ctx: ctx}
	g.mu.Lock()
	g.watch = w
	g.mu.Unlock()
	forget := context.AfterFunc(ctx, func() { g.interrupt(w) })
	return func() {
		forget()
		g.settle()
	}
}

// interrupt wakes up I/O that is waiting. It may come late, when another operation
// is under way; then it does nothing.
func (g *guard) interrupt(w *watch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.watch == w {
		// An error here means a dead connection, which the I/O itself notices.
		_ = g.conn.SetDeadline(time.Unix(1, 0))
	}
}

// cause gives why I/O has to end, or nil. The context is asked itself: the
// interrupt is only for I/O that is waiting, and may come a moment later.
func (g *guard) cause() error {
	if g.watch == nil || g.watch.ctx.Err() == nil {
		return nil
	}
	return context.Cause(g.watch.ctx)
}

// readBy sets the read deadline, or returns the cause when interrupted.
func (g *guard) readBy(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.cause(); err != nil {
		return err
	}
	return g.conn.SetReadDeadline(t)
}

// writeBy sets the write deadline, or returns the cause when interrupted.
func (g *guard) writeBy(t time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.cause(); err != nil {
		return err
	}
	return g.conn.SetWriteDeadline(t)
}

// interrupted gives the cause of an interrupt, or nil.
func (g *guard) interrupted() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause()
}

// settle ends the watch, so that the association can still be aborted in order.
func (g *guard) settle() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.watch = nil
}
