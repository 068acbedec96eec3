// Package charset decodes and encodes the text of DICOM attributes in the
// character sets that Specific Character Set (0008,0005) declares
// (PS3.3 §C.12.1.1.2, PS3.5 §6.1 and §6.2).
//
// A [Set] is the meaning of one (0008,0005). [Parse] reads it, forgiving the
// usual misspellings; [Set.Decode] turns raw value bytes into text and says
// whether all of them were valid; [Set.Split] cuts a multi-valued element at
// its real backslashes, which in GBK, GB18030 and the Japanese sets is not the
// same as cutting at every 0x5C. All defined terms are decoded, with and
// without code extensions (ISO 2022 escape sequences).
//
// Encoding is deliberately narrower: the default repertoire, ISO_IR 100 and
// ISO_IR 192, and plain ASCII for all other sets. Ask [Set.CanHold] before
// editing a data set; when it says no, the data set has to move to ISO_IR 192.
//
// What the code points of ambiguous table cells are follows the Unicode
// mappings of the standards bodies (as Python and glibc do), not Microsoft's
// variants: JIS X 0208 0x2141 is U+301C.
//
// The package does not strip padding, does not know value lengths and does not
// judge control characters, except that ESC is never text.
package charset
