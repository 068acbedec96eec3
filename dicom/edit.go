package dicom

import (
	"fmt"
	"sort"
)

// Op is what an Edit does.
type Op uint8

// Operations on the attribute an edit's path ends at.
const (
	Put    Op = iota // set or replace it by Edit.Element
	Delete           // take it out
	Append           // add Edit.Item to the sequence, which is made when absent
)

// Edit is one change of a data set, a value that can be shown before it happens.
type Edit struct {
	Path    Path
	Op      Op
	Element Element  // for Put; its tag is the path's last
	Item    *Dataset // for Append; copied, as the items of Element are

	whole Path // while the edit is carried out item by item, its path from the top
}

// PutText returns the edit that sets a top-level attribute of characters.
func PutText(t Tag, values ...string) (Edit, error) {
	e, err := NewText(t, values...)
	return Edit{Path: At(t), Op: Put, Element: e}, err
}

// Replaced is what an edit found.
type Replaced struct {
	Path Path
	Old  *Element // nil when the attribute was absent
}

// Apply carries edits out and returns what they replaced, in the same order. An
// edit inside an item that is not there, or an item for what is no sequence, is an
// error, and nothing after it is done. Group lengths of the edited groups are removed.
func (d *Dataset) Apply(edits ...Edit) ([]Replaced, error) {
	done := make([]Replaced, 0, len(edits))
	for _, edit := range edits {
		old, err := d.apply(edit.Path, edit)
		if err != nil {
			return done, err
		}
		done = append(done, Replaced{Path: edit.Path, Old: old})
	}
	return done, nil
}

func (d *Dataset) apply(path Path, edit Edit) (*Element, error) {
	if len(path) == 0 {
		return nil, fmt.Errorf("dicom: an edit has no path")
	}
	step := path[0]
	d.Remove(NewTag(step.Tag.Group(), 0))
	if len(path) > 1 {
		items := d.Items(step.Tag)
		if step.Item < 0 || step.Item >= len(items) {
			return nil, fmt.Errorf("dicom: there is no %s to edit", edit.Path)
		}
		return items[step.Item].apply(path[1:], edit)
	}
	switch edit.Op {
	case Delete:
		return d.Remove(step.Tag), nil
	case Append:
		return d.appendItem(step.Tag, edit)
	}
	e := edit.Element
	e.Tag = step.Tag
	e.items = e.cloneItems(d)
	return d.Put(e), nil
}

// appendItem adds an item to the sequence t and returns the sequence as it was.
func (d *Dataset) appendItem(t Tag, edit Edit) (*Element, error) {
	e := d.Get(t)
	if e == nil || !e.IsSequence() && e.Len() == 0 {
		return d.Put(NewSequence(t, edit.Item.clone(d))), nil
	}
	if !e.IsSequence() {
		return nil, fmt.Errorf("dicom: %s is not a sequence", edit.Path)
	}
	old := *e
	kept := e.parts(d)
	e.items = append(kept[:len(kept):len(kept)], edit.Item.clone(d))
	e.made = true
	d.dirty = true
	return &old, nil
}

// clone returns a copy of d, to be an item of parent: edits are values and stay
// what they are, whatever is done to the data sets they were put into.
func (d *Dataset) clone(parent *Dataset) *Dataset {
	c := *d
	c.parent = parent
	c.elems = append([]Element(nil), d.elems...)
	for i := range c.elems {
		c.elems[i].items = c.elems[i].cloneItems(&c)
	}
	return &c
}

func (e *Element) cloneItems(parent *Dataset) []*Dataset {
	if e.items == nil {
		return nil
	}
	items := make([]*Dataset, len(e.items))
	for i, item := range e.items {
		items[i] = item.clone(parent)
	}
	return items
}

// ordered returns edits sorted by the tag they start at, keeping the order of
// those that start at the same one.
func ordered(edits []Edit) []Edit {
	out := append([]Edit(nil), edits...)
	for i := range out {
		if out[i].whole == nil {
			out[i].whole = out[i].Path
		}
	}
	sort.SliceStable(out, func(i, j int) bool { return out[i].Path[0].Tag < out[j].Path[0].Tag })
	return out
}

// byItem returns the edits of a sequence that concern its items, by their number,
// with paths that start in the item.
func byItem(edits []Edit) map[int][]Edit {
	items := map[int][]Edit{}
	for _, e := range edits {
		if len(e.Path) > 1 {
			item := e.Path[0].Item
			e.Path = e.Path[1:]
			items[item] = append(items[item], e)
		}
	}
	return items
}
