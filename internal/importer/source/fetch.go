package source

import (
	"errors"
	"fmt"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/scratch"
)

// fetch downloads what was chosen, at once where that is everything.
func (v *visit) fetch(items []dlx.Item, chosen []int, prefix string) error {
	if len(chosen) == len(items) {
		v.begin(1)
		data, err := v.download(true, func(sink dlx.Sink) error { return v.session.FetchAll(v.ctx, sink) })
		if err == nil {
			name := "download"
			if len(items) == 1 {
				name = itemName(1, items[0].Description)
			}
			return v.part(data, prefix, name, true)
		}
		if !separately(err, items) {
			return portalProblem(err)
		}
	}
	return v.oneByOne(items, chosen, prefix)
}

// oneByOne downloads items each by itself. One that is listed and not handed out
// does not stop the others; when there is none at all, its failure is the import's.
func (v *visit) oneByOne(items []dlx.Item, chosen []int, prefix string) error {
	v.begin(len(chosen))
	var first error
	came, down := 0, 0
	for _, i := range chosen {
		id, name := items[i].ID, itemName(i+1, items[i].Description)
		data, err := v.download(len(chosen) == 1, func(sink dlx.Sink) error { return v.session.Fetch(v.ctx, id, sink) })
		if err != nil {
			if down = inARow(down, err); !ofItem(err) || down > 1 {
				return portalProblem(err)
			}
			if first == nil && !errors.Is(err, dlx.NotFound) {
				first = err
			}
			v.refusedFile(prefix+name, -1, importer.ReasonNotGiven)
			continue
		}
		came, down = came+1, 0
		if err := v.part(data, prefix, name, len(chosen) == 1); err != nil {
			return err
		}
	}
	if came == 0 && first != nil {
		return portalProblem(first)
	}
	return nil
}

// inARow counts items for which the portal failed until patience ended: after the
// second it is the portal that is down, not the item.
func inARow(n int, err error) int {
	if errors.Is(err, dlx.Unavailable) {
		return n + 1
	}
	return 0
}

// ofItem reports the failure of one item: the portal answered, and does not hand it out.
func ofItem(err error) bool {
	var e *dlx.Error
	if !errors.As(err, &e) {
		return false
	}
	switch e.Kind {
	case dlx.NotFound:
		return true
	case dlx.Expired, dlx.Unavailable, dlx.Protocol:
		return e.Status != 0
	}
	return false
}

// separately reports whether items can be had one by one where all at once failed.
func separately(err error, items []dlx.Item) bool {
	for _, item := range items {
		if item.ID == "" {
			return false
		}
	}
	return errors.Is(err, dlx.NotFound) || errors.Is(err, dlx.Protocol) || errors.Is(err, dlx.Unavailable) && ofItem(err)
}

// itemName is a file name for the item at a position, for people: a document's
// title comes from it.
func itemName(position int, description string) string {
	const most = 80
	runes := []rune(strings.ReplaceAll(printable(strings.TrimSpace(description)), "/", "-"))
	return strings.TrimSpace(fmt.Sprintf("%d %s", position, string(runes[:min(len(runes), most)])))
}

// part adds what one download gave, as what its bytes say. The only part of a
// link needs no name when it is an archive.
func (v *visit) part(data blob, prefix, name string, only bool) error {
	head, err := data.head()
	if err != nil {
		return err
	}
	kind := dlx.Sniff(head)
	name += extension(kind)
	if kind != dlx.ZIP {
		return v.file(prefix+name, data)
	}
	if only {
		return v.archiveSource(data, name, prefix)
	}
	open := func() (blob, importer.ReasonCode, error) { return data, "", nil }
	v.refusedFile(prefix+name, data.size, "")
	container := v.opened.shelves[len(v.opened.shelves)-1].(*single)
	container.data = data
	container.refused, err = v.nested(open, prefix+name+"!/", 0)
	return err
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

// download keeps one download in a scratch file. alone: no other follows it, so
// that its size is the total.
func (v *visit) download(alone bool, fetch func(dlx.Sink) error) (blob, error) {
	f, err := v.newScratch()
	if err != nil {
		return blob{}, err
	}
	s := &sink{file: f, visit: v, before: v.progress.Done, alone: alone, limit: f.Size() + v.scratchLeft(), version: dlx.Version{Size: -1}}
	if err := fetch(s); err != nil {
		v.progress.Done = s.before
		return blob{}, errors.Join(err, f.Reset())
	}
	v.progress.Files++
	v.tell(s.before + f.Size())
	return sealed(f), nil
}

// sink is the dlx.Sink over a scratch file.
type sink struct {
	file    *scratch.File
	version dlx.Version
	visit   *visit
	before  int64 // bytes of earlier downloads
	alone   bool
	limit   int64
}

var _ dlx.Sink = (*sink)(nil)

func (s *sink) Write(p []byte) (int, error) {
	if int64(len(p)) > s.limit-s.file.Size() {
		return 0, badSource(errors.New("the download is larger than permitted"))
	}
	n, err := s.file.Write(p)
	s.visit.tell(s.before + s.file.Size())
	return n, err
}

// Offset returns how many bytes are held.
func (s *sink) Offset() int64 { return s.file.Size() }

// Version returns what they belong to.
func (s *sink) Version() dlx.Version { return s.version }

// Reset begins anew.
func (s *sink) Reset(version dlx.Version) error {
	s.version = version
	if s.alone {
		s.visit.progress.Total = version.Size
	}
	if s.file.Size() == 0 {
		return nil
	}
	return s.file.Reset()
}

// begin starts counting downloads.
func (b *builder) begin(files int) {
	b.progress = importer.Progress{Phase: importer.PhaseFetch, Total: -1, FilesTotal: files}
}

// tell reports progress.
func (b *builder) tell(done int64) {
	b.progress.Done = done
	if b.hooks.Progress != nil {
		b.hooks.Progress(b.progress)
	}
}

// waiting reports that nothing happens for a while.
func (b *builder) waiting(w dlx.Waiting) {
	if b.hooks.Progress != nil {
		p := b.progress
		p.Phase, p.WaitUntil = importer.PhaseFetch, w.Until
		b.hooks.Progress(p)
	}
}
