package dicom

import (
	"errors"
	"hash"
	"io"
	"math"
)

// input is the buffered front of a source: it knows its offset, may keep bytes
// it has gone past, and never grows faster than bytes really arrive.
type input struct {
	src  io.Reader // nil when buf is all there is
	buf  []byte
	r, w int   // buf[r:w] is unread
	keep int   // buf[keep:] is retained; -1 when nothing is
	base int64 // offset of buf[0]
	size int64 // of the whole source; -1 when unknown
	err  error // why the source gave no more; io.EOF at its end
}

const inputBuffer = 16 << 10

func (in *input) reset(src io.Reader, size int64) {
	buf := in.buf
	if in.src == nil || cap(buf) < inputBuffer || cap(buf) > 64*inputBuffer {
		buf = make([]byte, inputBuffer)
	}
	*in = input{src: src, buf: buf[:cap(buf)], keep: -1, size: size}
}

// memory makes b the whole source, its first byte at offset base.
func (in *input) memory(b []byte, base int64) {
	*in = input{buf: b, w: len(b), keep: -1, base: base, size: base + int64(len(b)), err: io.EOF}
}

func (in *input) offset() int64 { return in.base + int64(in.r) }

// remaining returns the number of bytes ahead, or MaxInt64 when unknown.
func (in *input) remaining() int64 {
	if in.size < 0 {
		return math.MaxInt64
	}
	return in.size - in.offset()
}

// peek returns the next n bytes without moving, fewer only where the source ends.
func (in *input) peek(n int) []byte {
	if in.w-in.r < n && in.err == nil {
		in.fill(n)
	}
	return in.buf[in.r:min(in.w, in.r+n)]
}

func (in *input) fill(n int) {
	from := in.r
	if in.keep >= 0 {
		from = in.keep
	}
	if from > 0 && in.r+n > len(in.buf) {
		copy(in.buf, in.buf[from:in.w])
		in.base += int64(from)
		in.r -= from
		in.w -= from
		if in.keep >= 0 {
			in.keep = 0
		}
	}
	for in.w-in.r < n && in.err == nil {
		if in.w == len(in.buf) {
			grown := make([]byte, max(2*len(in.buf), inputBuffer))
			copy(grown, in.buf[:in.w])
			in.buf = grown
		}
		m, err := in.src.Read(in.buf[in.w:])
		in.w += m
		in.err = err
	}
}

// advance moves n bytes forward, all of which peek has returned.
func (in *input) advance(n int) { in.r += n }

// retain starts to keep bytes from here on; release ends that.
func (in *input) retain()  { in.keep = in.r }
func (in *input) release() { in.keep = -1 }

// kept returns what has been gone past since retain.
func (in *input) kept() []byte { return in.buf[in.keep:in.r] }

// rewind goes back to a retained offset.
func (in *input) rewind(offset int64) { in.r = int(offset - in.base) }

// skip goes n bytes forward and returns how many there were.
func (in *input) skip(n int64) int64 {
	if buffered := int64(in.w - in.r); n <= buffered {
		in.r += int(n)
		return n
	}
	if in.keep >= 0 {
		return in.skipKeeping(n)
	}
	done := int64(in.w - in.r)
	in.base += int64(in.w)
	in.r, in.w = 0, 0
	if in.err != nil {
		return done
	}
	if s, ok := in.src.(io.Seeker); ok && in.size >= 0 && n-done > inputBuffer {
		jump := min(n-done, in.size-in.base)
		if _, err := s.Seek(jump, io.SeekCurrent); err == nil {
			in.base += jump
			return done + jump
		}
	}
	m, err := io.CopyN(io.Discard, in.src, n-done)
	in.base += m
	if err != nil {
		in.err = err
	}
	return done + m
}

func (in *input) skipKeeping(n int64) int64 {
	for done := int64(0); ; {
		step := int(min(n-done, inputBuffer))
		got := len(in.peek(step))
		in.r += got
		done += int64(got)
		if got < step || done == n {
			return done
		}
	}
}

// copyTo writes the next n bytes to w, shows them to tap, and returns how many
// there were. An error is w's; that the source ended early shows in the count and
// in in.err. A w with ReadFrom is read into directly.
func (in *input) copyTo(w io.Writer, tap hash.Hash, n int64) (int64, error) {
	first := min(int64(in.w-in.r), n)
	if first > 0 {
		b := in.buf[in.r : in.r+int(first)]
		tap.Write(b)
		if _, err := w.Write(b); err != nil {
			return 0, err
		}
	}
	in.r += int(first)
	if first == n || in.err != nil {
		return first, nil
	}
	in.base += int64(in.w)
	in.r, in.w = 0, 0
	src := &sourceReader{in: in, tap: tap, left: n - first}
	m, err := io.Copy(w, src)
	in.base += m
	if err != nil && in.err == nil {
		return first + m, err
	}
	if in.err == nil && m < n-first {
		in.err = io.ErrUnexpectedEOF
	}
	return first + m, nil
}

// sourceReader reads straight from the source, past the buffer, and files the
// source's errors with the input so that they are not taken for the writer's.
type sourceReader struct {
	in   *input
	tap  hash.Hash
	left int64
}

func (s *sourceReader) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > s.left {
		p = p[:s.left]
	}
	n, err := s.in.src.Read(p)
	s.tap.Write(p[:n])
	s.left -= int64(n)
	if err != nil && s.left == 0 { // it comes again, should more be wanted
		return n, nil
	}
	if err != nil {
		s.in.err = err
	}
	return n, err
}

// failure returns the source's own error, nil when it merely ended.
func (in *input) failure() error {
	if in.err == nil || errors.Is(in.err, io.EOF) || errors.Is(in.err, io.ErrUnexpectedEOF) {
		return nil
	}
	return in.err
}
