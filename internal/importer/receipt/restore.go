package receipt

import (
	"encoding/json"
	"fmt"
	"io"

	"lotse/internal/importer"
)

// Restore reads a signed receipt back into a Receipt over an empty spool, with the
// values that are still there. edit, when it is not nil, may change an item before it
// is entered, to put its reason into words for example. It checks nothing but the form,
// and what is wrong with that is an *InvalidError: Verify checks the rest. Its memory is
// that of a Receipt.
func Restore(r io.Reader, spool Spool, edit func(*Item)) (*Receipt, error) {
	var rec *Receipt
	var totals Totals
	_, err := scan(r, func(position int, whole object) error {
		if position < 0 {
			head, err := restoreHead(whole)
			if err != nil {
				return err
			}
			rec, totals = New(*head, spool), head.Totals
			rec.Totals = Totals{} // counted again
			return nil
		}
		it, err := restoreItem(whole)
		if err != nil {
			return err
		}
		if edit != nil {
			edit(it)
		}
		return rec.Add(*it)
	})
	if err != nil {
		return nil, err
	}
	rec.Totals = totals // sizes may have been removed from the items
	return rec, nil
}

// restoreHead puts the parts of a head together again.
func restoreHead(whole object) (*Head, error) {
	var open openHead
	h := &Head{}
	var details []findingValue
	err := reunite(whole, &open, map[string]any{"source": &h.Source.Label, "patient": &h.Patient, "findings": &details})
	if err != nil {
		return nil, err
	}
	h.Version, h.DryRun, h.Started, h.Finished = open.Version, open.DryRun, open.Started, open.Finished
	h.Source.Kind, h.Destination, h.LegalBasis, h.Problem, h.Totals = importer.OriginKind(open.Source), open.Destination, open.LegalBasis, open.Problem, open.Totals
	h.Findings = joinFindings(open.Findings, details)
	return h, nil
}

// restoreItem puts the parts of an item together again.
func restoreItem(whole object) (*Item, error) {
	var open openItem
	var file fileValue
	if whole.object("open").object("commitments").get("file") != nil {
		file.Size = -1 // unless it is still there
	}
	var object objectValue
	var digests digestsValue
	var remarks remarksValue
	var details []findingValue
	it := &Item{}
	err := reunite(whole, &open, map[string]any{"file": &file, "object": &object, "digests": &digests, "changes": &it.Changes,
		"remarks": &remarks, "findings": &details})
	if err != nil {
		return nil, err
	}
	if open.Item < 0 || open.Item > maxItem {
		return nil, Malformed
	}
	it.Item, it.Kind, it.Fate, it.Reason, it.Sentence = open.Item, open.Kind, open.Fate, open.Reason, open.Sentence
	it.Status, it.Sent, it.SOPClass, it.TransferSyntax = open.Status, open.Sent, open.SOPClass, open.TransferSyntax
	it.Path, it.Size, it.Digest, it.PixelBefore, it.PixelAfter = file.Path, file.Size, digests.Digest, digests.PixelBefore, digests.PixelAfter
	it.SOPInstance, it.Study, it.Series, it.Bytes = object.SOPInstance, object.Study, object.Series, object.Bytes
	it.Detail, it.Comment = remarks.Detail, remarks.Comment
	if object.SOPClass != "" {
		it.SOPClass = object.SOPClass
	}
	if object.TransferSyntax != "" {
		it.TransferSyntax = object.TransferSyntax
	}
	it.Findings = joinFindings(open.Findings, details)
	return it, nil
}

// maxItem bounds the number of an item in a receipt that is restored: there is room
// for each up to the largest.
const maxItem = 10_000_000

// reunite reads the open part of an entry, and its values by name as far as they are
// there.
func reunite(whole object, open any, values map[string]any) error {
	read := func(value, into any) error {
		if err := json.Unmarshal(canonical(value), into); err != nil {
			return fmt.Errorf("%w: %w", Malformed, err)
		}
		return nil
	}
	if err := read(whole.object("open"), open); err != nil {
		return err
	}
	given := whole.object("values")
	for name, into := range values {
		kept := given.object(name)
		if kept == nil {
			continue
		}
		if err := read(kept.get("value"), into); err != nil {
			return err
		}
	}
	return nil
}

// joinFindings is the reverse of divideFindings.
func joinFindings(open []openFinding, details []findingValue) []importer.Finding {
	var out []importer.Finding
	for i, f := range open {
		joined := importer.Finding{Code: f.Code, Severity: f.Severity, Item: f.Item, Count: f.Count}
		if len(details) == len(open) {
			joined.Path, joined.Detail = details[i].Path, details[i].Detail
		}
		out = append(out, joined)
	}
	return out
}
