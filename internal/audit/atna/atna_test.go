package atna_test

import (
	"encoding/xml"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lotse/internal/audit/atna"
	"lotse/internal/importer"
)

func source(patients bool) atna.Source {
	return atna.Source{ID: "https://lotse.example.org", Site: "Klinik <Süd> & Co", Patients: patients}
}

func event(code string) atna.Event {
	return atna.Event{ID: "0197a000-0000-7000-8000-000000000001", Actor: "user:1", Session: "s1", Code: code, Import: "0197a000-0000-7000-8000-000000000002",
		At: time.Date(2026, 12, 1, 10, 0, 0, 123456000, time.UTC), Delivery: "d", Destination: "e", Address: "192.0.2.7", Kind: "link",
		Patients: []atna.Patient{{ID: "A\"1<", Studies: []string{"1.2.3", "1.2.4"}}, {ID: "B2", Studies: []string{"1.2.5"}}}}
}

// codes are those that events have, and which message is about them; none: "".
func codes() map[string]string {
	all := map[string]string{
		"node.started": "110100/110120", "node.stopped": "110100/110121",
		"audit.read": "110101", "audit.heads-read": "110101", "audit.exported": "110101", "audit.verified": "110101", "usage.read": "110101",
		"delivery.started": "110102", "delivery.resumed": "110102", "delivery.confirmed": "110104", "delivery.fell-short": "110104 4",
		"access.import": "110103", "access.inspection": "110103", "access.receipt": "110103",
		"import.inspected": "110107", "import.decided": "110103", "import.rejected": "110103", "import.recalled": "110103", "import.purged": "110105",
		"login.succeeded": "110114/110122", "login.failed": "110114/110122 4", "session.ended": "110114/110123", "login.blocked": "110113/110137",
		"user.created": "110113/110137", "token.revoked": "110113/110137", "role.changed": "110113/110136", "access.suspicious": "110113/110132 4",
		"destination.changed": "110113/110128", "settings.changed": "110113/110129", "tenant.destroyed": "110113/110129", "clock.confirmed": "110113/110129",
		"installation.restored": "110113/110129", "audit.period-erased": "110113/110135",
		"provider.created": "110113/110129", "provider.changed": "110113/110129", "provider.deleted": "110113/110129",
		"factor.added": "110113/110137", "factor.removed": "110113/110137", "factor.withdrawn": "110113/110137", "login.again": "110113/110137",
		"import.created": "", "import.fetched": "", "delivery.created": "", "delivery.all-sent": "", "x": "", "": "",
	}
	for _, e := range []importer.Event{importer.EventAsked, importer.EventFailed, importer.EventVerified} {
		all["import."+string(e)] = ""
	}
	return all
}

// seen is a message as a receiver reads it.
type seen struct {
	Event struct {
		Outcome string `xml:"EventOutcomeIndicator,attr"`
		ID      struct {
			Code string `xml:"csd-code,attr"`
		} `xml:"EventID"`
		Type struct {
			Code string `xml:"csd-code,attr"`
		} `xml:"EventTypeCode"`
	} `xml:"EventIdentification"`
	Objects []struct {
		ID   string `xml:"ParticipantObjectID,attr"`
		Role string `xml:"ParticipantObjectTypeCodeRole,attr"`
	} `xml:"ParticipantObjectIdentification"`
}

func messages(t *testing.T, s atna.Source, e atna.Event) (texts [][]byte, read []seen) {
	t.Helper()
	texts, err := s.Messages(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		var one seen
		if err := xml.Unmarshal(text, &one); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		read = append(read, one)
	}
	return texts, read
}

