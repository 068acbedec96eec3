// Package recorder is an archive for tests that remembers what it was sent. It is not
// in package peer, since it stands on dimse, whose tests use that.
package recorder

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net"
	"sync"
	"time"

	"lotse/dimse"
)

// Recorder is an archive (C-STORE provider) that remembers what it was sent instead
// of keeping it. On demand it says that it is full, breaks off in the middle, or is
// away. It is safe for concurrent use.
type Recorder struct {
	// AETitle and Addr (host:port) stay the same however often it goes away.
	AETitle, Addr string

	changing sync.Mutex // held while it goes or comes back
	stop     func()     // ends the server; nil while it is away

	mu       sync.Mutex
	seen     map[string]*Sight
	full     int    // objects to be refused
	abort    int    // associations to be broken off, each after the next object
	received func() // told of each object whose first byte came
	pace     time.Duration
	refused  int
	aborted  int
}

// Sight is what a Recorder knows of one SOP Instance UID.
type Sight struct {
	// Times counts the data sets that came in whole, by their SHA-256. More than one
	// key means that an instance came with two contents.
	Times map[[sha256.Size]byte]int
	// Arrivals says when each came, in order.
	Arrivals []time.Time
	// Unanswered counts those whose sender was not told, since the association was
	// broken off: it has to send them again.
	Unanswered int
	Bytes      int64 // of the last one
}

// Count is how often the instance came, whatever its content.
func (s Sight) Count() int { return len(s.Arrivals) }

// StartRecorder starts an archive on a free port of the loopback interface.
func StartRecorder(aeTitle string) (*Recorder, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start the recording archive: %w", err)
	}
	r := &Recorder{AETitle: aeTitle, Addr: ln.Addr().String(), seen: map[string]*Sight{}}
	r.serve(ln)
	return r, nil
}

func (r *Recorder) serve(ln net.Listener) {
	ctx, cancel := context.WithCancel(context.Background())
	server := &dimse.Server{AETitle: r.AETitle, MaxAssociations: 256, Store: r.store}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(ctx, ln) // ends with ctx; until then an error shows as an archive that is away
	}()
	r.stop = func() {
		cancel()
		<-ended
	}
}

// Close ends the archive. It may be called while it is away.
func (r *Recorder) Close() { r.Away() }

// Away lets the archive break off all associations and refuse connections.
func (r *Recorder) Away() {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.stop != nil {
		r.stop()
		r.stop = nil
	}
}

// Back ends an Away: the archive listens again under its address.
func (r *Recorder) Back(ctx context.Context) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.stop != nil {
		return nil
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ln, err := net.Listen("tcp", r.Addr)
		if err == nil {
			r.serve(ln)
			return nil
		}
		select { // someone's outgoing connection may have the port for a moment
		case <-ctx.Done():
			return fmt.Errorf("bring the recording archive back: %w", err)
		case <-tick.C:
		}
	}
}

// Full lets the next n objects be answered with A700H, out of resources.
func (r *Recorder) Full(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.full = n
}

// Abort lets the connection of each of the next n objects be broken off after the
// object has come in whole and before it is answered: the sender cannot know.
func (r *Recorder) Abort(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.abort = n
}

// Pace lets each object take some time before it is answered, as archives do.
func (r *Recorder) Pace(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.pace = d
}

// OnObject sets what is called when an object begins to come in. It must not let the
// archive go away, which waits for it.
func (r *Recorder) OnObject(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.received = f
}

// Seen returns what came in so far by SOP Instance UID.
func (r *Recorder) Seen() map[string]Sight {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make(map[string]Sight, len(r.seen))
	for uid, s := range r.seen {
		out[uid] = Sight{Times: maps.Clone(s.Times), Arrivals: append([]time.Time(nil), s.Arrivals...), Unanswered: s.Unanswered, Bytes: s.Bytes}
	}
	return out
}

// Instances is how many different instances came in.
func (r *Recorder) Instances() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// Faults is how many objects were refused and how many associations broken off.
func (r *Recorder) Faults() (refused, aborted int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refused, r.aborted
}

// store takes one object.
func (r *Recorder) store(ctx context.Context, in dimse.StoreIndication) dimse.Status {
	f, pace := r.hook()
	if f != nil {
		f()
	}
	h := sha256.New()
	n, err := io.Copy(h, in.Data)
	if err != nil {
		return dimse.ProcessingFailure // the association is broken: nobody hears it
	}
	if pace > 0 {
		timer := time.NewTimer(pace)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return dimse.ProcessingFailure // it is going away: nobody hears it
		}
	}
	full, abort := r.faulty()
	if full {
		return dimse.OutOfResources
	}
	r.note(in.SOPInstance, [sha256.Size]byte(h.Sum(nil)), n, abort || ctx.Err() != nil)
	if abort {
		_ = in.Peer.Conn.Close() // the answer then fails to leave
	}
	return dimse.Success
}

func (r *Recorder) hook() (func(), time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.received, r.pace
}

func (r *Recorder) faulty() (full, abort bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.full > 0:
		r.full--
		r.refused++
		return true, false
	case r.abort > 0:
		r.abort--
		r.aborted++
		return false, true
	}
	return false, false
}

func (r *Recorder) note(uid string, digest [sha256.Size]byte, n int64, unanswered bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[uid]
	if s == nil {
		s = &Sight{Times: map[[sha256.Size]byte]int{}}
		r.seen[uid] = s
	}
	s.Times[digest]++
	s.Arrivals = append(s.Arrivals, time.Now())
	s.Bytes = n
	if unanswered {
		s.Unanswered++
	}
}
