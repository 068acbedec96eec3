package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lotse/test/peer"
	"lotse/test/torture/gateway"
)

// auditMessages are the messages that rsyslog took, without their heads, each once: an
// event may be told of again.
func auditMessages(t *testing.T, r *peer.RsyslogPeer) []string {
	t.Helper()
	var all []string
	for _, line := range r.Messages() {
		head, text, ok := strings.Cut(line, "<?xml")
		if !ok || !strings.HasPrefix(head, "5.10 lotse DICOM+RFC3881 ") {
			t.Fatalf("not an audit message: %.200s", line)
		}
		if text = "<?xml" + text; !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return all
}

// TestAuditMessages: a real receiver gets an audit message of everything over TLS, in order,
// whatever happens to it meanwhile; all are as the standard wants them, and none names a
// patient.
func TestAuditMessages(t *testing.T) {
	receiver := peer.Rsyslog(t)
	s := newSite(t, false)
	s.node.Config["AUDIT_SYSLOG_ADDRESS"] = "tls://127.0.0.1:" + strconv.Itoa(receiver.Port)
	s.node.Config["AUDIT_SYSLOG_CA_FILE"] = receiver.CAFile
	folders := t.TempDir()
	s.node.Config["FOLDERS_ROOTS"] = folders
	s.start().setUp()
	e := exam(t, 1)
	id := s.uploaded(e)
	until := func(what string) {
		t.Helper()
		peer.Await(t, patience, what, func() bool {
			return slices.ContainsFunc(auditMessages(t, receiver), func(m string) bool { return strings.Contains(m, what) })
		})
	}
	until(`originalText="Import"`)
	a, err := s.client.Do(t.Context(), gateway.Request{Method: http.MethodGet, Path: "/api/v1/imports/" + id})
	if err != nil {
		t.Fatal(err)
	}
	var seen struct {
		Patients []struct{ ID, Name string }
	}
	if err := json.Unmarshal(a.Body, &seen); err != nil || len(seen.Patients) != 1 || len(seen.Patients[0].ID) < 4 {
		t.Fatalf("%v: %s", err, a.Body)
	}

	receiver.Kill() // in the middle of things
	destination, err := s.client.NewDestination(t.Context(), "archive", "dir:"+filepath.Join(folders, "archive"))
	if err != nil {
		t.Fatal(err)
	}
	s.deliver(id, destination)
	for range 50 {
		a, err := s.client.Do(t.Context(), gateway.Request{Method: http.MethodPut, Path: "/api/v1/settings", JSON: map[string]any{}})
		if err != nil || a.Status != http.StatusOK {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	if status := s.status(http.MethodDelete, "/api/v1/imports/"+id); status != http.StatusAccepted {
		t.Fatalf("delete: %d", status)
	}
	s.until(id, "purged")
	s.node.Kill() // with everything still to be told
	s.command("audit", "verify").want(t, 0)
	receiver.Start()
	s.start()
	until(`originalText="DICOM Study Deleted"`)
	s.stop()
	until(`originalText="Application Stop"`)

	all := auditMessages(t, receiver)
	checkOrder(t, all)
	checkMessages(t, all)
	kinds := regexp.MustCompile(`<EventID [^>]*originalText="([^"]*)"`)
	found := map[string]int{}
	for _, m := range all {
		found[kinds.FindStringSubmatch(m)[1]]++
		if p := seen.Patients[0]; strings.Contains(m, p.ID) || strings.Contains(m, p.Name) {
			t.Errorf("a patient is named in %s", m)
		}
		if strings.Contains(m, "DICOM Instances Transferred") && !strings.Contains(m, e.Objects[0].Study) {
			t.Errorf("the study is not named in %s", m)
		}
	}
	for kind, least := range map[string]int{"Application Activity": 3, "Import": 1, "Begin Transferring DICOM Instances": 1, "DICOM Instances Transferred": 1,
		"DICOM Instances Accessed": 2, "DICOM Study Deleted": 1, "Security Alert": 52} {
		if found[kind] < least {
			t.Errorf("%d messages of %s: %v", found[kind], kind, found)
		}
	}
	if found["Security Alert"] > 60 {
		t.Errorf("%v", found)
	}
}

// checkOrder: times do not go back by more than what may commit out of order.
func checkOrder(t *testing.T, all []string) {
	t.Helper()
	var last time.Time
	for _, m := range all {
		_, at, _ := strings.Cut(m, `EventDateTime="`)
		at, _, _ = strings.Cut(at, `"`)
		now, err := time.Parse(time.RFC3339Nano, at)
		if err != nil {
			t.Fatalf("%v in %s", err, m)
		}
		if now.Before(last.Add(-time.Second)) {
			t.Errorf("%v comes after %v", now, last)
		}
		last = now
	}
}

// checkMessages validates messages against the schema.
func checkMessages(t *testing.T, all []string) {
	t.Helper()
	xmllint, err := exec.LookPath("xmllint")
	if err != nil {
		t.Skip("skipped: xmllint is not installed")
	}
	dir := t.TempDir()
	args := []string{"--noout", "--relaxng", "../../internal/audit/atna/testdata/audit-message.rng"}
	for i, m := range all {
		name := filepath.Join(dir, strconv.Itoa(i)+".xml")
		if err := os.WriteFile(name, bytes.TrimSpace([]byte(m)), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, name)
	}
	if out, err := exec.Command(xmllint, args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%.4000s", err, out)
	}
}
