package app

import (
	"slices"

	"lotse/internal/importer"
)

// choice says which of the patients found a decision is about.
type choice struct {
	Only    string // the foreign patient ID or name; empty: all
	Same    bool   // all found are the same person
	Adjusts bool   // the decision changes anything at all
}

func (r *ImportRequest) choice() choice {
	return choice{Only: r.OnlyPatient, Same: r.SamePatient, Adjusts: r.Decision.Adjusts()}
}

// choosePatient makes sure that one decision is about one person, and takes out of
// the inspection what it does not concern: the other patients, and documents that are
// not known to be this one's.
func choosePatient(in *importer.Inspection, c choice) ([]importer.LeftOut, error) {
	if c.Only == "" {
		if len(in.Patients) > 1 && c.Adjusts && !c.Same {
			return nil, &importer.Problem{Code: importer.ProblemSeveral}
		}
		return nil, nil
	}
	var mine, others []*importer.Patient
	for _, p := range in.Patients {
		if p.ID == c.Only || p.Name == c.Only {
			mine = append(mine, p)
		} else {
			others = append(others, p)
		}
	}
	if len(mine) == 0 {
		return nil, &importer.Problem{Code: importer.ProblemPatient}
	}
	if len(mine) > 1 && !c.Same {
		return nil, &importer.Problem{Code: importer.ProblemSeveral}
	}
	in.Patients = mine
	aside := notChosen(others)
	if len(others) == 0 {
		return aside, nil
	}
	var documents []importer.Document
	for _, d := range in.Documents {
		if d.Study != nil && hasStudy(mine, d.Study.UID) {
			documents = append(documents, d)
		} else {
			aside = append(aside, importer.LeftOut{Item: d.Item, Reason: importer.ReasonNotChosen})
		}
	}
	in.Documents = documents
	return aside, nil
}

func hasStudy(patients []*importer.Patient, uid string) bool {
	return slices.ContainsFunc(patients, func(p *importer.Patient) bool {
		return slices.ContainsFunc(p.Studies, func(st *importer.Study) bool { return st.UID == uid })
	})
}
