package dicom

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

// PrintOptions says how Print shows an object.
type PrintOptions struct {
	// Width is the greatest number of characters of a value; default 64.
	Width int
	// Meta shows the file meta information, too.
	Meta bool
}

// Print writes what is left of an object for people: one line for each element
// with tag, VR, value and keyword, items indented. Text is decoded, long values
// are shortened, control characters and such as reverse the line are replaced by
// visible ones. Of a truncated object everything complete is shown, and that it
// is. Errors of the source are *ParseError, others are w's.
func Print(w io.Writer, r *Reader, opts PrintOptions) error {
	if opts.Width <= 0 {
		opts.Width = 64
	}
	p := &printer{w: bufio.NewWriter(w), s: &r.scanner, width: opts.Width}
	if opts.Meta && r.meta != nil {
		for e := range r.meta.All() {
			p.line(e.Tag, e.VR, p.value(&level{}, e.VR, e.enc, e.Bytes(), e.Len()), p.name(&level{}, e.Tag))
		}
	}
	err := (&walk{r: r, v: p}).run()
	if r.truncated {
		_, _ = p.w.WriteString("-- the file ends here, in the middle of an element\n")
	}
	if flushed := p.w.Flush(); err == nil {
		err = flushed
	}
	return err
}

// printer is the visitor that writes lines.
type printer struct {
	w     *bufio.Writer
	s     *scanner
	width int
	depth int
}

func (p *printer) indent() {
	for range p.depth {
		_, _ = p.w.WriteString("  ")
	}
}

func (p *printer) line(t Tag, vr VR, value, name string) {
	p.indent()
	shown := "??"
	if vr.letters() {
		shown = vr.String()
	}
	_, _ = fmt.Fprintf(p.w, "%s %s", t, shown)
	if value != "" {
		_, _ = fmt.Fprintf(p.w, " %s", value)
	}
	if name != "" {
		_, _ = fmt.Fprintf(p.w, "  # %s", name)
	}
	_ = p.w.WriteByte('\n')
}

// name returns the keyword of t, for private attributes who made them.
func (p *printer) name(l *level, t Tag) string {
	if k := t.Keyword(); k != "" {
		return k
	}
	switch {
	case t.PrivateCreator():
		return "private creator"
	case t.Private() && l.owner(t) != "":
		return "private, " + visible(l.owner(t), p.width)
	case t.Private():
		return "private"
	}
	return ""
}

func (p *printer) leaf(l *level, h token) error {
	b := p.s.in.peek(int(min(h.length, int64(8*p.width))))
	vr := h.vr
	if vr != SQ {
		vr = l.valueVR(h.tag, h.vr, h.enc.explicit)
	}
	shown := h.vr
	if vr == SS {
		shown = vr
	}
	p.line(h.tag, shown, p.value(l, vr, h.enc, b, h.length), p.name(l, h.tag))
	_, err := p.w.Write(nil)
	return err
}

// value shows a value of the given length, of which b is the beginning.
func (p *printer) value(l *level, vr VR, enc encoding, b []byte, length int64) string {
	whole := int64(len(b)) == length
	switch {
	case length == 0:
		return "(empty)"
	case vr.Characters():
		text := strings.Join(decodeTexts(l.set, vr, b), "\\")
		if !whole {
			text = strings.TrimRight(text, "\uFFFD") + "…"
		}
		return "[" + visible(text, p.width) + "]"
	case numeric(vr):
		text := strings.Join(numberStrings(vr, b, enc), "\\")
		if len(text) > p.width || !whole {
			text = text[:min(len(text), p.width)] + "…"
		}
		return text
	}
	const shown = 16
	text := fmt.Sprintf("% X", b[:min(len(b), shown)])
	if length > shown {
		text += fmt.Sprintf(" … (%d bytes)", length)
	}
	return text
}

func (p *printer) fragments(l *level, h token) error {
	count, size := 0, int64(0)
	for {
		t, err := p.s.next()
		if err != nil || t.kind == fragmentsEnd {
			p.line(h.tag, h.vr, fmt.Sprintf("(%d fragments, %d bytes)", count, size), p.name(l, h.tag))
			return err
		}
		count++
		size += t.length
	}
}

func (p *printer) begin(l *level, h token) error {
	p.line(h.tag, SQ, "", p.name(l, h.tag))
	p.depth++
	return nil
}

func (p *printer) end() error {
	p.depth--
	return nil
}

func (p *printer) item(index int) error {
	p.indent()
	_, err := fmt.Fprintf(p.w, "item %d\n", index+1)
	p.depth++
	return err
}

func (p *printer) itemEnd() error {
	p.depth--
	return nil
}

// visible shortens s to width characters and replaces what a terminal would act
// upon: control characters by their pictures, the invisible by U+FFFD.
func visible(s string, width int) string {
	var b strings.Builder
	n := 0
	for _, c := range s {
		if n == width {
			b.WriteRune('…')
			break
		}
		n++
		switch {
		case c < 0x20:
			c += 0x2400
		case c == 0x7F:
			c = 0x2421
		case c != ' ' && !unicode.IsPrint(c):
			c = utf8.RuneError
		}
		b.WriteRune(c)
	}
	return b.String()
}
