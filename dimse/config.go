package dimse

import (
	"crypto/tls"
	"time"

	"lotse/dimse/pdu"
)

// DefaultMaxPDU is the maximum PDU length announced by default, in bytes behind
// the PDU header. Nothing is reserved for it.
const DefaultMaxPDU = 128 << 10

// Timeouts bounds each kind of waiting. Zero means the default.
type Timeouts struct {
	// Connect bounds connecting and the TLS handshake; default 10 s.
	Connect time.Duration
	// Associate bounds waiting for the answer to A-ASSOCIATE-RQ, and on the side
	// of the provider the ARTIM wait for the request itself; default 30 s.
	Associate time.Duration
	// Write bounds each write of at most 1 MiB; default 60 s.
	Write time.Duration
	// Response bounds waiting for a response after the last byte of a request;
	// default 2 min.
	Response time.Duration
	// Read bounds each wait for the next bytes inside a message; default 60 s.
	Read time.Duration
	// Idle bounds a provider's wait for the next message; default 5 min.
	Idle time.Duration
	// Release bounds waiting for the answer to A-RELEASE-RQ; default 10 s.
	Release time.Duration
	// ARTIM bounds waiting for the peer to close the connection after the
	// association has ended (PS3.8 §9.1.5); default 10 s.
	ARTIM time.Duration
	// Abort bounds the attempt to tell a peer that hangs of an abort; default 1 s.
	Abort time.Duration
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field    *time.Duration
		standard time.Duration
	}{
		{&t.Connect, 10 * time.Second},
		{&t.Associate, 30 * time.Second},
		{&t.Write, time.Minute},
		{&t.Response, 2 * time.Minute},
		{&t.Read, time.Minute},
		{&t.Idle, 5 * time.Minute},
		{&t.Release, 10 * time.Second},
		{&t.ARTIM, 10 * time.Second},
		{&t.Abort, time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.standard
		}
	}
	return t
}

// Config is how an association requestor presents itself.
type Config struct {
	// CallingAE and CalledAE are AE titles of 1 to 16 characters.
	CallingAE, CalledAE string
	// MaxPDU is announced as maximum length to receive; default [DefaultMaxPDU].
	MaxPDU uint32
	// MaxSendPDU restricts the PDUs sent, in bytes behind the header; default
	// [DefaultMaxPDU]. The peer's own limit holds in any case.
	MaxSendPDU uint32
	// Timeouts for all waiting.
	Timeouts Timeouts
	// TLS, when set, is used by [Dial] for the connection.
	TLS *tls.Config
	// Identity, when set, is sent as user identity (PS3.7 D.3.3.7).
	Identity *pdu.UserIdentity
	// Roles are proposed as SCP/SCU role selections (PS3.7 D.3.3.4).
	Roles []pdu.Role
	// Extended are SOP class extended negotiations (PS3.7 D.3.3.5).
	Extended []pdu.ExtendedNegotiation
	// DisableQuickAck leaves delayed acknowledgements as the kernel does them.
	// By default they are avoided while a message is incomplete (Linux): peers that
	// leave Nagle's algorithm on otherwise cost about 40 ms per object.
	DisableQuickAck bool
}
