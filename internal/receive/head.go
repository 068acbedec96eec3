package receive

import (
	"bytes"
	"errors"
	"io"

	"lotse/dicom"
)

// identity are the UIDs that an object is told apart by.
type identity struct {
	class, instance, study string
}

// peekSizes are how much of a data set is looked at for its identity, in bytes: more
// only where long sequences come before it.
var peekSizes = [...]int{64 << 10, 1 << 20, 8 << 20}

const studyInstanceUID dicom.Tag = 0x0020000D

// peek reads the beginning of a data set, and gives it with the identity found there.
// Errors other than a *Refusal are those of r.
func peek(r io.Reader, syntax string) (prefix []byte, id identity, err error) {
	for _, size := range peekSizes {
		grown := make([]byte, size)
		n := copy(grown, prefix)
		m, err := io.ReadFull(r, grown[n:])
		prefix = grown[:n+m]
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return nil, id, err
		}
		var past bool
		id, past, err = identify(prefix, syntax)
		switch {
		case err == nil && (past || ended):
			return prefix, id, id.check()
		case err != nil && ended:
			return nil, id, err
		}
	}
	return nil, id, &Refusal{Reason: NotUnderstood, Text: "no Study Instance UID near the beginning"}
}

// identify looks for the identity in the beginning of a data set. past tells that what
// is missing will not come any more: all elements in front of it are there.
func identify(prefix []byte, syntax string) (id identity, past bool, err error) {
	in, err := dicom.NewReader(bytes.NewReader(prefix), -1, dicom.ReadOptions{Syntax: syntax,
		Threshold: int64(len(prefix)) + 1, MaxHeader: 16 << 20, MaxElements: 1 << 20})
	if err == nil && in.Meta() != nil {
		err = errors.New("a file where a data set is due")
	}
	var head *dicom.Dataset
	if err == nil {
		head, _, err = in.Head()
	}
	if err != nil {
		return id, false, &Refusal{Reason: NotUnderstood, Text: "the data set cannot be read", Err: err}
	}
	for e := range head.All() {
		past = past || e.Tag >= studyInstanceUID
		switch e.Tag {
		case dicom.SOPClassUID:
			id.class = head.String(e.Tag)
		case dicom.SOPInstanceUID:
			id.instance = head.String(e.Tag)
		case studyInstanceUID:
			id.study = head.String(e.Tag)
		}
	}
	return id, past, nil
}

// check refuses an object that lacks a UID.
func (id identity) check() error {
	for _, u := range []struct{ value, text string }{
		{id.class, "no SOP Class UID"}, {id.instance, "no SOP Instance UID"}, {id.study, "no Study Instance UID"},
	} {
		if !plausible(u.value) {
			return &Refusal{Reason: Mismatch, Text: u.text}
		}
	}
	return nil
}

// plausible is lenient: there are UIDs in use that break the rules of PS3.5 §9.1.
func plausible(uid string) bool {
	if len(uid) < 1 || len(uid) > 64 {
		return false
	}
	for _, c := range []byte(uid) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}

// fileMeta gives preamble and file meta information (PS3.10 §7.1) with the sender as
// Source Application Entity Title.
func fileMeta(id identity, syntax, callingAE string) ([]byte, error) {
	meta := dicom.FileMeta(id.class, id.instance, syntax)
	source := dicom.New()
	source.Put(dicom.NewBytes(0x00020016, dicom.AE, []byte(callingAE)))
	more, err := source.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	meta = append(meta, more...)
	// The group length stands first: preamble, prefix, tag, VR, length, value.
	const first = 128 + 4 + 12
	length := dicom.New()
	length.Put(dicom.NewNumbers(0x00020000, dicom.UL, float64(len(meta)-first)))
	group, err := length.Encode(dicom.ExplicitVRLittleEndian)
	if err != nil {
		return nil, err
	}
	copy(meta[first-12:first], group)
	return meta, nil
}
