package inspect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lotse/dicom"
	"lotse/internal/importer"
)

// maxExamples is how many paths or kinds a finding names.
const maxExamples = 10

// note is a finding about the package that gathers as files go by.
type note struct {
	code     importer.FindingCode
	severity importer.Severity
	item     int32
	count    int
	details  []string // different ones, in the order met
	counts   []int    // how often each was met
}

// notes gathers findings, one for each code and severity.
type notes struct {
	pkg  importer.Package
	list []*note
	done []importer.Finding // complete as they are
}

// add counts one more case of the given kinds. Of equal code and severity, the
// first names the item.
func (n *notes) add(code importer.FindingCode, severity importer.Severity, item int32, details ...string) {
	i := slices.IndexFunc(n.list, func(x *note) bool { return x.code == code && x.severity == severity })
	if i < 0 {
		i = len(n.list)
		n.list = append(n.list, &note{code: code, severity: severity, item: item})
	}
	n.list[i].count++
	for _, d := range details {
		n.list[i].detail(d)
	}
}

func (x *note) detail(s string) {
	if i := slices.Index(x.details, s); i >= 0 {
		x.counts[i]++
	} else if len(x.details) < maxExamples {
		x.details, x.counts = append(x.details, s), append(x.counts, 1)
	}
}

// single adds a finding that is complete.
func (n *notes) single(code importer.FindingCode, severity importer.Severity, item int32, count int, detail string) {
	f := importer.Finding{Code: code, Severity: severity, Item: int(item), Detail: detail}
	if item >= 0 {
		f.Path = n.pkg.File(int(item)).Path
	}
	if count > 1 {
		f.Count = count
	}
	n.done = append(n.done, f)
}

// leftOut notes what a person should know of a file that is left out.
func (n *notes) leftOut(item int32, s seen) {
	switch s.reason {
	case importer.ReasonTruncated:
		if s.detail == withoutPixels {
			n.add(importer.FindingTruncated, importer.Serious, item, withoutPixels)
			return
		}
		n.add(importer.FindingTruncated, importer.Serious, item)
	case importer.ReasonUnsupported:
		n.add(importer.FindingUnsupportedSyntax, importer.Serious, item, s.detail)
	case importer.ReasonDamaged, importer.ReasonNoIdentity, importer.ReasonUnreadable, importer.ReasonNotGiven, importer.ReasonTooLarge,
		importer.ReasonEncrypted, importer.ReasonPassword, importer.ReasonTooDeep, importer.ReasonRatio,
		importer.ReasonPathEscape, importer.ReasonCompression, importer.ReasonArchiveDamaged:
		n.add(importer.FindingUnreadable, importer.Serious, item, string(s.reason))
	}
}

// directory notes a DICOMDIR that cannot be relied on.
func (n *notes) directory(item int32, severity importer.Severity, detail string) {
	n.single(importer.FindingDICOMDIRBroken, severity, item, 1, detail)
}

// object notes how an instance departs from the standard.
func (n *notes) object(o *object) {
	if len(o.badUIDs) > 0 {
		n.add(importer.FindingBadUID, importer.Warning, o.Item, dicom.KeywordOrTag(o.badUIDs[0]))
	}
	if o.noPixels {
		n.add(importer.FindingRepaired, importer.Warning, o.Item, withoutPixels)
	}
	if o.lentUID {
		n.add(importer.FindingRepaired, importer.Warning, o.Item, "identity-from-file-meta")
	}
	if len(o.problems) > 0 {
		n.add(importer.FindingRepaired, importer.Info, o.Item, o.problems...)
	}
}

// noteText counts an instance whose text is not in its character set.
func (st *studyGroup) noteText(o *object) {
	switch o.text {
	case textUndeclared:
		if st.undeclared++; st.undeclared == 1 {
			st.undeclaredAt = o.Item
		}
	case textWrong:
		if st.wrong++; st.wrong == 1 {
			st.wrongAt = o.Item
		}
	}
}

// patients notes what is unclear about the patients and their studies.
func (n *notes) patients(g *groups) {
	if len(g.order) > 1 {
		n.single(importer.FindingSeveralPatients, importer.Warning, -1, len(g.order), "")
	}
	for _, p := range g.order {
		if p.ID == "" {
			n.single(importer.FindingMissingPatientID, importer.Warning, p.first, p.instances, "")
		}
		switch {
		case len(p.births) > 1:
			n.single(importer.FindingSeveralPatients, importer.Serious, p.first, len(p.births), "one patient ID with different birth dates")
		case len(p.names) > 1:
			n.single(importer.FindingSeveralPatients, importer.Warning, p.first, len(p.names), "one patient ID with different names")
		}
	}
	owners := map[string]int{}
	for _, st := range g.courses {
		if st.UID != "" {
			owners[st.UID]++
		}
		if owners[st.UID] == 2 {
			n.add(importer.FindingTwoPatientsStudy, importer.Serious, st.first)
		}
		if st.undeclared > 0 {
			n.single(importer.FindingCharsetUndeclared, importer.Warning, st.undeclaredAt, st.undeclared, "")
		}
		if st.wrong > 0 {
			n.single(importer.FindingCharsetWrong, importer.Warning, st.wrongAt, st.wrong, "")
		}
	}
}

// contents notes a package with little in it.
func (n *notes) contents(in *importer.Inspection, g *groups) {
	switch {
	case len(g.order) > 0:
	case len(in.Documents) > 0:
		n.single(importer.FindingNoImages, importer.Warning, -1, 1, "")
	default:
		n.single(importer.FindingNoImages, importer.Serious, -1, 1, "nothing to import")
	}
}

// findings returns all findings, the most serious ones first, then by item.
func (n *notes) findings() []importer.Finding {
	for _, x := range n.list {
		n.single(x.code, x.severity, x.item, x.count, x.text())
	}
	slices.SortStableFunc(n.done, func(a, b importer.Finding) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.Item, b.Item), cmp.Compare(a.Code, b.Code))
	})
	return n.done
}

// text says what kinds of a case there were, with their numbers where there were
// several.
func (x *note) text() string {
	if len(x.details) == 1 {
		return x.details[0]
	}
	parts := make([]string, len(x.details))
	for i, d := range x.details {
		parts[i] = fmt.Sprintf("%s: %d", d, x.counts[i])
	}
	return strings.Join(parts, ", ")
}

func rank(s importer.Severity) int {
	switch s {
	case importer.Serious:
		return 0
	case importer.Warning:
		return 1
	}
	return 2
}
