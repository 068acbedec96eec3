package inspect

import (
	"bytes"
	"encoding/binary"
	"strings"
)

// class is what the content of a file is, apart from DICOM.
type class uint8

const (
	classUnknown class = iota
	classEmpty
	classPDF
	classJPEG
	classPNG
	classImage   // other pictures
	classOther   // documents and films that become no DICOM object here
	classProgram // programs, libraries, installers, scripts
	classViewer  // what only a program or a web page needs
	classHTML
	classXML
	classText
	classIndex // tables of contents other than the DICOMDIR
	classJunk  // left behind by an operating system or a copying program
	classOLE   // Microsoft's compound file: Word, an installer, or Thumbs.db
)

// signature is a run of bytes at a fixed place that gives a file away.
type signature struct {
	offset int
	magic  string
	class  class
	media  string
}

// signatures are tried in their order. None of them can begin a data set
// without preamble (groups 0000 to 0010, in either byte order).
func signatures() []signature {
	return []signature{
		{0, "%PDF-", classPDF, "application/pdf"},
		{0, "\xff\xd8\xff", classJPEG, "image/jpeg"},
		{0, "\x89PNG\r\n\x1a\n", classPNG, "image/png"},
		{0, "II*\x00", classImage, "image/tiff"},
		{0, "MM\x00*", classImage, "image/tiff"},
		{0, "II+\x00", classImage, "image/tiff"},
		{0, "MM\x00+", classImage, "image/tiff"},
		{0, "GIF87a", classImage, "image/gif"},
		{0, "GIF89a", classImage, "image/gif"},
		{8, "WEBP", classImage, "image/webp"},
		{0, "\xff\x4f\xff\x51", classImage, "image/jp2"},
		{4, "jP  \r\n\x87\n", classImage, "image/jp2"},
		{4, "ftypheic", classImage, "image/heic"},
		{4, "ftypavif", classImage, "image/avif"},
		{0, "\x00\x00\x01\x00", classViewer, "image/x-icon"},
		{0, "\x00\x00\x02\x00", classViewer, "image/x-icon"},

		{4, "ftyp", classOther, "video/mp4"},
		{8, "AVI ", classOther, "video/x-msvideo"},
		{8, "WAVE", classOther, "audio/wav"},
		{0, "\x1a\x45\xdf\xa3", classOther, "video/x-matroska"},
		{0, "\x00\x00\x01\xba", classOther, "video/mpeg"},
		{0, "\x00\x00\x01\xb3", classOther, "video/mpeg"},
		{0, "\x30\x26\xb2\x75\x8e\x66\xcf\x11", classOther, "video/x-ms-wmv"},
		{0, "ID3", classOther, "audio/mpeg"},
		{0, "OggS", classOther, "application/ogg"},
		{0, `{\rtf`, classOther, "application/rtf"},
		{0, "%!PS", classOther, "application/postscript"},

		{0, "MZ", classProgram, "application/vnd.microsoft.portable-executable"},
		{0, "\x7fELF", classProgram, "application/x-elf"},
		{0, "\xfe\xed\xfa\xce", classProgram, "application/x-mach-binary"},
		{0, "\xfe\xed\xfa\xcf", classProgram, "application/x-mach-binary"},
		{0, "\xce\xfa\xed\xfe", classProgram, "application/x-mach-binary"},
		{0, "\xcf\xfa\xed\xfe", classProgram, "application/x-mach-binary"},
		{0, "\xca\xfe\xba\xbe", classProgram, "application/x-mach-binary"}, // or a Java class
		{0, "#!", classProgram, "text/x-script"},
		{0, "MSCF", classProgram, "application/vnd.ms-cab-compressed"},
		{0, "ISc(", classProgram, "application/x-installshield"},
		{0, "\x00asm", classProgram, "application/wasm"},
		{0, "!<arch>", classProgram, "application/x-archive"},
		{0, "xar!", classProgram, "application/x-xar"},
		{0, "dex\n", classProgram, "application/x-dex"},
		{0, "L\x00\x00\x00\x01\x14\x02\x00", classProgram, "application/x-ms-shortcut"},
		{30, "META-INF/", classProgram, "application/java-archive"},

		{0, "ITSF", classViewer, "application/vnd.ms-htmlhelp"},
		{0, "?_\x03\x00", classViewer, "application/winhlp"},
		{0, "wOFF", classViewer, "font/woff"},
		{0, "wOF2", classViewer, "font/woff2"},
		{0, "OTTO", classViewer, "font/otf"},
		{0, "\x00\x01\x00\x00\x00", classViewer, "font/ttf"},
		{0, "ttcf", classViewer, "font/collection"},
		{0, "FWS", classViewer, "application/x-shockwave-flash"},
		{0, "CWS", classViewer, "application/x-shockwave-flash"},
		{0, "ZWS", classViewer, "application/x-shockwave-flash"},
		{0, "SQLite format 3\x00", classViewer, "application/vnd.sqlite3"},
		{0, "Microsoft C/C++ ", classViewer, "application/x-ms-pdb"},
		{0, "\xde\x12\x04\x95", classViewer, "application/x-gettext"},
		{0, "\x95\x04\x12\xde", classViewer, "application/x-gettext"},

		{0, "\x00\x05\x16\x07", classJunk, "application/applefile"},
		{0, "\x00\x05\x16\x00", classJunk, "application/applefile"},
		{0, "\x00\x00\x00\x01Bud1", classJunk, "application/x-ds-store"},

		{0, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", classOLE, "application/x-ole-storage"},
		{0, "Rar!\x1a\x07", classUnknown, "application/vnd.rar"},
		{0, "7z\xbc\xaf\x27\x1c", classUnknown, "application/x-7z-compressed"},
		{0, "\x1f\x8b", classUnknown, "application/gzip"},
	}
}

// sniffer judges the beginning of files. It keeps the table of signatures, by
// their first byte where that is fixed.
type sniffer struct {
	first [256][]signature
	later []signature
}

func newSniffer() *sniffer {
	s := &sniffer{}
	for _, sig := range signatures() {
		if sig.offset > 0 {
			s.later = append(s.later, sig)
			continue
		}
		s.first[sig.magic[0]] = append(s.first[sig.magic[0]], sig)
	}
	return s
}

// magic judges head by its signature; ok is false where it has none.
func (s *sniffer) magic(head []byte) (c class, media string, ok bool) {
	if len(head) == 0 {
		return classEmpty, "", true
	}
	for _, list := range [][]signature{s.first[head[0]], s.later} {
		for _, sig := range list {
			if matches(head, sig) {
				return sig.class, sig.media, true
			}
		}
	}
	switch {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		c, media = zipped(head)
		return c, media, true
	case isBitmap(head):
		return classImage, "image/bmp", true
	}
	return classUnknown, "", false
}

func matches(head []byte, sig signature) bool {
	end := sig.offset + len(sig.magic)
	if len(head) < end || string(head[sig.offset:end]) != sig.magic {
		return false
	}
	switch sig.media {
	case "image/webp", "video/x-msvideo", "audio/wav":
		return string(head[:4]) == "RIFF"
	case "application/java-archive":
		return string(head[:2]) == "PK"
	case "application/vnd.microsoft.portable-executable":
		return bytes.IndexByte(head, 0) >= 0
	}
	return true
}

// isBitmap recognises BMP by "BM" and the length of its second header.
func isBitmap(head []byte) bool {
	if len(head) < 18 || head[0] != 'B' || head[1] != 'M' {
		return false
	}
	switch binary.LittleEndian.Uint32(head[14:]) {
	case 12, 40, 52, 56, 64, 108, 124:
		return true
	}
	return false
}

// zipped tells documents that are ZIP archives from other ones.
func zipped(head []byte) (class, string) {
	switch {
	case len(head) > 38 && string(head[30:38]) == "mimetype":
		return classOther, "application/vnd.oasis.opendocument"
	case bytes.Contains(head, []byte("[Content_Types].xml")), bytes.Contains(head, []byte("word/")),
		bytes.Contains(head, []byte("xl/")), bytes.Contains(head, []byte("ppt/")):
		return classOther, "application/vnd.openxmlformats-officedocument"
	case bytes.Contains(head, []byte("META-INF/")):
		return classProgram, "application/java-archive"
	}
	return classUnknown, "application/zip"
}

// lateMagic finds what may have a little in front of it.
func lateMagic(head []byte) (c class, media string, ok bool) {
	if i := bytes.Index(head[:min(len(head), 1024+5)], []byte("%PDF-")); i >= 0 {
		return classPDF, "application/pdf", true
	}
	return classUnknown, "", false
}

// ole tells compound files apart by their name, which decides only why they are
// left out.
func ole(name string) (class, string) {
	switch ext := extension(name); {
	case strings.HasPrefix(name, "thumbs") && ext == "db":
		return classJunk, "application/x-thumbs"
	case ext == "msi" || ext == "msp" || ext == "mst":
		return classProgram, "application/x-msi"
	case ext == "doc" || ext == "xls" || ext == "ppt" || ext == "dot" || ext == "msg":
		return classOther, "application/msword"
	}
	return classUnknown, "application/x-ole-storage"
}
