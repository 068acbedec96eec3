package adjust

import (
	"slices"

	"lotse/dicom"
	"lotse/internal/importer"
)

// signatures removes the digital signatures that the edits break (PS3.15 §A.2):
// those that sign an edited attribute of their data set or item, and those of
// which that cannot be told.
func (w *work) signatures() {
	edited := w.edits
	n := w.unsign(w.head, nil, edited)
	for i := range edited {
		if len(edited[i].Path) > 1 {
			n += w.unsignItems(edited, i)
		}
	}
	if n > 0 {
		w.finding(importer.FindingSignatureRemoved, importer.Warning, n, "")
	}
}

// unsignItems deals with the items that edit number i leads through, unless an
// earlier edit led there already.
func (w *work) unsignItems(edited []dicom.Edit, i int) int {
	ds, n, path := w.head, 0, edited[i].Path
	for depth := range len(path) - 1 {
		step := path[depth]
		e := ds.Get(step.Tag)
		if e == nil || e.Large() {
			return n
		}
		list := *e
		items := ds.ItemsOf(&list)
		if step.Item < 0 || step.Item >= len(items) {
			return n
		}
		ds = items[step.Item]
		prefix := path[:depth+1]
		first := slices.IndexFunc(edited, func(e dicom.Edit) bool { return leads(e.Path, prefix) })
		if first == i && ds.Has(tagSignatures) {
			n += w.unsign(ds, prefix, edited)
		}
	}
	return n
}

// leads reports whether path goes on inside the item that prefix ends in.
func leads(path, prefix dicom.Path) bool {
	return len(path) > len(prefix) && slices.Equal(path[:len(prefix)], prefix)
}

// unsign removes broken signatures from ds, the item prefix ends in or the top of
// the object, and returns how many.
func (w *work) unsign(ds *dicom.Dataset, prefix dicom.Path, edited []dicom.Edit) int {
	e := ds.Get(tagSignatures)
	if e == nil {
		return 0
	}
	var tags []dicom.Tag
	for i := range edited {
		if p := edited[i].Path; len(prefix) == 0 || leads(p, prefix) {
			tags = append(tags, p[len(prefix)].Tag)
		}
	}
	list := w.converted(ds, e, prefix, edited)
	signatures := list.Items(tagSignatures)
	var macs []*dicom.Dataset
	if m := ds.Get(tagMACParameters); m != nil {
		macs = w.converted(ds, m, prefix, edited).Items(tagMACParameters)
	}
	var kept []*dicom.Dataset
	broken := map[int]bool{}
	for _, s := range signatures {
		id, ok := s.Int(tagMACID)
		if ok && !e.Large() && holds(macs, id, tags) {
			kept = append(kept, s)
		} else {
			broken[id] = true
		}
	}
	if len(kept) == len(signatures) && !e.Large() {
		return 0
	}
	for _, s := range kept {
		id, _ := s.Int(tagMACID)
		delete(broken, id)
	}
	macs = slices.DeleteFunc(macs, func(m *dicom.Dataset) bool {
		id, ok := m.Int(tagMACID)
		return !ok || broken[id]
	})
	if e.Large() {
		macs = nil
	}
	w.rest(prefix, tagSignatures, kept)
	if ds.Has(tagMACParameters) {
		w.rest(prefix, tagMACParameters, macs)
	}
	return max(1, len(signatures)-len(kept))
}

// converted is a data set with a copy of e alone, the character set of its text
// converted as edited says.
func (w *work) converted(ds *dicom.Dataset, e *dicom.Element, prefix dicom.Path, edited []dicom.Edit) *dicom.Dataset {
	alone := dicom.New()
	alone.Put(detached(ds, e))
	for _, edit := range edited {
		p := edit.Path
		if len(prefix) > 0 && !leads(p, prefix) || len(p) < len(prefix)+2 || p[len(prefix)].Tag != e.Tag {
			continue
		}
		edit.Path = p[len(prefix):]
		// A path that leads nowhere concerns nothing that is kept.
		_, _ = alone.Apply(edit)
	}
	return alone
}

// rest leaves only the given items of a sequence of prefix's item.
func (w *work) rest(prefix dicom.Path, t dicom.Tag, items []*dicom.Dataset) {
	path := dicom.At(t)
	if n := len(prefix); n > 0 {
		path = append(slices.Clone(prefix), dicom.Step{Tag: t, Item: -1})
	}
	if len(items) == 0 {
		w.edits = append(w.edits, dicom.Edit{Path: path, Op: dicom.Delete})
		return
	}
	w.edits = append(w.edits, dicom.Edit{Path: path, Op: dicom.Put, Element: dicom.NewSequence(t, items...)})
}

// holds reports that the signature with the given MAC parameters signs none of
// the edited tags.
func holds(macs []*dicom.Dataset, id int, edited []dicom.Tag) bool {
	for _, m := range macs {
		if n, ok := m.Int(tagMACID); !ok || n != id {
			continue
		}
		e := m.Get(tagSigned)
		if e == nil || e.VR != dicom.AT || e.Len() == 0 || e.Len()%4 != 0 {
			return false
		}
		return !signsAny(m.StringsOf(e), edited)
	}
	return false
}

func signsAny(signed []string, edited []dicom.Tag) bool {
	return slices.ContainsFunc(signed, func(s string) bool {
		t, err := dicom.ParseTag(s)
		return err != nil || slices.Contains(edited, t)
	})
}
