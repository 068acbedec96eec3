// Package backup copies an installation while it runs, and puts it back elsewhere.
//
// A backup is a folder that holds one state of the installation; the next backup
// into it copies only what is new and removes what is no longer named:
//
//	manifest                       what is in it; written last, in one step
//	tables-<id>                    the rows of all tables, from one state of the database
//	blobs/<tenant>/<import>/<id>   the segments that those rows name, as they are stored
//
// Every file is sealed with a key of its own (DARE 2.0, AES-256-GCM), which the
// backup's key wraps, bound to the file's name. The backup's key is a file that the
// administrator keeps elsewhere. The segments were sealed before, under the keys of
// their imports: those are in the keyring, which with its master key is in no
// backup. [CopyKeyring] copies it apart, into one file that replaces itself, so that
// what has been erased is readable from no backup once that copy was renewed.
//
// [Make] takes the rows first and the segments afterwards: these never change.
// Segments that have gone meanwhile belong to imports that were erased, which the
// manifest notes; when one is gone for another reason Make takes the rows again.
//
// [Restore] works into an empty installation only. It first reads and checks
// everything and changes nothing; then it erases again what the keyring (its
// tombstones, here or in the copy) says was erased, and whatever is due; only then
// come segments and rows; and tokens, leases and open questions to archives of the
// old installation are void before anything serves.
package backup
