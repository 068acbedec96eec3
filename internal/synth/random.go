package synth

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"

	"lotse/dicom/uid"
)

// random is a deterministic source of numbers (SplitMix64); it must be the same
// in every version of Go.
type random struct{ state uint64 }

// seeded returns a source of its own for each path of numbers below a seed.
func seeded(seed uint64, path ...int) *random {
	r := &random{state: seed}
	for _, n := range path {
		r.state = r.next() + uint64(n)*0xD1B54A32D192ED03
	}
	r.next()
	return r
}

func (r *random) next() uint64 {
	r.state += 0x9E3779B97F4A7C15
	z := r.state
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

// float returns a number in [0, 1).
func (r *random) float() float64 { return float64(r.next()>>11) / (1 << 53) }

// between returns a number in [lo, hi).
func (r *random) between(lo, hi float64) float64 { return lo + (hi-lo)*r.float() }

// normal returns a normally distributed number, mean 0, deviation 1 (Box-Muller).
func (r *random) normal() float64 {
	return math.Sqrt(-2*math.Log(1-r.float())) * math.Cos(2*math.Pi*r.float())
}

// noise is a pool of normally distributed numbers, for one lookup a pixel.
type noise []float32

// newNoise makes a pool for pictures of that many pixels; from a small one they
// would compress too well.
func newNoise(seed uint64, pixels int) noise {
	r := seeded(seed, 3)
	n := make(noise, min(max(4*pixels, 1<<14), 1<<20))
	for i := range n {
		n[i] = float32(r.normal())
	}
	return n
}

// row returns n numbers from a random place of the pool.
func (p noise) row(r *random, n int) []float32 {
	at := int(r.next() % uint64(len(p)-n))
	return p[at : at+n]
}

// identifier returns the UID that the named object has under seed.
func identifier(seed uint64, kind string, path ...int) string {
	name := []string{kind}
	for _, n := range path {
		name = append(name, strconv.Itoa(n))
	}
	return uid.Derive(binary.BigEndian.AppendUint64([]byte("lotse/synth"), seed), strings.Join(name, "/"))
}
