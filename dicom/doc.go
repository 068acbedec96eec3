// Package dicom reads, edits and writes DICOM data sets and Part 10 files
// (PS3.5, PS3.10) as streams.
//
// Three habits shape it:
//
//   - Raw until touched. An element keeps the bytes it arrived in, header and
//     value, until someone edits it; what nobody edits is written back byte for
//     byte, odd padding and unknown VRs included.
//   - Bounded. A [Reader] holds the header of one object and one buffer, never
//     a value above [ReadOptions.Threshold]; lengths are claims that are checked
//     against what is really there.
//   - Edits are values. An [Edit] says what shall change; [Dataset.Apply] and
//     [Reader.Rewrite] carry the same edits out, in memory or while copying.
//
// Use [NewReader] to go through a file once, [Reader.Head] for everything before
// the pixel data, [Reader.Scan] for the whole object without its large values,
// and [Reader.Rewrite] to copy it with edits; [WriteJSON] and [Print] show it.
// Networking is in lotse/dimse.
// Pixel data are never decoded here.
package dicom
