package source

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"

	"lotse/dlx"
	"lotse/internal/importer"
)

var errKilled = errors.New("the process is gone")

// piece is how many bytes of a part become durable at once.
const piece = 8 << 10

// vault is what outlives a process: only what is in it exists for the next keeper.
type vault struct {
	state    []byte
	parts    []*durable
	remember int
}

type durable struct {
	about    About
	data     []byte
	version  dlx.Version
	finished bool
	sum      Sum
	refused  importer.ReasonCode
}

// keeper is the view of one process. It dies when it has done so many durable steps:
// then nothing of it reaches the disk any more.
type keeper struct {
	vault *vault
	steps int // that are left; negative: it lives on
	took  int
}

func (d *vault) keeper(steps int) *keeper { return &keeper{vault: d, steps: steps} }

// step reports whether one more durable step is done.
func (k *keeper) step() error {
	if k.steps == 0 {
		return errKilled
	}
	k.steps--
	k.took++
	return nil
}

func (k *keeper) alive() error {
	if k.steps == 0 {
		return errKilled
	}
	return nil
}

func (k *keeper) State(context.Context) ([]byte, error) { return bytes.Clone(k.vault.state), k.alive() }

func (k *keeper) Remember(_ context.Context, state []byte) error {
	if err := k.step(); err != nil {
		return err
	}
	k.vault.state = bytes.Clone(state)
	k.vault.remember++
	return nil
}

func (k *keeper) Part(_ context.Context, about About) (Keeping, error) {
	for _, p := range k.vault.parts {
		if p.about.Key == about.Key {
			return &held{keeper: k, durable: p, version: p.version, seen: int64(len(p.data))}, k.alive()
		}
	}
	if err := k.step(); err != nil {
		return nil, err
	}
	p := &durable{about: about, version: dlx.Version{Size: -1}}
	k.vault.parts = append(k.vault.parts, p)
	return &held{keeper: k, durable: p, version: p.version}, nil
}

func (k *keeper) Drop(_ context.Context, key string) error {
	if err := k.step(); err != nil {
		return err
	}
	k.vault.parts = slices.DeleteFunc(k.vault.parts, func(p *durable) bool { return p.about.Key == key })
	return nil
}

// held is one part in a process: what is not durable yet is in open.
type held struct {
	keeper  *keeper
	durable *durable
	version dlx.Version
	open    []byte
	seen    int64 // what may be read
	reset   bool  // what is durable does not count any more
}

func (h *held) commit() error {
	if err := h.keeper.step(); err != nil {
		return err
	}
	if h.reset {
		*h.durable, h.reset = durable{about: h.durable.about}, false
	}
	h.durable.version = h.version
	h.durable.data = append(h.durable.data, h.open...)
	h.open = nil
	return nil
}

func (h *held) Write(p []byte) (int, error) {
	taken := 0
	for taken < len(p) {
		n := min(len(p)-taken, piece-len(h.open))
		h.open = append(h.open, p[taken:taken+n]...)
		if len(h.open) == piece {
			if err := h.commit(); err != nil {
				return taken, err
			}
		}
		taken += n
	}
	return taken, h.keeper.alive()
}

func (h *held) ReadAt(p []byte, off int64) (int, error) {
	if err := h.keeper.alive(); err != nil {
		return 0, err
	}
	return bytes.NewReader(h.durable.data[:h.seen]).ReadAt(p, off)
}

func (h *held) Offset() int64 {
	if h.reset {
		return int64(len(h.open))
	}
	return int64(len(h.durable.data) + len(h.open))
}

func (h *held) Version() dlx.Version { return h.version }
func (h *held) Finished() bool       { return h.durable.finished }

func (h *held) Reset(_ context.Context, v dlx.Version) error {
	h.version, h.open, h.reset, h.seen = v, nil, true, 0
	return h.keeper.alive()
}

func (h *held) Flush(context.Context) error {
	if err := h.commit(); err != nil {
		return err
	}
	h.seen = int64(len(h.durable.data))
	return nil
}

func (h *held) Complete(_ context.Context, sum Sum) error {
	if err := h.commit(); err != nil {
		return err
	}
	h.durable.finished, h.durable.sum = true, sum
	return nil
}

func (h *held) Refuse(_ context.Context, reason importer.ReasonCode) error {
	if err := h.keeper.step(); err != nil {
		return err
	}
	*h.durable = durable{about: h.durable.about, version: dlx.Version{Size: -1}, refused: reason}
	h.open, h.reset = nil, false
	return nil
}

func (h *held) Close() error {
	if len(h.open) == 0 || h.durable.finished {
		return nil
	}
	return h.commit()
}

// list is what came, for Assemble.
func (d *vault) list() []Part {
	slices.SortFunc(d.parts, func(a, b *durable) int { return a.about.Position - b.about.Position })
	var all []Part
	for _, p := range d.parts {
		all = append(all, Part{Source: "link", Origin: p.about.Origin, Name: p.about.Name, Size: int64(len(p.data)), Data: bytes.NewReader(p.data),
			Type: p.sum.Type, Refused: p.refused})
	}
	return all
}

// broken fails to be read.
type broken struct{ err error }

func (b broken) ReadAt([]byte, int64) (int, error) { return 0, b.err }

var _ io.ReaderAt = broken{}
