package app

import "lotse/internal/importer"

// choice says which of the patients found a decision is about.
type choice struct {
	Only    string // the foreign patient ID or name; empty: all
	Same    bool   // all found are the same person
	Adjusts bool   // the decision changes anything at all
}

func (r *ImportRequest) choice() choice {
	return choice{Only: r.OnlyPatient, Same: r.SamePatient, Adjusts: r.Decision.Adjusts()}
}

// choosePatient makes sure that one decision is about one person and returns the
// patients it does not concern, taken out of the inspection.
func choosePatient(in *importer.Inspection, c choice) ([]*importer.Patient, error) {
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
	return others, nil
}
