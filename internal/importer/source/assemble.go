package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// Assemble opens a package over parts that came earlier. The same parts and
// answers give the same files in the same order, always. Of req it uses Password,
// Answers, Later, Derived, ScratchDir and Limits. Its error is an *importer.Problem; that
// of a part whose bytes could not be had is in the chain of it.
func Assemble(ctx context.Context, parts []Part, req Request, hooks Hooks) (*Opened, error) {
	req.Limits = req.Limits.orDefaults()
	b := &builder{ctx: ctx, req: &req, hooks: hooks, limits: req.Limits, opened: &Opened{}}
	if err := b.assemble(parts); err != nil {
		_ = b.opened.Close()
		return nil, problem(ctx, err)
	}
	return b.opened, nil
}

func (b *builder) assemble(parts []Part) error {
	var sources [][]Part
	for i, p := range parts {
		if i == 0 || p.Source != parts[i-1].Source {
			sources = append(sources, nil)
		}
		if p.Data != nil {
			p.Data = &fallible{data: p.Data, opened: b.opened}
		}
		sources[len(sources)-1] = append(sources[len(sources)-1], p)
	}
	b.sources = len(sources)
	number := 0
	for _, source := range sources {
		if err := b.parts(source, number); err != nil {
			return cmp.Or(b.opened.Err(), err)
		}
		number += len(source)
	}
	if err := b.opened.Err(); err != nil {
		return err
	}
	return b.finish()
}

// parts adds the parts of one source, of which the first has a number among all.
func (b *builder) parts(parts []Part, number int) error {
	origin, only := parts[0].Origin, len(parts) == 1
	b.came(origin.Kind, origin.Label)
	prefix := ""
	if !only || origin.Kind == importer.FromPortal {
		prefix = b.prefix(origin.Label, "/")
	}
	for i, p := range parts {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		if err := b.part(p, place{prefix: prefix, id: archiveAnswer + "." + strconv.Itoa(number+i+1)}, only); err != nil {
			return err
		}
	}
	return nil
}

// part adds one part, as what its bytes say. at is the folder it is in. The only
// part of a source needs no name when it is an archive.
func (b *builder) part(p Part, at place, only bool) error {
	fetched := p.Origin.Kind == importer.FromPortal
	name := printable(p.Name)
	if !fetched {
		name = tame(p.Name)
	}
	if p.Refused != "" {
		if !b.room(1) {
			return badSource(errTooMany)
		}
		b.refusedFile(at.prefix+name, -1, p.Refused)
		return nil
	}
	data := blob{p.Data, p.Size, archive.SealedBuffer}
	if p.Type == dlx.Unknown {
		head, err := data.head()
		if err != nil {
			return err
		}
		p.Type = dlx.Sniff(head)
	}
	if fetched {
		name += extension(p.Type)
	}
	switch {
	case p.Type != dlx.ZIP:
		return b.file(at.prefix+name, data)
	case only && !fetched:
		at.prefix = b.prefix(name, "!/")
		return b.archiveSource(data, name, at)
	case only:
		return b.archiveSource(data, name, at)
	}
	return b.container(at.prefix+name, data, at, fetched)
}

// container adds an archive among other parts, and its files after it.
func (b *builder) container(path string, data blob, at place, fetched bool) error {
	if !b.room(1) {
		return badSource(errTooMany)
	}
	s := &single{path: path, data: data}
	b.add(b.shelf(s), 0)
	at.prefix = path + "!/"
	if !fetched { // as in a folder, where it would be in one already
		at.depth = 1
		if !b.fits(data.size) {
			s.refused = importer.ReasonTooLarge
			return nil
		}
	}
	open := func() (blob, importer.ReasonCode, error) { return data, "", nil }
	var err error
	s.refused, err = b.nested(open, at)
	return err
}

// tame is the path of an uploaded file as one for people that leads nowhere else.
func tame(name string) string {
	var kept []string
	for segment := range strings.SplitSeq(strings.ReplaceAll(name, `\`, "/"), "/") {
		if segment != "" && segment != "." && segment != ".." {
			kept = append(kept, printable(segment))
		}
	}
	return strings.Join(kept, "/")
}

func extension(kind dlx.MediaType) string {
	switch kind {
	case dlx.ZIP:
		return ".zip"
	case dlx.DICOM:
		return ".dcm"
	case dlx.PDF:
		return ".pdf"
	case dlx.JPEG:
		return ".jpg"
	case dlx.PNG:
		return ".png"
	case dlx.HTML:
		return ".html"
	}
	return ""
}

// fallible reads a part and remembers that this failed: where the bytes are kept is
// at fault then, and not what came in.
type fallible struct {
	data   io.ReaderAt
	opened *Opened
}

func (f *fallible) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.data.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		f.opened.failed.note(err)
	}
	return n, err
}

// failure is the first error of many readers.
type failure struct {
	mu  sync.Mutex
	err error
}

func (f *failure) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.err = err
	}
}

// Err is the first failure to read the bytes of a part that was given to Assemble, or
// of one derived from it; nil while there was none. What was found out from the package
// is to be thrown away then: files were taken for damaged that may not be.
func (o *Opened) Err() error {
	o.failed.mu.Lock()
	defer o.failed.mu.Unlock()
	if o.failed.err == nil {
		return nil
	}
	return fmt.Errorf("source: read a part: %w", o.failed.err)
}
