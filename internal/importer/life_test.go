package importer

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// TestLifeDocument compares docs/states.md with the tables, both ways.
func TestLifeDocument(t *testing.T) {
	raw, err := os.ReadFile("../../docs/states.md")
	if err != nil {
		t.Fatal(err)
	}
	imports, deliveries, found := strings.Cut(string(raw), "\n## Delivery\n")
	if !found {
		t.Fatal("docs/states.md has no section Delivery")
	}
	compare(t, documented(imports), importRows())
	compare(t, documented(deliveries), deliveryRows())
}

func documented(text string) []string {
	var rows []string
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| from") {
			rows = append(rows, strings.Trim(strings.ReplaceAll(line, " | ", " "), "| "))
		}
	}
	return rows
}

func importRows() []string {
	events := []Event{EventAsked, EventAnswered, EventUnlocked, EventFetched, EventInspected, EventExtended, EventDecided, EventRejected,
		EventVerified, EventRecalled, EventFailed, EventRefetch, EventReinspect, EventRedeliver, EventCancelled, EventPurged}
	var rows []string
	for _, s := range States() {
		for _, e := range events {
			if to, err := s.Next(e); err == nil {
				rows = append(rows, string(s)+" "+string(e)+" "+string(to))
			}
		}
	}
	return rows
}

func deliveryRows() []string {
	events := []DeliveryEvent{DeliveryStarted, DeliveryInterrupted, DeliveryAllSent, DeliveryAsked, DeliveryConfirmed, DeliveryFellShort,
		DeliveryRetried, DeliveryStopped}
	var rows []string
	for _, s := range DeliveryStates() {
		for _, e := range events {
			if to, err := s.Next(e); err == nil {
				rows = append(rows, string(s)+" "+string(e)+" "+string(to))
			}
		}
	}
	return rows
}

func compare(t *testing.T, document, code []string) {
	t.Helper()
	slices.Sort(document)
	slices.Sort(code)
	if len(document) < 10 {
		t.Fatalf("only %d transitions documented", len(document))
	}
	for _, row := range document {
		if !slices.Contains(code, row) {
			t.Errorf("documented, not in the code: %s", row)
		}
	}
	for _, row := range code {
		if !slices.Contains(document, row) {
			t.Errorf("in the code, not documented: %s", row)
		}
	}
}

// TestEveryStateEnds walks from every state to purged.
func TestEveryStateEnds(t *testing.T) {
	for _, s := range States() {
		to, err := s.Next(EventPurged)
		if s == Purged {
			if err == nil {
				t.Error("purged twice")
			}
			continue
		}
		if err != nil || to != Purged {
			t.Errorf("%s cannot be purged: %v", s, err)
		}
		if _, err := s.Next(EventCancelled); (err == nil) == s.Ended() {
			t.Errorf("%s: cancel gives %v", s, err)
		}
	}
}
