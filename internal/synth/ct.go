package synth

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// CTOptions describe a large CT examination. Zero values mean the default in
// brackets.
type CTOptions struct {
	Slices  int    // of all series together (1000)
	Series  int    // (4, at most one per slice)
	Rows    int    // (512)
	Columns int    // (512)
	Seed    uint64 // any number; the same gives the same bytes
}

func (o CTOptions) withDefaults() (CTOptions, error) {
	for _, v := range []struct {
		n        *int
		fallback int
	}{{&o.Slices, 1000}, {&o.Series, 4}, {&o.Rows, 512}, {&o.Columns, 512}} {
		if *v.n == 0 {
			*v.n = v.fallback
		}
		if *v.n < 0 {
			return o, errors.New("synth: negative number in the options of a CT")
		}
	}
	if o.Rows > 4096 || o.Columns > 4096 || o.Slices > 99999 {
		return o, fmt.Errorf("synth: a CT of %d slices with %d × %d pixels is too large", o.Slices, o.Columns, o.Rows)
	}
	o.Series = min(o.Series, o.Slices)
	return o, nil
}

// CT writes the ZIP of an IHE PDI medium with one CT study to w. A slice of
// 512 × 512 pixels has about 530 KB, which compress to about a half.
func CT(w io.Writer, o CTOptions) error {
	o, err := o.withDefaults()
	if err != nil {
		return err
	}
	e := ctExam(o)
	files := append([]file{{"README.TXT", fixed(readme)}, {"INDEX.HTM", fixed(index(e, ""))}}, e.files()...)
	return writeZIP(w, time.Date(2024, 3, 14, 10, 0, 0, 0, time.UTC), files)
}

// kernels are the reconstructions that the series of a CT go through in turn.
var kernels = [...]struct {
	name, kernel string
	grain        float64
	window       [2]float64
	contrast     float32
}{
	{"Thorax/Abdomen nativ Weichteil", "Br40", 20, [2]float64{40, 400}, 0},
	{"Thorax/Abdomen KM Weichteil", "Br40", 22, [2]float64{50, 400}, 130},
	{"Thorax/Abdomen KM Lunge", "Bl57", 56, [2]float64{-500, 1500}, 130},
	{"Thorax/Abdomen KM duenn", "Br44", 34, [2]float64{50, 350}, 130},
}

func ctExam(o CTOptions) *exam {
	e := &exam{
		seed: o.Seed, charset: "ISO_IR 100",
		patient: patient{
			name: "Beispiel^Anna", id: "EXT-4711", birthDate: "19700228", sex: "F",
			age: "054Y", size: "1.68", weight: "64",
		},
		study: study{
			number: "4711", accession: "A4711", description: "CT Thorax/Abdomen",
			date: "20240314", time: "091500", referrer: "Muster^Max^^Dr.", physician: "Vorlage^Vera^^Dr.",
			institution: "Praxis am Hafen (erfunden)", address: "Kai 1, 00000 Musterhafen",
		},
	}
	pool := newNoise(o.Seed, o.Rows*o.Columns)
	for i := range o.Series {
		k := kernels[i%len(kernels)]
		count := o.Slices / o.Series
		if i < o.Slices%o.Series {
			count++
		}
		s := &scan{
			body: newBody(o.Seed, k.contrast), rows: o.Rows, columns: o.Columns, count: count,
			from: 10, to: bodySpan, kernel: k.kernel, grain: k.grain, window: k.window,
			contrast: k.contrast > 0, noise: pool, seed: o.Seed, series: i + 1,
		}
		e.study.series = append(e.study.series, series{
			number: i + 1, modality: "CT", class: classCT, description: k.name, protocol: "Thorax/Abdomen",
			body: "CHEST", count: count,
			build: func(b *builder, index int) { s.build(e, b, index) },
		})
	}
	return e
}
