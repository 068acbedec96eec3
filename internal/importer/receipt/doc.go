// Package receipt keeps the proof of an import: every item that came in with its
// origin, digests, changes and fate. Items go to a spool as they are settled, so
// that the size of an exam does not matter; the totals always add up:
//
//	came in = delivered + delivered with warning + failed + left out
//
// where documents that became DICOM objects count as the item they were.
package receipt
