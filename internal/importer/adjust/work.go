package adjust

import (
	"slices"
	"strings"

	"lotse/dicom"
	"lotse/dicom/charset"
	"lotse/internal/importer"
)

// work is the planning of one instance.
type work struct {
	p    *Planner
	head *dicom.Dataset
	seen *Visit
	set  charset.Set // as declared

	disorder bool // some attribute may be there twice
	edits    []dicom.Edit
	old      []dicom.Element // top-level attributes as they were
	added    []dicom.Tag     // edited attributes that were absent
	texts    []string        // new text beyond ASCII
	keepID   bool            // the foreign ID goes among the Other Patient IDs
	foreign  foreignID
	text     transcoding
	out      importer.Adjustment
}

// decide applies the rules: what becomes different, regardless of character sets
// and traces.
func (w *work) decide() error {
	w.survey()
	if w.p.setsID {
		w.keepForeignID()
		w.emptyQualifiers()
	}
	for i := range w.p.local {
		w.put(&w.p.local[i])
	}
	return w.order()
}

// finish adds the character set, traces and signatures to decisions already made.
func (w *work) finish() error {
	if w.keepID {
		w.record(tagOtherPatientIDs)
	}
	if err := w.chooseText(); err != nil {
		return err
	}
	if err := w.trace(); err != nil {
		return err
	}
	w.signatures()
	slices.SortStableFunc(w.edits, func(a, b dicom.Edit) int { return comparePaths(a.Path, b.Path) })
	slices.SortStableFunc(w.out.Changes, func(a, b importer.Change) int { return strings.Compare(a.Path, b.Path) })
	w.out.Edits = w.edits
	return nil
}

// comparePaths orders by tag, then item; what concerns a sequence as a whole
// comes after what is inside.
func comparePaths(a, b dicom.Path) int {
	for i := range min(len(a), len(b)) {
		if a[i].Tag != b[i].Tag {
			if a[i].Tag < b[i].Tag {
				return -1
			}
			return 1
		}
		if x, y := uint(a[i].Item), uint(b[i].Item); x != y { // -1 is the greatest
			if x < y {
				return -1
			}
			return 1
		}
	}
	return len(b) - len(a)
}

// survey finds out whether attributes may be there twice.
func (w *work) survey() {
	var last dicom.Tag
	for e := range w.head.All() {
		if e.Tag <= last {
			w.disorder = true
			return
		}
		last = e.Tag
	}
}

// twice reports an attribute that is there more than once: whatever the first one
// says, it has to be replaced.
func (w *work) twice(t dicom.Tag) bool {
	if !w.disorder {
		return false
	}
	n := 0
	for e := range w.head.All() {
		if e.Tag == t {
			n++
		}
	}
	return n > 1
}

// put sets a top-level attribute, unless it has these values already.
func (w *work) put(l *local) {
	old := w.head.Get(l.tag)
	if old != nil && w.equals(old, l.values) && !w.twice(l.tag) {
		return
	}
	w.edits = append(w.edits, dicom.Edit{Path: l.path, Op: dicom.Put, Element: l.elem})
	if l.wide {
		w.texts = append(w.texts, l.text)
	}
	is := importer.Valued
	if l.text == "" {
		is = importer.Empty
	}
	w.change(l, old, l.text, is)
	w.record(l.tag)
}

// remove takes a top-level attribute out, if it is there.
func (w *work) remove(l *local) {
	old := w.head.Get(l.tag)
	if old == nil {
		return
	}
	w.edits = append(w.edits, dicom.Edit{Path: l.path, Op: dicom.Delete})
	w.change(l, old, "", importer.Absent)
	w.record(l.tag)
}

// replace puts a made sequence in the place of a top-level attribute.
func (w *work) replace(e dicom.Element, text string, is importer.Presence) {
	l := named(e.Tag)
	w.edits = append(w.edits, dicom.Edit{Path: l.path, Op: dicom.Put, Element: e})
	w.change(&l, w.head.Get(e.Tag), text, is)
	w.record(e.Tag)
}

