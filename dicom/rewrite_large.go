package dicom

import "hash"

// large copies an element above the threshold, which the input stands before;
// nothing of it when it is gone.
func (c *copier) large(edits []Edit, gone bool) error {
	s := &c.r.scanner
	top := len(s.stack) == 0
	h, err := s.next()
	if err != nil {
		return err
	}
	if top {
		defer c.r.order(h.tag)
	}
	c.rest.Write(h.head[:h.hlen])
	if gone || replaces(edits) {
		if err := c.drop(h); err != nil {
			return err
		}
		return c.absent(edits)
	}
	switch {
	case h.kind == sequenceStart && (len(edits) > 0 || c.anew):
		return c.sequence(h, edits)
	case h.kind == sequenceStart:
		return c.raw(h, c.rest)
	}
	c.unused(edits...)
	if c.rw.Even && top && h.kind == leaf && h.length&1 == 1 {
		return c.padded(h)
	}
	if !c.anew {
		return c.raw(h, c.tap(h, top))
	}
	if h.kind == fragmentsStart {
		return ErrSyntax
	}
	e := Element{Tag: h.tag, VR: h.vr, enc: h.enc}
	c.buf = c.w.header(c.buf, h.tag, c.w.resolve(&e), h.length)
	return c.turned(h, c.tap(h, top))
}

// padded copies a large value of odd length and makes it even. The padding is not
// in the digest.
func (c *copier) padded(h token) error {
	e := Element{Tag: h.tag, VR: h.vr, enc: h.enc}
	vr := c.w.resolve(&e)
	c.buf = c.w.header(c.buf, h.tag, vr, h.length+1)
	if err := c.turned(h, c.tap(h, true)); err != nil {
		return err
	}
	c.buf = append(c.buf, vr.padding())
	return nil
}

// turned copies the value of h in the byte order to write.
func (c *copier) turned(h token, tap hash.Hash) error {
	unit := 1
	switch {
	case h.enc.big != c.w.enc.big:
		unit = h.vr.unit()
	case c.r.syntax.BigEndianPixels && h.tag.IsPixelData():
		unit = OW.unit()
	}
	if unit == 1 {
		return c.value(h.length, tap)
	}
	return c.r.scanner.eachChunk(h.length, func(b []byte) error {
		c.buf = append(c.buf, b...)
		swap(c.buf[len(c.buf)-len(b):], unit)
		tap.Write(b)
		if tap == c.pixel {
			c.sum.PixelBytes += int64(len(b))
		}
		return c.flush()
	})
}

func (c *copier) tap(h token, top bool) hash.Hash {
	if top && h.tag.IsPixelData() {
		return c.pixel
	}
	return c.rest
}

// replaces reports whether the edits of an attribute leave nothing of its value.
func replaces(edits []Edit) bool {
	for _, e := range edits {
		if len(e.Path) == 1 && e.Op != Append {
			return true
		}
	}
	return false
}

// value copies the next n bytes.
func (c *copier) value(n int64, tap hash.Hash) error {
	if err := c.flush(); err != nil {
		return err
	}
	c.r.scanner.left = 0
	got, err := c.in.copyTo(c.out, tap, n)
	c.sum.Written += got
	if tap == c.pixel {
		c.sum.PixelBytes += got
	}
	if err != nil {
		return err
	}
	if got < n {
		return c.r.scanner.truncated()
	}
	return nil
}

// raw copies the element h began as it is. Small pieces gather in the buffer.
func (c *copier) raw(h token, tap hash.Hash) error {
	s := &c.r.scanner
	c.buf = append(c.buf, h.head[:h.hlen]...)
	if h.kind == leaf {
		return c.value(h.length, tap)
	}
	depth := len(s.stack)
	for {
		t, err := s.next()
		if err != nil {
			return err
		}
		done := len(s.stack) < depth
		to := tap
		if done {
			to = c.rest
		}
		c.piece(t.head[:t.hlen], to)
		if done {
			return nil
		}
		if t.kind == leaf || t.kind == fragment || t.kind == junk {
			if err := c.rawValue(t.length, tap); err != nil {
				return err
			}
		}
	}
}

func (c *copier) piece(b []byte, tap hash.Hash) {
	tap.Write(b)
	c.buf = append(c.buf, b...)
	if tap == c.pixel {
		c.sum.PixelBytes += int64(len(b))
	}
}

