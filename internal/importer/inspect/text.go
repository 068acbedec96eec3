package inspect

import (
	"unicode/utf8"

	"lotse/dicom"
)

// textVerdict says how the text of an object fits its declared character set.
type textVerdict uint8

const (
	textFits       textVerdict = iota
	textUndeclared             // no set is declared, and the text needs one
	textWrong                  // the declared set cannot mean these bytes
)

// textCheck looks for text that is not in the character set in force. Private
// elements are not looked at: what they hold is their maker's business.
type textCheck struct {
	misfit bool
}

// visit is the dicom.Visitor for what is inside large sequences.
func (t *textCheck) visit(_ dicom.Path, item *dicom.Dataset, e *dicom.Element) { t.element(item, e) }

// dataset checks ds and the sequences in it.
func (t *textCheck) dataset(ds *dicom.Dataset) {
	for e := range ds.All() {
		if t.misfit {
			return
		}
		t.element(ds, e)
	}
}

func (t *textCheck) element(ds *dicom.Dataset, e *dicom.Element) {
	if t.misfit || e.Tag.Private() || e.Tag.IsPixelData() || e.Large() {
		return
	}
	kind, isText := e.VR.Text()
	switch b := e.Bytes(); {
	case !isText && !e.IsSequence(), !beyondASCII(b):
	case e.IsSequence():
		for _, item := range ds.ItemsOf(e) {
			t.dataset(item)
		}
	default:
		t.misfit = !ds.Charset().Valid(kind, b)
	}
}

func (t *textCheck) verdict(ds *dicom.Dataset) textVerdict {
	switch {
	case !t.misfit:
		return textFits
	case len(ds.Strings(dicom.SpecificCharacterSet)) == 0:
		return textUndeclared
	}
	return textWrong
}

// beyondASCII reports bytes that depend on the character set.
func beyondASCII(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf || c == 0x1B {
			return true
		}
	}
	return false
}
