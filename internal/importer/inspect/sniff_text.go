package inspect

import (
	"bytes"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// text judges a file without signature that may be text. name is its last path
// element in lower case; it only tells kinds of text apart none of which is
// delivered.
func text(head []byte, name string) (c class, media string) {
	s, ok := asText(head)
	if !ok {
		return classUnknown, ""
	}
	s = strings.ToLower(strings.TrimSpace(strings.TrimLeft(s, "\ufeff")))
	switch {
	case s == "":
		return classUnknown, "text/plain"
	case strings.HasPrefix(s, "[autorun"):
		return classProgram, "text/x-autorun"
	case strings.HasPrefix(s, "[.shellclassinfo]"), strings.HasPrefix(s, "[localizedfilenames]"):
		return classJunk, "text/x-desktop-ini"
	case strings.HasPrefix(s, "@echo"):
		return classProgram, "text/x-script"
	case strings.HasPrefix(s, "<"):
		return markup(s, name)
	case isChecksums(s):
		return classJunk, "text/x-checksums"
	}
	return byExtension(name)
}

// markup tells HTML, CDA, the tables of IHE XDM and other XML apart.
func markup(s, name string) (class, string) {
	switch {
	case strings.Contains(s, "<!doctype html"), strings.Contains(s, "<html"), strings.HasPrefix(s, "<head"), strings.HasPrefix(s, "<body"):
		return classHTML, "text/html"
	case strings.Contains(s, "clinicaldocument") && strings.Contains(s, "urn:hl7-org:v3"):
		return classOther, "application/cda+xml"
	case strings.Contains(s, "submitobjectsrequest"):
		return classIndex, "application/ebxml"
	case strings.Contains(s, "<svg"):
		return classViewer, "image/svg+xml"
	case strings.Contains(s, "<xsl:stylesheet"), strings.Contains(s, "<xsl:transform"):
		return classViewer, "application/xslt+xml"
	case strings.HasPrefix(s, "<?xml"), strings.HasPrefix(s, "<!doctype"):
		return classXML, "application/xml"
	}
	return byExtension(name)
}

func byExtension(name string) (class, string) {
	switch extension(name) {
	case "js", "mjs", "css", "json", "map", "ts", "scss":
		return classViewer, "text/x-web"
	case "ini", "cfg", "conf", "config", "properties", "plist", "lng", "lang", "po", "manifest", "inf", "reg", "dat", "log":
		return classViewer, "text/x-settings"
	case "bat", "cmd", "vbs", "vbe", "ps1", "wsf", "sh", "command", "py", "pl", "jse":
		return classProgram, "text/x-script"
	}
	return classText, "text/plain"
}

// isChecksums recognises lists of digests: md5sum, sha256sum and their BSD form,
// and CRC lists (SFV). The first line that is no comment decides.
func isChecksums(s string) bool {
	for line := range strings.Lines(s) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == ';' || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		first, last := fields[0], fields[len(fields)-1]
		switch {
		case len(fields) == 1:
			return isDigest(first)
		case isDigest(first):
			return true
		case isDigest(last):
			return strings.Contains(line, ") = ")
		}
		return len(last) == 8 && isHex(last) && strings.ContainsAny(last, "0123456789") && strings.Contains(first, ".")
	}
	return false
}

// isDigest reports the hexadecimal form of MD5, SHA-1, SHA-256 or SHA-512.
func isDigest(s string) bool {
	switch len(s) {
	case 32, 40, 64, 128:
		return isHex(s)
	}
	return false
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdefABCDEF") == "" }

// asText returns b as text where it is some: UTF-16 with a byte order mark, or
// bytes without control characters that text does not have.
func asText(b []byte) (string, bool) {
	if len(b) >= 2 && (b[0] == 0xFF && b[1] == 0xFE || b[0] == 0xFE && b[1] == 0xFF) {
		return utf16Text(b), true
	}
	for _, c := range b {
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1A || c == 0x7F {
			return "", false
		}
	}
	if !mostlyReadable(b) {
		return "", false
	}
	return string(bytes.ToValidUTF8(b, []byte("?"))), true
}

// mostlyReadable reports valid UTF-8, or bytes of which at most a third are beyond
// ASCII. A character that the end of the buffer cut through is no fault.
func mostlyReadable(b []byte) bool {
	cut := b
	for range utf8.UTFMax - 1 {
		if utf8.Valid(cut) {
			return true
		}
		if len(cut) == 0 {
			break
		}
		cut = cut[:len(cut)-1]
	}
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	return 3*high <= len(b)
}

func utf16Text(b []byte) string {
	units := make([]uint16, 0, len(b)/2)
	big := b[0] == 0xFE
	for b = b[2:]; len(b) >= 2; b = b[2:] {
		if big {
			units = append(units, uint16(b[0])<<8|uint16(b[1]))
		} else {
			units = append(units, uint16(b[1])<<8|uint16(b[0]))
		}
	}
	return string(utf16.Decode(units))
}

// extension returns what follows the last dot of a name in lower case.
func extension(name string) string {
	if i := strings.LastIndexByte(name, '.'); i >= 0 {
		return name[i+1:]
	}
	return ""
}
