package source

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/scratch"
)

// builder puts a package together, source by source.
type builder struct {
	ctx    context.Context
	req    *Request
	hooks  Hooks
	limits Limits
	opened *Opened

	fetched   []*scratch.File // of what was fetched
	apart     *scratchDeriver // nil: not needed yet, or the request has a Deriver
	derived   int64           // declared bytes of what was derived
	passwords []string        // that were given, or have opened an archive
	locked    bool            // an archive was not opened for want of its password
	wrong     bool            // and a password was tried
	kept      int             // archives of folders that stay open
	total     int64           // declared bytes so far
	origins   []importer.Origin
	prefixes  map[string]bool
	listed    bool                // a link was opened
	sources   int                 // how many there are
	open      []importer.Question // for the passwords of archives
	mistaken  bool                // one of them was answered, and is still open
}

// source opens one source by what it is.
func (b *builder) source(s string) error {
	found, err := find(b.ctx, s, b.req, len(b.req.Sources) == 1)
	switch {
	case err != nil:
		return err
	case found.Links != nil:
		return b.follow(found.Links)
	case found.Folder != "":
		return b.folder(found.Folder)
	}
	return b.onDisk(found.File)
}

func badSource(err error) error {
	return &importer.Problem{Code: importer.ProblemBadSource, Err: fmt.Errorf("source: %w", bare(err))}
}

// onDisk opens an archive, or just a file.
func (b *builder) onDisk(path string) error {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return badSource(err)
	}
	b.closeWithPackage(f)
	data, err := local(f)
	if err != nil {
		return badSource(err)
	}
	head, err := data.head()
	if err != nil {
		return badSource(err)
	}
	label := printable(filepath.Base(path))
	if dlx.Sniff(head) == dlx.ZIP {
		b.came(importer.FromMedium, label)
		return b.archiveSource(data, label, place{prefix: b.prefix(label, "!/")})
	}
	b.came(importer.FromUpload, label)
	return b.file(label, data)
}

// openFlags keep a FIFO that took a file's place from blocking.
const openFlags = os.O_RDONLY | syscall.O_NONBLOCK

// isDICOMDIR reports a medium's table of contents: by its name, which is fixed
// (PS3.10 §8.6), and by its SOP class in the file meta information (PS3.10 §7.1).
func isDICOMDIR(path string, head []byte) bool {
	const sopClass = "\x02\x00\x02\x00UI\x14\x001.2.840.10008.1.3.10"
	return strings.EqualFold(strings.TrimSuffix(filepath.Base(path), "."), "DICOMDIR") && strings.Contains(string(head), sopClass)
}

// came notes the origin of a source.
func (b *builder) came(kind importer.OriginKind, label string) {
	b.origins = append(b.origins, importer.Origin{Kind: kind, Label: label})
}

// origin is that of all sources: a portal outweighs a medium, a medium a file.
func (b *builder) origin() importer.Origin {
	rank := map[importer.OriginKind]int{importer.FromPortal: 2, importer.FromMedium: 1}
	all := b.origins[0]
	for _, o := range b.origins[1:] {
		if rank[o.Kind] > rank[all.Kind] {
			all.Kind = o.Kind
		}
		all.Label += ", " + o.Label
	}
	return all
}

// prefix is what the paths of a source begin with, unless it is the only one.
func (b *builder) prefix(label, separator string) string {
	if b.sources == 1 {
		return ""
	}
	if b.prefixes == nil {
		b.prefixes = map[string]bool{}
	}
	unique := label
	for n := 2; b.prefixes[unique]; n++ {
		unique = fmt.Sprintf("%s (%d)", label, n)
	}
	b.prefixes[unique] = true
	return unique + separator
}

// shelf adds a shelf; its files follow through add.
func (b *builder) shelf(s shelf) int32 {
	b.opened.shelves = append(b.opened.shelves, s)
	return int32(len(b.opened.shelves) - 1)
}

func (b *builder) add(shelf, place int32) {
	b.opened.refs = append(b.opened.refs, ref{shelf, place})
}

// room reports whether n more files are within the limits.
func (b *builder) room(n int) bool { return len(b.opened.refs)+n <= b.limits.Archive.Entries }

var errTooMany = errors.New("too many files")

// fits counts a file's size towards the total.
func (b *builder) fits(size int64) bool {
	if size > b.limits.Total-b.total {
		return false
	}
	b.total += max(size, 0)
	return true
}

func (b *builder) closeWithPackage(c io.Closer) { b.opened.closers = append(b.opened.closers, c) }

// newScratch returns a scratch file that lives as long as the package.
func (b *builder) newScratch() (*scratch.File, error) {
	f, err := scratch.New(b.req.ScratchDir)
	if err != nil && !full(err) {
		return nil, &importer.Problem{Code: importer.ProblemScratch, Err: err}
	}
	if err != nil {
		return nil, err
	}
	b.closeWithPackage(f)
	return f, nil
}

// scratchLeft is how many bytes may still be kept apart from the sources. What is
// derived counts as declared, so that it is the same whether it was made or found.
func (b *builder) scratchLeft() int64 {
	left := b.limits.Scratch - b.derived
	for _, f := range b.fetched {
		left -= f.Size()
	}
	return left
}

func full(err error) bool { return errors.Is(err, scratch.ErrFull) }

// archiveSource opens an archive that is a source itself; label is its name for people.
func (b *builder) archiveSource(data blob, label string, at place) error {
	a, reason, err := b.archive(data)
	switch {
	case err != nil:
		return err
	case reason != "":
		return badSource(&importer.OpenError{Reason: reason, Err: errRefused})
	case !b.room(a.Len()):
		return badSource(errTooMany)
	}
	if err := b.unlock(a, at, label); err != nil {
		return err
	}
	return b.unpack(a, data, at)
}

// printable is text from outside as a single line for people.
func printable(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return unicode.ReplacementChar
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return s
}
