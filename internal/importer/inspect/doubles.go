package inspect

import (
	"crypto/sha256"
	"slices"

	"lotse/dicom"
	"lotse/internal/importer"
)

// digest is that of a data set in its transfer syntax; ok is false where it could
// not be read.
type digest struct {
	sum [sha256.Size]byte
	ok  bool
}

// settleCollisions compares instances that have the same UID. The first is kept;
// the digest of the data set decides whether a later one is the same object again
// or another one.
func (c *collector) settleCollisions() {
	if len(c.doubles) == 0 {
		return
	}
	items := make([]int32, 0, 2*len(c.doubles))
	for _, d := range c.doubles {
		items = append(items, d.first, d.later)
	}
	slices.Sort(items)
	items = slices.Compact(items)
	digests := make(map[int32]digest, len(items))
	for _, item := range items {
		c.total += max(0, c.pkg.File(int(item)).Size)
	}
	inOrder(c.ctx, c.opts.Workers, len(items), c.newWorker,
		func(w *worker, i int) digest { return w.digest(int(items[i])) },
		func(i int, d digest) {
			digests[items[i]] = d
			c.done += max(0, c.pkg.File(int(items[i])).Size)
			c.tell(c.pkg.Len())
		})
	for _, d := range c.doubles {
		first, later := digests[d.first], digests[d.later]
		switch {
		case !later.ok:
			c.leave(d.later, importer.ReasonUnreadable, "cannot be read whole")
			c.notes.leftOut(d.later, seen{reason: importer.ReasonUnreadable})
		case first.ok && first.sum == later.sum:
			c.leave(d.later, importer.ReasonDuplicate, "")
			c.notes.add(importer.FindingDuplicate, importer.Info, d.later)
		default:
			c.leave(d.later, importer.ReasonConflict, "")
			c.notes.add(importer.FindingConflict, importer.Serious, d.later)
		}
	}
}

// digest goes through the data set of file i.
func (w *worker) digest(i int) digest {
	c, err := open(w.ctx, w.pkg, i, w.buf[:], w.known[:])
	if err != nil {
		return digest{}
	}
	defer c.close()
	src, err := c.start()
	if err != nil {
		return digest{}
	}
	if err := w.reader.Reset(src, c.size, w.read); err != nil {
		return digest{}
	}
	h := sha256.New()
	h.Write([]byte(w.reader.Syntax().UID))
	if _, err := w.reader.Rewrite(h, dicom.Rewrite{}); err != nil || c.err != nil {
		return digest{}
	}
	d := digest{ok: true}
	h.Sum(d.sum[:0])
	return d
}
