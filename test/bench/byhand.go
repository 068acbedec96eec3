package main

import (
	"context"
	"fmt"
	"strconv"
)

// edits are the arguments of dcmodify: six attributes, no backup copies. The note
// of the former values (Original Attributes) that Lotse adds is beyond it.
var edits = fmt.Sprintf("-nb -m '(0010,0010)=%s' -m '(0010,0020)=%s' -m '(0010,0030)=%s' -m '(0010,0040)=%s' -i '(0010,0021)=%s' -m '(0008,0050)=%s'",
	localName, localID, localBirth, localSex, localIssuer, localAccession)

// userScript is what one would type: $1 medium, $2 folder, $3 port.
var userScript = `set -e
unzip -q "$1" -d "$2"
find "$2/DICOM" -type f -exec dcmodify ` + edits + ` {} +
dcmsend -aet ` + callingAE + ` -aec ` + calledAE + ` --scan-directories --recurse 127.0.0.1 "$3" "$2/DICOM"
`

// stepsScript is the same, step by step, in memory and with large PDUs; dcmodify
// runs on all cores ($4).
var stepsScript = `set -e
unzip -q "$1" -d "$2"
find "$2/DICOM" -type f -print0 | xargs -0 -n 64 -P "$4" dcmodify ` + edits + `
dcmsend -aet ` + callingAE + ` -aec ` + calledAE + ` --max-send-pdu 131072 --scan-directories --recurse 127.0.0.1 "$3" "$2/DICOM"
`

// expertScript does each series as a chain of its own, as many at once as there are
// cores ($4): unpacked into memory, edited and sent with large PDUs and without
// Nagle's algorithm. It was the fastest of the ways tried, see docs/performance.md.
var expertScript = `set -e
export medium=$1 folder=$2 port=$3
one() {
  unzip -q "$medium" "DICOM/*/$1/*" -d "$folder/$1"
  find "$folder/$1" -type f -exec dcmodify ` + edits + ` {} +
  dcmsend -aet ` + callingAE + ` -aec ` + calledAE + ` --max-send-pdu 131072 --scan-directories --recurse 127.0.0.1 "$port" "$folder/$1"
}
export -f one
unzip -Z1 "$1" 'DICOM/*' | cut -d/ -f4 | sort -u | xargs -P "$4" -I{} bash -ec 'one {}'
`

// byHand is how a user does it.
func byHand(ctx context.Context, b *bench) (sample, error) {
	medium, err := b.ct(ctx)
	if err != nil {
		return sample{}, err
	}
	peer, err := storescp(ctx, false, false)
	if err != nil {
		return sample{}, err
	}
	return b.script(ctx, peer, userScript, medium, b.disk, nil)
}

// byExpert is how somebody does it who knows where the time goes.
func byExpert(script string) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		medium, err := b.ct(ctx)
		if err != nil {
			return sample{}, err
		}
		peer, err := storescp(ctx, true, true)
		if err != nil {
			return sample{}, err
		}
		return b.script(ctx, peer, script, medium, b.memory, noDelay)
	}
}

func byHandToOrthanc(ctx context.Context, b *bench) (sample, error) {
	medium, err := b.medium(ctx, b.o.archive, fullSide)
	if err != nil {
		return sample{}, err
	}
	dir, remove, err := folder(b.disk)
	if err != nil {
		return sample{}, err
	}
	defer remove()
	peer, err := orthanc(ctx, dir, nil)
	if err != nil {
		return sample{}, err
	}
	return b.script(ctx, peer, userScript, medium, b.disk, nil)
}

// tinyByDcmsend shows the stall that DCMTK has with itself.
func tinyByDcmsend(ctx context.Context, b *bench) (sample, error) {
	medium, err := b.medium(ctx, b.o.tiny, tinySide)
	if err != nil {
		return sample{}, err
	}
	peer, err := storescp(ctx, false, false)
	if err != nil {
		return sample{}, err
	}
	return b.script(ctx, peer, userScript, medium, b.disk, nil)
}

// script runs a script on a medium in a fresh folder below parent, and ends the peer.
func (b *bench) script(ctx context.Context, peer *server, text, medium, parent string, env []string) (sample, error) {
	defer peer.stop()
	dir, remove, err := folder(parent)
	if err != nil {
		return sample{}, err
	}
	defer remove()
	s, _, err := run(ctx, env, "bash", "-c", text, "bench", medium, dir, strconv.Itoa(peer.port), strconv.Itoa(cores()))
	s.Peer = peer.cpu()
	return s, err
}
