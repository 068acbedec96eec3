// Package archive reads ZIP archives in place, by random access, as hostile input
// wants it: everything the directory declares is bounded before memory is spent on
// it, what cannot be opened says why, and reading a file never gives more bytes
// than the limits were judged by.
//
// It has a directory reader of its own because archive/zip reads as many entries
// as there are, whatever the end record says, opens encrypted entries as if they
// were not, and does not tell where entries lie, so that overlaps cannot be seen.
// It reads only, and unpacks nothing to a disk.
package archive

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"lotse/internal/importer"
)

// Errors of Open, for errors.Is.
var (
	// ErrFormat: not a ZIP archive, or a damaged or split one.
	ErrFormat = errors.New("archive: not a readable ZIP archive")
	// ErrTooMany: more entries, or a larger directory, than the limits permit.
	ErrTooMany = errors.New("archive: too many entries")
	// ErrEncrypted: the directory itself is encrypted, so that not even names are known.
	ErrEncrypted = errors.New("archive: the directory is encrypted")
)

// Limits bound an archive. The zero value stands for the defaults.
type Limits struct {
	// Entries is how many there may be; 500,000 when 0.
	Entries int
	// Directory is how large the central directory may be, in bytes; 256 MiB when 0.
	Directory int64
	// Ratio is how many times its packed size a file, or all files together, may
	// inflate to, once a grace is exceeded: EntryGrace for one, Grace for all, in
	// bytes. 250, 256 MiB and 1 GiB when 0. Images of nothing but black do reach
	// 1,000, so the graces are generous.
	Ratio, EntryGrace, Grace int64
}

func (l Limits) orDefaults() Limits {
	l.Entries = cmp.Or(l.Entries, 500_000)
	l.Directory = cmp.Or(l.Directory, 256<<20)
	l.Ratio = cmp.Or(l.Ratio, 250)
	l.EntryGrace = cmp.Or(l.EntryGrace, 256<<20)
	l.Grace = cmp.Or(l.Grace, 1<<30)
	return l
}

// LocalBuffer is the read buffer of an open entry for archives in plain files, in bytes.
const LocalBuffer = 256 << 10

// SealedBuffer is the same for archives behind a decrypting reader, which opens
// whole windows however little is wanted: smaller ones cost several times the work.
const SealedBuffer = 256 << 10

// Archive is an open archive, safe for concurrent use except for Unlock and what
// refuses files.
type Archive struct {
	r         io.ReaderAt
	size      int64
	body      int64 // where the directory begins and files must end
	buffer    int
	entries   []entry
	lock      *lock     // nil: no password is known
	inflaters sync.Pool // *inflate.Reader
	buffers   sync.Pool // *bufio.Reader
}

// Entry describes one file of an archive.
type Entry struct {
	// Name is the path in the archive: '/' between folders, valid UTF-8, no control characters.
	Name string
	// Size is the declared one, in bytes. Reading never gives more.
	Size int64
	// Refused says why it cannot be opened, "" when it can.
	Refused importer.ReasonCode
}

// Open reads the directory of an archive of size bytes. Folders are not entries.
// buffer is the read buffer of each open entry, in bytes.
func Open(r io.ReaderAt, size int64, buffer int, limits Limits) (*Archive, error) {
	limits = limits.orDefaults()
	a := &Archive{r: r, size: size, buffer: buffer}
	dir, err := locate(r, size)
	if err != nil {
		return nil, err
	}
	a.body = dir.start
	if a.entries, err = dir.read(r, limits); err != nil {
		return nil, err
	}
	a.refuseOverlaps()
	a.refuseBombs(limits)
	return a, nil
}

// Len is the number of files.
func (a *Archive) Len() int { return len(a.entries) }

// Entry describes file i, 0 ≤ i < Len.
func (a *Archive) Entry(i int) Entry {
	e := &a.entries[i]
	return Entry{Name: e.name, Size: e.size, Refused: a.refused(e)}
}

