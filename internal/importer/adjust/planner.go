package adjust

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"lotse/dicom"
	"lotse/internal/importer"
)

// Planner turns one decision into the edits of many instances. It is safe for
// concurrent use; what is the same for all instances is made once.
type Planner struct {
	decision *importer.Decision
	local    []local // what the decision sets, by tag, without the accession number
	removals []local // references to the foreign order
	house    house

	accession   local
	ordered     bool // the decision settles the order: accession is set, or emptied
	unscheduled bool
	noAdmission local
	patientID   string
	issuer      string // local issuer, "" when none is known
	setsID      bool

	wide bool // some new text is not plain
}

// local is one attribute as the decision wants it.
type local struct {
	tag    dicom.Tag
	path   dicom.Path
	where  string // path and name for people
	name   string
	values []string
	text   string
	wide   bool // not plain
	elem   dicom.Element
}

// NewPlanner validates d, which must not change afterwards. Its errors are those
// of Validate.
func NewPlanner(d *importer.Decision) (*Planner, error) {
	all, err := settings(d)
	if err != nil {
		return nil, err
	}
	p := &Planner{decision: d, house: newHouse(d)}
	if err := p.settle(all); err != nil {
		return nil, err
	}
	for _, s := range all {
		l, err := newLocal(s.tag, s.values...)
		if err != nil {
			return nil, err
		}
		p.local = append(p.local, l)
	}
	slices.SortFunc(p.local, func(a, b local) int { return cmp.Compare(a.tag, b.tag) })
	for _, t := range orderReferences() {
		if _, assigned := all[t]; !assigned {
			p.removals = append(p.removals, named(t))
		}
	}
	p.wide = p.house.wide || !plain(d.ForeignIssuer)
	for _, l := range p.local {
		p.wide = p.wide || l.wide
	}
	return p, nil
}

// settle takes what belongs to patient and order out of all the settings.
func (p *Planner) settle(all map[dicom.Tag]setting) error {
	if id, ok := all[tagPatientID]; ok {
		p.setsID, p.patientID = true, id.values[0]
		if _, ok := all[tagPatientIDIssuer]; !ok {
			all[tagPatientIDIssuer] = setting{tagPatientIDIssuer, []string{""}}
		}
		p.issuer = all[tagPatientIDIssuer].values[0]
	}
	number, scheduled := all[tagAccession]
	delete(all, tagAccession)
	p.ordered = scheduled || p.setsID
	p.unscheduled = p.ordered && !scheduled
	if !p.ordered {
		return nil
	}
	if !scheduled {
		number = setting{tagAccession, []string{""}}
	}
	var err error
	if p.accession, err = newLocal(tagAccession, number.values...); err != nil {
		return err
	}
	if _, assigned := all[tagAdmission]; !assigned {
		p.noAdmission, err = newLocal(tagAdmission, "")
	}
	return err
}

func newLocal(t dicom.Tag, values ...string) (local, error) {
	l := named(t)
	e, err := dicom.NewText(t, values...)
	if err != nil {
		return l, fmt.Errorf("prepare the decision: %w", err)
	}
	l.values, l.elem = values, e
	l.text = strings.Join(values, `\`)
	l.wide = !plain(l.text)
	return l, nil
}

func named(t dicom.Tag) local {
	path := dicom.At(t)
	return local{tag: t, path: path, where: path.String(), name: dicom.KeywordOrTag(t)}
}

// plain reports text that every character set of DICOM writes in the same bytes:
// ASCII without tilde and backslash, which ISO_IR 13 lacks.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 || s[i] == '~' || s[i] == '\\' {
			return false
		}
	}
	return true
}

// Plan is the adjustment of one instance, for a decision that is used once.
func Plan(head *dicom.Dataset, d *importer.Decision) (importer.Adjustment, error) {
	p, err := NewPlanner(d)
	if err != nil {
		return importer.Adjustment{}, err
	}
	return p.Plan(head)
}

// Plan returns what the decision means for the instance whose data set is head,
// as dicom.Reader.Head returns it when complete. The edits are in the order of
// the document; they share memory with head and are valid as long as it is.
// There are none when nothing changes. Findings have no item number.
func (p *Planner) Plan(head *dicom.Dataset) (importer.Adjustment, error) {
	return p.PlanScanned(head, nil)
}

// PlanScanned is Plan for a data set that dicom.Reader.Scan returned: seen is what
// p.Visit gathered from the sequences that were left in the source.
func (p *Planner) PlanScanned(head *dicom.Dataset, seen *Visit) (importer.Adjustment, error) {
	w := &work{p: p, head: head, seen: seen, set: head.Charset()}
	if err := w.decide(); err != nil {
		return importer.Adjustment{}, err
	}
	if len(w.edits) == 0 && !w.keepID {
		return importer.Adjustment{}, nil
	}
	if err := w.finish(); err != nil {
		return importer.Adjustment{}, err
	}
	return w.out, nil
}
