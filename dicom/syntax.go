package dicom

import (
	"encoding/binary"

	"lotse/dicom/dict"
)

// Transfer syntaxes this package names (PS3.5 Annex A, PS3.6 Annex A).
const (
	ImplicitVRLittleEndian         = "1.2.840.10008.1.2"
	ExplicitVRLittleEndian         = "1.2.840.10008.1.2.1"
	DeflatedExplicitVRLittleEndian = "1.2.840.10008.1.2.1.99"
	ExplicitVRBigEndian            = "1.2.840.10008.1.2.2"
	JPEGBaseline8Bit               = "1.2.840.10008.1.2.4.50"
	GEPrivateImplicitBigEndian     = "1.2.840.113619.5.2"
)

// encoding is how elements are written: with or without VR, in which byte order.
type encoding struct {
	explicit bool
	big      bool
}

func (e encoding) order() binary.ByteOrder {
	if e.big {
		return binary.BigEndian
	}
	return binary.LittleEndian
}

var (
	implicitLE = encoding{}
	explicitLE = encoding{explicit: true}
	explicitBE = encoding{explicit: true, big: true}
	implicitBE = encoding{big: true}
)

// Syntax is a transfer syntax as the reader needs it.
type Syntax struct {
	UID          string
	Explicit     bool
	BigEndian    bool
	Deflated     bool
	Encapsulated bool
	// BigEndianPixels: pixel data are Big Endian in a Little Endian data set, as
	// in GE's private syntax.
	BigEndianPixels bool
}

// SyntaxOf returns the syntax with the given UID. What the dictionary does not
// know (private syntaxes) is read as Explicit VR Little Endian, which PS3.5 §10
// makes the form of all encapsulated syntaxes, and known is false.
func SyntaxOf(uid string) (s Syntax, known bool) {
	t, ok := dict.TransferSyntaxByUID(uid)
	if !ok {
		return Syntax{UID: uid, Explicit: true, Encapsulated: true}, false
	}
	return Syntax{UID: uid, Explicit: !t.ImplicitVR, BigEndian: t.BigEndian,
		Deflated: t.Deflated, Encapsulated: t.Encapsulated, BigEndianPixels: t.BigEndianPixels}, true
}

func (s Syntax) encoding() encoding { return encoding{explicit: s.Explicit, big: s.BigEndian} }
