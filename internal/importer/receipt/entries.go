package receipt

import (
	"fmt"
	"reflect"
	"strings"
	"time"

	"lotse/internal/importer"
)

// openHead is what stays of the head.
type openHead struct {
	Version     string        `json:"lotse_version"`
	DryRun      bool          `json:"dry_run,omitempty"`
	Started     time.Time     `json:"started"`
	Finished    time.Time     `json:"finished"`
	Source      string        `json:"source_kind"`
	Destination string        `json:"destination"`
	LegalBasis  string        `json:"legal_basis,omitempty"`
	Problem     string        `json:"problem,omitempty"`
	Totals      Totals        `json:"totals"`
	Findings    []openFinding `json:"findings,omitempty"`
	Digests     string        `json:"digests"`
}

// openItem is what stays of an item.
type openItem struct {
	Item           int               `json:"item"`
	Kind           importer.ItemKind `json:"kind"`
	Fate           importer.Fate     `json:"fate"`
	Reason         string            `json:"reason,omitempty"`
	Sentence       string            `json:"sentence,omitempty"`
	Status         string            `json:"status,omitempty"`
	Sent           int               `json:"sent,omitempty"`
	SOPClass       string            `json:"sop_class_uid,omitempty"`
	TransferSyntax string            `json:"transfer_syntax_uid,omitempty"`
	Changed        []string          `json:"changed,omitempty"` // tag paths
	Findings       []openFinding     `json:"findings,omitempty"`
}

type openFinding struct {
	Code     importer.FindingCode `json:"code"`
	Severity importer.Severity    `json:"severity"`
	Item     int                  `json:"item"`
	Count    int                  `json:"count,omitempty"`
}

type findingValue struct {
	Path   string `json:"path,omitempty"`
	Detail string `json:"detail,omitempty"`
}

type fileValue struct {
	Path string `json:"path"`
	Size int64  `json:"size"`
}

type objectValue struct {
	SOPClass       string `json:"sop_class_uid,omitempty"` // only when it is no UID
	SOPInstance    string `json:"sop_instance_uid,omitempty"`
	Study          string `json:"study_instance_uid,omitempty"`
	Series         string `json:"series_instance_uid,omitempty"`
	TransferSyntax string `json:"transfer_syntax_uid,omitempty"` // only when it is no UID
	Bytes          int64  `json:"bytes_delivered,omitempty"`
}

type digestsValue struct {
	Digest      string `json:"source_sha256,omitempty"`
	PixelBefore string `json:"pixel_sha256_before,omitempty"`
	PixelAfter  string `json:"pixel_sha256_after,omitempty"`
}

type remarksValue struct {
	Detail  string `json:"detail,omitempty"`
	Comment string `json:"comment,omitempty"`
}

// headEntry divides the head.
func headEntry(h Head) (entry, error) {
	open, details := divideFindings(h.Findings)
	return newEntry(openHead{Version: h.Version, DryRun: h.DryRun, Started: h.Started, Finished: h.Finished, Source: string(h.Source.Kind),
		Destination: h.Destination, LegalBasis: h.LegalBasis, Problem: h.Problem, Totals: h.Totals, Findings: open, Digests: h.Digests},
		value{"source", h.Source.Label}, value{"patient", h.Patient}, value{"findings", details})
}

// itemEntry divides an item.
func itemEntry(it Item) (entry, error) {
	open, details := divideFindings(it.Findings)
	o := openItem{Item: it.Item, Kind: it.Kind, Fate: it.Fate, Reason: it.Reason, Sentence: it.Sentence, Status: it.Status, Sent: it.Sent,
		SOPClass: it.SOPClass, TransferSyntax: it.TransferSyntax, Findings: open}
	for _, c := range it.Changes {
		o.Changed = append(o.Changed, c.Path)
	}
	v := objectValue{SOPInstance: it.SOPInstance, Study: it.Study, Series: it.Series, Bytes: it.Bytes}
	if !isUID(o.SOPClass) {
		o.SOPClass, v.SOPClass = "", o.SOPClass
	}
	if !isUID(o.TransferSyntax) {
		o.TransferSyntax, v.TransferSyntax = "", o.TransferSyntax
	}
	return newEntry(o, value{"file", fileValue{it.Path, it.Size}}, value{"object", v},
		value{"digests", digestsValue{it.Digest, it.PixelBefore, it.PixelAfter}}, value{"changes", it.Changes},
		value{"remarks", remarksValue{it.Detail, it.Comment}}, value{"findings", details})
}

// divideFindings tells codes from what may name a person.
func divideFindings(findings []importer.Finding) (open []openFinding, details []findingValue) {
	some := false
	for _, f := range findings {
		open = append(open, openFinding{f.Code, f.Severity, f.Item, f.Count})
		details = append(details, findingValue{f.Path, f.Detail})
		some = some || f.Path != "" || f.Detail != ""
	}
	if !some {
		return open, nil
	}
	return open, details
}

// value is one that a purge removes.
type value struct {
	name  string
	value any
}

// newEntry puts an entry together; values that say nothing are left out.
func newEntry(open any, values ...value) (entry, error) {
	o, err := toObject(open)
	if err != nil {
		return entry{}, fmt.Errorf("receipt: %w", err)
	}
	e := entry{open: o.(object)}
	for _, v := range values {
		if reflect.ValueOf(v.value).IsZero() {
			continue
		}
		coded, err := toObject(v.value)
		if err != nil {
			return entry{}, fmt.Errorf("receipt: %s: %w", v.name, err)
		}
		e.values = append(e.values, member{v.name, coded})
	}
	return e, nil
}

// isUID reports whether a text from outside is a UID or nothing, and so can hold no
// name (PS3.5 §9.1).
func isUID(s string) bool {
	return len(s) <= 64 && strings.Trim(s, "0123456789.") == ""
}
