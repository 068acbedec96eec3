package dicom

import (
	"iter"
	"sort"

	"lotse/dicom/charset"
)

// Dataset is a data set or an item of a sequence, its elements in the order they
// were read. The zero value is not usable: see New, Reader.Head and Reader.Scan.
// A Dataset is not safe for concurrent use.
type Dataset struct {
	elems  []Element
	enc    encoding
	parent *Dataset // for items: whose character set is inherited
	opts   *ReadOptions
	raw    []byte // an item as read, with its header and delimiter
	dirty  bool
	fresh  bool // made by New: text is UTF-8
}

// New returns an empty data set for elements made here: Explicit VR Little
// Endian, text in UTF-8 until it is written into another data set.
func New() *Dataset { return &Dataset{enc: explicitLE, dirty: true, fresh: true} }

func (d *Dataset) limits() *ReadOptions {
	if d.opts == nil {
		o := ReadOptions{}.withDefaults()
		d.opts = &o
	}
	return d.opts
}

// changed reports whether an item must be encoded anew.
func (d *Dataset) changed() bool {
	if d.dirty || d.raw == nil {
		return true
	}
	for i := range d.elems {
		if d.elems[i].changed() {
			return true
		}
	}
	return false
}

// Len returns the number of elements.
func (d *Dataset) Len() int { return len(d.elems) }

// All iterates over the elements in order.
func (d *Dataset) All() iter.Seq[*Element] {
	return func(yield func(*Element) bool) {
		for i := range d.elems {
			if !yield(&d.elems[i]) {
				return
			}
		}
	}
}

// Get returns the element with tag t, nil when there is none.
func (d *Dataset) Get(t Tag) *Element {
	for i := range d.elems {
		if d.elems[i].Tag == t {
			return &d.elems[i]
		}
	}
	return nil
}

// Has reports whether t is present, with or without a value.
func (d *Dataset) Has(t Tag) bool { return d.Get(t) != nil }

// Items returns the items of the sequence t; nil when absent, not a sequence or
// large. Items that are changed are written anew, their siblings stay as read.
func (d *Dataset) Items(t Tag) []*Dataset {
	if e := d.Get(t); e != nil {
		return e.parts(d)
	}
	return nil
}

// ItemsOf returns the items of e, an element of d.
func (d *Dataset) ItemsOf(e *Element) []*Dataset { return e.parts(d) }

// Charset returns the character set in force: the data set's own, else the one
// of the data set around it (PS3.5 §7.5.3).
func (d *Dataset) Charset() charset.Set {
	root := d
	for ds := d; ds != nil; ds = ds.parent {
		root = ds
		if e := ds.Get(SpecificCharacterSet); e != nil {
			set, _ := charset.Parse(ds.rawStrings(e))
			return set
		}
	}
	if root.fresh {
		set, _ := charset.Parse([]string{"ISO_IR 192"})
		return set
	}
	return charset.Set{}
}

// put inserts e in tag order, or replaces all elements with its tag, and returns
// the first one it replaced.
func (d *Dataset) put(e Element) *Element {
	old := d.Remove(e.Tag)
	d.dirty = true
	i := sort.Search(len(d.elems), func(i int) bool { return d.elems[i].Tag > e.Tag })
	d.elems = append(d.elems, Element{})
	copy(d.elems[i+1:], d.elems[i:])
	d.elems[i] = e
	return old
}

// Remove takes t out, every element of it should there be several, and returns
// the first; nil when it was not there.
func (d *Dataset) Remove(t Tag) *Element {
	first := d.Get(t)
	if first == nil {
		return nil
	}
	old := *first
	kept := make([]Element, 0, len(d.elems))
	for _, e := range d.elems {
		if e.Tag != t {
			kept = append(kept, e)
		}
	}
	d.elems, d.dirty = kept, true
	return &old
}
