// Package inspect is the stage that looks at what came in: it opens every file of
// a package, judges it by its content and says what the package holds.
//
// Names decide nothing that is delivered: a DICOM object is one under any name,
// and so are PDF, JPEG and PNG. A name, or the folder a file lies in, only chooses
// between the reasons for leaving something out, and tells the pictures of a
// viewer program from the pictures of an exam.
//
// No file is read whole. Of a DICOM object the header is read; its pixel data are
// walked only where their extent does not follow from the size of the file. Of a
// document the beginning is read, and the end where the source can seek.
package inspect

import (
	"context"
	"fmt"
	"runtime"

	"lotse/dicom"
	"lotse/internal/importer"
)

// Options tune an inspection. The zero value is the default.
type Options struct {
	// Workers is how many files are looked at in parallel; default GOMAXPROCS.
	Workers int
	// Progress, when not nil, is told after every file, in the order of the
	// package and from the goroutine that runs Run. Bytes count as declared; their
	// total grows when instances with the same UID have to be compared.
	Progress func(importer.Progress)
	// Read bounds the DICOM reader. Where it is zero, headers may have 4 MiB and
	// 5 million elements, nested 64 deep.
	Read dicom.ReadOptions
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Read.MaxHeader <= 0 {
		o.Read.MaxHeader = 4 << 20
	}
	if o.Read.MaxElements <= 0 {
		o.Read.MaxElements = 5_000_000
	}
	if o.Read.MaxDepth <= 0 {
		o.Read.MaxDepth = 64
	}
	o.Read.Strict = false
	return o
}

// Run inspects pkg. The result does not depend on timing. Files that cannot be
// read or understood are left out with a reason and do not end the run; the only
// errors are those of ctx.
func Run(ctx context.Context, pkg importer.Package, opts Options) (*importer.Inspection, error) {
	opts = opts.withDefaults()
	c := newCollector(ctx, pkg, opts)
	c.lookAt()
	c.settleCollisions()
	c.settleDirectories()
	c.settleOthers()
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("inspect the package: %w", err)
	}
	return c.result(), nil
}
