package dlx

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"
)

// Kind says what went wrong, so that a caller can decide and a person can be
// told. A Kind is itself an error, to be compared with errors.Is.
type Kind string

const (
	// BadLink: the text is not a link that can be followed at all.
	BadLink Kind = "bad link"
	// NotDLX: something answered, but it is no DLX portal. Another connector may fit.
	NotDLX Kind = "not a DLX portal"
	// Refused: wrong answer or unknown link; a portal does not say which (401).
	Refused Kind = "wrong answer or unknown link"
	// Expired: the answers are right, but the link has expired (403).
	Expired Kind = "link expired"
	// Unavailable: the portal is down or cannot be reached. Temporary.
	Unavailable Kind = "portal unavailable"
	// NotReady: the portal still prepares the exam and the patience is used up. Temporary.
	NotReady Kind = "exam not ready"
	// Insecure: only an unencrypted or untrusted connection is offered.
	Insecure Kind = "connection not secure"
	// ForeignHost: secrets would go to another site than the link names; Host
	// is to be shown and confirmed (Config.AllowHosts).
	ForeignHost Kind = "another site must be confirmed"
	// TooManyRedirects: the redirects loop or are too many.
	TooManyRedirects Kind = "too many redirects"
	// BadAnswer: an answer is missing or does not have the question's format.
	BadAnswer Kind = "answer missing or malformed"
	// TokenUnknown: the link does not show its token; the person must be asked
	// (Portal.UseToken).
	TokenUnknown Kind = "token not found in the link"
	// NotFound: the portal does not know this item (400 or 404).
	NotFound Kind = "unknown item"
	// Blocked: the dial control of NewTransport, or another transport with an error
	// that has a method Blocked() bool, did not permit the address.
	Blocked Kind = "address not permitted"
	// Protocol: the portal breaks the specification beyond what can be understood.
	Protocol Kind = "answer not understood"
)

// Error makes a Kind a target for errors.Is.
func (k Kind) Error() string { return "dlx: " + string(k) }

// Reason is a detail of a failed connection, from a fixed set.
type Reason string

// The reasons.
const (
	NameNotFound     Reason = "host name not found"
	CannotConnect    Reason = "cannot connect"
	TimedOut         Reason = "timed out"
	Stalled          Reason = "no data for too long"
	ConnectionLost   Reason = "connection lost"
	BadCertificate   Reason = "certificate or TLS not acceptable"
	PlainHTTP        Reason = "http instead of https"
	AmbiguousDate    Reason = "date can be read in two ways"
	TooLarge         Reason = "answer too large"
	NotResumable     Reason = "ranges do not fit"
	Undecodable      Reason = "not the expected content"
	RenewalRefused   Reason = "session could not be renewed"
	SessionRejected  Reason = "portal rejects its own session"
	UnexpectedStatus Reason = "unexpected status"
)

// Error is the failure of a call. Its text is made of fixed phrases, the host
// and the status only: no path, no query, no token, no answer, no name.
type Error struct {
	Kind Kind
	// Op is the call: "probe", "api info", "authenticate", "renew", "list", "download", "download all".
	Op string
	// Host is the site concerned, in punycode, with its port when unusual; may be empty.
	Host string
	// Status is the HTTP status, 0 when there was none.
	Status int
	// RetryAfter is when the portal asked to come back, 0 when it did not say.
	RetryAfter time.Duration
	Reason     Reason
	// QuestionID is the question concerned, for BadAnswer. It is not part of the text.
	QuestionID string
	cause      error
}

// Error says what was being done and what is wrong, without secrets.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("dlx: ")
	if e.Op != "" {
		b.WriteString(e.Op + ": ")
	}
	b.WriteString(string(e.Kind))
	if e.Reason != "" {
		b.WriteString(": " + string(e.Reason))
	}
	if e.Host != "" {
		b.WriteString(" (" + e.Host + ")")
	}
	if e.Status != 0 {
		fmt.Fprintf(&b, " (status %d)", e.Status)
	}
	return b.String()
}

// GoString is Error, so that %#v shows no more than it.
func (e *Error) GoString() string { return e.Error() }

// Unwrap returns the cause where its text is known to be harmless.
func (e *Error) Unwrap() error { return e.cause }

// Is reports whether target is this error's Kind.
func (e *Error) Is(target error) bool {
	k, ok := target.(Kind)
	return ok && k == e.Kind
}

// Temporary reports whether the same call may succeed later, unchanged.
func (e *Error) Temporary() bool { return e.Kind == Unavailable || e.Kind == NotReady }

var (
	errBlocked = errors.New("address not permitted")
	errStalled = errors.New("no data for too long")
)

// transportError turns an error of net/http into one without the URL and
// without text of the peer, and says which of them are worth a retry.
func transportError(ctx context.Context, op, host string, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return &Error{Kind: Unavailable, Op: op, Host: host, Reason: Stalled}
	}
	e := &Error{Kind: Unavailable, Op: op, Host: host, Reason: ConnectionLost}
	var dns *net.DNSError
	var timeout net.Error
	var dial *net.OpError
	switch {
	case errors.Is(err, errBlocked), blocked(err):
		e.Kind, e.Reason = Blocked, ""
	case isTLS(err):
		e.Kind, e.Reason = Insecure, BadCertificate
	case errors.Is(err, http.ErrSchemeMismatch):
		e.Kind, e.Reason = Insecure, PlainHTTP
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Reason, e.cause = TimedOut, context.DeadlineExceeded
	case errors.As(err, &dns):
		e.Reason = NameNotFound
	case errors.As(err, &dial) && dial.Op == "dial":
		e.Reason = CannotConnect
	}
	return e
}

// blocked reports an error of a transport that does not permit a request.
func blocked(err error) bool {
	var b interface{ Blocked() bool }
	return errors.As(err, &b) && b.Blocked()
}

func isTLS(err error) bool {
	var verification *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	var alert tls.AlertError
	var authority x509.UnknownAuthorityError
	var hostname x509.HostnameError
	var invalid x509.CertificateInvalidError
	return errors.As(err, &verification) || errors.As(err, &record) || errors.As(err, &alert) ||
		errors.As(err, &authority) || errors.As(err, &hostname) || errors.As(err, &invalid)
}

// canceled is the error when the caller gave up; nil when it did not.
func canceled(ctx context.Context, op string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("dlx: %s: %w", op, err)
	}
	return nil
}
