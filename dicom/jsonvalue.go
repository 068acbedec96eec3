package dicom

import (
	"encoding/base64"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// text writes the values of an element of characters; none when all are empty.
func (j *jsonWriter) text(vr VR, values []string) {
	empty := true
	for _, v := range values {
		empty = empty && emptyValue(vr, v)
	}
	if empty {
		return
	}
	b := append(j.scratch[:0], `,"Value":[`...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendJSONValue(b, vr, v)
	}
	_ = j.flush(append(b, ']'))
}

func emptyValue(vr VR, v string) bool {
	return v == "" || vr == PN && strings.Trim(v, "^=") == ""
}

func appendJSONValue(b []byte, vr VR, v string) []byte {
	switch {
	case emptyValue(vr, v):
		return append(b, "null"...)
	case vr == PN:
		return appendName(b, v)
	case vr == DS || vr == IS:
		if n, ok := plainNumber(vr, v); ok {
			return append(b, n...)
		}
	}
	return appendQuoted(b, v)
}

// appendName writes the component groups of a name (PS3.18 §F.2.2); what stands
// behind the third one has no place in the model.
func appendName(b []byte, v string) []byte {
	b = append(b, '{')
	first := true
	for i, group := range strings.SplitN(v, "=", 4) {
		group = strings.TrimSpace(group)
		if i > 2 || strings.Trim(group, "^") == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, [...]string{`"Alphabetic":`, `"Ideographic":`, `"Phonetic":`}[i]...)
		b = appendQuoted(b, group)
	}
	return append(b, '}')
}

// plainNumber returns an IS or DS as JSON writes numbers, digit by digit as it
// was. ok is false for what PS3.5 §6.2 does not allow: that stays a string.
func plainNumber(vr VR, v string) (number string, ok bool) {
	v = strings.TrimSpace(v)
	if vr == IS {
		if _, err := strconv.ParseInt(v, 10, 32); err != nil || len(v) > 12 || strings.ContainsRune(v, '_') {
			return "", false
		}
	}
	if len(v) > 16 && vr == DS {
		return "", false
	}
	rest := v
	sign := ""
	if rest != "" && (rest[0] == '-' || rest[0] == '+') {
		sign, rest = strings.TrimPrefix(rest[:1], "+"), rest[1:]
	}
	whole, rest := digits(rest)
	fraction := ""
	if strings.HasPrefix(rest, ".") {
		fraction, rest = digits(rest[1:])
	}
	exponent, ok := exponentOf(rest)
	if !ok || whole == "" && fraction == "" {
		return "", false
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	number = sign + whole
	if fraction != "" {
		number += "." + fraction
	}
	number += exponent
	if _, err := strconv.ParseFloat(number, 64); err != nil {
		return "", false // beyond what readers of JSON can hold
	}
	return number, true
}

func digits(s string) (run, rest string) {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return s[:n], s[n:]
}

func exponentOf(s string) (exponent string, ok bool) {
	if s == "" {
		return "", true
	}
	if s[0] != 'e' && s[0] != 'E' {
		return "", false
	}
	sign, rest := "", s[1:]
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		sign, rest = rest[:1], rest[1:]
	}
	run, rest := digits(rest)
	return "e" + sign + run, run != "" && rest == ""
}

// appendQuoted writes a JSON string, always valid UTF-8.
func appendQuoted(b []byte, s string) []byte {
	b = append(b, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', byte(c))
		case c == '\n':
			b = append(b, `\n`...)
		case c == '\r':
			b = append(b, `\r`...)
		case c == '\t':
			b = append(b, `\t`...)
		case c < 0x20 || c >= 0x7F && c < 0xA0 || c == 0x2028 || c == 0x2029:
			b = append(b, `\u`...)
			b = append(b, strconv.FormatUint(uint64(c)|1<<16, 16)[1:]...)
		default:
			b = utf8.AppendRune(b, c)
		}
	}
	return append(b, '"')
}

func numeric(vr VR) bool {
	switch vr {
	case US, SS, UL, SL, UV, SV, FL, FD, AT:
		return true
	}
	return false
}

// binary writes numbers as Value and all other bytes as InlineBinary. each hands
// out the value in pieces that end between numbers.
func (j *jsonWriter) binary(vr VR, enc encoding, length int64, each func(func([]byte) error) error) error {
	if numeric(vr) {
		return j.numbers(vr, enc, length, each)
	}
	if length == 0 {
		return nil
	}
	j.put(`,"InlineBinary":"`)
	defer j.put(`"`)
	coder := base64.NewEncoder(base64.StdEncoding, j.w)
	err := each(func(b []byte) error {
		if enc.big && vr.unit() > 1 {
			j.scratch = append(j.scratch[:0], b...)
			swap(j.scratch, vr.unit())
			b = j.scratch
		}
		_, err := coder.Write(b)
		return err
	})
	if closed := coder.Close(); err == nil {
		err = closed
	}
	return err
}

func (j *jsonWriter) numbers(vr VR, enc encoding, length int64, each func(func([]byte) error) error) error {
	size := numberSize(vr)
	if length < int64(size) {
		return nil
	}
	j.put(`,"Value":[`)
	first := true
	err := each(func(value []byte) error {
		b := j.scratch[:0]
		for ; len(value) >= size; value = value[size:] {
			if !first {
				b = append(b, ',')
			}
			first = false
			b = appendNumber(b, vr, value, enc)
		}
		return j.flush(b)
	})
	j.put("]")
	return err
}

// appendNumber writes one binary number. Readers of JSON hold 53 bits of it, so
// larger ones are strings, as PS3.18 Table F.2.3-1 allows for SV and UV; what is
// not finite is a string for want of a number.
func appendNumber(b []byte, vr VR, value []byte, enc encoding) []byte {
	o := enc.order()
	const exact = 1<<53 - 1
	switch vr {
	case AT:
		b = appendTag(append(b, '"'), NewTag(o.Uint16(value), o.Uint16(value[2:])))
		return append(b, '"')
	case UV:
		n := o.Uint64(value)
		return quoteIf(b, n > exact, strconv.FormatUint(n, 10))
	case SV:
		n := int64(o.Uint64(value))
		return quoteIf(b, n > exact || n < -exact, strconv.FormatInt(n, 10))
	case FL:
		return appendFloat(b, float64(math.Float32frombits(o.Uint32(value))), 32)
	case FD:
		return appendFloat(b, math.Float64frombits(o.Uint64(value)), 64)
	}
	return append(b, formatNumber(vr, value, enc)...)
}

func quoteIf(b []byte, quote bool, number string) []byte {
	if quote {
		return appendQuoted(b, number)
	}
	return append(b, number...)
}

func appendFloat(b []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, `"NaN"`...)
	case math.IsInf(f, 1):
		return append(b, `"Infinity"`...)
	case math.IsInf(f, -1):
		return append(b, `"-Infinity"`...)
	}
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}
