package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/personal"
)

// TestNothingPersonalIsPrinted formats whatever travels with names, birth dates, links and
// answers in it in every usual way, and finds none of them.
func TestNothingPersonalIsPrinted(t *testing.T) {
	const secret = "Erika4711"
	local := importer.LocalPatient{ID: text(secret), Name: text(secret), BirthDate: text(secret)}
	decision := importer.Decision{Patient: local, Accession: text(secret), Set: []importer.Assignment{{Tag: 0x00100010, Values: []string{secret}}}, UIDKey: []byte(secret)}
	hidden := personal.New(secret)
	answers := Answers{ByID: personal.NewMap(map[string]string{"q": secret}), BirthDate: hidden, StudyDate: hidden, Password: hidden, ArchivePassword: hidden}
	all := []any{
		answers, NewImport{Link: hidden, Known: answers}, secrets{hidden, answers}, request{ArchivePassword: hidden, Archives: answers.ByID}, local, decision, decision.Set,
		NewDecision{Patient: local, Accession: text(secret), OnlyPatient: secret, Reason: secret, Set: decision.Set},
		decided{Decision: decision, OnlyPatient: secret, Reason: secret},
		source.Request{Sources: []string{secret}, BirthDate: secret, Answers: map[string]string{"q": secret}, Password: secret},
	}
	for _, value := range all {
		var out bytes.Buffer
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", value)
			fmt.Fprintf(&out, verb+"\n", []any{value, &value})
		}
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			if _, list := value.([]importer.Assignment); list {
				continue // its JSON is what is sealed; the logs of the product take no structs
			}
			slog.New(h).Info("m", "value", value)
		}
		printed := strings.ToLower(out.String())
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret))} {
			if strings.Contains(printed, strings.ToLower(form)) {
				t.Errorf("%T is printed:\n%s", value, printed)
			}
		}
	}
}

// TestSealedAsBefore: what is sealed is the values themselves, in the members that columns
// have always had, and comes back.
func TestSealedAsBefore(t *testing.T) {
	was := secrets{personal.New("https://x"), Answers{ByID: personal.NewMap(map[string]string{"q": "a", "none": ""}), BirthDate: personal.New("b"), StudyDate: personal.New("c"),
		Password: personal.New("d"), ArchivePassword: personal.New("e"), AllowHosts: []string{"h"}}}
	raw, err := json.Marshal(was.reveal())
	must(t, err)
	want := `{"Link":"https://x","Known":{"ByID":{"none":"","q":"a"},"BirthDate":"b","StudyDate":"c","Password":"d","AllowHosts":["h"],"ArchivePassword":"e"}}`
	if string(raw) != want {
		t.Errorf("sealed is %s", raw)
	}
	var back secrets
	must(t, back.restore(func(to any) error { return json.Unmarshal(raw, to) }))
	again, err := json.Marshal(back.reveal())
	must(t, err)
	if string(again) != want {
		t.Errorf("opened and sealed again it is %s", again)
	}
	asked := request{Select: []string{"1"}, Files: 2, ArchivePassword: personal.New("p"), Archives: personal.NewMap(map[string]string{"archive.2": ""})}
	raw, err = json.Marshal(asked.reveal())
	must(t, err)
	if string(raw) != `{"Select":["1"],"Files":2,"ArchivePassword":"p","Archives":{"archive.2":""}}` {
		t.Errorf("sealed is %s", raw)
	}
	var request request
	must(t, request.restore(func(to any) error { return json.Unmarshal(raw, to) }))
	if request.ArchivePassword.Reveal() != "p" || !request.Archives["archive.2"].IsSet() {
		t.Error("the request did not come back")
	}
}