// TestForms: each event has the message that it must have; one about an exam is about one
// patient and has its studies, whatever is known.
func TestForms(t *testing.T) {
	for code, want := range codes() {
		_, all := messages(t, source(true), event(code))
		if want == "" {
			if len(all) != 0 {
				t.Errorf("%s: %+v", code, all)
			}
			continue
		}
		if len(all) == 0 {
			t.Errorf("%s: no message", code)
			continue
		}
		for i, m := range all {
			got := m.Event.ID.Code
			if m.Event.Type.Code != "" {
				got += "/" + m.Event.Type.Code
			}
			if m.Event.Outcome != "0" {
				got += " " + m.Event.Outcome
			}
			if got != want {
				t.Errorf("%s: %s instead of %s", code, got, want)
			}
			objects := ""
			for _, o := range m.Objects {
				if o.Role != "13" {
					objects += o.Role + " " + o.ID + ", "
				}
			}
			clinical := map[string]bool{"110102": true, "110103": true, "110104": true, "110105": true, "110107": true}[m.Event.ID.Code]
			if wanted := []string{"3 1.2.3, 3 1.2.4, 1 A\"1<, ", "3 1.2.5, 1 B2, "}; clinical && (len(all) != 2 || objects != wanted[i]) || !clinical && objects != "" {
				t.Errorf("%s: %d messages, about %s", code, len(all), objects)
			}
		}
	}
}

// TestWithheld: patients are not named unless that is wanted, and where nothing is known
// there is still a study and a patient.
func TestWithheld(t *testing.T) {
	texts, _ := messages(t, source(false), event("access.import"))
	for _, text := range texts {
		if s := string(text); strings.Contains(s, "A&#34;1") || strings.Contains(s, "B2") || !strings.Contains(s, "withheld") || !strings.Contains(s, "1.2.") {
			t.Error(s)
		}
	}
	e := event("access.receipt")
	e.Patients = nil
	_, read := messages(t, source(true), e)
	if len(read) != 1 || len(read[0].Objects) != 2 || read[0].Objects[0].ID != "unknown" || read[0].Objects[1].ID != "withheld" {
		t.Errorf("%+v", read)
	}
}

// TestSchema: every message is as PS3.15 A.5.1 wants it, also with hostile values; and the
// schema refuses what is not.
func TestSchema(t *testing.T) {
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("skipped: xmllint is not installed")
	}
	validate := func(texts ...[]byte) error {
		dir := t.TempDir()
		args := []string{"--noout", "--relaxng", "testdata/audit-message.rng"}
		for i, text := range texts {
			name := filepath.Join(dir, fmt.Sprintf("%d.xml", i))
			if err := os.WriteFile(name, text, 0o600); err != nil {
				t.Fatal(err)
			}
			args = append(args, name)
		}
		out, err := exec.Command(xmllint, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w\n%.2000s", err, out)
		}
		return nil
	}
	var all [][]byte
	for code := range codes() {
		hostile := event(code)
		hostile.Actor, hostile.Session, hostile.Kind, hostile.Address = " ", "\x00<![CDATA[", "\u2028", "&quot;"
		hostile.Patients = append(hostile.Patients, atna.Patient{ID: "\x01\xff", Studies: []string{" ", "]]>"}}, atna.Patient{})
		bare := atna.Event{Code: code, ID: "x"}
		for _, e := range []atna.Event{event(code), hostile, bare} {
			texts, _ := messages(t, source(true), e)
			more, _ := messages(t, source(false), e)
			all = append(append(all, texts...), more...)
		}
	}
	head, err := source(true).Head(time.Unix(1, 0), []byte(`{"seq":1}`))
	if err != nil || !strings.Contains(string(head), `value="eyJzZXEiOjF9"`) {
		t.Errorf("%v: %s", err, head)
	}
	all = append(all, head)
	if len(all) < 100 {
		t.Fatalf("only %d messages", len(all))
	}
	if err := validate(all...); err != nil {
		t.Error(err)
	}
	good := string(all[0])
	for _, change := range [][2]string{{"EventOutcomeIndicator=\"0\"", "EventOutcomeIndicator=\"1\""}, {"EventOutcomeIndicator=\"4\"", "EventOutcomeIndicator=\"1\""},
		{"UserIsRequestor=", "Requestor="}, {"<AuditSourceIdentification", "<Source"}, {"<EventID", "<ID"}} {
		if bad := strings.Replace(good, change[0], change[1], 1); bad != good {
			if err := validate([]byte(bad)); err == nil {
				t.Errorf("the schema takes %s", change[1])
			}
		}
	}
}
