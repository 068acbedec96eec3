// Package audit is what the audit trail is made of besides its rows: the keys that
// seal what is personal in it ([Sealer]), the signatures of its chain ([SignHead]) and
// the proof that nobody changed it ([Verifier]).
//
// The rows, the links between them and the hash of a link are in package store;
// what is audited, in package app. docs/audit.md tells the story.
package audit