// equals reports whether old has the given values, padding aside.
func (w *work) equals(old *dicom.Element, values []string) bool {
	if old.IsSequence() || old.Large() {
		return false
	}
	has := w.head.StringsOf(old)
	if len(has) == 0 {
		return old.Len() == 0 && len(values) == 1 && values[0] == ""
	}
	return slices.Equal(has, values)
}

// record keeps a top-level attribute as it was, for Original Attributes.
func (w *work) record(t dicom.Tag) {
	for i := range w.old {
		if w.old[i].Tag == t {
			return
		}
	}
	old := w.head.Get(t)
	switch {
	case old == nil && !slices.Contains(w.added, t):
		w.added = append(w.added, t)
	case old != nil && old.Large():
		w.old = append(w.old, w.seen.remnant(old))
	case old != nil:
		w.old = append(w.old, detached(w.head, old))
	}
}

// detached is a copy of e, an element of ds, that shares no items with it: an
// item belongs to one data set only. What was not parsed yet is copied raw.
func detached(ds *dicom.Dataset, e *dicom.Element) dicom.Element {
	if !e.IsSequence() || e.Large() {
		return *e
	}
	one, two := *e, *e
	items, again := ds.ItemsOf(&one), ds.ItemsOf(&two)
	if len(items) == 0 || items[0] != again[0] {
		return *e
	}
	copies := make([]*dicom.Dataset, len(items))
	for i, item := range items {
		copies[i] = dicom.New()
		for el := range item.All() {
			copies[i].Put(detached(item, el))
		}
	}
	return dicom.NewSequence(e.Tag, copies...)
}

// change notes for people what happens to a top-level attribute.
func (w *work) change(l *local, old *dicom.Element, text string, is importer.Presence) {
	c := importer.Change{Path: l.where, Name: l.name, New: text, Was: importer.Absent, Is: is}
	if old != nil {
		c.Old, c.Was = w.show(w.head, old)
	}
	w.out.Changes = append(w.out.Changes, c)
}

const (
	shownValues = 8
	shownRunes  = 120
)

// show returns a value for people: of a sequence, the first values inside it.
func (w *work) show(ds *dicom.Dataset, e *dicom.Element) (string, importer.Presence) {
	if e.Large() {
		return "…", importer.Valued
	}
	var values []string
	if e.IsSequence() {
		values = gist(ds, *e, nil)
		if len(values) == 0 && e.Len() == 0 {
			return "", importer.Empty
		}
		return shorten(strings.Join(values, ", ")), importer.Valued
	}
	values = ds.StringsOf(e)
	text := strings.Join(values, `\`)
	if text == "" && (e.Len() == 0 || values != nil) {
		return "", importer.Empty
	}
	return shorten(text), importer.Valued
}

// gist gathers the first values inside a sequence. e is a copy, so that the data
// set itself is not parsed further than it was.
func gist(ds *dicom.Dataset, e dicom.Element, values []string) []string {
	for _, item := range ds.ItemsOf(&e) {
		for el := range item.All() {
			if len(values) >= shownValues {
				return values
			}
			if el.IsSequence() {
				values = gist(item, *el, values)
			} else if v := item.StringsOf(el); len(v) > 0 && v[0] != "" {
				values = append(values, strings.Join(v, `\`))
			}
		}
	}
	return values
}

func shorten(s string) string {
	if len(s) <= shownRunes {
		return s
	}
	n := 0
	for i := range s {
		if n++; n > shownRunes {
			return s[:i] + "…"
		}
	}
	return s
}

func (w *work) finding(code importer.FindingCode, severity importer.Severity, count int, detail string) {
	w.out.Findings = append(w.out.Findings, importer.Finding{Code: code, Severity: severity,
		Item: -1, Count: count, Detail: detail})
}
