package dlx_test

import (
	"net/http"
	"strings"
	"testing"

	"lotse/dlx"
	"lotse/dlx/dlxtest"
)

func TestAuthenticateTells(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.Handler
		kind   dlx.Kind // "" when it succeeds
		jwt    string
	}{
		"bare":         {dlxtest.Body(200, "application/jwt", "aaa.bbb.ccc"), "", "aaa.bbb.ccc"},
		"newline":      {dlxtest.Body(200, "text/plain", "aaa.bbb.ccc\r\n"), "", "aaa.bbb.ccc"},
		"quoted":       {dlxtest.Body(200, "application/json", `"aaa.bbb.ccc"`), "", "aaa.bbb.ccc"},
		"object":       {dlxtest.JSON(`{"token":"aaa.bbb.ccc","expires":1}`), "", "aaa.bbb.ccc"},
		"OAuth object": {dlxtest.JSON(`{"access_token":"aaa.bbb.ccc"}`), "", "aaa.bbb.ccc"},
		"with scheme":  {dlxtest.JSON(`Bearer aaa.bbb.ccc`), "", "aaa.bbb.ccc"},
		"opaque":       {dlxtest.JSON(`a1-_~+/=`), "", "a1-_~+/="},
		"page":         {dlxtest.HTML(), dlx.Protocol, ""},
		"empty":        {dlxtest.JSON(""), dlx.Protocol, ""},
		"empty string": {dlxtest.JSON(`""`), dlx.Protocol, ""},
		"header trick": {dlxtest.JSON(`"aaa\r\nX-Evil: 1"`), dlx.Protocol, ""},
		"too long":     {dlxtest.JSON(strings.Repeat("a", 20<<10)), dlx.Protocol, ""},
		"endless":      {dlxtest.JSON(strings.Repeat("a", 2<<20)), dlx.Protocol, ""},
		"wrong":        {dlxtest.Status(401), dlx.Refused, ""},
		"expired":      {dlxtest.Status(403), dlx.Expired, ""},
		"gone":         {dlxtest.Status(410), dlx.Expired, ""},
		"bad request":  {dlxtest.Status(400), dlx.Protocol, ""},
		"locked":       {dlxtest.RetryAfter(429, 60), dlx.Unavailable, ""},
		"down":         {dlxtest.Status(500), dlx.Unavailable, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			portal.Script(dlxtest.TokenTFA, c.answer)
			w.https("portal.example", portal)
			client := w.client()
			p, err := client.Probe(t.Context(), link)
			if err != nil {
				t.Fatal(err)
			}
			s, err := client.Authenticate(t.Context(), p, map[string]string{"1": birth})
			if n := len(portal.Requests(dlxtest.TokenTFA)); n != 1 {
				t.Errorf("answered %d times", n)
			}
			if c.kind != "" {
				wantKind(t, err, c.kind)
				return
			}
			if err != nil || s.JWT().Reveal() != c.jwt {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAuthenticateChecksAnswersFirst(t *testing.T) {
	w, portal := newWorld(t), dlxtest.New(nil)
	w.https("portal.example", portal)
	client := w.client()
	p, err := client.Probe(t.Context(), link)
	if err != nil {
		t.Fatal(err)
	}
	for answer, reason := range map[string]dlx.Reason{"": "", "gestern": "", "1/2/1970": dlx.AmbiguousDate, "31.2.1970": ""} {
		_, err := client.Authenticate(t.Context(), p, map[string]string{"1": answer})
		if e := wantKind(t, err, dlx.BadAnswer); e.QuestionID != "1" || e.Reason != reason {
			t.Errorf("%q: %#v", answer, e)
		}
	}
	_, err = client.Authenticate(t.Context(), p, map[string]string{"1": "2.1.1970"})
	wantKind(t, err, dlx.Refused)
	if n := len(portal.Requests(dlxtest.TokenTFA)); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestListLiberal(t *testing.T) {
	full := dlx.Item{ID: "7", MIMEType: "application/pdf", Description: "CT", StudyUID: "1.2", Date: "20240419",
		PatientName: "Müller,Max", BirthDate: "19700101", Sex: "M", FileCount: 3}
	for name, body := range map[string]string{
		"as specified":   `{"dataItem":[{"id":"7","mimeType":"application/pdf","description":"CT","studyInstanceUID":"1.2","date":"2024-04-19","modalities":"CT,MR","patientsName":"Müller,Max","patientsBirthdate":"1970-01-01","patientsSex":"M","fileCount":3}]}`,
		"numbers":        `{"dataItem":{"id":7,"mimeType":"application/pdf","description":"CT","studyInstanceUID":1.2,"date":20240419,"modalities":["CT","MR"],"patientsName":"Müller,Max","patientsBirthdate":1.9700101E7,"patientsSex":"M","fileCount":"3"}}`,
		"times, bare":    `[{"id":"7","mimeType":"application/pdf","description":"CT","studyInstanceUID":"1.2","date":"2024-04-19T00:00:00+02:00","modalities":"CT\\MR","patientsName":"Müller,Max","patientsBirthdate":[1970,1,1],"patientsSex":"M","fileCount":3.0,"x":{}}]`,
		"other encoding": `{"DataItem":[{"id":"7","mimeType":"application/pdf","description":"CT","studyInstanceUID":"1.2","date":"20240419","modalities":["CT","MR"],"patientsName":"M` + "\xfc" + `ller,Max","patientsBirthdate":"01.01.1970","patientsSex":"M","fileCount":3}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			portal.Script(dlxtest.List, dlxtest.NotReady("2"), dlxtest.JSON(body))
			w.https("portal.example", portal)
			items, err := open(t, w.client(), link).List(t.Context())
			if err != nil || len(items) != 1 {
				t.Fatalf("%d items, %v", len(items), err)
			}
			got := items[0]
			if m := strings.Join(got.Modalities, " "); m != "CT MR" {
				t.Errorf("modalities %q", m)
			}
			got.Modalities = nil
			if !equalItems(got, full) {
				t.Errorf("item differs: %q %q %q %q %q %d", got.ID, got.PatientName, got.Date, got.BirthDate, got.StudyUID, got.FileCount)
			}
		})
	}
}

func equalItems(a, b dlx.Item) bool {
	return a.ID == b.ID && a.MIMEType == b.MIMEType && a.Description == b.Description && a.StudyUID == b.StudyUID && a.Date == b.Date &&
		a.PatientName == b.PatientName && a.BirthDate == b.BirthDate && a.Sex == b.Sex && a.FileCount == b.FileCount
}

func TestListTells(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.Handler
		items  int
		kind   dlx.Kind
	}{
		"none":           {dlxtest.JSON(`{"dataItem":[]}`), 0, ""},
		"null":           {dlxtest.JSON(`{"dataItem":null}`), 0, ""},
		"empty object":   {dlxtest.JSON(`{}`), 0, ""},
		"without values": {dlxtest.JSON(`{"dataItem":[{},null,{"id":null,"date":"soon","fileCount":-1}]}`), 2, ""},
		"page":           {dlxtest.HTML(), 0, dlx.Protocol},
		"other object":   {dlxtest.JSON(`{"error":"no"}`), 0, dlx.Protocol},
		"string":         {dlxtest.JSON(`{"dataItem":"no"}`), 0, dlx.Protocol},
		"just null":      {dlxtest.JSON(`null`), 0, dlx.Protocol},
		"too many":       {dlxtest.Huge("dataItem", 1<<20), 0, dlx.Protocol},
		"too large":      {dlxtest.Huge("dataItem", 17<<20), 0, dlx.Protocol},
		"expired":        {dlxtest.Status(403), 0, dlx.Expired},
		"down":           {dlxtest.Status(503), 0, dlx.Unavailable},
		"missing":        {dlxtest.Status(404), 0, dlx.Protocol},
	} {
		t.Run(name, func(t *testing.T) {
			w, portal := newWorld(t), dlxtest.New(nil)
			portal.Script(dlxtest.List, c.answer)
			w.https("portal.example", portal)
			items, err := open(t, w.client(), link).List(t.Context())
			if c.kind != "" {
				wantKind(t, err, c.kind)
				return
			}
			if err != nil || len(items) != c.items {
				t.Errorf("%d items, %v", len(items), err)
			}
			for _, i := range items {
				if i.FileCount != -1 {
					t.Errorf("count %d", i.FileCount)
				}
			}
		})
	}
}
