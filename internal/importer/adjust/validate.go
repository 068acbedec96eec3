package adjust

import (
	"fmt"
	"strings"

	"lotse/dicom"
	"lotse/dicom/dict"
	"lotse/internal/importer"
)

// Rules about which attributes a decision may set.
const (
	RuleUnknown   Rule = "unknown"   // not in the dictionary, private or retired without VR
	RuleIdentity  Rule = "identity"  // UIDs say what an object is
	RuleFileMeta  Rule = "file-meta" // groups below 0008 are not part of the data set
	RuleSequence  Rule = "sequence"  // has items, no value
	RuleBinary    Rule = "binary"    // its value is not of characters
	RuleReserved  Rule = "reserved"  // written by the importer itself
	RuleTwice     Rule = "twice"     // set more than once
	RuleEmpty     Rule = "empty"     // must have a value
	RuleSexValues Rule = "sex"       // M, F, O or empty
)

// InvalidError is a value of a decision that cannot be set. It is permanent and
// never repeats the value.
type InvalidError struct {
	Tag     dicom.Tag
	Keyword string // of the attribute; of the decision's field where there is none
	Rule    Rule
	Limit   int // with RuleLength: the characters allowed
}

func (e *InvalidError) Error() string {
	if e.Rule == RuleLength {
		return fmt.Sprintf("cannot set %s: %s, at most %d characters", e.Keyword, e.Rule, e.Limit)
	}
	return fmt.Sprintf("cannot set %s: %s", e.Keyword, e.Rule)
}

// Validate reports the first value of d that cannot be set, as an *InvalidError:
// attributes that are not a person's to set (UIDs, file meta information,
// sequences, binary values), and values that break their VR or VM (PS3.5 Table
// 6.2-1).
func Validate(d *importer.Decision) error {
	_, err := settings(d)
	return err
}

// setting is one attribute with its new values.
type setting struct {
	tag    dicom.Tag
	values []string
}

// settings are all attributes that d sets, each once, validated; those of the
// patient and the order may come as assignments, too.
func settings(d *importer.Decision) (map[dicom.Tag]setting, error) {
	all := map[dicom.Tag]setting{}
	add := func(s setting) error {
		if _, twice := all[s.tag]; twice {
			return invalid(s.tag, RuleTwice)
		}
		for i, v := range s.values {
			s.values[i] = strings.TrimRight(v, " ")
		}
		all[s.tag] = s
		return check(s)
	}
	p := d.Patient
	for _, f := range []struct {
		tag   dicom.Tag
		value *string
	}{{tagPatientID, p.ID}, {tagPatientIDIssuer, p.Issuer}, {tagPatientName, p.Name},
		{tagBirthDate, p.BirthDate}, {tagSex, p.Sex}, {tagAccession, d.Accession}} {
		if f.value == nil {
			continue
		}
		if err := add(setting{f.tag, []string{*f.value}}); err != nil {
			return nil, err
		}
	}
	for _, a := range d.Set {
		if err := assignable(a.Tag); err != nil {
			return nil, err
		}
		values := append([]string(nil), a.Values...)
		if len(values) == 0 {
			values = []string{""}
		}
		if err := add(setting{a.Tag, values}); err != nil {
			return nil, err
		}
	}
	return all, checkHouse(d)
}

// checkHouse validates what stands in the trace.
func checkHouse(d *importer.Decision) error {
	for _, f := range []struct {
		tag   dicom.Tag
		name  string
		value string
	}{{tagPatientIDIssuer, "ForeignIssuer", d.ForeignIssuer}, {tagInstitution, "Institution", d.Institution},
		{tagStation, "Station", d.Station}} {
		vr, _ := describe(f.tag)
		if r := breaksOne(vr, f.value); r != "" {
			return &InvalidError{Tag: f.tag, Keyword: f.name, Rule: r, Limit: maxLength(vr)}
		}
	}
	if d.At.IsZero() {
		return &InvalidError{Tag: tagModifiedAt, Keyword: "At", Rule: RuleEmpty}
	}
	return nil
}

// assignable reports whether a person may set t.
func assignable(t dicom.Tag) error {
	entry, known := dict.Lookup(uint32(t))
	vr, _ := describe(t)
	switch {
	case t.Group() < 8:
		return invalid(t, RuleFileMeta)
	case !known || t.Private() || t.GroupLength() || t.Group() == 0xFFFE || entry.VR == "":
		return invalid(t, RuleUnknown)
	case t == tagCharset || traced(t):
		return invalid(t, RuleReserved)
	case vr == dicom.UI:
		return invalid(t, RuleIdentity)
	case entry.VR == "SQ":
		return invalid(t, RuleSequence)
	case !vr.Characters():
		return invalid(t, RuleBinary)
	}
	return nil
}

// check validates the values of one setting.
func check(s setting) error {
	vr, vm := describe(s.tag)
	first := s.values[0]
	switch {
	case s.tag == tagPatientID && first == "":
		return invalid(s.tag, RuleEmpty)
	case s.tag == tagSex && first != "" && first != "M" && first != "F" && first != "O":
		return invalid(s.tag, RuleSexValues)
	}
	if r := breaks(vr, vm, s.values); r != "" {
		e := invalid(s.tag, r)
		e.Limit = maxLength(vr)
		if vr == dicom.PN {
			e.Limit = 64
		}
		return e
	}
	return nil
}

func invalid(t dicom.Tag, r Rule) *InvalidError {
	return &InvalidError{Tag: t, Keyword: dicom.KeywordOrTag(t), Rule: r}
}

// describe returns VR and VM of the dictionary; UN where it leaves a choice.
func describe(t dicom.Tag) (dicom.VR, string) {
	e, ok := dict.Lookup(uint32(t))
	if !ok || len(e.VR) != 2 {
		return dicom.UN, ""
	}
	return dicom.VR(e.VR[0])<<8 | dicom.VR(e.VR[1]), e.VM
}
