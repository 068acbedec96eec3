package dlx

import (
	"encoding/json"
	"strings"
)

// What a Handler sends: strictly as DIN/TS 19455 writes it, whereas the
// client's types read liberally.

type wireOutInfo struct {
	Version  string `json:"dlxVersion"`
	Vendor   string `json:"vendorInformation,omitempty"`
	BasePath string `json:"apiBasePath"`
}

type wireOutText struct {
	Text     string `json:"text"`
	Language string `json:"language,omitempty"`
}

type wireOutQuestion struct {
	ID     string        `json:"questionId"`
	Type   QuestionType  `json:"questionType"`
	Format AnswerFormat  `json:"answerFormat"`
	Texts  []wireOutText `json:"question"`
}

type wireOutQuestions struct {
	Info      []wireOutInfo     `json:"apiInfo"`
	Questions []wireOutQuestion `json:"tfaQuestion"`
}

func outQuestions(info wireOutInfo, questions []Question) wireOutQuestions {
	out := wireOutQuestions{Info: []wireOutInfo{info}, Questions: []wireOutQuestion{}}
	for _, q := range questions {
		wire := wireOutQuestion{ID: q.ID, Type: q.Type, Format: q.Format, Texts: []wireOutText{}}
		for _, t := range q.Texts {
			wire.Texts = append(wire.Texts, wireOutText{Text: t.Text, Language: t.Language})
		}
		out.Questions = append(out.Questions, wire)
	}
	return out
}

type wireOutItem struct {
	ID          string `json:"id"`
	MIMEType    string `json:"mimeType"`
	Description string `json:"description"`
	StudyUID    string `json:"studyInstanceUID,omitempty"`
	Date        string `json:"date,omitempty"`
	Modalities  string `json:"modalities,omitempty"` // one string, several codes with commas
	PatientName string `json:"patientsName,omitempty"`
	BirthDate   string `json:"patientsBirthdate,omitempty"`
	Sex         string `json:"patientsSex,omitempty"`
	FileCount   int64  `json:"fileCount,omitempty"`
}

type wireOutItems struct {
	Items []wireOutItem `json:"dataItem"`
}

func outItems(items []Item) wireOutItems {
	out := wireOutItems{Items: []wireOutItem{}}
	for _, i := range items {
		out.Items = append(out.Items, wireOutItem{
			ID: i.ID, MIMEType: i.MIMEType, Description: i.Description, StudyUID: i.StudyUID, Date: i.Date.iso(),
			Modalities: strings.Join(i.Modalities, ","), PatientName: i.PatientName, BirthDate: i.BirthDate.iso(), Sex: i.Sex,
			FileCount: max(i.FileCount, 0),
		})
	}
	return out
}

// iso is YYYY-MM-DD.
func (d Date) iso() string {
	if len(d) != 8 {
		return ""
	}
	return string(d[:4] + "-" + d[4:6] + "-" + d[6:])
}

// decodeAnswers reads tfaAnswers.
func decodeAnswers(body []byte) (map[string]string, bool) {
	var wire struct {
		Answers many[struct {
			ID     text `json:"questionId"`
			Answer text `json:"answer"`
		}] `json:"tfaAnswer"`
	}
	if json.Unmarshal(tidyJSON(body), &wire) != nil {
		return nil, false
	}
	answers := map[string]string{}
	for _, a := range wire.Answers {
		answers[string(a.ID)] = string(a.Answer)
	}
	return answers, true
}

// page is what a person sees who opens a link in a browser. It does not
// depend on the link.
const page = `<!DOCTYPE html>
<html lang="de"><head><meta charset="utf-8"><title>DICOM Link Exchange</title></head>
<body><h1>DICOM Link Exchange</h1>
<p>Dieser Link gibt Untersuchungen an Software weiter, die DICOM Link Exchange spricht.</p>
<p lang="en">This link hands over examinations to software that speaks DICOM Link Exchange.</p>
</body></html>
`
