package dlx

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/unicode/norm"
)

// QuestionType says what a question asks for (DIN/TS 19455, tfaQuestion).
type QuestionType string

// The question types. Anything else counts as Custom.
const (
	PatientBirthDate QuestionType = "PAT_BIRTH_DATE" // (0010,0030)
	StudyDate        QuestionType = "STUDY_DATE"     // (0008,0020)
	Password         QuestionType = "PASSWORD"       // OTP, TOTP or PIN
	Custom           QuestionType = "CUSTOM"
)

// AnswerFormat says how an answer is sent.
type AnswerFormat string

// The answer formats.
const (
	FormatDate   AnswerFormat = "DATE" // YYYYMMDD
	FormatString AnswerFormat = "STRING"
)

// Text is a question's wording in one language.
type Text struct {
	Language string // ISO 639, as the portal sent it; may be empty
	Text     string
}

// Question is one question of a portal.
type Question struct {
	ID     string
	Type   QuestionType
	Format AnswerFormat
	Texts  []Text // in the portal's order; may be empty
	// wireID is the id as the portal wrote it: who sends a number, gets a number.
	wireID json.RawMessage
}

// In returns the wording that fits the languages best (BCP 47, most wanted
// first), else the portal's first; "" when it sent none: then say it by Type.
func (q Question) In(languages ...string) string {
	if len(q.Texts) == 0 {
		return ""
	}
	supported := make([]language.Tag, len(q.Texts))
	for i, t := range q.Texts {
		supported[i] = language.Make(strings.TrimSpace(t.Language))
	}
	wanted := make([]language.Tag, 0, len(languages))
	for _, l := range languages {
		if tag, err := language.Parse(l); err == nil {
			wanted = append(wanted, tag)
		}
	}
	if _, index, confidence := language.NewMatcher(supported).Match(wanted...); confidence != language.No {
		return q.Texts[index].Text
	}
	return q.Texts[0].Text
}

// Normalize returns an answer in the form that is sent: a DATE as YYYYMMDD,
// a STRING trimmed and in Unicode's composed form. An answer that is empty or
// no clear date is an *Error of kind BadAnswer with the question's id.
func (q Question) Normalize(answer string) (string, error) {
	if q.Format == FormatDate {
		d, err := ParseDate(answer)
		var e *Error
		if errors.As(err, &e) {
			return "", &Error{Kind: BadAnswer, Reason: e.Reason, QuestionID: q.ID}
		}
		return string(d), err
	}
	answer = norm.NFC.String(strings.TrimSpace(answer))
	if answer == "" {
		return "", &Error{Kind: BadAnswer, QuestionID: q.ID}
	}
	return answer, nil
}

// Known is what is already known about the exam, to answer questions by their type.
type Known struct {
	BirthDate, StudyDate, Password string
}

// Prefill answers, by question id, what can be answered from known values.
// Values that do not have the question's format are left out.
func Prefill(questions []Question, known Known) map[string]string {
	answers := map[string]string{}
	for _, q := range questions {
		value := map[QuestionType]string{
			PatientBirthDate: known.BirthDate, StudyDate: known.StudyDate, Password: known.Password,
		}[q.Type]
		if answer, err := q.Normalize(value); value != "" && err == nil {
			answers[q.ID] = answer
		}
	}
	return answers
}

// wireText is an element of question: {text, language}, or only the text.
type wireText struct{ text, language text }

func (w *wireText) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		return w.text.UnmarshalJSON(b)
	}
	var object struct {
		Text     text `json:"text"`
		Language text `json:"language"`
	}
	if err := json.Unmarshal(b, &object); err != nil {
		return errUndecodable
	}
	w.text, w.language = object.Text, object.Language
	return nil
}

type wireQuestion struct {
	ID     json.RawMessage `json:"questionId"`
	Type   text            `json:"questionType"`
	Format text            `json:"answerFormat"`
	Texts  many[wireText]  `json:"question"`
}

// question makes the position (from 0) the id where the portal sent none.
func (w wireQuestion) question(position int) Question {
	var id text
	_ = id.UnmarshalJSON(w.ID) // RawMessage is valid JSON: at worst empty
	q := Question{ID: string(id), wireID: w.ID, Type: Custom, Format: FormatString}
	if q.ID == "" {
		q.ID, q.wireID = strconv.Itoa(position+1), json.RawMessage(`""`)
	}
	switch t := QuestionType(constant(w.Type)); t {
	case PatientBirthDate, StudyDate, Password:
		q.Type = t
	}
	switch format := AnswerFormat(constant(w.Format)); {
	case format == FormatDate:
		q.Format = FormatDate
	case format != FormatString && (q.Type == PatientBirthDate || q.Type == StudyDate):
		q.Format = FormatDate
	}
	for _, t := range w.Texts {
		if t.text != "" {
			q.Texts = append(q.Texts, Text{Language: string(t.language), Text: string(t.text)})
		}
	}
	return q
}

// constant is the spelling of an enumeration's value: upper case, trimmed.
func constant(t text) string { return strings.ToUpper(strings.TrimSpace(string(t))) }
