// Package dimse speaks DICOM over a network: associations (PS3.8) and on them the
// verification and storage services (PS3.7 §9.1, PS3.4 Annex B) and the normalized
// operations N-ACTION and N-EVENT-REPORT (PS3.7 §10.1), as user (SCU) and as provider
// (SCP).
//
// To send, plan presentation contexts with [Plan], open an [Association] with
// [Dial], and call [Association.Store] per object; the object comes as [Chunks],
// which are handed to the kernel without a copy. To receive, fill in a [Server]
// and call [Server.Serve]; a handler reads each object from an [io.Reader], and the
// response leaves only after the handler has returned. Normalized services are
// handlers by SOP class in [Server].Services.
//
// An association serves one operation at a time; use several for more throughput.
// Every error that ends an association tells by [Temporary] whether it is worth
// trying again on a new one. A context that ends in the middle of an operation
// aborts the association (A-ABORT), so that no peer keeps half an object.
//
// The protocol machine is a table, see docs/dimse-states.md. PDUs are in
// subpackage pdu. The package knows no data sets, only command sets; storage
// commitment, which has data sets of its own, is subpackage commitment.
package dimse

import "lotse/dicom"

// Transfer syntaxes the package needs to know (PS3.5 Annex A).
const (
	ImplicitVRLittleEndian = dicom.ImplicitVRLittleEndian
	ExplicitVRLittleEndian = dicom.ExplicitVRLittleEndian
)

// Verification is the SOP class of C-ECHO (PS3.4 Annex A).
const Verification = "1.2.840.10008.1.1"

// Implementation identification sent with every association (PS3.7 D.3.3.2).
const (
	ImplementationClassUID = dicom.ImplementationClassUID
	ImplementationVersion  = dicom.ImplementationVersionName
)
