package dicom

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"lotse/dicom/charset"
	"lotse/dicom/dict"
)

// String returns the first value of t as trimmed text, "" when absent or empty.
// Characters outside the declared set are guessed (UTF-8, then ISO_IR 100).
func (d *Dataset) String(t Tag) string {
	if v := d.Strings(t); len(v) > 0 {
		return v[0]
	}
	return ""
}

// Strings returns the values of t as trimmed text, numbers formatted; nil when
// absent, empty, large or not made of values.
func (d *Dataset) Strings(t Tag) []string {
	e := d.Get(t)
	if e == nil {
		return nil
	}
	return d.StringsOf(e)
}

// StringsOf is Strings for an element of d.
func (d *Dataset) StringsOf(e *Element) []string {
	if e.form != plain || len(e.Bytes()) == 0 {
		return nil
	}
	vr := e.VR
	if !vr.Known() || vr == UN {
		vr = dictionaryVR(e.Tag)
	}
	switch vr {
	case US, UL, SS, SL, UV, SV, FL, FD, OF, OD, OL, OV, AT:
		return numberStrings(vr, e.Bytes(), e.enc)
	case OB, OW, UN, SQ:
		return nil
	}
	return d.texts(vr, e.Bytes(), e.utf8)
}

// texts decodes and splits characters.
func (d *Dataset) texts(vr VR, b []byte, utf8 bool) []string {
	if _, ok := vr.Text(); !ok {
		return splitPlain(vr, b)
	}
	if utf8 {
		return decodeTexts(utf8Set(), vr, b)
	}
	return decodeTexts(d.Charset(), vr, b)
}

func utf8Set() charset.Set {
	set, _ := charset.Parse([]string{"ISO_IR 192"})
	return set
}

// decodeTexts decodes and splits text in set.
func decodeTexts(set charset.Set, vr VR, b []byte) []string {
	kind, ok := vr.Text()
	if !ok {
		return splitPlain(vr, b)
	}
	var out []string
	for _, part := range set.Split(kind, b) {
		text, _ := set.Decode(kind, part)
		out = append(out, trimText(vr, text))
	}
	return out
}

// splitPlain handles VRs that are always in the default repertoire.
func splitPlain(vr VR, b []byte) []string {
	text, _ := charset.Guess(b)
	if vr == UR {
		return []string{trimText(vr, text)}
	}
	parts := strings.Split(text, "\\")
	for i := range parts {
		parts[i] = trimText(vr, parts[i])
	}
	return parts
}

// trimText removes padding: trailing spaces and NULs always, leading spaces where
// they do not count (PS3.5 §6.2).
func trimText(vr VR, s string) string {
	s = strings.TrimRight(s, " \x00")
	switch vr {
	case LT, ST, UT, UR, UC, DT, TM, DA, AS:
		return s
	}
	return strings.TrimLeft(s, " ")
}

// rawStrings splits e at backslashes without decoding, for (0008,0005) itself.
func (d *Dataset) rawStrings(e *Element) []string {
	if e.form != plain {
		return nil
	}
	return splitTerms(e.Bytes())
}

func splitTerms(value []byte) []string {
	parts := bytes.Split(value, []byte{'\\'})
	out := make([]string, len(parts))
	for i, p := range parts {
		out[i] = strings.Trim(string(p), " \x00")
	}
	return out
}

// Int returns the first value of t as a whole number.
func (d *Dataset) Int(t Tag) (int, bool) {
	n, err := strconv.ParseFloat(strings.TrimSpace(d.String(t)), 64)
	if err != nil || math.Abs(n) > 1<<53 || n != math.Trunc(n) {
		return 0, false
	}
	return int(n), true
}

// numberStrings formats binary numbers.
func numberStrings(vr VR, b []byte, enc encoding) []string {
	size := numberSize(vr)
	out := make([]string, 0, len(b)/size)
	for ; len(b) >= size; b = b[size:] {
		out = append(out, formatNumber(vr, b, enc))
	}
	return out
}

func numberSize(vr VR) int {
	switch vr {
	case US, SS, OW:
		return 2
	case FD, OD, OV, SV, UV:
		return 8
	}
	return 4
}

