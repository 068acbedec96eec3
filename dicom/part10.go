package dicom

import (
	"bytes"
	"compress/flate"
	"io"

	"lotse/dicom/dict"
)

// start finds out where the data set begins and how it is encoded: preamble,
// file meta information, transfer syntax, inflating (PS3.10 §7).
func (r *Reader) start() error {
	in := &r.file
	in.retain()
	defer in.release()
	named := r.preamble()
	if err := r.readMeta(); err != nil {
		return err
	}
	uid := r.opts.Syntax
	if r.meta != nil {
		if v := r.meta.String(TransferSyntaxUID); v != "" {
			uid = v
		}
	} else if uid == "" {
		r.note(ProblemNoMeta)
	}
	guess, plausible := guessEncoding(in)
	if !named && r.meta == nil && r.opts.Syntax == "" && !plausible {
		return &ParseError{Reason: "no preamble, no file meta information and no data set at the start", Err: ErrNotDICOM}
	}
	r.chooseSyntax(uid, guess, plausible)
	r.metaRaw = append(r.metaRaw[:0], in.kept()...)
	r.metaIntact = named && len(r.problems.list) == 0
	r.scanner = scanner{in: in, opts: &r.opts, enc: r.syntax.encoding(), problems: &r.problems, stack: r.scanner.stack[:0]}
	if r.syntax.Deflated {
		r.inflate()
	}
	r.dataStart = r.scanner.in.offset()
	return nil
}

// preamble goes past the preamble and the prefix, and reports whether the prefix
// was there.
func (r *Reader) preamble() bool {
	b := r.file.peek(132)
	switch {
	case len(b) == 132 && string(b[128:]) == "DICM":
		if executable(b) {
			r.note(ProblemUnusualPreamble)
		}
		r.file.advance(132)
	case len(b) >= 4 && string(b[:4]) == "DICM":
		r.note(ProblemNoPreamble)
		r.file.advance(4)
	default:
		r.note(ProblemNoPreamble)
		return false
	}
	return true
}

// executable reports whether a preamble makes the file a program as well
// (CVE-2019-11687).
func executable(preamble []byte) bool {
	for _, magic := range []string{"MZ", "\x7fELF", "#!", "\xfe\xed\xfa\xce", "\xfe\xed\xfa\xcf", "\xcf\xfa\xed\xfe", "\xca\xfe\xba\xbe"} {
		if bytes.HasPrefix(preamble, []byte(magic)) {
			return true
		}
	}
	return false
}

// readMeta gathers the elements of group 0002, which are Explicit VR Little
// Endian whatever follows; their group, not their length, says where they end.
func (r *Reader) readMeta() error {
	in := &r.file
	enc := explicitLE
	if b := in.peek(8); len(b) == 8 && b[0] == 0 && b[1] == 2 {
		enc = explicitBE
	}
	s := scanner{in: in, opts: &r.opts, enc: enc, problems: &problems{}}
	from := in.offset()
	var elems []Element
	for {
		b := in.peek(8)
		if len(b) < 8 || enc.order().Uint16(b) != 2 {
			break
		}
		start := in.offset()
		h, err := s.next()
		if err != nil {
			return err
		}
		if h.kind != leaf || h.length > r.opts.MaxHeader {
			return s.malformed("the file meta information has an element that cannot be one")
		}
		e := Element{Tag: h.tag, VR: h.vr, enc: h.enc, hlen: uint8(h.hlen), offset: start - from}
		if err := pass(&s, h, &e); err != nil {
			return err
		}
		e.length = in.offset() - start
		elems = append(elems, e)
	}
	if len(elems) == 0 {
		return nil
	}
	if len(s.problems.list) > 0 {
		r.note(ProblemImplicitMeta)
	}
	raw := bytes.Clone(in.buf[from-in.base : in.r])
	slice(elems, raw)
	r.meta = &Dataset{elems: elems, enc: enc, opts: &r.opts, dirty: true}
	r.checkMetaLength(int64(len(raw)))
	return nil
}

func (r *Reader) checkMetaLength(size int64) {
	e := r.meta.Get(0x00020000)
	if e == nil {
		return
	}
	if n, ok := r.meta.Int(e.Tag); !ok || int64(n) != size-int64(len(e.raw)) {
		r.note(ProblemMetaLength)
	}
}

// slice turns offsets into raw, gathered while the buffer could still move, into
// slices of it.
func slice(elems []Element, raw []byte) {
	for i := range elems {
		e := &elems[i]
		e.raw = raw[e.offset : e.offset+e.length : e.offset+e.length]
		e.offset, e.length = 0, 0
	}
}

// chooseSyntax settles between what is declared and what the first element shows.
func (r *Reader) chooseSyntax(uid string, guess encoding, plausible bool) {
	if uid == "" {
		r.note(ProblemSyntaxMissing)
		r.syntax = syntaxFor(guess)
		return
	}
	s, known := SyntaxOf(uid)
	if !known {
		r.note(ProblemSyntaxUnknown)
	}
	declared := s.encoding()
	switch {
	case !plausible:
	case s.Deflated && guess == explicitLE:
		s = Syntax{UID: uid, Explicit: true}
		r.note(ProblemSyntaxWrong)
	case s.Deflated:
	case guess.big != declared.big, guess.explicit && !declared.explicit:
		s.Explicit, s.BigEndian = guess.explicit, guess.big
		r.note(ProblemSyntaxWrong)
	}
	r.syntax = s
}

func syntaxFor(e encoding) Syntax {
	uid := ImplicitVRLittleEndian
	switch e {
	case explicitLE:
		uid = ExplicitVRLittleEndian
	case explicitBE:
		uid = ExplicitVRBigEndian
	case implicitBE:
		return Syntax{BigEndian: true}
	}
	s, _ := SyntaxOf(uid)
	return s
}

// guessEncoding judges the first elements ahead. ok is false when nothing there
// looks like a data set.
func guessEncoding(in *input) (enc encoding, ok bool) {
	b := in.peek(4096)
	for _, enc := range []encoding{explicitLE, explicitBE, implicitLE, implicitBE} {
		if plausibleStart(b, enc, in.remaining()) {
			return enc, true
		}
	}
	return implicitLE, false
}

// plausibleStart reports whether b begins with an element of enc with a tag of
// the dictionary in one of the low groups, and goes on with a higher one.
func plausibleStart(b []byte, enc encoding, remaining int64) bool {
	last := Tag(0)
	for n := 0; n < 3; n++ {
		if len(b) < 8 {
			return n > 0 && len(b) == 0 || n > 1
		}
		t := tagAt(b, enc)
		if _, known := dict.Lookup(uint32(t)); !known && !t.Private() || n == 0 && (t.Group() == 0 || t.Group() > 0x20) || t <= last {
			return false
		}
		last = t
		header, length := 8, int64(enc.order().Uint32(b[4:]))
		if enc.explicit {
			vr := vrAt(b)
			if !vr.Known() {
				return false
			}
			length = int64(enc.order().Uint16(b[6:]))
			if vr.longForm() {
				if len(b) < 12 {
					return false
				}
				header, length = 12, int64(enc.order().Uint32(b[8:]))
			}
		}
		if length == 0xFFFFFFFF {
			return n > 0 || enc.explicit
		}
		if length > remaining || n == 0 && length > 1<<16 {
			return enc.explicit
		}
		if int64(header)+length > int64(len(b)) {
			return n > 0 || enc.explicit
		}
		b = b[int64(header)+length:]
	}
	return true
}

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
