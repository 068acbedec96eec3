// Package atna makes audit messages of audit events, as DICOM PS3.15 A.5 defines them:
// the language of audit record repositories.
package atna

import (
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// code is a coded value (CodedValueType).
type code struct {
	Code   string `xml:"csd-code,attr"`
	System string `xml:"codeSystemName,attr"`
	Text   string `xml:"originalText,attr"`
}

// The elements of a message, in the order of the schema (PS3.15 A.5.1).
type (
	message struct {
		XMLName      xml.Name      `xml:"AuditMessage"`
		Event        event         `xml:"EventIdentification"`
		Participants []participant `xml:"ActiveParticipant"`
		Source       source        `xml:"AuditSourceIdentification"`
		Objects      []object      `xml:"ParticipantObjectIdentification"`
	}
	event struct {
		Action  string `xml:"EventActionCode,attr"`
		At      string `xml:"EventDateTime,attr"`
		Outcome string `xml:"EventOutcomeIndicator,attr"`
		ID      code   `xml:"EventID"`
		Types   []code `xml:"EventTypeCode"`
	}
	participant struct {
		UserID     string `xml:"UserID,attr"`
		Alternate  string `xml:"AlternativeUserID,attr,omitempty"`
		Requestor  bool   `xml:"UserIsRequestor,attr"`
		Access     string `xml:"NetworkAccessPointID,attr,omitempty"`
		AccessType string `xml:"NetworkAccessPointTypeCode,attr,omitempty"`
		Roles      []code `xml:"RoleIDCode"`
		Media      *media `xml:"MediaIdentifier"`
	}
	media struct {
		Type code `xml:"MediaType"`
	}
	source struct {
		Site string     `xml:"AuditEnterpriseSiteID,attr,omitempty"`
		ID   string     `xml:"AuditSourceID,attr"`
		Type sourceType `xml:"AuditSourceTypeCode"`
	}
	sourceType struct {
		Code string `xml:"csd-code,attr"`
	}
	object struct {
		ID        string `xml:"ParticipantObjectID,attr"`
		Type      string `xml:"ParticipantObjectTypeCode,attr"`
		Role      string `xml:"ParticipantObjectTypeCodeRole,attr"`
		LifeCycle string `xml:"ParticipantObjectDataLifeCycle,attr,omitempty"`
		IDType    code   `xml:"ParticipantObjectIDTypeCode"`
		Name      string `xml:"ParticipantObjectName"`
		Detail    []pair `xml:"ParticipantObjectDetail"`
	}
	pair struct {
		Type  string `xml:"type,attr"`
		Value string `xml:"value,attr"` // Base64
	}
)

func dcm(value, text string) code { return code{value, "DCM", text} }

func rfc3881(value, text string) code { return code{value, "RFC-3881", text} }

// own are codes of objects that neither standard names.
func own(value, text string) code { return code{value, "Lotse", text} }

// Event is an audit event as messages are made from it.
type Event struct {
	ID, Actor, Session, Code, Import string
	At                               time.Time
	Delivery, Destination            string    // their ids, where it is about a delivery
	Address                          string    // where the actor came from; empty: not known
	Kind                             string    // of the import: link, upload, dicom
	Patients                         []Patient // that it is about, as far as they are known
}

// Patient is a patient with the studies that an event is about.
type Patient struct {
	ID      string
	Studies []string
}

// Source is who tells.
type Source struct {
	ID   string // of this installation
	Site string // its institution
	// Patients says whether messages name patients by their ids.
	Patients bool
}

// withheld stands for a patient's id that messages do not name.
const withheld = "withheld"

// Messages makes the messages of an event: none when no message is about such an event,
// one for each patient otherwise (PS3.15 A.5.3: a message is about one).
func (s Source) Messages(e Event) ([][]byte, error) {
	form, ok := formOf(e.Code)
	if !ok {
		return nil, nil
	}
	m := s.message(form, e)
	patients := e.Patients
	if len(patients) == 0 || !form.clinical() {
		patients = []Patient{{}}
	}
	var all [][]byte
	for _, p := range patients {
		m.Objects = form.objects(s, e, p)
		text, err := m.text()
		if err != nil {
			return nil, err
		}
		all = append(all, text)
	}
	return all, nil
}

// Head makes the message that takes a signed head of the audit chain out of the house.
func (s Source) Head(at time.Time, line []byte) ([]byte, error) {
	m := s.message(form{id: dcm("110113", "Security Alert"), kind: own("head", "Signed head of the audit chain"), action: "E",
		who: func(s Source, _ Event) []participant { return []participant{itself(s, application)} }}, Event{At: at})
	log := auditLog(s, Event{}, Patient{})[0]
	log.Detail = []pair{{"head", base64.StdEncoding.EncodeToString(line)}}
	m.Objects = []object{log}
	return m.text()
}

// message is a message without objects.
func (s Source) message(form form, e Event) message {
	m := message{Event: event{Action: form.action, At: e.At.UTC().Format("2006-01-02T15:04:05.000000Z"), Outcome: form.outcome(), ID: form.id},
		Source: source{Site: s.Site, ID: s.ID, Type: sourceType{"4"}}, Participants: form.participants(s, e)}
	if form.kind != (code{}) {
		m.Event.Types = []code{form.kind}
	}
	return m
}

func (m message) text() ([]byte, error) {
	text, err := xml.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("make an audit message: %w", err)
	}
	return append([]byte(`<?xml version="1.0" encoding="UTF-8"?>`), text...), nil
}

// actor is who did it.
func actor(e Event, roles ...code) participant {
	p := participant{UserID: token(e.Actor), Alternate: e.Session, Requestor: true, Roles: roles}
	if e.Address != "" {
		p.Access, p.AccessType = e.Address, "2"
	}
	return p
}

// token is a value of the schema that must not be empty.
func token(s string) string {
	if s = strings.TrimSpace(s); s == "" {
		return "unknown"
	}
	return s
}

// clinical are the objects of an import: the studies and the patient.
func clinical(lifeCycle string) func(Source, Event, Patient) []object {
	return func(s Source, e Event, p Patient) []object {
		var all []object
		for _, uid := range p.Studies {
			all = append(all, object{ID: token(uid), Type: "2", Role: "3", LifeCycle: lifeCycle, IDType: dcm("110180", "Study Instance UID"), Name: "import " + token(e.Import)})
		}
		if len(all) == 0 { // not inspected yet, or not to be read any more
			all = append(all, object{ID: "unknown", Type: "2", Role: "3", LifeCycle: lifeCycle, IDType: dcm("110180", "Study Instance UID"), Name: "import " + token(e.Import)})
		}
		patient := object{ID: withheld, Type: "1", Role: "1", IDType: rfc3881("2", "Patient Number"), Name: withheld}
		if s.Patients && p.ID != "" {
			patient.ID = p.ID
		}
		return append(all, patient)
	}
}
