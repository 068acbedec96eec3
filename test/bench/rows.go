package main

import (
	"context"
	"fmt"
	"os"
)

// row is one line of the result.
type row struct {
	group, name, title string
	once               bool   // too slow for every round
	against            string // name of the row that a ratio is taken against
	run                func(ctx context.Context, b *bench) (sample, error)
}

func rows() []row {
	return []row{
		{group: "lotse", name: "lotse", title: "lotse import to storescp as it comes", run: lotseTo(false, ctSlices, fullSide)},
		{group: "lotse", name: "lotse-tuned", title: "lotse import to a tuned storescp", run: lotseTo(true, ctSlices, fullSide)},
		{group: "user", name: "user", title: "unzip, dcmodify, dcmsend as they come", against: "lotse", run: byHand},
		{group: "expert", name: "expert", title: "the same, tuned, step by step", against: "lotse-tuned", run: byExpert(stepsScript)},
		{group: "expert", name: "expert-chains", title: "the same, tuned, a chain for each series", against: "lotse-tuned", run: byExpert(expertScript)},
		{group: "floor", name: "inflate", title: "inflate on all cores", run: inflateRow(false)},
		{group: "floor", name: "inflate-sha", title: "inflate and SHA-256 on all cores", run: inflateRow(true)},
		{group: "floor", name: "receiver", title: "tuned storescp alone, fed from memory", run: receiverRow},
		{group: "orthanc", name: "lotse-orthanc", title: "lotse import to Orthanc", run: lotseToOrthanc(archiveSlices, fullSide, nil)},
		{group: "orthanc", name: "user-orthanc", title: "unzip, dcmodify, dcmsend to Orthanc", against: "lotse-orthanc", run: byHandToOrthanc},
		{group: "stall", name: "tiny", title: "tiny objects, lotse to storescp as it comes", against: "tiny-nodelay", run: lotseTo(false, tinySlices, tinySide)},
		{group: "stall", name: "tiny-nodelay", title: "tiny objects, lotse to storescp with TCP_NODELAY", run: lotseTo(true, tinySlices, tinySide)},
		{group: "stall", name: "tiny-orthanc", title: "tiny objects, lotse to Orthanc", against: "tiny-orthanc-nodelay", run: lotseToOrthanc(tinySlices, tinySide, nil)},
		{group: "stall", name: "tiny-orthanc-nodelay", title: "tiny objects, lotse to Orthanc with TCP_NODELAY", run: lotseToOrthanc(tinySlices, tinySide, noDelay)},
		{group: "stall", name: "tiny-dcmsend", title: "tiny objects, dcmsend to storescp as it comes", against: "tiny", once: true, run: tinyByDcmsend},
		{group: "memory", name: "memory-100", title: "peak memory of lotse, 100 slices", run: lotseTo(true, fixedSlices(100), fullSide)},
		{group: "memory", name: "memory-1000", title: "peak memory of lotse, 1,000 slices", run: lotseTo(true, fixedSlices(1000), fullSide)},
		{group: "memory", name: "memory-4000", title: "peak memory of lotse, 4,000 small slices", run: lotseTo(true, fixedSlices(4000), smallSide)},
	}
}

// counter says how many slices a row is about.
type counter func(o options) int

func ctSlices(o options) int      { return o.slices }
func tinySlices(o options) int    { return o.tiny }
func archiveSlices(o options) int { return o.archive }

func fixedSlices(n int) counter { return func(options) int { return n } }

// The six attributes that every way changes.
const (
	localID, localName, localBirth, localSex = "4711", "Beispiel-Muster^Anna Maria", "19700228", "F"
	localIssuer, localAccession              = "KLINIKUM", "A-2026-0815"
)

// lotseTo imports a medium into a storescp, over one association.
func lotseTo(tuned bool, count counter, side int) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		return b.withMedium(ctx, count(b.o), side, func(ctx context.Context, medium string) (sample, error) {
			peer, err := storescp(ctx, tuned, false)
			if err != nil {
				return sample{}, err
			}
			return b.lotse(ctx, peer, medium)
		})
	}
}

func lotseToOrthanc(count counter, side int, env []string) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		return b.withMedium(ctx, count(b.o), side, func(ctx context.Context, medium string) (sample, error) {
			dir, remove, err := folder(b.disk)
			if err != nil {
				return sample{}, err
			}
			defer remove()
			peer, err := orthanc(ctx, dir, env)
			if err != nil {
				return sample{}, err
			}
			return b.lotse(ctx, peer, medium)
		})
	}
}

func (b *bench) withMedium(ctx context.Context, slices, side int, f func(context.Context, string) (sample, error)) (sample, error) {
	if _, err := os.Stat(b.o.lotse); err != nil {
		return sample{}, fmt.Errorf("%s is missing: make build", b.o.lotse)
	}
	medium, err := b.medium(ctx, slices, side)
	if err != nil {
		return sample{}, err
	}
	return f(ctx, medium)
}

// lotse runs the import with six attributes and the note of their former values,
// and ends the peer.
func (b *bench) lotse(ctx context.Context, peer *server, medium string) (sample, error) {
	defer peer.stop()
	s, _, err := run(ctx, nil, b.o.lotse, "import", medium,
		"--to", fmt.Sprintf("dicom://%s@%s?calling=%s&associations=1", calledAE, peer.addr(), callingAE),
		"--patient-id", localID, "--patient-name", localName, "--patient-birth-date", localBirth, "--patient-sex", localSex,
		"--issuer", localIssuer, "--accession", localAccession)
	s.Peer = peer.cpu()
	return s, err
}
