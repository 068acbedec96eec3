// Package queue runs the jobs of the database: it claims them, keeps their leases
// while a handler works, and gives them back, retries or ends them.
//
//	w := queue.New(db.System(), queue.Options{Node: name, Concurrency: map[string]int{"fetch": 4}})
//	w.Handle("fetch", fetch)
//	w.Every("retention", time.Minute, sweep)
//	err := w.Run(ctx) // until ctx ends, and the handlers have
//
// # What a handler does
//
// It gets a context and a [Run]. Each transaction in which it reports a durable
// step begins with [Run.Fence]; the last one may end the job itself with
// [Run.Complete], so that outcome, audit event and next job commit together.
// Otherwise what it returns decides: nil is done, [Permanent] is failed for good,
// [RetryAfter] waits that long, any other error waits with growing random pauses.
// A job may run again after it has done part of its work, or all of it: the fence
// keeps a second worker's effects apart, not what was sent elsewhere.
//
// The context ends with a cause: [ErrLeaseLost], [ErrCancelled] or [ErrStopping].
// [Run.Stopping] closes before the latter, so that a handler can go on to its next
// durable point and return [ErrStopping].
//
// # Leases
//
// A claim holds for Options.Lease by the database's clock and is extended every
// third of it. The worker measures the same time on its own monotonic clock, from
// before it asked, and ends the handler's context a fifth of the lease early, also
// when heartbeats hang. So nobody else has the job while the context lives; should
// a clock jump, the fence still holds.
//
// All times of waiting jobs are the database's. To let time pass in tests, shift
// that (store.Config.Shift) or, without real I/O, use testing/synctest.
package queue
