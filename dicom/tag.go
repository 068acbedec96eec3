package dicom

import (
	"fmt"
	"strconv"
	"strings"

	"lotse/dicom/dict"
)

// Tag identifies an attribute: group number in the upper, element number in the
// lower 16 bits (PS3.5 §7.1).
type Tag uint32

// Tags this package itself needs to know.
const (
	itemTag              Tag = 0xFFFEE000
	itemDelimitation     Tag = 0xFFFEE00D
	sequenceDelimitation Tag = 0xFFFEE0DD

	TransferSyntaxUID         Tag = 0x00020010
	MediaStorageSOPClassUID   Tag = 0x00020002
	MediaStorageSOPInstUID    Tag = 0x00020003
	SpecificCharacterSet      Tag = 0x00080005
	SOPClassUID               Tag = 0x00080016
	SOPInstanceUID            Tag = 0x00080018
	pixelRepresentation       Tag = 0x00280103
	FloatPixelData            Tag = 0x7FE00008
	DoubleFloatPixelData      Tag = 0x7FE00009
	PixelData                 Tag = 0x7FE00010
	DataSetTrailingPadding    Tag = 0xFFFCFFFC
	DigitalSignaturesSequence Tag = 0xFFFAFFFA
	MACParametersSequence     Tag = 0x4FFE0001
	EncapsulatedDocument      Tag = 0x00420011
)

// NewTag joins a group and an element number.
func NewTag(group, element uint16) Tag { return Tag(group)<<16 | Tag(element) }

// Group returns the group number.
func (t Tag) Group() uint16 { return uint16(t >> 16) }

// Element returns the element number.
func (t Tag) Element() uint16 { return uint16(t) }

// Private reports whether the group number is odd (PS3.5 §7.8).
func (t Tag) Private() bool { return t>>16&1 == 1 }

// PrivateCreator reports whether t reserves a block: (gggg,0010-00FF), gggg odd.
func (t Tag) PrivateCreator() bool {
	return t.Private() && t.Element() >= 0x10 && t.Element() <= 0xFF
}

// GroupLength reports whether t is (gggg,0000).
func (t Tag) GroupLength() bool { return t.Element() == 0 }

// IsPixelData reports whether t holds pixel data in one of its three forms.
func (t Tag) IsPixelData() bool {
	return t == PixelData || t == FloatPixelData || t == DoubleFloatPixelData
}

// String formats t as (gggg,eeee).
func (t Tag) String() string {
	return fmt.Sprintf("(%04X,%04X)", t.Group(), t.Element())
}

// Keyword returns the keyword of PS3.6, or "" when the dictionary has none.
func (t Tag) Keyword() string {
	e, _ := dict.Lookup(uint32(t))
	return e.Keyword
}

// ParseTag reads a keyword ("PatientID"), "(0010,0020)", "0010,0020" or "00100020".
func ParseTag(s string) (Tag, error) {
	if e, ok := dict.ByKeyword(s); ok && e.Mask == 0xFFFFFFFF {
		return Tag(e.Tag), nil
	}
	digits := strings.NewReplacer("(", "", ")", "", ",", "").Replace(s)
	if n, err := strconv.ParseUint(digits, 16, 32); err == nil && len(digits) == 8 {
		return Tag(n), nil
	}
	return 0, fmt.Errorf("dicom: %q is neither a keyword nor a tag such as 0010,0020", s)
}

// dictionaryVR returns the VR that t has in Implicit VR, where no VR is written.
// Attributes with a choice ("US or SS") are settled as PS3.5 Annex A.1 and the
// rules for pixel data ask; what is not known is UN.
func dictionaryVR(t Tag) VR {
	e, ok := dict.Lookup(uint32(t))
	switch {
	case !ok:
		return UN
	case len(e.VR) == 2:
		return VR(e.VR[0])<<8 | VR(e.VR[1])
	case t.Group()&0xFF00 == 0x5000: // curves and sounds
		return OB
	case strings.Contains(e.VR, "OW"):
		return OW
	case e.VR == "US or SS":
		return US
	}
	return UN
}

// usOrSS reports whether the sign of t is left to Pixel Representation. The
// descriptors of palettes and the retired ones stay unsigned, as in DCMTK: their
// first and third value always are (PS3.3 §C.7.6.3.1.5).
func usOrSS(t Tag) bool {
	switch {
	case t == 0x00221452, t == 0x00280071, t == 0x00280104, t == 0x00280105, t == 0x00280110, t == 0x00280111:
		return false
	case t >= 0x00281100 && t <= 0x00281113:
		return false
	}
	e, _ := dict.Lookup(uint32(t))
	return e.VR == "US or SS"
}
