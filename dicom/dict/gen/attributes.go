package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

type attribute struct {
	tag, mask     uint32
	keyword, name string
	vr, vm        string
	retired       bool
}

// attributeTables writes the data dictionary: the plain tags in ascending order,
// then the repeating ones, the narrower mask first.
func attributeTables(dir string) ([]byte, error) {
	var all []attribute
	for _, file := range []string{"commands.tsv", "attributes.tsv"} {
		rows, err := readTable(dir, file, "tag", "keyword", "vr", "vm", "retired", "name")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			a, err := parseAttribute(r)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, r[0], err)
			}
			all = append(all, a)
		}
	}
	slices.SortFunc(all, func(a, b attribute) int {
		return cmp.Or(-cmp.Compare(a.mask, b.mask), cmp.Compare(a.tag, b.tag))
	})
	var out bytes.Buffer
	out.WriteString(header)
	if err := writeAttributes(&out, all); err != nil {
		return nil, err
	}
	writeMasks(&out, all)
	writeKeywordIndex(&out, all)
	return out.Bytes(), nil
}

func parseAttribute(r []string) (attribute, error) {
	a := attribute{keyword: r[1], vr: r[2], vm: r[3], retired: r[4] == "Y", name: r[5]}
	var err error
	if a.tag, a.mask, err = parseTag(r[0]); err != nil {
		return a, err
	}
	if a.vr == "See Note 2" { // items and delimiters have no VR (PS3.5 §7.5)
		a.vr = ""
	}
	if len(a.keyword) > 255 || len(a.name) > 255 || strings.ContainsAny(a.keyword+a.name, "`\t\n") {
		return a, fmt.Errorf("keyword %q or name %q does not fit the table", a.keyword, a.name)
	}
	if r[4] != "Y" && r[4] != "N" {
		return a, fmt.Errorf("retired is %q, want Y or N", r[4])
	}
	return a, nil
}

// parseTag reads "(60XX,3000)" as 0x60003000 under 0xFF00FFFF.
func parseTag(s string) (tag, mask uint32, err error) {
	if len(s) != len("(gggg,eeee)") || s[0] != '(' || s[5] != ',' || s[10] != ')' {
		return 0, 0, fmt.Errorf("not a tag: %q", s)
	}
	digits := s[1:5] + s[6:10]
	value, err := strconv.ParseUint(strings.ReplaceAll(digits, "X", "0"), 16, 32)
	if err != nil {
		return 0, 0, fmt.Errorf("not a tag: %w", err)
	}
	for _, d := range digits {
		mask <<= 4
		if d != 'X' {
			mask |= 0xF
		}
	}
	return uint32(value), mask, nil
}

func writeAttributes(out *bytes.Buffer, all []attribute) error {
	vrs := distinct(all, func(a attribute) string { return a.vr })
	vms := distinct(all, func(a attribute) string { return a.vm })
	if len(vrs) > 255 || len(vms) > 255 {
		return fmt.Errorf("%d VRs and %d VMs do not fit one byte", len(vrs), len(vms))
	}
	fmt.Fprintf(out, "\nvar vrs = [...]string{%s}\n", quoted(vrs))
	fmt.Fprintf(out, "\nvar vms = [...]string{%s}\n", quoted(vms))
	fmt.Fprintf(out, "\nvar attributes = [...]row{\n")
	var text strings.Builder
	for _, a := range all {
		fmt.Fprintf(out, "{0x%08X, %d, %d, %d, %d, %d, %t},\n",
			a.tag, text.Len(), len(a.keyword), len(a.name), slices.Index(vrs, a.vr), slices.Index(vms, a.vm), a.retired)
		text.WriteString(a.keyword + "\t" + a.name + "\n")
	}
	fmt.Fprintf(out, "}\n\nconst attributeText = `%s`\n", text.String())
	return nil
}

func writeMasks(out *bytes.Buffer, all []attribute) {
	plain := slices.IndexFunc(all, func(a attribute) bool { return a.mask != 0xFFFFFFFF })
	fmt.Fprintf(out, "\n// plainRows is the number of attributes that do not repeat; the others follow them.\nconst plainRows = %d\n", plain)
	fmt.Fprintf(out, "\nvar repeatingMasks = [...]uint32{\n")
	for _, a := range all[plain:] {
		fmt.Fprintf(out, "0x%08X,\n", a.mask)
	}
	out.WriteString("}\n")
}

func writeKeywordIndex(out *bytes.Buffer, all []attribute) {
	var index []int
	for i, a := range all {
		if a.keyword != "" {
			index = append(index, i)
		}
	}
	slices.SortFunc(index, func(i, j int) int { return cmp.Compare(all[i].keyword, all[j].keyword) })
	fmt.Fprintf(out, "\n// byKeyword holds the rows that have a keyword, in the order of the keywords.\nvar byKeyword = [...]uint16{")
	for i, n := range index {
		if i%16 == 0 {
			out.WriteString("\n")
		}
		fmt.Fprintf(out, "%d, ", n)
	}
	out.WriteString("\n}\n")
}

func distinct(all []attribute, field func(attribute) string) []string {
	var values []string
	for _, a := range all {
		values = append(values, field(a))
	}
	slices.Sort(values)
	return slices.Compact(values)
}

func quoted(values []string) string {
	var q []string
	for _, v := range values {
		q = append(q, strconv.Quote(v))
	}
	return strings.Join(q, ", ")
}
