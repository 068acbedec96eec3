package archive

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"lotse/internal/importer"
)

// Section numbers are those of PKWARE's APPNOTE.TXT 6.3.10.
const (
	localSignature     = 0x04034b50 // 4.3.7
	centralSignature   = 0x02014b50 // 4.3.12
	endSignature       = 0x06054b50 // 4.3.16
	end64Signature     = 0x06064b50 // 4.3.14
	locator64Signature = 0x07064b50 // 4.3.15

	localHeader   = 30
	centralHeader = 46
	endRecord     = 22
	end64Record   = 56
	locator64     = 20

	// maxEnds is how many places that look like an end record are tried.
	maxEnds = 16
)

func u16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }
func u32(b []byte) uint32 { return binary.LittleEndian.Uint32(b) }
func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// entry is what is kept of a central header.
type entry struct {
	name   string
	header int64 // offset of the local header
	packed int64
	size   int64
	crc    uint32 // 0 when there is none
	method uint16

	encryption encryption
	refused    importer.ReasonCode
}

// directory is where the central headers lie.
type directory struct {
	start, end int64 // offsets of the first header and of what follows the last
	base       int64 // added to declared offsets: bytes before the archive
	records    uint64
}

// locate finds the end record (4.3.16) and through it the directory. The archive
// may have bytes before and after it.
func locate(r io.ReaderAt, size int64) (directory, error) {
	tail := make([]byte, min(size, endRecord+math.MaxUint16))
	from := size - int64(len(tail))
	if n, err := r.ReadAt(tail, from); n < len(tail) {
		return directory{}, fmt.Errorf("archive: read the end: %w", err)
	}
	tried := 0
	for i := len(tail) - endRecord; i >= 0 && tried < maxEnds; i-- {
		e := tail[i:]
		if u32(e) != endSignature || int(u16(e[20:])) > len(e)-endRecord {
			continue
		}
		tried++
		dir, err := follow(r, e, from+int64(i))
		if !errors.Is(err, ErrFormat) {
			return dir, err
		}
	}
	return directory{}, ErrFormat
}

// follow goes from an end record at offset at to the directory.
func follow(r io.ReaderAt, e []byte, at int64) (directory, error) {
	records, size, offset := uint64(u16(e[10:])), uint64(u32(e[12:])), uint64(u32(e[16:]))
	if disk := u16(e[4:]); disk != 0 && disk != math.MaxUint16 {
		return directory{}, ErrFormat // split over several files
	}
	if records == math.MaxUint16 || size == math.MaxUint32 || offset == math.MaxUint32 {
		if e64, at64, ok := find64(r, at); ok {
			if concealed(r, e64, at64) {
				return directory{}, ErrEncrypted
			}
			at, records, size, offset = at64, u64(e64[32:]), u64(e64[40:]), u64(e64[48:])
		}
	}
	end := uint64(at)
	if size > end || offset > end {
		return directory{}, ErrFormat
	}
	dir := directory{end: at, records: records}
	empty := size == 0 && records == 0
	if offset+size <= end && (empty || signed(r, int64(offset), centralSignature)) {
		dir.start = int64(offset)
		return dir, nil
	}
	dir.start = int64(end - size)
	dir.base = dir.start - int64(offset)
	if dir.base <= 0 || !signed(r, dir.start, centralSignature) {
		return directory{}, ErrFormat
	}
	return dir, nil
}

// concealed reports whether an end record of ZIP64 at offset at is one of version 2
// that names an encryption of the directory (7.3.4), which version 6.2 can read (4.4.3.2).
func concealed(r io.ReaderAt, record []byte, at int64) bool {
	const algorithm = 2 + 8 + 8 // after method and both sizes
	var second [algorithm + 2]byte
	if u16(record[14:]) < 62 || u64(record[4:]) < end64Record-12+uint64(len(second)) {
		return false
	}
	n, _ := r.ReadAt(second[:], at+end64Record)
	return n == len(second) && u16(second[algorithm:]) != 0
}

// find64 returns the end record of ZIP64 that belongs to the end record at offset
// at: where its locator says (4.3.15), else directly before the locator.
func find64(r io.ReaderAt, at int64) (record []byte, offset int64, ok bool) {
	var loc [locator64]byte
	if at < locator64+end64Record {
		return nil, 0, false
	}
	if _, err := r.ReadAt(loc[:], at-locator64); err != nil || u32(loc[:]) != locator64Signature {
		return nil, 0, false
	}
	record = make([]byte, end64Record)
	last := at - locator64 - end64Record
	for _, offset := range []uint64{u64(loc[8:]), uint64(last)} {
		if offset > uint64(last) {
			continue
		}
		if _, err := r.ReadAt(record, int64(offset)); err == nil && u32(record) == end64Signature {
			return record, int64(offset), true
		}
	}
	return nil, 0, false
}

