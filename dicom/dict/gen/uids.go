package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// uidTables writes the SOP classes, the transfer syntaxes and the other UIDs, each
// in the order of the UID strings.
func uidTables(dir string) ([]byte, error) {
	classes, others, err := registry(dir)
	if err != nil {
		return nil, err
	}
	syntaxes, err := transferSyntaxes(dir)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	out.WriteString(header)
	writeSorted(&out, "sopClasses", "SOPClass", classes)
	writeSorted(&out, "transferSyntaxes", "TransferSyntax", syntaxes)
	writeSorted(&out, "otherUIDs", "registered", others)
	return out.Bytes(), nil
}

// literal is one composite literal of a generated table.
type literal struct{ uid, fields string }

func writeSorted(out *bytes.Buffer, name, typ string, rows []literal) {
	slices.SortFunc(rows, func(a, b literal) int { return strings.Compare(a.uid, b.uid) })
	fmt.Fprintf(out, "\nvar %s = [...]%s{\n", name, typ)
	for _, r := range rows {
		fmt.Fprintf(out, "{%s},\n", r.fields)
	}
	out.WriteString("}\n")
}

// registry reads the storage classes with their IODs and the rest of the registry.
func registry(dir string) (classes, others []literal, err error) {
	storage, err := readTable(dir, "sop-classes.tsv", "uid", "name", "ciod")
	if err != nil {
		return nil, nil, err
	}
	for _, r := range storage {
		// The DICOMDIR is in the table for its IOD, but no class for C-STORE.
		fields := fmt.Sprintf("UID: %q, Name: %q, IOD: %q", r[0], r[1], r[2])
		if r[2] != "Basic Directory" {
			fields += ", Storage: true"
		}
		classes = append(classes, literal{r[0], fields})
	}
	rest, err := readTable(dir, "uids.tsv", "uid", "kind", "retired", "name")
	if err != nil {
		return nil, nil, err
	}
	for _, r := range rest {
		switch r[1] {
		case "storage", "service", "meta":
			fields := fmt.Sprintf("UID: %q, Name: %q", r[0], r[3])
			if r[1] == "storage" {
				fields += ", Storage: true"
			}
			if r[2] == "Y" {
				fields += ", Retired: true"
			}
			classes = append(classes, literal{r[0], fields})
		default:
			others = append(others, literal{r[0], fmt.Sprintf("%q, %q", r[0], r[3])})
		}
	}
	return classes, others, nil
}

func transferSyntaxes(dir string) ([]literal, error) {
	rows, err := readTable(dir, "transfer-syntaxes.tsv", "uid", "flags", "name")
	if err != nil {
		return nil, err
	}
	field := map[string]string{
		"big-endian": "BigEndian", "implicit": "ImplicitVR", "deflated": "Deflated",
		"encapsulated": "Encapsulated", "lossy": "Lossy", "retired": "Retired",
		"private": "Private", "big-endian-pixels": "BigEndianPixels",
	}
	var all []literal
	for _, r := range rows {
		fields := fmt.Sprintf("UID: %q, Name: %q", r[0], r[2])
		for _, flag := range strings.FieldsFunc(r[1], func(c rune) bool { return c == ',' }) {
			if field[flag] == "" {
				return nil, fmt.Errorf("transfer syntax %s: unknown flag %q", r[0], flag)
			}
			fields += ", " + field[flag] + ": true"
		}
		all = append(all, literal{r[0], fields})
	}
	return all, nil
}
