package adjust

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"lotse/dicom"
	"lotse/dicom/charset"
	"lotse/internal/importer"
)

const utf8Term = "ISO_IR 192"

// transcoding is what happens to the character set of the object.
type transcoding struct {
	active bool        // all text moves to ISO_IR 192
	proper bool        // all of it was valid in the declared set
	from   charset.Set // what the bytes are in
}

// chooseText keeps the declared character set when it holds all new text.
// Otherwise all text of the object moves to ISO_IR 192.
func (w *work) chooseText() error {
	if w.holds(w.texts) && w.holds(w.p.house.texts) {
		return nil
	}
	w.text = transcoding{active: true}
	w.text.from, w.text.proper = w.judge()
	edits, lost := w.head.TranscodeEdits(w.text.from, utf8Term)
	if w.seen != nil {
		more, opaque, err := w.seen.transcode(w.text.from)
		if err != nil {
			return err
		}
		edits, lost = append(edits, more...), append(lost, opaque...)
	}
	if n := len(lost); n > 0 {
		w.finding(importer.FindingTextUnconverted, importer.Warning, n, lost[0].String())
	}
	w.edits = append(edits, w.edits...) // those of the decision come last, and win
	w.reread()
	l := named(tagCharset)
	w.change(&l, w.head.Get(tagCharset), utf8Term, importer.Valued)
	if w.text.proper {
		w.record(tagCharset)
	}
	return nil
}

func (w *work) holds(texts []string) bool {
	for _, t := range texts {
		if !w.set.CanHold(t) || !plain(t) && w.misspelt() {
			return false
		}
	}
	return true
}

// misspelt reports a declared character set that is understood here, such as
// "ISO-IR 100", but need not be elsewhere.
func (w *work) misspelt() bool {
	declared := w.head.Strings(tagCharset)
	return len(declared) > 0 && !slices.Equal(declared, w.set.Terms())
}

// judge finds out whether the text is what it is declared to be. Text that is
// not is read as UTF-8 where it is valid UTF-8, else as ISO_IR 100. Under a
// declared ISO_IR 100 every byte is valid, so there the text is taken for UTF-8
// when all of it could be.
func (w *work) judge() (from charset.Set, proper bool) {
	j := judgement{set: w.set, valid: true, utf8: true}
	j.dataset(w.head)
	if w.seen != nil && w.seen.started {
		j.add(w.seen.judged)
	}
	unicode, _ := charset.Parse([]string{utf8Term})
	if j.wide && j.utf8 && (isLatin1(w.set) || !j.valid) {
		return unicode, false
	}
	return w.set, j.valid && !w.misspelt()
}

func isLatin1(set charset.Set) bool { return strings.Join(set.Terms(), `\`) == "ISO_IR 100" }

// judgement is what text turned out to be.
type judgement struct {
	set   charset.Set
	valid bool // all of it in the declared set
	utf8  bool // all of it UTF-8
	wide  bool // some of it has bytes beyond ASCII
}

func (j *judgement) add(other judgement) {
	j.valid = j.valid && other.valid
	j.utf8 = j.utf8 && other.utf8
	j.wide = j.wide || other.wide
}

// dataset looks at all text in the character set that is in force at the top.
func (j *judgement) dataset(ds *dicom.Dataset) {
	for e := range ds.All() {
		if e.IsSequence() && !e.Large() {
			list := *e
			for _, item := range ds.ItemsOf(&list) {
				if !item.Has(tagCharset) {
					j.dataset(item)
				}
			}
			continue
		}
		j.element(e)
	}
}

func (j *judgement) element(e *dicom.Element) {
	kind, ok := e.VR.Text()
	if !ok || e.Large() || e.IsSequence() {
		return
	}
	b := e.Bytes()
	if ascii(b) {
		return
	}
	j.valid = j.valid && j.set.Valid(kind, b)
	j.utf8 = j.utf8 && utf8.Valid(b) && bytes.IndexByte(b, 0x1B) < 0
	j.wide = true
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= 0x80 || c == 0x1B {
			return false
		}
	}
	return true
}

// carry returns the value of old under another tag, padding taken off: its bytes
// where the character set stays, else its text.
func (w *work) carry(old *dicom.Element, t dicom.Tag) dicom.Element {
	vr, _ := describe(t)
	raw := bytes.TrimRight(old.Bytes(), " \x00")
	if !w.text.active || ascii(raw) {
		return dicom.NewBytes(t, vr, raw)
	}
	kind, _ := vr.Text()
	decoded, _ := w.text.from.Decode(kind, raw)
	return text(t, decoded)
}

// reread shows people the previous values in the set they really are in.
func (w *work) reread() {
	if w.text.from == w.set || !isLatin1(w.set) {
		return
	}
	for i := range w.out.Changes {
		c := &w.out.Changes[i]
		if b, err := w.set.Encode(c.Old); err == nil {
			if old, ok := w.text.from.Decode(charset.Text, b); ok {
				c.Old = old
			}
		}
	}
}
