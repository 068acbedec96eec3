package source

import (
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// packed is the shelf of an archive's files.
type packed struct {
	archive *archive.Archive
	prefix  string
}

func (p *packed) file(place int32) importer.File {
	e := p.archive.Entry(int(place))
	return importer.File{Path: p.prefix + e.Name, Size: e.Size, Refused: e.Refused}
}

func (p *packed) open(place int32) (io.ReadCloser, error) { return p.archive.Open(int(place)) }

// head reads the first bytes of a file where that is cheaper than to open it.
func (p *packed) head(place int32, b []byte) int {
	if !p.archive.Packed(int(place)) {
		return 0
	}
	return p.archive.Head(int(place), b)
}

// archive opens an archive, or says why it cannot be.
func (b *builder) archive(data blob) (*archive.Archive, importer.ReasonCode, error) {
	a, err := archive.Open(data, data.size, data.buffer, b.limits.Archive)
	switch {
	case err == nil:
		return a, "", nil
	case errors.Is(err, archive.ErrTooMany):
		return nil, importer.ReasonTooLarge, nil
	case errors.Is(err, archive.ErrEncrypted):
		return nil, importer.ReasonEncrypted, nil
	case errors.Is(err, archive.ErrFormat):
		return nil, importer.ReasonArchiveDamaged, nil
	}
	return nil, importer.ReasonUnreadable, nil
}

// place is where an archive lies.
type place struct {
	prefix string // what the paths of its files begin with
	id     string // of the question for its password, where each has its own
	depth  int    // how many archives it lies in, below the source
}

// within is the place of an archive that is entry i, of a name, of the archive here.
func (p place) within(i int, name string) place {
	return place{prefix: p.prefix + name + "!/", id: p.id + "." + strconv.Itoa(i+1), depth: p.depth + 1}
}

// unpack adds the files of an archive, and those of archives among them directly
// after each.
func (b *builder) unpack(a *archive.Archive, data blob, at place) error {
	shelf := b.shelf(&packed{a, at.prefix})
	for i := range a.Len() {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		e := a.Entry(i)
		b.add(shelf, int32(i))
		var head [4]byte
		switch {
		case e.Refused != "":
			continue
		case !b.fits(e.Size):
			a.Refuse(i, importer.ReasonTooLarge)
			continue
		case a.WrongPassword(i):
			a.Refuse(i, importer.ReasonPassword)
			continue
		case a.Head(i, head[:]) < len(head) || dlx.Sniff(head[:]) != dlx.ZIP:
			continue
		}
		inner := at.within(i, e.Name)
		open := func() (blob, importer.ReasonCode, error) { return b.inArchive(a, i, data, inner) }
		reason, err := b.nested(open, inner)
		if err != nil {
			return err
		}
		if reason != "" {
			a.Refuse(i, reason)
		}
	}
	return nil
}

// nested adds the files of an archive that lies in a folder or an archive. It
// returns what becomes of the archive itself: ReasonContainer, or why it was not
// opened, or "" when it is a file of its own kind.
func (b *builder) nested(open func() (blob, importer.ReasonCode, error), at place) (importer.ReasonCode, error) {
	if at.depth > b.limits.Depth {
		return importer.ReasonTooDeep, nil
	}
	data, reason, err := open()
	if err != nil || reason != "" {
		return reason, err
	}
	a, reason, err := b.archive(data)
	if err != nil || reason != "" {
		return reason, err
	}
	if notForUnpacking(a) {
		return "", nil
	}
	if !b.room(a.Len()) {
		return importer.ReasonTooLarge, nil
	}
	if err := b.unlock(a, at, strings.TrimSuffix(at.prefix, "!/")); err != nil {
		return "", err
	}
	return importer.ReasonContainer, b.unpack(a, data, at)
}

// inArchive makes an archive inside an archive readable at any offset: in place
// where it is stored and not encrypted, else derived. at is its own place.
func (b *builder) inArchive(a *archive.Archive, i int, outer blob, at place) (blob, importer.ReasonCode, error) {
	if section, ok := a.Stored(i); ok {
		return blob{section, section.Size(), outer.buffer}, "", nil
	}
	size := a.Entry(i).Size
	if size > b.scratchLeft() { // reading gives no more than that
		return blob{}, importer.ReasonTooLarge, nil
	}
	b.derived += size
	data, err := b.deriver().Derive(b.ctx, at.id, func(w io.Writer) error { return b.inflate(w, a, i) })
	switch {
	case errors.Is(err, errInflate):
		return blob{}, importer.ReasonArchiveDamaged, nil
	case err != nil:
		return blob{}, "", fmt.Errorf("source: archive in an archive: %w", err)
	}
	return blob{&fallible{data: data, opened: b.opened}, data.Size(), archive.SealedBuffer}, "", nil
}

// errInflate says that what came in is at fault, and not where it is kept.
var errInflate = errors.New("source: a packed archive cannot be read to its end")

// inflate writes entry i of an archive.
func (b *builder) inflate(w io.Writer, a *archive.Archive, i int) error {
	r, err := a.Open(i)
	if err != nil {
		return errInflate
	}
	defer func() { _ = r.Close() }()
	buffer := make([]byte, archive.SealedBuffer)
	for {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		n, end := r.Read(buffer)
		if _, err := w.Write(buffer[:n]); err != nil {
			return err
		}
		switch {
		case errors.Is(end, io.EOF):
			return nil
		case end != nil:
			return errInflate
		}
	}
}

// notForUnpacking recognises what is a ZIP archive by construction only: Java
// programs, documents of office software. A DICOMDIR outweighs that.
func notForUnpacking(a *archive.Archive) bool {
	found := false
	for i := range a.Len() {
		switch name := a.Entry(i).Name; {
		case strings.EqualFold(name, "DICOMDIR"):
			return false
		case name == "META-INF/MANIFEST.MF", name == "[Content_Types].xml", i == 0 && name == "mimetype":
			found = true
		}
	}
	return found
}
