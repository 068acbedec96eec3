package dicom

import (
	"compress/flate"
	"io"
)

// inflate puts an inflater between the file and the scanner (PS3.5 §A.5). What
// the inflater takes is recorded, so that an unedited stream can be copied.
func (r *Reader) inflate() {
	r.packed = &recorder{in: &r.file, recording: true, limit: r.opts.MaxHeader}
	if b := r.file.peek(2); len(b) == 2 && b[0] == 0x78 && (uint(b[0])<<8|uint(b[1]))%31 == 0 {
		_, _ = r.packed.ReadByte()
		_, _ = r.packed.ReadByte()
	}
	r.data.reset(flate.NewReader(r.packed), -1)
	r.scanner.in = &r.data
}

// recorder hands the inflater exactly the bytes it asks for and keeps them until
// they are wanted elsewhere.
type recorder struct {
	in        *input
	recording bool
	limit     int64
	kept      []byte
	to        io.Writer // once set, bytes go there instead
	err       error
}

func (p *recorder) take(b []byte) {
	switch {
	case p.to != nil:
		if _, err := p.to.Write(b); err != nil && p.err == nil {
			p.err = err
		}
	case p.recording && int64(len(p.kept)) < p.limit:
		p.kept = append(p.kept, b...)
	default:
		p.recording, p.kept = false, nil
	}
}

func (p *recorder) ReadByte() (byte, error) {
	b := p.in.peek(1)
	if len(b) == 0 {
		if err := p.in.failure(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	c := b[0]
	p.in.advance(1)
	p.take([]byte{c})
	return c, nil
}

func (p *recorder) Read(dst []byte) (int, error) {
	b := p.in.peek(min(len(dst), inputBuffer))
	if len(b) == 0 && len(dst) > 0 {
		if err := p.in.failure(); err != nil {
			return 0, err
		}
		return 0, io.EOF
	}
	n := copy(dst, b)
	p.in.advance(n)
	p.take(dst[:n])
	return n, nil
}
