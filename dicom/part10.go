package dicom

import "bytes"

// start finds out where the data set begins and how it is encoded: preamble,
// file meta information, transfer syntax, inflating (PS3.10 §7).
func (r *Reader) start() error {
	in := &r.file
	in.retain()
	defer in.release()
	named := r.preamble()
	if named || r.opts.Syntax == "" && plausibleMeta(in.peek(peekAhead)) {
		r.readMeta()
	}
	uid := r.opts.Syntax
	if r.meta != nil {
		if v := r.meta.String(TransferSyntaxUID); v != "" {
			uid = v
		}
	} else if uid == "" {
		r.note(ProblemNoMeta)
	}
	guess, plausible := guessEncoding(in.peek(peekAhead), in.remaining())
	if !named && r.meta == nil && r.opts.Syntax == "" && !plausible {
		if err := in.failure(); err != nil {
			return r.fileError("the source cannot be read", err)
		}
		return r.fileError("no preamble, no file meta information and no data set at the start", ErrNotDICOM)
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

func (r *Reader) fileError(reason string, err error) error {
	return &ParseError{Offset: r.file.offset(), Reason: reason, Err: err}
}

// preamble goes past the preamble and the prefix, and reports whether the prefix
// was there. Where it is not, it goes to where a data set seems to begin.
func (r *Reader) preamble() bool {
	b := r.file.peek(132)
	switch {
	case len(b) == 132 && string(b[128:]) == "DICM":
		if executable(b) {
			r.note(ProblemUnusualPreamble)
		}
		r.file.advance(132)
		return true
	case len(b) >= 4 && string(b[:4]) == "DICM":
		r.note(ProblemNoPreamble)
		r.file.advance(4)
		return true
	}
	if r.opts.Syntax == "" {
		r.note(ProblemNoPreamble)
		r.file.advance(firstElement(r.file.peek(peekAhead), r.file.remaining()))
	}
	return false
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
func (r *Reader) readMeta() {
	in := &r.file
	enc := explicitLE
	if b := in.peek(4); len(b) == 4 && b[0] == 0 && b[1] == 2 {
		enc = explicitBE
	}
	s := scanner{in: in, opts: &r.opts, enc: enc, problems: &problems{}}
	from := in.offset()
	var elems []Element
	for {
		b := in.peek(4)
		if len(b) < 2 || enc.order().Uint16(b) != 2 {
			break
		}
		start := in.offset()
		h, err := s.next()
		e := Element{Tag: h.tag, VR: h.vr, enc: h.enc, hlen: uint8(h.hlen), offset: start - from}
		if err == nil && h.length <= r.opts.MaxHeader {
			err = pass(&s, h, &e)
		} else if err == nil {
			err = s.truncated()
		}
		if err != nil {
			r.truncate(start)
			break
		}
		e.length = in.offset() - start
		elems = append(elems, e)
	}
	if len(elems) == 0 {
		return
	}
	if len(s.problems.list) > 0 {
		r.note(ProblemImplicitMeta)
	}
	raw := bytes.Clone(in.buf[from-in.base : in.r])
	slice(elems, raw)
	r.meta = &Dataset{elems: elems, enc: enc, opts: &r.opts, dirty: true}
	r.checkMetaLength(int64(len(raw)))
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
