// Package tus takes uploads that can be resumed: the tus protocol 1.0.0 (tus.io)
// with the extensions creation, creation-with-upload, termination and checksum,
// as an http.Handler over a [Store].
//
// The rule above all others: an offset that the client is told has been committed.
//
//	PATCH without Upload-Checksum   written and committed every few megabytes; when the connection
//	                                breaks or stalls, what came is committed and HEAD shows it
//	PATCH with Upload-Checksum      written, compared, then committed as one; else nothing of it stays
//
// One PATCH at a time holds the [Lease] of an upload; a second one gets 423. So a
// client whose connection vanished without a word gets 423 until the old one has
// stalled (Options.Stall): its delays between attempts must reach beyond that.
//
// Length is needed at creation: Upload-Defer-Length is not offered, nor is
// concatenation. Names of files and other metadata are personal data: they go to
// the Store and come back in the answer to HEAD, as the protocol demands, and
// nowhere else; a refusal is a [Refusal], a code without any of them.
//
// Who may upload is decided around the Handler, which is small: one may be made for
// each request, over a Store bound to the person who asks.
package tus