func signed(r io.ReaderAt, offset int64, signature uint32) bool {
	var b [4]byte
	n, _ := r.ReadAt(b[:], offset)
	return n == len(b) && u32(b[:]) == signature
}

// read reads the central headers (4.3.12) as a stream and keeps little of each.
func (d directory) read(r io.ReaderAt, limits Limits) ([]entry, error) {
	length := d.end - d.start
	if length > limits.Directory {
		return nil, ErrTooMany
	}
	in := bufio.NewReaderSize(io.NewSectionReader(r, d.start, length), int(min(length+centralHeader, 64<<10)))
	expected := min(d.records, uint64(length/centralHeader))
	entries := make([]entry, 0, min(expected, uint64(limits.Entries)))
	var variable []byte
	seen := uint64(0)
	for {
		header, err := in.Peek(centralHeader)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("archive: read the directory: %w", err)
		}
		if len(header) < centralHeader || u32(header) != centralSignature {
			break
		}
		var fixed [centralHeader]byte
		copy(fixed[:], header)
		name, extra, comment := int(u16(fixed[28:])), int(u16(fixed[30:])), int(u16(fixed[32:]))
		variable = slices.Grow(variable[:0], name+extra)[:name+extra]
		_, _ = in.Discard(centralHeader)
		if _, err := io.ReadFull(in, variable); err != nil {
			return nil, ErrFormat
		}
		if _, err := in.Discard(comment); err != nil {
			return nil, ErrFormat
		}
		if seen++; seen > uint64(limits.Entries) {
			return nil, ErrTooMany
		}
		e, folder := d.entry(fixed[:], variable[:name], variable[name:])
		if !folder {
			entries = append(entries, e)
		}
	}
	if left, _ := in.Peek(1); len(left) > 0 && uint16(seen) != uint16(d.records) {
		return nil, ErrFormat // something else stands amid the headers
	}
	return slices.Clip(entries), nil
}

const (
	flagEncrypted = 1 << 0 // 4.4.4
	flagStreamed  = 1 << 3 // checksum and sizes follow the data
	flagStrong    = 1 << 6
	flagUTF8      = 1 << 11
	flagMasked    = 1 << 13 // encrypted directory

	methodStored  = 0
	methodDeflate = 8
	methodBzip2   = 12
	methodAES     = 99 // WinZip's mark for an encrypted entry

	madeByUnix, madeByMac = 3, 19
	typeMask, typeRegular = 0o170000, 0o100000
	typeFolder            = 0o040000
)

// entry makes an entry from a central header.
func (d directory) entry(h, name, extra []byte) (e entry, folder bool) {
	flags := u16(h[8:])
	e = entry{method: u16(h[10:]), crc: u32(h[16:])}
	packed, size, offset := sizes(h, extra)
	text := decodeName(name, extra, flags&flagUTF8 != 0)
	var escapes bool
	e.name, escapes = contain(text)
	mode := uint32(0)
	if made := h[5]; made == madeByUnix || made == madeByMac {
		mode = u32(h[38:]) >> 16 & typeMask
	}
	if size == 0 && (isFolder(text) || mode == typeFolder) {
		return e, true
	}
	const most = math.MaxInt64 / 2
	if packed > most || size > most || offset > most {
		e.refused = importer.ReasonUnreadable
		return e, false
	}
	e.packed, e.size, e.header = int64(packed), int64(size), int64(offset)+d.base
	openable := e.encrypted(flags, extra)
	data := e.packed - e.encryption.overhead()
	switch {
	case escapes:
		e.refused = importer.ReasonPathEscape
	case mode != 0 && mode != typeRegular && mode != typeFolder:
		e.refused = importer.ReasonLink
	case !openable:
		e.refused = importer.ReasonEncrypted
	case e.method != methodStored && e.method != methodDeflate && e.method != methodBzip2:
		e.refused = importer.ReasonCompression
	case e.header > d.start-localHeader || e.packed > d.start || data < 0 || e.method == methodStored && e.size != data:
		e.refused = importer.ReasonUnreadable
	}
	return e, false
}

// sizes returns what a header declares, from its extra field where it does not fit (4.5.3).
func sizes(h, extra []byte) (packed, size, offset uint64) {
	packed, size, offset = uint64(u32(h[20:])), uint64(u32(h[24:])), uint64(u32(h[42:]))
	long := field(extra, 0x0001)
	for _, v := range []*uint64{&size, &packed, &offset} {
		if *v == math.MaxUint32 && len(long) >= 8 {
			*v, long = u64(long), long[8:]
		}
	}
	return packed, size, offset
}

// field finds an extra field by its id (4.5.1), nil when there is none.
func field(extra []byte, id uint16) []byte {
	for len(extra) >= 4 {
		length := int(u16(extra[2:]))
		if length > len(extra)-4 {
			return nil
		}
		if u16(extra) == id {
			return extra[4 : 4+length]
		}
		extra = extra[4+length:]
	}
	return nil
}
