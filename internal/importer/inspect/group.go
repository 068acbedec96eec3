package inspect

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"lotse/internal/importer"
)

// patientKey is what makes two instances one patient's. Name and birth date count
// only where there is no ID.
type patientKey struct{ id, issuer, name, birth string }

type studyKey struct {
	patient *patientGroup
	uid     string
}

type seriesKey struct {
	study *studyGroup
	uid   string
}

// patientGroup is a patient while instances are added.
type patientGroup struct {
	*importer.Patient
	first     int32 // item of the first instance
	instances int
	births    map[string]bool // birth dates that occur
	names     map[string]bool // names that occur, as compared
}

type studyGroup struct {
	*importer.Study
	first                 int32
	undeclared, wrong     int   // instances whose text does not fit
	undeclaredAt, wrongAt int32 // the first of each
}

type seriesGroup struct {
	*importer.Series
	numbers []int32 // of the instances
}

// groups sorts instances into patients, studies and series.
type groups struct {
	patients map[patientKey]*patientGroup
	studies  map[studyKey]*studyGroup
	series   map[seriesKey]*seriesGroup
	order    []*patientGroup
	courses  []*studyGroup  // studies in the order they were met
	all      []*seriesGroup // series in the order they were met
	shared   map[string]string
}

func newGroups() *groups {
	return &groups{patients: map[patientKey]*patientGroup{}, studies: map[studyKey]*studyGroup{},
		series: map[seriesKey]*seriesGroup{}, shared: map[string]string{}}
}

// share returns the one copy of s that all instances refer to.
func (g *groups) share(s string) string {
	if known, ok := g.shared[s]; ok {
		return known
	}
	s = strings.Clone(s)
	g.shared[s] = s
	return s
}

// add puts o where it belongs and returns its study.
func (g *groups) add(o *object) *studyGroup {
	p := g.patient(o)
	p.instances++
	p.differ(&o.patient)
	st := g.study(p, o)
	se := g.seriesOf(st, o)
	in := o.Instance
	in.SOPClass, in.TransferSyntax = g.share(in.SOPClass), g.share(in.TransferSyntax)
	se.Instances = append(se.Instances, in)
	se.numbers = append(se.numbers, o.number)
	return st
}

func (g *groups) patient(o *object) *patientGroup {
	key := patientKey{id: o.patient.ID, issuer: o.patient.Issuer}
	if key.id == "" {
		key.name, key.birth = plainName(o.patient.Name), o.patient.BirthDate
	}
	p := g.patients[key]
	if p == nil {
		patient := o.patient
		p = &patientGroup{Patient: &patient, first: o.Item, births: map[string]bool{}, names: map[string]bool{}}
		g.patients[key] = p
		g.order = append(g.order, p)
	}
	return p
}

// maxVariants bounds how many spellings of one patient are remembered.
const maxVariants = 16

// differ notes how an instance names the patient.
func (p *patientGroup) differ(patient *importer.Patient) {
	if b := patient.BirthDate; b != "" && len(p.births) < maxVariants {
		p.births[b] = true
	}
	if n := plainName(patient.Name); n != "" && len(p.names) < maxVariants {
		p.names[n] = true
	}
}

// plainName reduces a name to what two spellings of it have in common: case,
// carets, spaces and punctuation do not count, nor do the ideographic and phonetic
// forms where there is an alphabetic one.
func plainName(name string) string {
	if alphabetic, _, found := strings.Cut(name, "="); found && strings.Trim(alphabetic, "^ ") != "" {
		name = alphabetic
	}
	words := strings.FieldsFunc(strings.ToUpper(name), func(r rune) bool { return strings.ContainsRune("^ ,.-_", r) })
	return strings.Join(words, " ")
}

func (g *groups) study(p *patientGroup, o *object) *studyGroup {
	key := studyKey{p, o.study.UID}
	st := g.studies[key]
	if st == nil {
		study := o.study
		st = &studyGroup{Study: &study, first: o.Item}
		g.studies[key] = st
		p.Studies = append(p.Studies, st.Study)
		g.courses = append(g.courses, st)
	}
	return st
}

func (g *groups) seriesOf(st *studyGroup, o *object) *seriesGroup {
	key := seriesKey{st, o.series.UID}
	se := g.series[key]
	if se == nil {
		series := o.series
		se = &seriesGroup{Series: &series}
		g.series[key] = se
		st.Study.Series = append(st.Study.Series, se.Series)
		g.all = append(g.all, se)
	}
	return se
}

// sorted brings studies, series and instances in order and returns the patients in
// the order they were met.
func (g *groups) sorted() []*importer.Patient {
	for _, se := range g.all {
		se.sort()
	}
	for _, st := range g.courses {
		slices.SortStableFunc(st.Study.Series, func(a, b *importer.Series) int {
			return cmp.Compare(seriesOrder(a), seriesOrder(b))
		})
	}
	patients := make([]*importer.Patient, 0, len(g.order))
	for _, p := range g.order {
		slices.SortStableFunc(p.Studies, func(a, b *importer.Study) int {
			return cmp.Or(cmp.Compare(dateOrder(a.Date), dateOrder(b.Date)), cmp.Compare(a.Time, b.Time))
		})
		patients = append(patients, p.Patient)
	}
	return patients
}

// sort orders the instances of a series by number, then by place in the package,
// and gives back the memory that growing left over.
func (se *seriesGroup) sort() {
	order := make([]int32, len(se.numbers))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		return cmp.Or(cmp.Compare(se.numbers[a], se.numbers[b]), cmp.Compare(a, b))
	})
	sorted := make([]importer.Instance, len(order))
	for i, at := range order {
		sorted[i] = se.Instances[at]
	}
	se.Instances, se.numbers = sorted, nil
}

// seriesOrder is the number of a series; those without one come last.
func seriesOrder(s *importer.Series) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(s.Number), 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n
}

// dateOrder makes dates comparable, ACR-NEMA's dotted ones too; studies without a
// date come last.
func dateOrder(date string) string {
	if date = strings.ReplaceAll(date, ".", ""); date == "" {
		return "~"
	}
	return date
}

// single returns the only study of the package, nil when there is none or several.
func (g *groups) single() *importer.Study {
	if len(g.courses) != 1 {
		return nil
	}
	return g.courses[0].Study
}
