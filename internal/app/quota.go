package app

import (
	"context"
	"errors"
	"io"
	"time"

	"lotse/internal/receive"
	"lotse/internal/store"
)

// What callers with a quota send is counted in slots; those that began within the
// window count. A slot more than an hour has keeps the quota in any hour.
const (
	usageSlot   = 5 * time.Minute
	usageWindow = time.Hour
)

// How many bytes of an object are charged at first and then at once: its length is not
// known before it is there.
const (
	firstCharge = 1 << 20
	chargeStep  = 16 << 20
)

// errQuota is answered with A700.
var errQuota = &receive.Refusal{Reason: receive.OutOfResources, Text: "the quota of this hour is used up, try again later"}

// charge is something that a caller wants to send, or, settling, what of it was not
// used. Rows count it before the bytes are stored, so that it holds on every node.
type charge struct {
	caller  string
	use     store.Sent
	back    time.Time // of a settlement: the slot that it was charged in
	slot    time.Time // in which it was charged
	granted int64     // bytes
	refused bool
}

// tally counts what one caller sends with one object.
type tally struct {
	group  *receive.Group[*charge]
	caller string
	slot   time.Time // of the first charge, for the settlement
	bytes  int64     // charged
}

// take charges more bytes, and the object itself with the first of them.
func (t *tally) take(ctx context.Context, objects, bytes int64) error {
	c := &charge{caller: t.caller, use: store.Sent{Objects: objects, Bytes: bytes}}
	if err := t.group.Do(ctx, c); err != nil {
		return err
	}
	if c.refused {
		return errQuota
	}
	if objects > 0 {
		t.slot = c.slot
	}
	t.bytes += c.granted
	return nil
}

// settle gives back what was charged and not used; all of it when the object was not
// kept. What a crash keeps from it counts as sent for an hour.
func (t *tally) settle(ctx context.Context, kept bool, bytes int64) error {
	back := store.Sent{Objects: -1, Bytes: -t.bytes}
	if kept {
		back = store.Sent{Bytes: bytes - t.bytes}
	}
	return t.group.Do(context.WithoutCancel(ctx), &charge{caller: t.caller, use: back, back: t.slot})
}

// charged are the bytes of an object on their way, each charged before it is handed on.
type charged struct {
	io.Reader
	ctx  context.Context
	t    *tally
	read int64
}

// Read implements io.Reader.
func (c *charged) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.read += int64(n)
	for c.read > c.t.bytes {
		if refused := c.t.take(c.ctx, 0, max(chargeStep, c.read-c.t.bytes)); refused != nil {
			return 0, refused
		}
	}
	return n, err
}

// chargeAll counts several charges in one transaction. Should it be asked twice for
// the same ones, as their answer was lost, they count twice.
func (g *Gateway) chargeAll(ctx context.Context, who Who, list []*charge) error {
	return g.reach(who).Write(ctx, func(tx *store.Tx) error {
		for _, c := range list {
			if err := c.count(tx); err != nil {
				return err
			}
		}
		return nil
	})
}

// inLastHour is what counts against the quotas of a caller.
func inLastHour(tx *store.Tx, caller string) (store.Sent, error) {
	return tx.Used(caller, tx.Now().Truncate(usageSlot).Add(-usageWindow))
}

// count decides on one charge.
func (c *charge) count(tx *store.Tx) error {
	c.granted, c.refused = 0, false
	row, err := tx.LockCaller(c.caller)
	if errors.Is(err, store.ErrNotFound) { // removed while it sends
		c.refused = true
		return nil
	}
	if err != nil {
		return err
	}
	if !c.back.IsZero() {
		return tx.Use(c.caller, c.back, c.use)
	}
	config, err := callerConfigOf(row)
	if err != nil {
		return err
	}
	now := tx.Now().Truncate(usageSlot)
	used, err := inLastHour(tx, c.caller)
	if err != nil {
		return err
	}
	left := c.use.Bytes
	if config.HourlyBytes > 0 {
		left = min(left, config.HourlyBytes-used.Bytes)
	}
	if left <= 0 || config.HourlyObjects > 0 && used.Objects+c.use.Objects > config.HourlyObjects {
		c.refused = true
		return nil
	}
	c.granted, c.slot = left, now
	if err := tx.ForgetUsage(c.caller, now.Add(-usageWindow)); err != nil {
		return err
	}
	return tx.Use(c.caller, now, store.Sent{Objects: c.use.Objects, Bytes: left})
}
