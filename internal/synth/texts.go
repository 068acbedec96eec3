package synth

import (
	"fmt"
	"html"
	"strings"
)

// readme and index are what IHE PDI wants at the root of a medium beside the
// DICOMDIR (ITI RAD TF-3 §4.47).
const readme = "IHE PDI\r\n\r\n" +
	"Dieses Medium ist erfunden. Es enthaelt keine Daten wirklicher Personen.\r\n" +
	"This medium is made up. It holds no data of real persons.\r\n\r\n" +
	"DICOMDIR      Verzeichnis der Bilder / directory of the images\r\n" +
	"DICOM         Bilder / images\r\n" +
	"INDEX.HTM     Uebersicht / overview\r\n"

// index lists the study for a browser; report is the path of a document, or "".
func index(e *exam, report string) string {
	var b strings.Builder
	b.WriteString("<!DOCTYPE html>\n<html lang=\"de\">\n<head><meta charset=\"utf-8\"><title>IHE PDI</title></head>\n<body>\n")
	fmt.Fprintf(&b, "<h1>%s</h1>\n<p>%s</p>\n<ul>\n", html.EscapeString(e.study.description), html.EscapeString(e.study.institution))
	for i := range e.study.series {
		s := &e.study.series[i]
		fmt.Fprintf(&b, "<li>%s: %s (%d)</li>\n", s.modality, html.EscapeString(s.description), s.count)
	}
	b.WriteString("</ul>\n")
	if report != "" {
		fmt.Fprintf(&b, "<p><a href=\"%s\">Befund</a></p>\n", report)
	}
	b.WriteString("<p><a href=\"README.TXT\">README.TXT</a></p>\n</body>\n</html>\n")
	return b.String()
}
