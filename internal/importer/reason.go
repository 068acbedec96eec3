package importer

// ReasonCode says why an item was left out. Codes are stable; the sentence for
// people belongs to the catalogue of phrases under "reason.<code>".
type ReasonCode string

// Reasons for leaving an item out. None of them is silent: each item left out is
// in the inspection and in the receipt.
const (
	ReasonDICOMDIR        ReasonCode = "dicomdir"         // the medium's table of contents
	ReasonProgram         ReasonCode = "program"          // viewer or other program
	ReasonViewerData      ReasonCode = "viewer-data"      // help, style or script files of a viewer
	ReasonJunk            ReasonCode = "junk"             // thumbs.db, .DS_Store, checksums …
	ReasonEmpty           ReasonCode = "empty"            // no bytes at all
	ReasonUnknownContent  ReasonCode = "unknown-content"  // neither DICOM nor a document we know
	ReasonUnreadable      ReasonCode = "unreadable"       // the medium or archive does not give the bytes
	ReasonNotGiven        ReasonCode = "not-given"        // a portal lists it and does not hand it out
	ReasonTruncated       ReasonCode = "truncated"        // DICOM that ends too early
	ReasonDamaged         ReasonCode = "damaged"          // DICOM that cannot be parsed
	ReasonNoIdentity      ReasonCode = "no-sop-instance"  // DICOM without SOP Class or Instance UID
	ReasonUnsupported     ReasonCode = "unsupported"      // transfer syntax we cannot pass on
	ReasonNotStorable     ReasonCode = "not-storable"     // DICOM, but no storage object
	ReasonDuplicate       ReasonCode = "duplicate"        // same object, same content, twice
	ReasonConflict        ReasonCode = "conflict"         // same SOP Instance UID, other content
	ReasonEncrypted       ReasonCode = "encrypted"        // in an archive, a password is needed
	ReasonPassword        ReasonCode = "wrong-password"   // the password does not open it
	ReasonTooDeep         ReasonCode = "nested-too-deep"  // archive in archive in archive …
	ReasonTooLarge        ReasonCode = "too-large"        // over a limit
	ReasonRatio           ReasonCode = "compression-bomb" // inflates beyond reason
	ReasonPathEscape      ReasonCode = "path-escapes"     // "../" or absolute
	ReasonCompression     ReasonCode = "compression"      // compression method we do not have
	ReasonArchiveDamaged  ReasonCode = "archive-damaged"  // an archive inside that cannot be opened
	ReasonLink            ReasonCode = "symbolic-link"    // links and devices are not followed
	ReasonNotChosen       ReasonCode = "not-chosen"       // a person left it out
	ReasonContainer       ReasonCode = "container"        // an archive whose content is listed on its own
	ReasonDocumentUnfit   ReasonCode = "document-unfit"   // a document that cannot become a DICOM object
	ReasonPreviewDocument ReasonCode = "index-page"       // README, INDEX.HTM of the medium
)

// Loss reports whether an item left out for this reason may have been an image or
// a document that someone misses: the import is then not complete.
func (r ReasonCode) Loss() bool {
	switch r {
	case ReasonUnreadable, ReasonNotGiven, ReasonTruncated, ReasonDamaged, ReasonNoIdentity, ReasonUnsupported, ReasonConflict,
		ReasonEncrypted, ReasonPassword, ReasonTooDeep, ReasonTooLarge, ReasonRatio, ReasonPathEscape, ReasonCompression,
		ReasonArchiveDamaged:
		return true
	}
	return false
}
