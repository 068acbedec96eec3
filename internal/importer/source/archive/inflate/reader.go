// Package inflate decompresses DEFLATE streams (RFC 1951), as the entries of ZIP
// files are, quickly: most of the time of an import goes into inflating images. It
// does nothing else; checksums and declared sizes are the caller's to judge.
//
// Two decoders share the tables. The fast one runs while many input bytes are at
// hand: it takes 56 bits at once and up to two literals per table entry. The careful
// one takes a symbol at a time, at the edges of the input and of blocks, and leaves it
// untaken where its bits are not all there yet.
package inflate

import (
	"fmt"
	"io"
)

// DefaultSize is the input buffer of New, in bytes.
const DefaultSize = 64 << 10

const (
	minSize    = 64       // of the input buffer
	firstRead  = 16 << 10 // of a stream; often only the header of a file is wanted
	emptyReads = 100      // that a source may answer one after the other

	history    = 32 << 10 // how far a match may reach back
	windowSize = 128 << 10
	// slack is the room behind the limit of a decoder: a match that begins before
	// the limit ends there, with the up to 7 bytes that moving words writes beyond it.
	slack = maxLength + 14
	// chunk is how much is decoded at the least before it is given out.
	chunk = 4 << 10
)

// CorruptError says that a stream is not DEFLATE; its value is about how many bytes
// of input came before.
type CorruptError int64

func (e CorruptError) Error() string {
	return fmt.Sprintf("inflate: corrupt stream at byte %d", int64(e))
}

// block is what the next bits of the stream belong to.
type block uint8

const (
	between block = iota // a block's header comes next
	stored
	coded
	done // the final block has ended
)

// Reader inflates what it reads from a source. It may read beyond the end of the
// stream. Use New or NewSize; it is for one goroutine at a time.
type Reader struct {
	src  io.Reader
	warm bool  // the source has been read
	last error // of the source, when what came before it is used up
	err  error // of the stream, when what came before it is given out

	in       []byte // the buffer; in[pos:end] is input not yet taken
	pos, end int
	before   int64 // bytes of input before in[0]

	bits  uint64 // input taken, next bit lowest; no others are set above count
	count uint   // of bits, below 64

	block  block
	final  bool
	length int // left of a stored block

	codes   *tables // of a coded block
	dynamic tables
	fixed   *tables // made when first wanted

	// window[:to] has been decoded, the last of it is the history; [from:to] is to
	// be given out.
	window   *[windowSize]byte
	from, to int
}

// New returns a Reader of the stream that r holds. Nothing is read yet.
func New(r io.Reader) *Reader { return NewSize(r, DefaultSize) }

// NewSize is New with an input buffer of so many bytes, 64 at the least.
func NewSize(r io.Reader, size int) *Reader {
	return &Reader{src: r, in: make([]byte, max(size, minSize)), window: new([windowSize]byte)}
}

// Reset begins with another stream and keeps the buffers; nil lets go of the source.
func (z *Reader) Reset(r io.Reader) {
	z.src, z.warm, z.last, z.err = r, false, nil, nil
	z.pos, z.end, z.before = 0, 0, 0
	z.bits, z.count = 0, 0
	z.block, z.final, z.length = between, false, 0
	z.codes = nil
	z.from, z.to = 0, 0
}

// Read gives what there is as soon as there is some, and everything that was decoded
// before an error. Errors are io.EOF behind the final block, io.ErrUnexpectedEOF where
// the input ends before it, a CorruptError, or what the source said.
func (z *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if z.from == z.to && z.err == nil {
		z.decode(len(p))
	}
	n := copy(p, z.window[z.from:z.to])
	z.from += n
	if z.from == z.to {
		return n, z.err
	}
	return n, nil
}

// decode decodes until there is something to give out, about want bytes if the input
// is at hand, or an error.
func (z *Reader) decode(want int) {
	if z.to > windowSize-slack-chunk {
		z.slide()
	}
	limit := min(z.to+max(want, chunk), windowSize-slack)
	for z.err == nil && z.to < limit {
		dry := false // all input at hand is taken, and more is wanted
		switch z.block {
		case between:
			if z.from < z.to && z.end-z.pos < maxHeader && !z.final {
				return // rather than wait for input
			}
			z.err = z.header()
		case stored:
			dry = z.copyStored(limit)
		case coded:
			if z.end-z.pos >= fastInput {
				z.fast(limit)
			}
			if z.err == nil && z.to < limit {
				dry = z.careful(limit)
			}
		case done:
			z.err = io.EOF
		}
		if dry && z.from < z.to {
			return
		}
		if dry {
			z.err = z.fill()
		}
	}
}

// slide keeps the history.
func (z *Reader) slide() {
	copy(z.window[:history], z.window[z.to-history:z.to])
	z.from, z.to = history, history
}

// fill reads more input once all of it is taken.
func (z *Reader) fill() error {
	if z.last != nil {
		return z.last
	}
	z.before += int64(z.end)
	z.pos, z.end = 0, 0
	p := z.in
	if !z.warm {
		z.warm, p = true, p[:min(len(p), firstRead)]
	}
	for range emptyReads {
		n, err := z.src.Read(p)
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		z.last, z.end = err, n
		switch {
		case n > 0:
			return nil
		case err != nil:
			return err
		}
	}
	return io.ErrNoProgress
}

// corrupt says where.
func (z *Reader) corrupt() error {
	return CorruptError(z.before + int64(z.pos) - int64(z.count/8))
}
