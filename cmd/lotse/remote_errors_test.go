package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"lotse/internal/api/problem"
	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/phrase"
	"lotse/internal/remote"
)

// TestExplainServer: whatever goes wrong with a server is said in both languages: what
// happened, and what to do.
func TestExplainServer(t *testing.T) {
	type told struct {
		err  error
		code int
		says string // in both languages
	}
	all := []told{
		{&remote.AddressError{}, exitUsage, ""},
		{&remote.AddressError{Insecure: true}, exitUsage, "https"},
		{&remote.LostError{Host: "lotse.example", Err: errors.New("x")}, exitFailed, "lotse.example"},
		{&remote.LostError{Host: "lotse.example", Never: true, Err: errors.New("x")}, exitFailed, "lotse.example"},
		{&remote.LostError{Host: "lotse.example", Certificate: true, Err: errors.New("x")}, exitFailed, "lotse.example"},
		{&remote.EndedError{State: importer.Rejected}, exitFailed, ""},
		{&remote.EndedError{State: importer.Cancelled}, exitFailed, ""},
		{&remote.EndedError{State: importer.Purged}, exitFailed, ""},
		{&remote.ReasonError{Findings: []importer.FindingCode{importer.FindingSexDiffers}}, exitQuestion, "--reason"},
		{&remote.DestinationError{Known: []string{"PACS\x1b[2J", "folder"}}, exitUsage, "PACS\uFFFD[2J, folder"},
		{&remote.SiteError{Known: []string{"North", "South"}}, exitUsage, "North, South"},
		{&remote.SiteError{}, exitUsage, ""},
		{&remote.Refusal{Status: 200}, exitFailed, "Lotse"},
		{&remote.Refusal{Status: 418, Code: "unheard-of", RequestID: "R7"}, exitFailed, "unheard-of"},
		{&remote.Refusal{Status: 500, Code: problem.Internal, RequestID: "R7"}, exitFailed, "R7"},
		{&remote.Refusal{Status: 401, Code: problem.Unauthenticated}, exitUsage, ""},
		{&remote.Refusal{Status: 422, Code: problem.Invalid, Fields: []problem.Field{{Location: "body.known.birth_date", Message: "not-a-date"}}}, exitUsage, "[known.birth_date] not-a-date"},
		{&receipt.InvalidError{Flaw: receipt.WrongSignature, Position: -1}, exitFailed, ""},
	}
	for _, e := range problem.Catalogue() {
		all = append(all, told{&remote.Refusal{Status: e.Status, Code: e.Code, RequestID: "R7"}, -1, ""})
	}
	for _, lang := range []string{"en", "de"} {
		for _, c := range all {
			var out bytes.Buffer
			code, is := explainServer(&out, phrase.For(lang), fmt.Errorf("wrapped: %w", c.err))
			text := out.String()
			if !is || code != c.code && c.code >= 0 || !strings.Contains(text, c.says) {
				t.Errorf("%s: %v: exit code %d, %q is not in:\n%s", lang, c.err, code, c.says, text)
			}
			if strings.Count(text, "\n") < 2 || strings.Contains(text, "remote.") || strings.ContainsAny(text, "\x1b{") {
				t.Errorf("%s: %v:\n%s", lang, c.err, text)
			}
		}
	}
	if _, is := explainServer(&bytes.Buffer{}, phrase.For("en"), errors.New("another")); is {
		t.Error("another error is one of a server")
	}
}
