package app

import (
	"testing"

	"lotse/internal/importer"
)

func TestMismatches(t *testing.T) {
	text := func(s string) *string { return &s }
	foreign := []*importer.Patient{{BirthDate: "19700101", Sex: "M"}, {BirthDate: "19700102", Sex: "M"}, {}}
	for _, c := range []struct {
		local importer.LocalPatient
		want  []importer.FindingCode
	}{
		{importer.LocalPatient{}, nil},
		{importer.LocalPatient{Sex: text("M")}, nil},
		{importer.LocalPatient{Sex: text("")}, nil},
		{importer.LocalPatient{Sex: text("F")}, []importer.FindingCode{importer.FindingSexDiffers}},
		{importer.LocalPatient{BirthDate: text("19700101")}, []importer.FindingCode{importer.FindingBirthDateDiffers}},
		{importer.LocalPatient{BirthDate: text("19800101"), Sex: text("F")},
			[]importer.FindingCode{importer.FindingBirthDateDiffers, importer.FindingSexDiffers}},
	} {
		got := mismatches(foreign, c.local)
		if len(got) != len(c.want) {
			t.Errorf("%+v: %+v, want %v", c.local, got, c.want)
			continue
		}
		for i := range got {
			if got[i].Code != c.want[i] || got[i].Severity != importer.Serious {
				t.Errorf("%+v, want %s", got[i], c.want[i])
			}
		}
	}
}