func formatNumber(vr VR, b []byte, enc encoding) string {
	o := enc.order()
	switch vr {
	case US, OW:
		return strconv.FormatUint(uint64(o.Uint16(b)), 10)
	case SS:
		return strconv.FormatInt(int64(int16(o.Uint16(b))), 10)
	case UL, OL:
		return strconv.FormatUint(uint64(o.Uint32(b)), 10)
	case SL:
		return strconv.FormatInt(int64(int32(o.Uint32(b))), 10)
	case UV, OV:
		return strconv.FormatUint(o.Uint64(b), 10)
	case SV:
		return strconv.FormatInt(int64(o.Uint64(b)), 10)
	case FL, OF:
		return strconv.FormatFloat(float64(math.Float32frombits(o.Uint32(b))), 'g', -1, 32)
	case FD, OD:
		return strconv.FormatFloat(math.Float64frombits(o.Uint64(b)), 'g', -1, 64)
	}
	return fmt.Sprintf("%04X%04X", o.Uint16(b), o.Uint16(b[2:]))
}

// SetString sets t to the given values (joined by backslashes) under its VR from
// the dictionary; UN attributes and binary numbers are refused. Text is UTF-8
// until the data set is written. It returns what it replaced.
func (d *Dataset) SetString(t Tag, values ...string) (*Element, error) {
	e, err := NewText(t, values...)
	if err != nil {
		return nil, err
	}
	return d.put(e), nil
}

// NewText makes an element of characters with the VR of the dictionary.
func NewText(t Tag, values ...string) (Element, error) {
	vr := dictionaryVR(t)
	if !vr.Characters() {
		return Element{}, fmt.Errorf("dicom: %s has no value of characters (VR %s)", t, vr)
	}
	return Element{Tag: t, VR: vr, enc: explicitLE, made: true, utf8: true,
		value: []byte(strings.Join(values, "\\"))}, nil
}

// NewBytes makes an element of the given VR from a value encoded in Little Endian.
func NewBytes(t Tag, vr VR, value []byte) Element {
	return Element{Tag: t, VR: vr, enc: explicitLE, made: true, value: value}
}

// NewNumbers makes an element of US, SS, UL, SL, UV, SV, FL or FD from numbers.
func NewNumbers(t Tag, vr VR, numbers ...float64) Element {
	var b []byte
	o := explicitLE.order()
	for _, n := range numbers {
		switch vr {
		case US:
			b = append(b, 0, 0)
			o.PutUint16(b[len(b)-2:], uint16(n))
		case SS:
			b = append(b, 0, 0)
			o.PutUint16(b[len(b)-2:], uint16(int16(n)))
		case FD:
			b = append(b, make([]byte, 8)...)
			o.PutUint64(b[len(b)-8:], math.Float64bits(n))
		case UV, SV:
			b = append(b, make([]byte, 8)...)
			o.PutUint64(b[len(b)-8:], uint64(int64(n)))
		case FL:
			b = append(b, make([]byte, 4)...)
			o.PutUint32(b[len(b)-4:], math.Float32bits(float32(n)))
		default:
			b = append(b, make([]byte, 4)...)
			o.PutUint32(b[len(b)-4:], uint32(int64(n)))
		}
	}
	return NewBytes(t, vr, b)
}

// NewSequence makes a sequence of the given items.
func NewSequence(t Tag, items ...*Dataset) Element {
	return Element{Tag: t, VR: SQ, enc: explicitLE, made: true, form: openSequence, items: items}
}

// Put sets an element made by NewText, NewBytes, NewNumbers or NewSequence, or
// taken from another data set, and returns what it replaced.
func (d *Dataset) Put(e Element) *Element {
	for _, item := range e.items {
		item.parent = d
	}
	return d.put(e)
}

// KeywordOrTag names t for people: its keyword, else its number.
func KeywordOrTag(t Tag) string {
	if e, ok := dict.Lookup(uint32(t)); ok && e.Keyword != "" {
		return e.Keyword
	}
	return t.String()
}
