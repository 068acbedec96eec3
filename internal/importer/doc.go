// Package importer has the words of an import and the values its stages hand on.
//
// The way of an import:
//
//	source ──► package ──► inspect ──► (decision) ──► adjust + deliver ──► receipt
//
// source (folder source/) turns what a person holds, a link, a picture with a QR
// code, a ZIP, a folder, into a [Package]: files that can be opened again and
// again, never unpacked to a disk. inspect (inspect/) opens every file, judges it
// by its content and returns an [Inspection]: patients with studies, series and
// instances, documents, what is left out and why, and findings a person should
// know. A person makes a [Decision]. adjust (adjust/) turns the decision into
// edits of each instance, and documents into DICOM objects. deliver (deliver/)
// sends while adjusting, one pass from the source's bytes to the destination,
// per instance resumable, and reports every item's fate. The receipt (receipt/)
// is the proof: what came, what was changed, what was delivered; its totals add
// up.
//
// Stages never import each other, only this package and the toolkits. They keep
// no state of their own: what is known comes in, an outcome comes back.
package importer
