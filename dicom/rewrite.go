package dicom

import (
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"lotse/dicom/charset"
)

// Rewrite says how an object is copied.
type Rewrite struct {
	// Edits are carried out on the way, wherever their attributes are.
	Edits []Edit
	// Syntax is the transfer syntax to write, "" for the one the object has. What
	// is not compressed can be turned into Implicit or Explicit VR Little Endian.
	Syntax string
	// File asks for preamble and file meta information before the data set: as
	// received when they are right, else made anew.
	File bool
	// KeepTrailing copies bytes behind the last element, too.
	KeepTrailing bool
	// Even pads top-level values of odd length, which PS3.5 §7.1.1 forbids but some
	// files have, so that the data set can go over a network (PS3.8 §9.3.5.1).
	Even bool
}

// Rewritten is what a copy came to. Digests are SHA-256; Pixel is over the value
// of the pixel data (fragments with their headers when encapsulated), Rest over
// all other bytes of the source (the inflated data set when deflated), and
// Digest over Rest followed by Pixel: one pass makes all three.
type Rewritten struct {
	Rest, Pixel, Digest [sha256.Size]byte
	PixelBytes          int64 // length of the pixel data's value
	Read                int64 // bytes of the data set gone through
	Written             int64 // bytes of the data set written, before deflating
	Unused              []Edit
}

// ErrSyntax: the object cannot be turned into the transfer syntax asked for.
var ErrSyntax = errors.New("dicom: no lossless conversion between these transfer syntaxes")

// Rewrite copies the object to w with edits. What no edit concerns is copied byte
// for byte; without edits the data set is copied raw, a deflated stream included.
// Memory is bounded by the threshold and one buffer. Errors of the source are
// *ParseError, others are w's; w then has part of the object.
func (r *Reader) Rewrite(w io.Writer, rw Rewrite) (Rewritten, error) {
	target, err := r.target(rw)
	if err != nil {
		return Rewritten{}, err
	}
	c := &copier{r: r, in: r.scanner.in, out: w, rw: rw, rest: sha256.New(), pixel: sha256.New(),
		edits: ordered(rw.Edits), ctx: &Dataset{opts: &r.opts, enc: r.syntax.encoding(), dirty: true}}
	c.w = encoder{enc: target.encoding()}
	c.anew = c.w.enc != r.syntax.encoding() || r.syntax.BigEndianPixels != target.BigEndianPixels
	c.rest.Write(r.metaRaw)
	if rw.File {
		if len(r.head) == 0 && !r.metaIntact {
			if _, _, err := r.Head(); err != nil {
				return Rewritten{}, err
			}
		}
		if err := c.fileMeta(target); err != nil {
			return Rewritten{}, err
		}
	}
	switch {
	case !r.syntax.Deflated:
		err = c.run()
	case len(rw.Edits) == 0 && !c.anew:
		err = c.copyDeflated(w)
	default:
		err = c.deflate(w)
	}
	if isTruncated(err) {
		r.truncate(c.in.offset())
	}
	return c.result(), err
}

// target checks the conversion asked for.
func (r *Reader) target(rw Rewrite) (Syntax, error) {
	if rw.Syntax == r.syntax.UID || rw.Syntax == "" {
		if r.syntax.UID == "" && rw.File {
			return r.syntax, ErrSyntax // such as Implicit VR Big Endian: nothing names it
		}
		return r.syntax, nil
	}
	s, known := SyntaxOf(rw.Syntax)
	if !known || r.syntax.Encapsulated || s.Encapsulated || s.BigEndian || s.BigEndianPixels || s.Deflated != r.syntax.Deflated {
		return s, ErrSyntax
	}
	return s, nil
}

// copier carries one Rewrite out.
type copier struct {
	r     *Reader
	in    *input
	out   io.Writer
	rw    Rewrite
	w     encoder
	anew  bool   // every element is encoded anew
	buf   []byte // encoded, not yet written
	edits []Edit
	ctx   *Dataset // what nested elements inherit
	rest  hash.Hash
	pixel hash.Hash
	sum   Rewritten
}

func (c *copier) result() Rewritten {
	c.rest.Sum(c.sum.Rest[:0])
	c.pixel.Sum(c.sum.Pixel[:0])
	all := sha256.New()
	all.Write(c.sum.Rest[:])
	all.Write(c.sum.Pixel[:])
	all.Sum(c.sum.Digest[:0])
	c.sum.Read = c.in.offset() - c.r.dataStart
	return c.sum
}

func (c *copier) run() error {
	if err := c.level(c.edits); err != nil {
		return err
	}
	if c.r.truncated {
		return c.r.scanner.truncated()
	}
	if err := c.in.failure(); err != nil {
		return c.r.scanner.truncated()
	}
	return c.finish()
}

// finish deals with what follows the last element.
func (c *copier) finish() error {
	if err := c.flush(); err != nil {
		return err
	}
	if c.r.cut < 0 {
		return nil
	}
	out := c.out
	if !c.rw.KeepTrailing {
		out = io.Discard
	}
	const all = 1 << 62
	n, err := c.in.copyTo(out, c.rest, min(all, c.in.remaining()))
	if c.rw.KeepTrailing {
		c.sum.Written += n
	}
	return err
}

func (c *copier) flush() error {
	if len(c.buf) == 0 {
		return nil
	}
	n, err := c.out.Write(c.buf)
	c.sum.Written += int64(n)
	c.buf = c.buf[:0]
	return err
}