func (c *copier) rawValue(n int64, tap hash.Hash) error {
	if n > 4<<10 || len(c.buf) > 32<<10 {
		return c.value(n, tap)
	}
	b := c.in.peek(int(n))
	if int64(len(b)) < n {
		return c.r.scanner.truncated()
	}
	c.piece(b, tap)
	c.in.advance(int(n))
	c.r.scanner.left = 0
	return nil
}

// drop goes past the element h began, for the digest only.
func (c *copier) drop(h token) error {
	buf, out, written := c.buf, c.out, c.sum.Written
	c.buf, c.out = nil, discard{}
	err := c.raw(h, c.rest)
	c.buf, c.out, c.sum.Written = buf, out, written
	return err
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// items copies the items of a sequence, takes the edits in them out of inside,
// and returns how many there were.
func (c *copier) items(inside map[int][]Edit) (count int, err error) {
	for {
		c.in.retain()
		t, err := c.r.scanner.next()
		switch {
		case err != nil:
			return count, err
		case t.kind == sequenceEnd:
			c.rest.Write(t.head[:t.hlen])
			c.in.release()
			return count, nil
		case t.kind == junk:
			c.in.release()
			c.rest.Write(t.head[:t.hlen])
			t.kind = leaf
			err = c.drop(t)
		default:
			err = c.item(t, inside[count])
			delete(inside, count)
			count++
		}
		if err != nil {
			return count, err
		}
	}
}

// sequence copies a large sequence with edits inside it, or encoded anew, item by
// item.
func (c *copier) sequence(h token, edits []Edit) error {
	outer := c.w
	vr := SQ
	if h.vr == UN {
		vr = UN
	}
	c.buf = outer.header(c.buf, h.tag, vr, undefined)
	if h.vr == UN {
		c.w.enc = implicitLE
	}
	inside := byItem(edits)
	count, err := c.items(inside)
	if err != nil {
		return err
	}
	for _, e := range edits {
		if len(e.Path) == 1 && e.Op == Append {
			item := e.Item.clone(c.ctx)
			c.apply(item, inside[count])
			delete(inside, count)
			count++
			if c.buf, err = c.w.item(c.buf, item); err != nil {
				return err
			}
		}
	}
	for _, unused := range inside {
		c.unused(unused...)
	}
	c.buf = c.w.delimiter(c.buf, sequenceDelimitation)
	c.w.enc = outer.enc
	return nil
}

// item copies one item, whose header is the last thing the input retains.
func (c *copier) item(t token, edits []Edit) error {
	s, in := &c.r.scanner, c.in
	depth, body := len(s.stack), in.offset()
	for len(s.stack) >= depth {
		if _, err := s.next(); err != nil {
			return err
		}
		if in.offset()-body+s.left > c.r.opts.Threshold {
			in.rewind(body)
			s.left, s.stack = 0, s.stack[:depth]
			in.release()
			return c.largeItem(t, edits)
		}
	}
	raw := in.kept()
	in.release()
	c.rest.Write(raw)
	if len(edits) == 0 && c.w.enc == t.enc {
		c.buf = append(c.buf, raw...)
		return nil
	}
	item := c.ctx.parseItem(raw, t.enc)
	c.apply(item, edits)
	b, err := c.w.item(c.buf, item)
	if err != nil {
		return err
	}
	c.buf = b
	return nil
}

// largeItem copies an item above the threshold element by element; with edits
// inside, or encoded anew, it gets undefined length.
func (c *copier) largeItem(t token, edits []Edit) error {
	c.rest.Write(t.head[:t.hlen])
	if len(edits) == 0 && c.w.enc == t.enc {
		t.kind = itemStart
		return c.raw(t, c.rest)
	}
	c.buf = c.w.header(c.buf, itemTag, 0, undefined)
	set, ctx := c.w.set, c.ctx
	c.ctx = &Dataset{enc: t.enc, parent: ctx, opts: ctx.opts, dirty: true}
	err := c.level(ordered(edits))
	c.w.set, c.ctx = set, ctx
	c.buf = c.w.delimiter(c.buf, itemDelimitation)
	return err
}

// parseItem reads one item, header included, from memory.
func (d *Dataset) parseItem(raw []byte, enc encoding) *Dataset {
	var in input
	in.memory(raw, 0)
	s := scanner{in: &in, opts: d.limits(), enc: enc, problems: &problems{},
		stack: []frame{{kind: sequenceStart, end: undefined, enc: enc, limit: undefined}}}
	t, err := s.next()
	if err != nil || t.kind != itemStart {
		return &Dataset{enc: enc, parent: d, opts: d.opts, dirty: true}
	}
	return d.readItem(&s, t, raw)
}
