package dicom

import "lotse/dicom/charset"

// VR is a value representation: its two letters, first letter in the upper byte
// (PS3.5 §6.2). Letters the standard does not know stay as they were read.
type VR uint16

// The value representations of PS3.5 Table 6.2-1.
const (
	AE VR = 'A'<<8 | 'E'
	AS VR = 'A'<<8 | 'S'
	AT VR = 'A'<<8 | 'T'
	CS VR = 'C'<<8 | 'S'
	DA VR = 'D'<<8 | 'A'
	DS VR = 'D'<<8 | 'S'
	DT VR = 'D'<<8 | 'T'
	FD VR = 'F'<<8 | 'D'
	FL VR = 'F'<<8 | 'L'
	IS VR = 'I'<<8 | 'S'
	LO VR = 'L'<<8 | 'O'
	LT VR = 'L'<<8 | 'T'
	OB VR = 'O'<<8 | 'B'
	OD VR = 'O'<<8 | 'D'
	OF VR = 'O'<<8 | 'F'
	OL VR = 'O'<<8 | 'L'
	OV VR = 'O'<<8 | 'V'
	OW VR = 'O'<<8 | 'W'
	PN VR = 'P'<<8 | 'N'
	SH VR = 'S'<<8 | 'H'
	SL VR = 'S'<<8 | 'L'
	SQ VR = 'S'<<8 | 'Q'
	SS VR = 'S'<<8 | 'S'
	ST VR = 'S'<<8 | 'T'
	SV VR = 'S'<<8 | 'V'
	TM VR = 'T'<<8 | 'M'
	UC VR = 'U'<<8 | 'C'
	UI VR = 'U'<<8 | 'I'
	UL VR = 'U'<<8 | 'L'
	UN VR = 'U'<<8 | 'N'
	UR VR = 'U'<<8 | 'R'
	US VR = 'U'<<8 | 'S'
	UT VR = 'U'<<8 | 'T'
	UV VR = 'U'<<8 | 'V'
)

// String returns the two letters.
func (v VR) String() string { return string([]byte{byte(v >> 8), byte(v)}) }

// Known reports whether the standard defines v.
func (v VR) Known() bool {
	switch v {
	case AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, OB, OD, OF, OL, OV, OW, PN,
		SH, SL, SQ, SS, ST, SV, TM, UC, UI, UL, UN, UR, US, UT, UV:
		return true
	}
	return false
}

// letters reports whether v consists of two capital letters, as every VR of the
// standard, present or future, does.
func (v VR) letters() bool {
	a, b := byte(v>>8), byte(v)
	return a >= 'A' && a <= 'Z' && b >= 'A' && b <= 'Z'
}

// longForm reports whether Explicit VR writes two reserved bytes and a 32-bit
// length (PS3.5 §7.1.2). VRs this edition does not know use the long form.
func (v VR) longForm() bool {
	switch v {
	case AE, AS, AT, CS, DA, DS, DT, FD, FL, IS, LO, LT, PN, SH, SL, SS, ST, TM, UI, UL, US:
		return false
	}
	return true
}

// Text reports whether values of v are in the Specific Character Set (PS3.5
// §6.1.2.2), and in which way it applies.
func (v VR) Text() (charset.Kind, bool) {
	switch v {
	case PN:
		return charset.PersonName, true
	case LO, SH, UC:
		return charset.Multi, true
	case LT, ST, UT:
		return charset.Text, true
	}
	return 0, false
}

// Characters reports whether v holds characters of any kind, also those that are
// always in the default repertoire (dates, numbers, UIDs).
func (v VR) Characters() bool {
	switch v {
	case AE, AS, CS, DA, DS, DT, IS, TM, UI, UR:
		return true
	}
	_, ok := v.Text()
	return ok
}

// unit returns the number of bytes that byte ordering swaps at a time; 1 when
// none (PS3.5 §7.3).
func (v VR) unit() int {
	switch v {
	case US, SS, OW, AT:
		return 2
	case UL, SL, FL, OF, OL:
		return 4
	case FD, OD, OV, SV, UV:
		return 8
	}
	return 1
}

// padding returns the byte that makes a value even: NUL for UIDs and bytes,
// space for other characters (PS3.5 §6.2).
func (v VR) padding() byte {
	if v.Characters() && v != UI {
		return ' '
	}
	return 0
}
