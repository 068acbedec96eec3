package source

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
)

// allKey is the key of the part that everything comes as at once.
const allKey = "all"

// fetch downloads what was chosen, at once where that is everything.
func (v *visit) fetch() error {
	items := v.memory.Listed
	if len(v.memory.Chosen) != len(items) {
		return v.oneByOne()
	}
	if !v.memory.Separately {
		v.begin(1)
		about := About{Key: allKey, Name: "download", Origin: v.origin}
		if len(items) == 1 {
			about.Name = itemName(1, items[0].Description)
		}
		err := v.part(about, true, func(sink dlx.Sink) error { return v.session.FetchAll(v.ctx, sink) })
		if err == nil || !separately(err, items) {
			return portalProblem(err)
		}
		v.memory.Separately = true
		if err := v.remember(); err != nil {
			return err
		}
	}
	if err := v.keep.Drop(v.ctx, allKey); err != nil {
		return fmt.Errorf("source: drop what came of all: %w", err)
	}
	return v.oneByOne()
}

// oneByOne downloads items each by itself. One that is listed and not handed out
// does not stop the others; when there is none at all, its failure is the import's.
func (v *visit) oneByOne() error {
	items, chosen := v.memory.Listed, v.memory.Chosen
	v.begin(len(chosen))
	var first error
	came, down := 0, 0
	for _, i := range chosen {
		about := About{Key: strconv.Itoa(i + 1), Position: i + 1, Name: itemName(i+1, items[i].Description), Origin: v.origin}
		err := v.part(about, len(chosen) == 1, func(sink dlx.Sink) error { return v.session.Fetch(v.ctx, items[i].ID, sink) })
		if err == nil {
			came, down = came+1, 0
			continue
		}
		if down = inARow(down, err); !ofItem(err) || down > 1 {
			return portalProblem(err)
		}
		if first == nil && !errors.Is(err, dlx.NotFound) {
			first = err
		}
		if err := v.refuse(about); err != nil {
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
func separately(err error, items []importer.Listed) bool {
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

// refuse records that an item is listed and not handed out.
func (v *visit) refuse(about About) error {
	k, err := v.keep.Part(v.ctx, about)
	if err != nil {
		return fmt.Errorf("source: part: %w", err)
	}
	if err := errors.Join(k.Refuse(v.ctx, importer.ReasonNotGiven), k.Close()); err != nil {
		return fmt.Errorf("source: refuse a part: %w", err)
	}
	return nil
}

// part keeps one download, or what is missing of it. alone: no other follows, so
// that its size is the total.
func (v *visit) part(about About, alone bool, fetch func(dlx.Sink) error) (err error) {
	k, err := v.keep.Part(v.ctx, about)
	if err != nil {
		return fmt.Errorf("source: part: %w", err)
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	s := &sink{keeping: k, ctx: v.ctx, visit: v, before: v.progress.Done, alone: alone, limit: v.left}
	if k.Offset() == 0 {
		s.begin()
	}
	if !k.Finished() {
		s.total()
		if err := fetch(s); err != nil {
			v.progress.Done = s.before
			return err
		}
		if err := s.complete(); err != nil {
			return err
		}
	}
	v.left -= k.Offset()
	v.progress.Files++
	v.tell(s.before + k.Offset())
	return nil
}

// sink is the dlx.Sink over a part.
type sink struct {
	keeping Keeping
	ctx     context.Context
	visit   *visit
	before  int64 // bytes of earlier downloads
	alone   bool
	limit   int64
	whole   bool      // everything that is held came through here
	hash    hash.Hash // of what is held; nil where its beginning did not, or none is wanted
	head    []byte    // its first bytes
}

var _ dlx.Sink = (*sink)(nil)

func (s *sink) Write(p []byte) (int, error) {
	if int64(len(p)) > s.limit-s.keeping.Offset() {
		return 0, badSource(errors.New("the download is larger than permitted"))
	}
	n, err := s.keeping.Write(p)
	if s.hash != nil {
		_, _ = s.hash.Write(p[:n]) // never fails
	}
	if s.whole && len(s.head) < dlx.SniffLength {
		s.head = append(s.head, p[:min(n, dlx.SniffLength-len(s.head))]...)
	}
	s.visit.tell(s.before + s.keeping.Offset())
	return n, err
}

// ReadAt reads what an earlier run left.
func (s *sink) ReadAt(p []byte, off int64) (int, error) { return s.keeping.ReadAt(p, off) }

// Offset returns how many bytes are held.
func (s *sink) Offset() int64 { return s.keeping.Offset() }

// Version returns what they belong to.
func (s *sink) Version() dlx.Version { return s.keeping.Version() }

// Reset begins anew.
func (s *sink) Reset(version dlx.Version) error {
	if err := s.keeping.Reset(s.ctx, version); err != nil {
		return err
	}
	s.begin()
	s.total()
	return nil
}

// begin is at the first byte.
func (s *sink) begin() {
	s.whole, s.head, s.hash = true, nil, nil
	if _, own := s.keeping.(Digested); !own {
		s.hash = sha256.New()
	}
}

// total says how much there is to come, where that is known.
func (s *sink) total() {
	if s.alone {
		s.visit.progress.Total = s.keeping.Version().Size
	}
}

// complete ends a part that is all here.
func (s *sink) complete() error {
	if err := s.keeping.Flush(s.ctx); err != nil {
		return fmt.Errorf("source: part: %w", err)
	}
	if !s.whole {
		head, err := blob{ReaderAt: s.keeping, size: s.keeping.Offset()}.head()
		if err != nil {
			return fmt.Errorf("source: part: %w", err)
		}
		s.head = head
	}
	sum := Sum{Type: dlx.Sniff(s.head)}
	digest, err := s.digest()
	if err != nil {
		return fmt.Errorf("source: digest of a part: %w", err)
	}
	copy(sum.SHA256[:], digest)
	if err := s.keeping.Complete(s.ctx, sum); err != nil {
		return fmt.Errorf("source: complete a part: %w", err)
	}
	return nil
}

// digest is that of the part. Where its beginning came in another run, and nobody kept
// count, the bytes are read again.
func (s *sink) digest() ([]byte, error) {
	if own, ok := s.keeping.(Digested); ok {
		return own.Digest(), nil
	}
	if s.hash == nil {
		s.hash = sha256.New()
		data := &cancellable{s.ctx, io.NewSectionReader(s.keeping, 0, s.keeping.Offset())}
		if _, err := io.CopyBuffer(struct{ io.Writer }{s.hash}, data, make([]byte, 1<<20)); err != nil {
			return nil, err
		}
	}
	return s.hash.Sum(nil), nil
}

// cancellable reads until its context is done.
type cancellable struct {
	ctx context.Context
	r   io.Reader
}

func (p *cancellable) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}
