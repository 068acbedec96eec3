// Package sealed keeps the bytes and the personal texts of imports so that they can
// be read only as long as the import's key exists.
//
// A [Vault] is over a blob store (packages blob, blob/disk, blob/s3) and a keyring.
// A [Tenant] of it does all work; nothing is possible without one. What comes in is
// written as a stream by a [Writer], which cuts it into segments:
//
//	stream ──► 16 MiB of plaintext ──► DARE 2.0 ──► blob ──► durable ──► Commit (rows) ──► acknowledged
//
// Each segment is an immutable blob of its own, sealed with AES-256-GCM under a key
// of its own, which HKDF-SHA256 derives from the import's key, the segment's random
// id and its place in the stream. A retry writes a segment with another id, so no
// nonce ever repeats under a key. A segment whose Commit did not succeed does not
// exist for anybody; the blob is garbage that is collected later.
//
// A [Reader] gives random access. It fetches aligned windows of 1 MiB of ciphertext
// (16 DARE packages) and keeps them in a budget that all readers share. What is not
// exactly what was written, altered, truncated, moved or from another import, is
// [ErrDamaged], never other bytes.
//
// Texts in rows are sealed with Seal and opened with Open, under keys derived per
// purpose; what must be compared while sealed is compared by its MAC. Erasing is
// destroying the key: DestroyImport, and everything else answers [ErrErased].
//
// Nothing here writes plaintext to a disk.
package sealed
