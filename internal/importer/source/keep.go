package source

import (
	"context"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/scratch"
)

// scratchKeeper keeps parts in scratch files, as long as the package is open.
type scratchKeeper struct {
	builder *builder
	kept    []*scratchPart // in the order they came
}

var _ Keeper = (*scratchKeeper)(nil)

// State has nothing: nobody was here before.
func (*scratchKeeper) State(context.Context) ([]byte, error) { return nil, nil }

// Remember keeps nothing: nobody comes after.
func (*scratchKeeper) Remember(context.Context, []byte) error { return nil }

// Part finds or creates a part.
func (k *scratchKeeper) Part(_ context.Context, about About) (Keeping, error) {
	for _, p := range k.kept {
		if p.about.Key == about.Key {
			return p, nil
		}
	}
	f, err := k.builder.newScratch()
	if err != nil {
		return nil, err
	}
	k.builder.fetched = append(k.builder.fetched, f)
	p := &scratchPart{File: f, about: about, version: dlx.Version{Size: -1}}
	k.kept = append(k.kept, p)
	return p, nil
}

// Drop gives a part's space back.
func (k *scratchKeeper) Drop(_ context.Context, key string) error {
	for i, p := range k.kept {
		if p.about.Key == key {
			k.kept = append(k.kept[:i], k.kept[i+1:]...)
			return p.File.Reset()
		}
	}
	return nil
}

// parts are all parts, for assembling.
func (k *scratchKeeper) parts() []Part {
	parts := make([]Part, len(k.kept))
	for i, p := range k.kept {
		parts[i] = Part{Origin: p.about.Origin, Name: p.about.Name, Size: p.Size(), Data: p.File, Type: p.kind, Refused: p.refused}
	}
	return parts
}

// scratchPart is a part in a scratch file.
type scratchPart struct {
	*scratch.File
	about    About
	version  dlx.Version
	kind     dlx.MediaType
	finished bool
	refused  importer.ReasonCode
}

var _ Digested = (*scratchPart)(nil)

// Offset is how many bytes are held.
func (p *scratchPart) Offset() int64 { return p.Size() }

// Version is what they belong to.
func (p *scratchPart) Version() dlx.Version { return p.version }

// Finished reports that all of it came.
func (p *scratchPart) Finished() bool { return p.finished }

// Reset begins anew.
func (p *scratchPart) Reset(_ context.Context, v dlx.Version) error {
	p.version, p.refused = v, ""
	if p.Size() == 0 {
		return nil
	}
	return p.File.Reset()
}

// Digest is not wanted: nobody would compare it.
func (p *scratchPart) Digest() []byte { return nil }

// Flush has nothing to do: nothing outlives the process.
func (p *scratchPart) Flush(context.Context) error { return nil }

// Complete notes that all of it came.
func (p *scratchPart) Complete(_ context.Context, sum Sum) error {
	p.finished, p.kind = true, sum.Type
	return nil
}

// Refuse notes why it did not.
func (p *scratchPart) Refuse(_ context.Context, reason importer.ReasonCode) error {
	p.refused = reason
	return p.File.Reset()
}

// Close does nothing: the file lives as long as the package.
func (p *scratchPart) Close() error { return nil }

// follow fetches what is behind the first of some links that leads to a portal, and
// adds it.
func (b *builder) follow(links []string) error {
	keep := &scratchKeeper{builder: b}
	f := &fetcher{ctx: b.ctx, req: b.req, hooks: b.hooks, keep: keep, left: b.scratchLeft()}
	if err := f.anyLink(links); err != nil {
		return err
	}
	b.listed = true
	return b.parts(keep.parts(), 0)
}
