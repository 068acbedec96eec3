package tus

import (
	"errors"
	"net/http"
)

// Refusal says why a request is refused: a stable code. It is itself an error, to
// be returned by a Store and compared with errors.Is.
type Refusal string

// Refusals. What a Store returns: NotFound, Gone, Locked, TooLarge, TooLong, Unavailable.
const (
	NotFound         Refusal = "upload-not-found"
	Gone             Refusal = "upload-gone"             // it was there; ended or expired
	Locked           Refusal = "upload-locked"           // another request writes
	TooLarge         Refusal = "upload-too-large"        // over the limit, or more bytes than announced
	Unavailable      Refusal = "upload-unavailable"      // again later; what was committed stays
	TooLong          Refusal = "upload-too-long"         // the request took too long; what was committed stays
	WrongVersion     Refusal = "tus-version"             // Tus-Resumable is missing or not 1.0.0
	WrongType        Refusal = "upload-content-type"     // not application/offset+octet-stream
	OffsetDiffers    Refusal = "upload-offset-differs"   // ask again with HEAD
	ChecksumDiffers  Refusal = "upload-checksum-differs" // nothing of the request was kept
	BadLength        Refusal = "upload-length-invalid"   // Upload-Length missing or malformed
	LengthDeferred   Refusal = "upload-length-deferred"  // Upload-Defer-Length is not offered
	BadOffset        Refusal = "upload-offset-invalid"   // Upload-Offset missing or malformed
	BadMetadata      Refusal = "upload-metadata-invalid" // Upload-Metadata malformed
	BadChecksum      Refusal = "upload-checksum-invalid" // Upload-Checksum malformed
	UnknownAlgorithm Refusal = "upload-checksum-unknown" // none of Tus-Checksum-Algorithm
	Interrupted      Refusal = "upload-interrupted"      // the connection broke
	Stalled          Refusal = "upload-stalled"          // no byte for too long
	WrongMethod      Refusal = "upload-method"           // not for this address
	Broken           Refusal = "internal"                // ours, and not said further
)

// StatusChecksumDiffers is the status of the checksum extension.
const StatusChecksumDiffers = 460

// Error makes a Refusal an error.
func (r Refusal) Error() string { return "tus: " + string(r) }

// Temporary reports whether the same request may succeed later, unchanged.
func (r Refusal) Temporary() bool {
	return r == Locked || r == Unavailable || r == TooLong || r == Interrupted || r == Stalled
}

// Status is the HTTP status of a refusal.
func (r Refusal) Status() int {
	switch r {
	case NotFound:
		return http.StatusNotFound
	case Gone:
		return http.StatusGone
	case Locked:
		return http.StatusLocked
	case TooLarge:
		return http.StatusRequestEntityTooLarge
	case Unavailable, TooLong:
		return http.StatusServiceUnavailable
	case WrongVersion:
		return http.StatusPreconditionFailed
	case WrongType:
		return http.StatusUnsupportedMediaType
	case OffsetDiffers:
		return http.StatusConflict
	case ChecksumDiffers:
		return StatusChecksumDiffers
	case Stalled:
		return http.StatusRequestTimeout
	case WrongMethod:
		return http.StatusMethodNotAllowed
	case Broken:
		return http.StatusInternalServerError
	}
	return http.StatusBadRequest
}

// refusal is what a client is told of an error.
func refusal(err error) Refusal {
	var r Refusal
	if errors.As(err, &r) {
		return r
	}
	var temporary interface{ Temporary() bool }
	if errors.As(err, &temporary) && temporary.Temporary() {
		return Unavailable
	}
	return Broken
}
