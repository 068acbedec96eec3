package app

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"lotse/internal/store"
)

const (
	// clockJump is by how much the clock may differ from what passed on a monotonic one.
	clockJump = 5 * time.Minute
	// clockGap is how long no node may have run before the clock is asked about.
	clockGap = 96 * time.Hour
)

// Names of what the installation remembers of its clock.
const (
	clockTick   = "clock.tick"   // when retention last looked, in microseconds
	clockPaused = "clock.paused" // why erasing is paused; empty: it is not
)

// clock notices that the database's clock jumped. Erasing is then paused until an
// administrator has looked at the clock: what is erased too early is lost.
type clock struct {
	mu   sync.Mutex
	tick time.Time // the database's time at the last look
	at   time.Time // this node's, with its monotonic reading
}

// errClock pauses erasing.
var errClock = errors.New("the clock jumped; erasing is paused until an administrator confirms the time")

// judge compares the database's clock with the last look at it. It returns errClock
// while erasing is paused.
func (c *clock) judge(ctx context.Context, g *Gateway) error {
	paused, err := g.ClockPaused(ctx)
	if err != nil {
		return err
	}
	if paused != "" {
		return errClock
	}
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if why := c.look(now, g.opts.Monotonic()); why != "" {
		return g.pause(ctx, why)
	}
	last, err := g.lastTick(ctx)
	if err != nil {
		return err
	}
	switch {
	case !last.IsZero() && now.Before(last.Add(-clockJump)):
		return g.pause(ctx, "backward")
	case !last.IsZero() && now.After(last.Add(clockGap)):
		return g.pause(ctx, "gap")
	}
	return g.db.System().SetInstallation(ctx, clockTick, strconv.FormatInt(now.UnixMicro(), 10))
}

// look compares what passed on both clocks since the last look of this node.
func (c *clock) look(now, at time.Time) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	tick, before := c.tick, c.at
	c.tick, c.at = now, at
	if tick.IsZero() {
		return ""
	}
	passed := at.Sub(before)
	switch difference := now.Sub(tick) - passed; {
	case difference > clockJump:
		return "forward"
	case difference < -clockJump:
		return "backward"
	}
	return ""
}

// steadyGap is how long ago retention may have looked at the clock, which it does
// every minute, for the age of a blob to be believed.
const steadyGap = 10 * time.Minute

// steady reports whether the clock goes as it did: one that jumped makes bytes look
// old whose rows are being committed.
func (g *Gateway) steady(ctx context.Context, now time.Time) (bool, error) {
	paused, err := g.ClockPaused(ctx)
	if err != nil || paused != "" {
		return false, err
	}
	last, err := g.lastTick(ctx)
	return err == nil && now.Sub(last).Abs() < steadyGap, err
}

func (g *Gateway) lastTick(ctx context.Context) (time.Time, error) {
	value, err := g.db.System().Installation(ctx, clockTick)
	if errors.Is(err, store.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	us, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("read the last look at the clock: %w", err)
	}
	return time.UnixMicro(us), nil
}

func (g *Gateway) pause(ctx context.Context, why string) error {
	g.log.Error("the clock jumped: erasing is paused until an administrator confirms the time", "how", why)
	if err := g.db.System().SetInstallation(ctx, clockPaused, why); err != nil {
		return err
	}
	return errClock
}

// ClockPaused says why erasing is paused: forward, backward, gap, or "" when it is
// not.
func (g *Gateway) ClockPaused(ctx context.Context) (string, error) {
	why, err := g.db.System().Installation(ctx, clockPaused)
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	return why, err
}

// ConfirmClock says that the time is right now: erasing goes on.
func (g *Gateway) ConfirmClock(ctx context.Context, who Who) error {
	now, err := g.databaseTime(ctx)
	if err != nil {
		return err
	}
	if err := g.db.System().SetInstallation(ctx, clockTick, strconv.FormatInt(now.UnixMicro(), 10)); err != nil {
		return err
	}
	g.clock.mu.Lock()
	g.clock.tick = time.Time{}
	g.clock.mu.Unlock()
	if err := g.db.System().SetInstallation(ctx, clockPaused, ""); err != nil {
		return err
	}
	return g.reach(who).Write(ctx, func(tx *store.Tx) error {
		return tx.Audit(store.Event{Actor: who.Actor, Event: "clock.confirmed"})
	})
}
