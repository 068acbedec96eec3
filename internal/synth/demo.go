package synth

import (
	"bytes"
	"encoding/binary"
	"time"

	"lotse/dicom"
)

// Demo is a small examination to show an import with.
type Demo struct {
	ZIP         []byte   // an IHE PDI medium
	BirthDate   string   // YYYYMMDD, the answer to the portal's question
	Description string   // of the study
	PatientName string   // Family,Given
	LocalName   string   // Family^Given, how a hospital has the same person
	Modalities  []string // each once
}

// The made-up patient of the demonstration.
const (
	demoFamily, demoGiven = "Müßig", "Jörg"
	demoBirthDate         = "19610417"
	demoReport            = "IHE_PDI/REPORTS/BEFUND.PDF"
	demoRows              = 256
	demoSlices            = 24
)

// DemoExam makes the examination of the demonstration in about a second: a
// radiograph and a CT of a thorax, two reconstructions, with the report as PDF.
// The patient's name has umlauts in ISO_IR 100, as media from German practices do.
func DemoExam(seed uint64) (*Demo, error) {
	e := demoExam(seed)
	files := []file{
		{"README.TXT", fixed(readme)},
		{"INDEX.HTM", fixed(index(e, demoReport))},
		{demoReport, func() ([]byte, error) { return demoLetter(e).pdf(), nil }},
	}
	var b bytes.Buffer
	if err := writeZIP(&b, time.Date(2026, 2, 3, 11, 30, 0, 0, time.UTC), append(files, e.files()...)); err != nil {
		return nil, err
	}
	return &Demo{
		ZIP: b.Bytes(), BirthDate: demoBirthDate, Description: e.study.description,
		PatientName: demoFamily + "," + demoGiven, LocalName: demoFamily + "^" + demoGiven,
		Modalities: []string{"CR", "CT"},
	}, nil
}

func demoExam(seed uint64) *exam {
	e := &exam{
		seed: seed, charset: "ISO_IR 100",
		patient: patient{
			name: demoFamily + "^" + demoGiven, id: "R-20418", birthDate: demoBirthDate, sex: "M",
			age: "064Y", size: "1.78", weight: "81",
		},
		study: study{
			number: "20418", accession: "X-20418", description: "Thorax: Röntgen und CT",
			date: "20260203", time: "104500", referrer: "Süßmilch^Käthe^^Dr. med.", physician: "Größe^Örs^^Dr. med.",
			institution: "Radiologie am Alten Hafen (erfunden)", address: "Kaistraße 1, 00000 Musterhafen",
		},
	}
	e.study.series = append(e.study.series, series{
		number: 1, modality: "CR", class: classCR, description: "Thorax p.a.", protocol: "Thorax p.a. stehend",
		body: "CHEST", count: 1, build: func(b *builder, _ int) { radiograph(b, newChest(seed).render()) },
	})
	pool := newNoise(seed, demoRows*demoRows)
	for i, k := range kernels[1:3] {
		s := &scan{
			body: newBody(seed, k.contrast), rows: demoRows, columns: demoRows, count: demoSlices,
			from: 12, to: 400, kernel: k.kernel, grain: k.grain * 0.6, window: k.window,
			contrast: true, noise: pool, seed: seed, series: 2 + i,
		}
		e.study.series = append(e.study.series, series{
			number: s.series, modality: "CT", class: classCT, description: []string{"Thorax KM Weichteil", "Thorax KM Lunge"}[i],
			protocol: "Thorax KM", body: "CHEST", count: demoSlices,
			build: func(b *builder, index int) { s.build(e, b, index) },
		})
	}
	return e
}

// radiograph sets what a CR image needs beyond the common modules (PS3.3 §A.2).
func radiograph(b *builder, p *plane) {
	const stored, white = 12, 1<<12 - 1
	values := make([]byte, 2*len(p.v))
	for i, v := range p.v {
		binary.LittleEndian.PutUint16(values[2*i:], uint16(v*white))
	}
	b.set("ImageType", "ORIGINAL", "PRIMARY")
	b.set("PatientOrientation", "L", "F")
	b.set("ViewPosition", "PA")
	b.floats("KVP", 125)
	b.floats("DistanceSourceToDetector", 1800)
	b.set("ExposureTime", "8")
	b.set("XRayTubeCurrent", "250")
	b.set("Exposure", "2")
	b.set("PlateType", "synthetic")
	b.floats("ImagerPixelSpacing", p.spacing, p.spacing)
	b.floats("WindowCenter", (white+1)/2)
	b.floats("WindowWidth", white+1)
	b.set("LossyImageCompression", "00")
	b.set("AcquisitionNumber", "1")
	b.numbers("SmallestImagePixelValue", dicom.US, 0)
	b.pixels(p.h, p.w, stored, values)
}