// level copies the elements of the open item, or of the top level.
func (c *copier) level(edits []Edit) error {
	p := &plan{edits: edits}
	if len(c.r.scanner.stack) == 0 {
		p.head = c.r.head
	}
	for {
		end, err := c.one(p)
		if err != nil {
			return err
		}
		if end {
			return c.finishLevel(p)
		}
		if len(c.buf) > 32<<10 {
			if err := c.flush(); err != nil {
				return err
			}
		}
	}
}

// one copies one element with its edits, after the edits of absent ones before it.
func (c *copier) one(p *plan) (end bool, err error) {
	c.in.retain()
	defer c.in.release()
	e, more, err := c.r.small()
	large := errors.Is(err, errLarge)
	switch {
	case large:
		c.in.release()
	case err != nil:
		return false, err
	case !more:
		c.rest.Write(c.in.kept()) // the delimiter of an item
		return true, nil
	default:
		e.raw = c.in.kept()
		c.rest.Write(e.raw)
	}
	for {
		absent := p.before(e.Tag)
		if len(absent) == 0 {
			break
		}
		if err := c.absent(absent); err != nil {
			return false, err
		}
	}
	mine, gone, err := p.take(e.Tag)
	gone = gone || e.Tag.GroupLength() && (c.anew || p.editsGroup(e.Tag.Group()))
	switch {
	case err != nil:
		return false, err
	case large:
		return false, c.large(mine, gone)
	case gone:
		return false, nil
	}
	return false, c.small(e, mine)
}

// finishLevel carries out what is left at the end of a level.
func (c *copier) finishLevel(p *plan) error {
	for {
		absent := p.before(0xFFFFFFFF)
		if len(absent) == 0 {
			return c.absent(p.late)
		}
		if err := c.absent(absent); err != nil {
			return err
		}
	}
}

// absent carries out edits of attributes that the source lacks.
func (c *copier) absent(edits []Edit) error {
	d := &Dataset{enc: c.ctx.enc, parent: c.ctx, opts: c.ctx.opts, dirty: true}
	return c.edited(d, edits)
}

// small writes one element that is in memory.
func (c *copier) small(e Element, edits []Edit) error {
	untouched := len(edits) == 0 && !c.anew
	if c.rw.Even && untouched && e.form == plain && len(e.raw)&1 == 1 {
		e.value, e.made, untouched = e.Bytes(), true, false
	}
	if untouched {
		c.buf = append(c.buf, e.raw...)
		if e.Tag != SpecificCharacterSet && e.Tag != pixelRepresentation {
			return nil
		}
	}
	one := &Dataset{elems: []Element{e}, enc: e.enc, parent: c.ctx, opts: c.ctx.opts, dirty: true}
	if untouched {
		c.learn(one, &one.elems[0])
		return nil
	}
	return c.edited(one, edits)
}

// edited applies edits to d, which holds one element or none, and encodes it.
func (c *copier) edited(d *Dataset, edits []Edit) error {
	c.apply(d, edits)
	for i := range d.elems {
		e := &d.elems[i]
		var err error
		if c.buf, err = c.w.element(c.buf, d, e); err != nil {
			return err
		}
		c.learn(d, e)
	}
	return nil
}

// apply carries edits out on d; what finds nothing to edit is unused.
func (c *copier) apply(d *Dataset, edits []Edit) {
	for _, e := range edits {
		if _, err := d.apply(e.Path, e); err != nil {
			c.unused(e)
		}
	}
}

func (c *copier) unused(edits ...Edit) {
	for _, e := range edits {
		e.Path, e.whole = e.whole, nil
		c.sum.Unused = append(c.sum.Unused, e)
	}
}

// learn takes in what the encoding of later elements depends on.
func (c *copier) learn(d *Dataset, e *Element) {
	switch e.Tag {
	case SpecificCharacterSet:
		c.w.set, _ = charset.Parse(d.rawStrings(e))
		kept := *e
		kept.raw, kept.value, kept.made = nil, append([]byte(nil), e.Bytes()...), true
		c.ctx.put(kept)
	case pixelRepresentation:
		n, _ := d.Int(e.Tag)
		c.w.signed = n == 1
	}
}

// deflate writes the edited data set deflated anew.
func (c *copier) deflate(w io.Writer) error {
	fw, err := flate.NewWriter(w, flate.DefaultCompression)
	if err != nil {
		return fmt.Errorf("dicom: %w", err)
	}
	packed := &evenWriter{w: w}
	fw.Reset(packed)
	c.out = fw
	if err := c.run(); err != nil {
		return err
	}
	if err := fw.Close(); err != nil {
		return err
	}
	return packed.pad()
}

// evenWriter counts, so that a deflated data set can be padded to even length
// (PS3.5 §A.5).
type evenWriter struct {
	w io.Writer
	n int64
}

func (e *evenWriter) Write(p []byte) (int, error) {
	n, err := e.w.Write(p)
	e.n += int64(n)
	return n, err
}

func (e *evenWriter) pad() error {
	if e.n&1 == 0 {
		return nil
	}
	_, err := e.w.Write([]byte{0})
	return err
}

// copyDeflated copies a deflated data set as it is, inflating it beside for the
// digests.
func (c *copier) copyDeflated(w io.Writer) error {
	p := c.r.packed
	if !p.recording {
		return &ParseError{Offset: c.in.offset(), Reason: "the header is larger than allowed", Err: ErrLimit}
	}
	if _, err := w.Write(p.kept); err != nil {
		return err
	}
	p.kept, p.to = nil, w
	c.out = io.Discard
	err := c.run()
	if p.err != nil {
		return p.err
	}
	if err != nil {
		return err
	}
	_, err = c.r.file.copyTo(w, sha256.New(), min(1<<62, c.r.file.remaining()))
	return err
}
