// Package demo puts up the two ends of an import on loopback: an image portal that
// hands out a synthetic exam behind a link (DICOM Link Exchange, version 1), and a
// PACS that keeps what it gets as files. `lotse demo` runs the real import between
// them.
package demo
