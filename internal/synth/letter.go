package synth

import "strings"

// demoLetter is the report of the demonstration's study, a letter of one page.
func demoLetter(e *exam) *sheet {
	s := &sheet{title: "Befund " + e.study.description}
	const left = 71
	s.color(0.09, 0.33, 0.47)
	s.box(left, 52, 26, 26)
	s.color(1, 1, 1)
	s.box(left+11, 57, 4, 16)
	s.box(left+5, 63, 16, 4)
	s.color(0.09, 0.33, 0.47)
	s.text(left+38, 66, 16, true, "Radiologie am Alten Hafen")
	s.color(0.35, 0.35, 0.35)
	s.text(left+38, 79, 8.5, false, "Dr. med. Örs Größe · Kaistraße 1 · 00000 Musterhafen · Telefon 00000 0000")
	s.color(0.7, 0.7, 0.7)
	s.box(left, 94, sheetWidth-2*left, 0.7)
	s.color(0, 0, 0)
	y := s.lines(left, 128, 10, 14,
		"Frau", "Dr. med. Käthe Süßmilch", "Fachärztin für Allgemeinmedizin", "Brückenweg 7", "00000 Musterhafen")
	s.text(sheetWidth-left-112, y+8, 10, false, "Musterhafen, 03.02.2026")
	y += 44
	s.text(left, y, 11.5, true, "Befund: Röntgen-Thorax p.a. und CT Thorax mit Kontrastmittel")
	s.color(0.94, 0.96, 0.97)
	s.box(left, y+12, sheetWidth-2*left, 40)
	s.color(0, 0, 0)
	s.text(left+10, y+28, 10, true, demoFamily+", "+demoGiven)
	s.text(left+150, y+28, 10, false, "geboren am "+germanDate(e.patient.birthDate))
	s.text(left+10, y+43, 9, false, "Patientennummer "+e.patient.id)
	s.text(left+150, y+43, 9, false, "Untersuchung vom "+germanDate(e.study.date)+", Auftrag "+e.study.accession)
	y = s.lines(left, y+80, 10, 14.5,
		"Sehr geehrte Frau Kollegin,",
		"",
		"vielen Dank für die freundliche Zuweisung Ihres Patienten.",
	) + 10
	for _, part := range letterParts {
		s.text(left, y, 10, true, part[0])
		y = s.lines(left, y+15, 10, 14.5, strings.Split(part[1], "\n")...) + 10
	}
	y = s.lines(left, y+4, 10, 14.5, "Mit freundlichen kollegialen Grüßen", "", "", "Dr. med. Örs Größe", "Facharzt für Radiologie")
	s.color(0.7, 0.7, 0.7)
	s.box(left, y+24, sheetWidth-2*left, 0.7)
	s.color(0.45, 0.45, 0.45)
	s.lines(left, y+38, 8, 11,
		"Erfunden zur Vorführung von Lotse: Praxis, Personen, Bilder und Befund gibt es nicht.",
		"Made up to demonstrate Lotse: practice, persons, images and findings do not exist.")
	return s
}

var letterParts = [...][2]string{
	{"Klinische Angaben", "Anhaltender Husten seit sechs Wochen. Zum Ausschluss eines Infiltrates."},
	{"Röntgen-Thorax p.a. im Stehen", "Zwerchfelle glatt begrenzt, beide Sinus frei. Herz normal groß, Mediastinum nicht verbreitert.\n" +
		"Regelrechte Gefäßzeichnung, kein Infiltrat. Knöcherner Thorax unauffällig."},
	{"CT Thorax", "Spirale nach Gabe von 90 ml Kontrastmittel intravenös, Weichteil- und Lungenfenster.\n" +
		"Lungen beidseits vollständig entfaltet, keine Rundherde. Große Gefäße frei durchgängig.\n" +
		"Keine vergrößerten Lymphknoten. Miterfasste Oberbauchorgane ohne Auffälligkeiten."},
	{"Beurteilung", "Altersentsprechender Befund. Kein Anhalt für ein Infiltrat oder eine Raumforderung."},
}

// lines sets lines below each other and returns where the next would be.
func (s *sheet) lines(x, y, size, pitch float64, lines ...string) float64 {
	for _, line := range lines {
		s.text(x, y, size, false, line)
		y += pitch
	}
	return y
}

// germanDate turns YYYYMMDD into DD.MM.YYYY.
func germanDate(da string) string {
	if len(da) != 8 {
		return da
	}
	return da[6:] + "." + da[4:6] + "." + da[:4]
}
