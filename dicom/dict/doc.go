// Package dict holds the registries of the DICOM standard as static tables: the
// data elements (PS3.6 §6-9, command elements PS3.7 Annex E), the SOP classes, the
// transfer syntaxes and the other well-known UIDs (PS3.6 Annex A).
//
// Use it to learn the VR of an element read in implicit VR, to name a tag or UID
// for a person, or to decide whether a transfer syntax can be read. Private
// elements other than private creators are not in it, and values are not checked
// here.
//
// The tables are generated from the files in data; nothing is built when the
// program starts, and look-ups are binary searches.
package dict

//go:generate go run ./gen
