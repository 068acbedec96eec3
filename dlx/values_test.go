package dlx_test

import (
	"testing"

	"lotse/dlx"
)

func TestParseDate(t *testing.T) {
	for in, want := range map[string]dlx.Date{
		"1970-01-31": "19700131", "1970-1-2": "19700102", "1970/01/31": "19700131", "1970.01.31": "19700131",
		"31.01.1970": "19700131", "1.2.1970": "19700201", " 31. 1. 1970 ": "19700131",
		"19700131": "19700131", "31011970": "19700131", "20111911": "19111120", "20012001": "20010120",
		"20011202": "20011202", "31/01/1970": "19700131", "01/31/1970": "19700131", "31-01-1970": "19700131",
		"05/05/1970": "19700505", "29.02.2024": "20240229",
	} {
		if got, err := dlx.ParseDate(in); err != nil || got != want {
			t.Errorf("%q: %q %v", in, got, err)
		}
	}
	for in, reason := range map[string]dlx.Reason{
		"01/02/1970": dlx.AmbiguousDate, "1-2-1970": dlx.AmbiguousDate, "31.01.70": dlx.AmbiguousDate, "1/2/70": dlx.AmbiguousDate,
		"": "", "x": "", "29.02.2023": "", "19701331": "", "31.13.1970": "", "00.01.1970": "", "1970": "", "197001311": "",
		"1.2.19700": "", "01-02.1970": "", "12121212": "", "13/13/1970": "", "1700-01-01": "", "2300-01-01": "", "١٩٧٠٠١٣١": "",
	} {
		_, err := dlx.ParseDate(in)
		if e := wantKind(t, err, dlx.BadAnswer); e.Reason != reason {
			t.Errorf("%q: %v", in, e)
		}
	}
}

func TestQuestionLanguages(t *testing.T) {
	q := dlx.Question{Texts: []dlx.Text{{"de", "Wer?"}, {"en", "Who?"}, {"fra", "Qui ?"}, {"", "?"}}}
	for _, c := range []struct {
		want      string
		languages []string
	}{
		{"Wer?", []string{"de-AT"}}, {"Who?", []string{"en-GB", "de"}}, {"Who?", []string{"tlh", "en"}}, {"Qui ?", []string{"fr-CH"}},
		{"Wer?", nil}, {"Wer?", []string{"ja"}}, {"Wer?", []string{"!"}},
	} {
		if got := q.In(c.languages...); got != c.want {
			t.Errorf("%v: %q", c.languages, got)
		}
	}
	if got := (dlx.Question{}).In("de"); got != "" {
		t.Errorf("no text: %q", got)
	}
	if got := (dlx.Question{Texts: []dlx.Text{{"not a language", "?"}}}).In("de"); got != "?" {
		t.Errorf("odd language: %q", got)
	}
}

func TestNormalize(t *testing.T) {
	q := dlx.Question{ID: "1", Type: dlx.Custom, Format: dlx.FormatString}
	if got, err := q.Normalize(" Dr. Mu\u0308ller\n"); err != nil || got != "Dr. Müller" {
		t.Errorf("%q %v", got, err)
	}
	_, err := q.Normalize("  ")
	wantKind(t, err, dlx.BadAnswer)
}

func TestPrefill(t *testing.T) {
	questions := []dlx.Question{
		{ID: "a", Type: dlx.PatientBirthDate, Format: dlx.FormatDate},
		{ID: "b", Type: dlx.StudyDate, Format: dlx.FormatDate},
		{ID: "c", Type: dlx.Password, Format: dlx.FormatString},
		{ID: "d", Type: dlx.Custom, Format: dlx.FormatString},
	}
	got := dlx.Prefill(questions, dlx.Known{BirthDate: "31.1.1970", StudyDate: "1/2/24", Password: " 132 "})
	if len(got) != 2 || got["a"] != "19700131" || got["c"] != "132" {
		t.Errorf("%d answers", len(got))
	}
}

func TestSniff(t *testing.T) {
	part10 := string(make([]byte, 128)) + "DICM\x02\x00\x00\x00UL"
	for in, want := range map[string]dlx.MediaType{
		"PK\x03\x04xx": dlx.ZIP, "PK\x05\x06": dlx.ZIP, "PK\x07\x08PK\x03\x04": dlx.ZIP, "PKZIP": dlx.Unknown,
		"%PDF-1.7": dlx.PDF, "\n\njunk %PDF-1.4": dlx.PDF, "\xff\xd8\xff\xe0": dlx.JPEG, "\x89PNG\r\n\x1a\n": dlx.PNG,
		part10: dlx.DICOM, "MZ" + part10[2:]: dlx.DICOM, "PK\x03\x04" + part10[4:]: dlx.DICOM, part10[:132]: dlx.Unknown,
		"\ufeff <!DOCTYPE HTML>": dlx.HTML, "<html lang=de>": dlx.HTML, "<!-- x --> <HTML>": dlx.HTML, "<!-- x": dlx.HTML,
		`<?xml version="1.0"?><html>`: dlx.HTML, `<?xml version="1.0"?><ClinicalDocument>`: dlx.Unknown, "<html> %PDF-": dlx.HTML,
		`{"a":1}`: dlx.JSON, " [ ]": dlx.JSON, "{": dlx.JSON, "{\\rtf1": dlx.Unknown, "": dlx.Unknown, "text": dlx.Unknown,
	} {
		if got := dlx.Sniff([]byte(in)); got != want {
			t.Errorf("%.20q: %q, want %q", in, got, want)
		}
	}
}
