// Package deliver brings objects to a destination: a DICOM node by C-STORE, or a
// folder of Part 10 files. It reads, adjusts and sends in one pass; workers render
// ahead so that the wire never waits for the disk, within a fixed amount of memory.
//
// What happens to one object never stops the others: a damaged one is reported and
// passed over, a refused one is reported with its status, a lost association is
// opened again and goes on with what was not yet acknowledged. Delivery is at least
// once per instance and idempotent by SOP Instance UID.
package deliver
