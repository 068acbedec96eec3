package dlx

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// FuzzAnswers reads whatever a portal may say: nothing panics, what was
// understood is usable, and what a Handler would say of it reads the same again.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{
		`{"apiInfo":[{"dlxVersion":"v1","vendorInformation":"x","apiBasePath":"https://a.example/dlx/v1"}],"tfaQuestion":[{"questionId":"1","questionType":"PAT_BIRTH_DATE","answerFormat":"DATE","question":[{"text":"a","language":"de"}]}]}`,
		`{"apiInfo":{"dlxVersion":2,"capabilities":{"download":"true","dicomweb":{"wadoRs":{"available":1}}}},"tfaQuestion":{"questionId":1.5,"question":"a"}}`,
		`{"dataItem":[{"id":7,"date":20240419,"modalities":["CT",null],"patientsBirthdate":[1970,1,1],"fileCount":"3"}]}`,
		`{"dataItem":{"date":"2024-04-19T00:00:00Z","fileCount":1e400}}`, `[{"id":"1"}]`, `{"timeOutInSeconds":"30"}`,
		`"aaa.bbb.ccc"`, `{"token":"aaa.bbb.ccc"}`, `Bearer x`, `{"tfaAnswer":{"questionId":1,"answer":19700101}}`,
		"\ufeff{}", "null", "", "\xff\xfe", `{"tfaQuestion":[[[[]]]]}`, `{"dataItem":[`, "bytes 5-99/100",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		fuzzQuestions(t, body)
		fuzzItems(t, body)
		if jwt, ok := decodeJWT(body); ok && (jwt.IsZero() || strings.ContainsAny(jwt.Reveal(), " \r\n\x00")) {
			t.Error("JWT not fit for a header")
		}
		_, _ = decodeInfo(body)
		_, _ = decodeAnswers(body)
		if wait, ok := (&answer{status: 503, body: body}).comeBack(); ok && (wait <= 0 || wait > maxComeBack) {
			t.Errorf("wait %v", wait)
		}
		if first, last, total, ok := contentRange(string(body)); ok && (first < 0 || last < first || total >= 0 && last >= total) {
			t.Errorf("range %d-%d/%d", first, last, total)
		}
		if u, err := parseLink(string(body)); err == nil {
			again, err := parseLink(u.String())
			if err != nil || again.Host != u.Host {
				t.Errorf("host %q reads differently again", u.Host)
			}
		}
	})
}

func fuzzQuestions(t *testing.T, body []byte) {
	infos, questions, ok := decodeQuestions(body)
	if !ok {
		return
	}
	for _, q := range questions {
		if q.ID == "" || q.Type == "" || q.Format == "" || !json.Valid(q.wireID) {
			t.Errorf("question %+v", q)
		}
		_ = q.In("de", "en")
		_, _ = tfaAnswers("", []Question{q}, map[string]string{q.ID: "1.1.1970"})
	}
	info := wireOutInfo{}
	if len(infos) > 0 {
		info = wireOutInfo{infos[0].Version, infos[0].Vendor, infos[0].BasePath}
	}
	said, err := json.Marshal(outQuestions(info, questions))
	if err != nil {
		t.Fatal(err)
	}
	_, again, ok := decodeQuestions(said)
	if !ok || len(again) != len(questions) {
		t.Fatalf("questions lost: %s", said)
	}
	for i := range again {
		again[i].wireID, questions[i].wireID = nil, nil
		if !reflect.DeepEqual(again[i], questions[i]) {
			t.Errorf("question %+v became %+v", questions[i], again[i])
		}
	}
}

func fuzzItems(t *testing.T, body []byte) {
	items, ok := decodeItems(body)
	if !ok {
		return
	}
	said, err := json.Marshal(outItems(items))
	if err != nil {
		t.Fatal(err)
	}
	again, ok := decodeItems(said)
	if !ok || len(again) != len(items) {
		t.Fatalf("items lost: %s", said)
	}
	for i := range items {
		if again[i].ID != items[i].ID || again[i].Date != items[i].Date || again[i].BirthDate != items[i].BirthDate ||
			again[i].PatientName != items[i].PatientName || !reflect.DeepEqual(again[i].Modalities, items[i].Modalities) {
			t.Errorf("item %d differs: %s", i, said)
		}
	}
}
