package adjust

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"lotse/dicom"
	"lotse/dicom/uid"
)

// Rule names what a value must keep to. Rules are codes; the sentences for people
// belong to the catalogue of phrases.
type Rule string

// Rules of PS3.5 Table 6.2-1.
const (
	RuleLength       Rule = "length"       // too many characters for the VR
	RuleRepertoire   Rule = "repertoire"   // characters the VR does not have
	RuleControl      Rule = "control"      // control characters
	RuleBackslash    Rule = "backslash"    // it would separate values
	RuleFormat       Rule = "format"       // not a date, number, time … of the VR
	RuleMultiplicity Rule = "multiplicity" // number of values
	RuleText         Rule = "text"         // not UTF-8
)

// breaks returns the rule of the VR or VM that values break, "" when none. Empty
// values break nothing.
func breaks(vr dicom.VR, vm string, values []string) Rule {
	if !fitsVM(vm, len(values)) {
		return RuleMultiplicity
	}
	for _, v := range values {
		if r := breaksOne(vr, v); r != "" {
			return r
		}
	}
	return ""
}

func breaksOne(vr dicom.VR, v string) Rule {
	if v == "" {
		return ""
	}
	if !utf8.ValidString(v) || strings.ContainsRune(v, utf8.RuneError) {
		return RuleText
	}
	if r := breaksRepertoire(vr, v); r != "" {
		return r
	}
	if vr == dicom.PN {
		return breaksName(v)
	}
	if n := maxLength(vr); n > 0 && utf8.RuneCountInString(v) > n {
		return RuleLength
	}
	if !wellFormed(vr, v) {
		return RuleFormat
	}
	return ""
}

// breaksRepertoire checks the characters of v.
func breaksRepertoire(vr dicom.VR, v string) Rule {
	_, text := vr.Text()
	long := vr == dicom.LT || vr == dicom.ST || vr == dicom.UT
	for _, c := range v {
		switch {
		case long && (c == '\t' || c == '\n' || c == '\f' || c == '\r'):
		case c < 0x20 || c >= 0x7F && c < 0xA0:
			return RuleControl
		case c == '\\' && !long && vr != dicom.UR:
			return RuleBackslash
		case c >= 0x80 && !text:
			return RuleRepertoire
		case vr == dicom.CS && !codeCharacter(c):
			return RuleRepertoire
		}
	}
	return ""
}

func codeCharacter(c rune) bool {
	return c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ' ' || c == '_'
}

// breaksName: at most three component groups of at most 64 characters and five
// components (PS3.5 §6.2.1).
func breaksName(v string) Rule {
	groups := strings.Split(v, "=")
	if len(groups) > 3 {
		return RuleFormat
	}
	for _, g := range groups {
		if utf8.RuneCountInString(g) > 64 {
			return RuleLength
		}
		if strings.Count(g, "^") > 4 {
			return RuleFormat
		}
	}
	return ""
}

// maxLength is the greatest number of characters of one value, 0 when it does not
// matter.
func maxLength(vr dicom.VR) int {
	switch vr {
	case dicom.AS:
		return 4
	case dicom.DA:
		return 8
	case dicom.IS:
		return 12
	case dicom.TM:
		return 14
	case dicom.AE, dicom.CS, dicom.DS, dicom.SH:
		return 16
	case dicom.DT:
		return 26
	case dicom.LO, dicom.UI:
		return 64
	case dicom.ST:
		return 1024
	case dicom.LT:
		return 10240
	}
	return 0
}

// wellFormed checks the VRs whose values have a grammar.
func wellFormed(vr dicom.VR, v string) bool {
	switch vr {
	case dicom.AS:
		return len(v) == 4 && digits(v[:3]) && strings.Contains("DWMY", v[3:])
	case dicom.DA:
		_, err := time.Parse("20060102", v)
		return err == nil
	case dicom.DS:
		_, err := strconv.ParseFloat(strings.TrimSpace(v), 64)
		return err == nil && strings.Trim(strings.TrimSpace(v), "+-.0123456789eE") == ""
	case dicom.DT:
		return dateTime(v)
	case dicom.IS:
		_, err := strconv.ParseInt(strings.TrimSpace(v), 10, 32)
		return err == nil
	case dicom.TM:
		return timeOfDay(v)
	case dicom.UI:
		return uid.Valid(v) == nil
	}
	return true
}

func digits(v string) bool { return strings.Trim(v, "0123456789") == "" }

// timeOfDay: HH, HHMM, HHMMSS or HHMMSS.F to HHMMSS.FFFFFF.
func timeOfDay(v string) bool {
	whole, fraction, dotted := strings.Cut(v, ".")
	if dotted && (len(whole) != 6 || fraction == "" || len(fraction) > 6 || !digits(fraction)) {
		return false
	}
	if !digits(whole) || len(whole) != 2 && len(whole) != 4 && len(whole) != 6 {
		return false
	}
	for i, limit := range []string{"23", "59", "60"} {
		if 2*i < len(whole) && whole[2*i:2*i+2] > limit {
			return false
		}
	}
	return true
}

// dateTime: YYYY to YYYYMMDDHHMMSS.FFFFFF, with or without &ZZXX.
func dateTime(v string) bool {
	if i := strings.IndexAny(v, "+-"); i >= 0 {
		zone := v[i+1:]
		if len(zone) != 4 || !digits(zone) || zone > "1400" {
			return false
		}
		v = v[:i]
	}
	date, clock := v, ""
	if len(v) > 8 {
		date, clock = v[:8], v[8:]
	}
	if len(date) != 4 && len(date) != 6 && len(date) != 8 {
		return false
	}
	_, err := time.Parse("20060102"[:len(date)], date)
	return err == nil && (clock == "" || timeOfDay(clock))
}

// fitsVM reports whether n values keep to a multiplicity of PS3.6 such as "1",
// "1-3", "1-n" or "2-2n". No value at all does always.
func fitsVM(vm string, n int) bool {
	if n == 0 || vm == "" {
		return true
	}
	low, high, ranged := strings.Cut(vm, "-")
	least, err := strconv.Atoi(low)
	if err != nil {
		return true
	}
	if !ranged {
		return n == least
	}
	factor, open := strings.CutSuffix(high, "n")
	if !open {
		most, err := strconv.Atoi(high)
		return err != nil || n >= least && n <= most
	}
	step, err := strconv.Atoi(factor)
	if err != nil {
		step = 1
	}
	return n >= least && n%step == 0
}
