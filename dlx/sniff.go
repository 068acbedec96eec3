package dlx

import (
	"bytes"
	"strings"
)

// MediaType is a type as told by the bytes themselves.
type MediaType string

// The media types that Sniff knows.
const (
	Unknown MediaType = ""
	ZIP     MediaType = "application/zip"
	PDF     MediaType = "application/pdf"
	DICOM   MediaType = "application/dicom" // Part 10
	JPEG    MediaType = "image/jpeg"
	PNG     MediaType = "image/png"
	HTML    MediaType = "text/html"
	JSON    MediaType = "application/json"
)

// SniffLength is how many bytes Sniff wants to see, unless the file is shorter.
const SniffLength = 1024

// Sniff tells the type from the first bytes. Portals declare wrong types, the
// specification itself once does; only the bytes count.
func Sniff(prefix []byte) MediaType {
	prefix = prefix[:min(len(prefix), SniffLength)]
	switch {
	case isPart10(prefix): // first: its preamble may look like anything
		return DICOM
	case hasPrefix(prefix, "PK\x03\x04"), hasPrefix(prefix, "PK\x05\x06"), hasPrefix(prefix, "PK\x07\x08"):
		return ZIP
	case hasPrefix(prefix, "\xff\xd8\xff"):
		return JPEG
	case hasPrefix(prefix, "\x89PNG\r\n\x1a\n"):
		return PNG
	case hasPrefix(prefix, "%PDF-"):
		return PDF
	}
	start := bytes.TrimSpace(bytes.TrimPrefix(prefix, []byte("\ufeff")))
	switch lower := strings.ToLower(string(start)); {
	case isHTML(lower):
		return HTML
	case bytes.Contains(prefix, []byte("%PDF-")): // PDF allows junk before it
		return PDF
	case isJSON(lower):
		return JSON
	}
	return Unknown
}

func hasPrefix(b []byte, prefix string) bool { return bytes.HasPrefix(b, []byte(prefix)) }

// isPart10 wants the magic word and a first element of group 0002 (PS3.10 §7.1).
func isPart10(b []byte) bool {
	return len(b) >= 136 && string(b[128:132]) == "DICM" && string(b[132:134]) == "\x02\x00"
}

func isHTML(s string) bool {
	for strings.HasPrefix(s, "<!--") {
		end := strings.Index(s, "-->")
		if end < 0 {
			return true
		}
		s = strings.TrimSpace(s[end+3:])
	}
	for _, start := range []string{"<!doctype html", "<html", "<head", "<body", "<script", "<title"} {
		if strings.HasPrefix(s, start) {
			return true
		}
	}
	return strings.HasPrefix(s, "<?xml") && strings.Contains(s, "<html")
}

func isJSON(s string) bool {
	if s == "" || s[0] != '{' && s[0] != '[' {
		return false
	}
	rest := strings.TrimSpace(s[1:])
	return rest == "" || strings.ContainsRune(`"{[]}tfn-0123456789`, rune(rest[0]))
}