func (a *Archive) refused(e *entry) importer.ReasonCode {
	if e.refused == "" && e.encryption != unencrypted && a.lock == nil {
		return importer.ReasonEncrypted
	}
	return e.refused
}

// Refuse makes file i one that cannot be opened.
func (a *Archive) Refuse(i int, reason importer.ReasonCode) { a.entries[i].refused = reason }

// refuseOverlaps finds entries that share bytes: that is how an archive of
// kilobytes gives petabytes. The first of them is kept.
func (a *Archive) refuseOverlaps() {
	order := make([]int32, 0, len(a.entries))
	for i := range a.entries {
		if a.entries[i].refused != importer.ReasonUnreadable { // its place is not known
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(x, y int32) int { return cmp.Compare(a.entries[x].header, a.entries[y].header) })
	var free int64
	for _, i := range order {
		e := &a.entries[i]
		if e.header < free {
			e.refused = importer.ReasonRatio
			continue
		}
		free = e.header + localHeader + e.packed
	}
}

// refuseBombs judges declared sizes; content holds the files to them.
func (a *Archive) refuseBombs(limits Limits) {
	budget := limits.Grace
	if a.size > (1<<62-budget)/limits.Ratio {
		budget = 1 << 62
	} else {
		budget += a.size * limits.Ratio
	}
	for i := range a.entries {
		e := &a.entries[i]
		if e.refused != "" {
			continue
		}
		if e.size > budget || e.size > limits.EntryGrace && e.size/limits.Ratio > e.packed {
			e.refused = importer.ReasonRatio
			continue
		}
		budget -= e.size
	}
}

// data returns where the bytes of an entry begin (APPNOTE 4.3.7), and the byte that
// a password for traditional encryption is checked by: the highest of the checksum
// (6.1.6), or of the time where the checksum was not known yet (4.4.4 bit 3).
func (a *Archive) data(e *entry) (at int64, check byte, err error) {
	var h [localHeader]byte
	if _, err := a.r.ReadAt(h[:], e.header); err != nil {
		return 0, 0, unreadable(fmt.Errorf("archive: local header: %w", opaque(err)))
	}
	flags := u16(h[6:])
	switch encrypted := flags&flagEncrypted != 0; {
	case u32(h[:]) != localSignature:
		return 0, 0, unreadable(errNoHeader)
	case encrypted && e.encryption == unencrypted:
		return 0, 0, &importer.OpenError{Reason: importer.ReasonEncrypted, Err: errRefused}
	case !encrypted && e.encryption == pkware:
		return 0, 0, unreadable(errMismatch)
	}
	at = e.header + localHeader + int64(u16(h[26:])) + int64(u16(h[28:]))
	if at > a.body || e.packed > a.body-at {
		return 0, 0, unreadable(errShort)
	}
	if flags&flagStreamed != 0 {
		return at, h[11], nil
	}
	return at, byte(e.crc >> 24), nil
}

var (
	errRefused  = errors.New("archive: entry cannot be opened")
	errNoHeader = errors.New("archive: no local header where the directory says")
	errMismatch = errors.New("archive: directory and local header contradict each other")
	errPassword = errors.New("archive: the password is not that of the entry")
	errTampered = errors.New("archive: authentication code does not match")
	errShort    = errors.New("archive: entry ends too early")
	errLong     = errors.New("archive: entry is longer than declared")
	errChecksum = errors.New("archive: checksum does not match")
	errStream   = errors.New("archive: compressed data are damaged")
	errClosed   = errors.New("archive: entry is closed")
	errSeek     = errors.New("archive: no such position")
)

func unreadable(err error) error {
	return &importer.OpenError{Reason: importer.ReasonUnreadable, Err: err}
}

// opaque keeps an archive that ends too early from looking like a file that does.
func opaque(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errShort
	}
	return err
}
