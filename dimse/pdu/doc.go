// Package pdu encodes and decodes the protocol data units of the DICOM upper
// layer (PS3.8 §9.3) and the user information of an association (PS3.7 Annex D).
//
// The package knows no sockets and no states: [Append] turns a PDU into bytes,
// [Decode] turns the bytes of one PDU into a value, and [Read] takes one PDU from
// a stream without ever reserving more memory than has really arrived. It is meant
// for tools that look at the protocol itself; to talk to a peer use package dimse,
// which moves P-DATA-TF without building a [DataTF] per fragment.
package pdu
