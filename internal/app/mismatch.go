package app

import "lotse/internal/importer"

// mismatches compares the patients of an exam with the local patient it is to
// become: a birth date or a sex that contradicts is the sign of a wrong patient.
func mismatches(patients []*importer.Patient, local importer.LocalPatient) []importer.Finding {
	var out []importer.Finding
	note := func(code importer.FindingCode, foreign string, decided *string) {
		if decided == nil || *decided == "" || foreign == "" || foreign == *decided {
			return
		}
		for _, f := range out {
			if f.Code == code {
				return
			}
		}
		out = append(out, importer.Finding{Code: code, Severity: importer.Serious, Item: -1})
	}
	for _, p := range patients {
		note(importer.FindingBirthDateDiffers, p.BirthDate, local.BirthDate)
		note(importer.FindingSexDiffers, p.Sex, local.Sex)
	}
	return out
}
