package source

import (
	"context"
	"io"

	"lotse/internal/scratch"
)

// Deriver keeps what is made of a package's bytes because they cannot be read at any
// offset where they lie: an archive that is packed in an archive. The command line
// keeps it as long as the package is open; a gateway durably, sealed and on no node, so
// that whoever opens the package next finds it. One Assemble at a time uses it.
type Deriver interface {
	// Derive returns the bytes of a key: those that fill writes, or those that it wrote
	// for the same key of the same parts before. What a fill wrote that fails is not
	// kept; its error is in the chain of Derive's. The key names nobody.
	Derive(ctx context.Context, key string, fill func(io.Writer) error) (*io.SectionReader, error)
}

// deriver is the one of the request, or a scratch file.
func (b *builder) deriver() Deriver {
	if b.req.Derived != nil {
		return b.req.Derived
	}
	if b.apart == nil {
		b.apart = &scratchDeriver{create: b.newScratch}
	}
	return b.apart
}

// scratchDeriver keeps everything in one scratch file, one after the other. Nobody was
// here before, and nobody comes after.
type scratchDeriver struct {
	create func() (*scratch.File, error)
	file   *scratch.File
}

var _ Deriver = (*scratchDeriver)(nil)

// Derive has everything made anew.
func (d *scratchDeriver) Derive(_ context.Context, _ string, fill func(io.Writer) error) (*io.SectionReader, error) {
	if d.file == nil {
		f, err := d.create()
		if err != nil {
			return nil, err
		}
		d.file = f
	}
	from := d.file.Size()
	if err := fill(d.file); err != nil {
		return nil, err
	}
	return io.NewSectionReader(d.file, from, d.file.Size()-from), nil
}
