package dimse

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"time"

	"lotse/dimse/pdu"
)

// Defaults of [Server].
const (
	DefaultMaxAssociations = 32
	DefaultDrainLimit      = 64 << 20
)

// providerBuffer is the receive buffer of each association of a provider, in bytes.
const providerBuffer = 256 << 10

// Server is a provider (SCP) of verification and storage. Verification is always
// offered. Set the fields before Serve and leave them then.
type Server struct {
	// AETitle is the own AE title; requests that call another one are refused.
	// When empty, all are accepted.
	AETitle string
	// Policy chooses presentation contexts; nil means [FirstProposed].
	Policy Policy
	// Admit, when set, decides about each association, also by the user identity.
	// An error refuses it; a [*RejectError] says how, any other means permanently
	// and without a reason. Without Admit any identity is confirmed.
	Admit func(context.Context, *Peer) error
	// Store handles C-STORE; when nil, storage is not supported.
	Store StoreHandler
	// Services are the normalized services offered, by SOP class UID, in Implicit and
	// Explicit VR Little Endian. A peer that proposes roles is granted those that
	// the handlers can serve (PS3.7 D.3.3.4); from one that proposes none requests
	// are taken in either role, as many archives forget to.
	Services map[string]Service
	// Ended, when set, is told the end of each admitted association; err is nil
	// after a release.
	Ended func(p *Peer, err error)
	// MaxPDU is announced as maximum length; default [DefaultMaxPDU].
	MaxPDU uint32
	// MaxAssociations bounds simultaneous associations; more are refused
	// transiently. Default [DefaultMaxAssociations].
	MaxAssociations int
	// DrainLimit is how many bytes of a data set are read away when a handler
	// returns early; beyond it the association is aborted. Default [DefaultDrainLimit].
	DrainLimit int64
	// Grace is how long an operation under way may go on when the context of Serve
	// ends. Idle associations are aborted then at once, busy ones after their
	// operation has been answered. Default 0: all are aborted at once.
	Grace time.Duration
	// Timeouts for all waiting.
	Timeouts Timeouts
	// DisableQuickAck is as in [Config].
	DisableQuickAck bool
	// Log gets what happens to associations, never contents; nil means silence.
	Log *slog.Logger
}

// Peer is the other side of an association.
type Peer struct {
	// CallingAE is the AE title of the side that opened the association, CalledAE
	// the other one's.
	CallingAE, CalledAE string
	// Requested tells that it was this side that opened it.
	Requested bool
	Addr      net.Addr
	// Conn is the connection, for its TLS state; do not read or write.
	Conn net.Conn
	// Identity is nil when none was sent. It is secret: do not log it.
	Identity *pdu.UserIdentity
	// ImplementationClassUID and ImplementationVersion as the peer sent them.
	ImplementationClassUID, ImplementationVersion string
}

// Titles gives the AE title of the peer itself and the one of this side.
func (p *Peer) Titles() (peer, own string) {
	if p.Requested {
		return p.CalledAE, p.CallingAE
	}
	return p.CallingAE, p.CalledAE
}

// TLS gives the state of the connection, nil without TLS. Client certificates are
// known here, as the handshake is over.
func (p *Peer) TLS() *tls.ConnectionState {
	conn, ok := p.Conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	return &state
}

// Policy answers a proposed presentation context: the transfer syntax chosen among
// the proposed ones and [pdu.Acceptance], or the reason for not accepting.
type Policy func(sopClass string, proposed []string) (transferSyntax string, result pdu.Result)

// FirstProposed is the policy to accept everything in the first syntax proposed.
func FirstProposed(_ string, proposed []string) (string, pdu.Result) {
	if len(proposed) == 0 {
		return "", pdu.TransferSyntaxesNotSupported
	}
	return proposed[0], pdu.Acceptance
}

// Serve accepts associations on ln until ctx ends; then it closes ln, aborts the
// associations (see Grace), waits for their handlers and returns nil. Any other end
// is an error of ln. For TLS give it a listener of crypto/tls.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	work, stopWork := delayed(ctx, s.Grace)
	defer stopWork()
	stop := context.AfterFunc(ctx, func() { _ = ln.Close() }) // Accept then fails and ends the loop
	defer stop()
	var handlers sync.WaitGroup
	defer handlers.Wait()
	defer cancel(errServerStopped)
	places := newPlaces(s.MaxAssociations)
	for delay := time.Duration(0); ; {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			delay = 0
		case ctx.Err() != nil:
			return nil
		case temporaryAccept(err):
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			if !pause(ctx, delay) {
				return nil
			}
			continue
		default:
			return err
		}
		place := places.take()
		if place == noPlace {
			_ = conn.Close() // too many even to refuse in order
			continue
		}
		handlers.Go(func() {
			defer places.giveBack(place)
			s.serve(ctx, work, conn, place == refusalPlace)
		})
	}
}

// delayed gives a context that ends some time after ctx, and a function that ends it
// and what belongs to it.
func delayed(ctx context.Context, grace time.Duration) (context.Context, func()) {
	if grace <= 0 {
		return ctx, func() {}
	}
	later, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	finished := make(chan struct{})
	go func() {
		defer close(finished)
		select {
		case <-ctx.Done():
			pause(later, grace)
			cancel(context.Cause(ctx))
		case <-later.Done():
		}
	}()
	return later, func() {
		cancel(errServerStopped)
		<-finished
	}
}

var errServerStopped = errors.New("server stopped")

// temporaryAccept reports errors such as too many open files, which pass.
func temporaryAccept(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

// pause waits and reports whether ctx still lives.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// place is what a new connection gets.
type place uint8

const (
	noPlace      place = iota
	servicePlace       // an association
	refusalPlace       // only to be told that there is no place
)

// places counts connections: as many as allowed, and a few to be refused.
type places struct {
	mu   sync.Mutex
	free map[place]int
}

func newPlaces(limit int) *places {
	if limit <= 0 {
		limit = DefaultMaxAssociations
	}
	return &places{free: map[place]int{servicePlace: limit, refusalPlace: 16}}
}

func (p *places) take() place {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range []place{servicePlace, refusalPlace} {
		if p.free[kind] > 0 {
			p.free[kind]--
			return kind
		}
	}
	return noPlace
}

func (p *places) giveBack(kind place) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free[kind]++
}
