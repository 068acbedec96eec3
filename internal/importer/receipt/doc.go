// Package receipt keeps the proof of an import: every item that came in with its
// origin, digests, changes and fate. Items go to a spool as they are settled, so
// that the size of an exam does not matter; the totals always add up:
//
//	came in = delivered + delivered with warning + failed + left out
//
// where documents that became DICOM objects count as the item they were.
//
// WriteSigned gives a receipt the form in which it outlives the import: Redact removes
// what is personal, and Verify finds the rest as it was signed. docs/receipt.md has
// the format.
package receipt
