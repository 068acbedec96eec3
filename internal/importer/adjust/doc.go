// Package adjust turns a decision into what is written: edits of instances, and
// DICOM objects made from documents.
//
// A [Planner] is made once for a decision. [Planner.Plan] reads one instance's
// header and returns the edits that follow, with the changes in words for people
// and the receipt, and findings. It changes nothing itself: the edits go to
// dicom.Reader.Rewrite, which copies everything else byte for byte. What is
// coerced follows the table of IHE Import Reconciliation:
//
//   - patient.go: the local patient's values, and the foreign ID kept among the
//     Other Patient IDs when its issuer is known;
//   - order.go: accession number and references to the foreign order;
//   - text.go: the character set, when the new text does not fit the old one;
//   - trace.go, equipment.go: Original Attributes (PS3.3 §C.12.1.1.9) and
//     Contributing Equipment, one item each;
//   - signature.go: digital signatures that the edits would break;
//   - value.go, validate.go: what a value of each VR may be.
//
// Only what really changes becomes an edit. Where nothing does, there is no edit,
// no trace, and the object is copied as it is.
//
// [Convert] makes a DICOM object of a PDF (Encapsulated PDF) or a picture
// (Secondary Capture), streamed from the document's bytes.
//
// The package does not decide anything, does not read whole files, and does not
// know where objects go.
package adjust
