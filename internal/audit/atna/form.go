package atna

import "strings"

// form is how events of one code are told.
type form struct {
	id     code
	kind   code // EventTypeCode; empty: none
	action string
	failed bool
	who    func(Source, Event) []participant
	about  func(Source, Event, Patient) []object
	exam   bool // about studies and a patient
}

func (f form) outcome() string {
	if f.failed {
		return "4" // minor failure
	}
	return "0"
}

func (f form) clinical() bool { return f.exam }

func (f form) participants(s Source, e Event) []participant { return f.who(s, e) }

func (f form) objects(s Source, e Event, p Patient) []object { return f.about(s, e, p) }

// Roles of participants (PS3.16 CID 402).
var (
	application   = dcm("110150", "Application")
	sourceRole    = dcm("110153", "Source Role ID")
	destination   = dcm("110152", "Destination Role ID")
	sourceMedia   = dcm("110155", "Source Media")
	applicationID = dcm("110100", "Application Activity")
)

func one(_ Source, e Event) []participant { return []participant{actor(e)} }

func itself(s Source, roles ...code) participant {
	return participant{UserID: s.ID, Roles: roles}
}

// forms are the codes of events that there are messages for, each with all that go on
// with a dot; the longest one counts. What is not here is told to nobody.
func forms() map[string]form {
	accessed := form{id: dcm("110103", "DICOM Instances Accessed"), action: "R", who: one, about: clinical("6"), exam: true}
	changed := accessed
	changed.action, changed.about = "U", clinical("3")
	alert := func(value, text string, failed bool) form {
		return form{id: dcm("110113", "Security Alert"), kind: dcm(value, text), action: "E", failed: failed, who: one, about: alerted}
	}
	login := func(value, text string, failed bool) form {
		return form{id: dcm("110114", "User Authentication"), kind: dcm(value, text), action: "E", failed: failed,
			who: func(s Source, e Event) []participant { return []participant{actor(e), itself(s)} }, about: nothing}
	}
	activity := func(value, text string) form {
		return form{id: applicationID, kind: dcm(value, text), action: "E",
			who: func(s Source, _ Event) []participant { return []participant{itself(s, application)} }, about: nothing}
	}
	transferred := form{id: dcm("110104", "DICOM Instances Transferred"), action: "R", who: sending, about: clinical("10"), exam: true}
	short := transferred
	short.failed = true
	logUsed := form{id: dcm("110101", "Audit Log Used"), action: "R", who: one, about: auditLog}
	users := alert("110137", "User security Attributes Changed", false)
	return map[string]form{
		"node.started": activity("110120", "Application Start"), "node.stopped": activity("110121", "Application Stop"),
		"audit": logUsed, "usage.read": logUsed,
		"audit.period-erased": alert("110135", "Object Security Attributes Changed", false),
		"import.inspected":    {id: dcm("110107", "Import"), action: "C", who: importing, about: clinical("2"), exam: true},
		"import.decided":      changed, "import.rejected": changed, "import.recalled": changed,
		"import.purged":      {id: dcm("110105", "DICOM Study Deleted"), action: "D", who: one, about: clinical("15"), exam: true},
		"access":             accessed,
		"delivery.started":   {id: dcm("110102", "Begin Transferring DICOM Instances"), action: "E", who: sending, about: clinical("10"), exam: true},
		"delivery.resumed":   {id: dcm("110102", "Begin Transferring DICOM Instances"), action: "E", who: sending, about: clinical("10"), exam: true},
		"delivery.confirmed": transferred, "delivery.fell-short": short,
		"login.succeeded": login("110122", "Login", false), "login.failed": login("110122", "Login", true),
		"session": login("110123", "Logout", false),
		"login":   users, "user": users, "token": users, "password": users, "factor": users,
		"role":              alert("110136", "Security Roles Changed", false),
		"access.suspicious": alert("110132", "Use of Restricted Function", true),
		"destination":       alert("110128", "Network Configuration", false),
		"settings":          alert("110129", "Security Configuration", false),
		"provider":          alert("110129", "Security Configuration", false), // who lets people in
		"terms":             alert("110129", "Security Configuration", false),
		"clock":             alert("110129", "Security Configuration", false),
		"tenant":            alert("110129", "Security Configuration", false),
		"installation":      alert("110129", "Security Configuration", false),
	}
}

// formOf finds the form of a code.
func formOf(code string) (form, bool) {
	all := forms()
	for {
		if f, ok := all[code]; ok {
			return f, true
		}
		at := strings.LastIndexByte(code, '.')
		if at < 0 {
			return form{}, false
		}
		code = code[:at]
	}
}

// sending are the two sides of a delivery, and who asked for it.
func sending(s Source, e Event) []participant {
	to := participant{UserID: "destination " + token(e.Destination), Alternate: e.Delivery, Roles: []code{destination}}
	return []participant{itself(s, sourceRole), to, actor(e)}
}

// importing are who brought an exam in, and what it came on.
func importing(s Source, e Event) []participant {
	return []participant{itself(s, destination), {UserID: "import by " + token(e.Kind), Roles: []code{sourceMedia},
		Media: &media{mediaOf(e.Kind)}}, actor(e)}
}

// mediaOf says on what an exam came (PS3.16 CID 405).
func mediaOf(kind string) code {
	switch kind {
	case "link":
		return dcm("110037", "URI")
	case "dicom":
		return own("network", "DICOM network")
	}
	return own("upload", "Upload")
}

func nothing(Source, Event, Patient) []object { return nil }

func auditLog(s Source, _ Event, _ Patient) []object {
	return []object{{ID: "urn:lotse:" + s.ID + ":audit", Type: "2", Role: "13", IDType: rfc3881("12", "URI"), Name: "Security Audit Log"}}
}

// alerted is what a security alert is about.
func alerted(_ Source, e Event, _ Patient) []object {
	return []object{{ID: e.ID, Type: "2", Role: "13", IDType: own("event", "Audit event"), Name: e.Code}}
}
