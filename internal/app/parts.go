package app

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	"lotse/internal/importer"
	"lotse/internal/importer/source"
	"lotse/internal/sealed"
	"lotse/internal/store"
)

// closeTime bounds how long the last bytes of a part may take to become durable.
const closeTime = 10 * time.Second

// linkSource names the parts that come from an import's link.
const linkSource = "link"

func sealedSegments(list []store.Segment) []sealed.Segment {
	out := make([]sealed.Segment, len(list))
	for i, s := range list {
		out[i] = sealed.Segment{ID: s.ID, Offset: s.Start, Size: s.Size}
	}
	return out
}

func storedSegments(list []sealed.Segment) []store.Segment {
	out := make([]store.Segment, len(list))
	for i, s := range list {
		out[i] = store.Segment{ID: s.ID, Start: s.Offset, Size: s.Size}
	}
	return out
}

// addSegments makes durable segments exist, and starts the import's time with the
// first of them.
func (s *scope) addSegments(tx *store.Tx, id string, part int, list []sealed.Segment) (*store.Part, error) {
	im, err := s.lockAlive(tx, id)
	if err != nil {
		return nil, err
	}
	if err := tx.AddSegments(id, part, storedSegments(list)); err != nil {
		return nil, err
	}
	if err := s.stirred(tx, im); err != nil {
		return nil, err
	}
	if im.FirstByte.IsZero() {
		if err := s.startClock(tx, id); err != nil {
			return nil, err
		}
	}
	return tx.Part(id, part)
}

// stirred notes that something came of an upload, no more often than every minute.
func (s *scope) stirred(tx *store.Tx, im *store.Import) error {
	until := tx.Now().Add(uploadIdle)
	if im.Kind != KindUpload || im.State != importer.Fetching || until.Sub(im.Quiet) < time.Minute {
		return nil
	}
	im.Quiet = until
	return tx.SetQuiet(im.ID, until)
}

// lockAlive locks an import that parts may be added to.
func (s *scope) lockAlive(tx *store.Tx, id string) (*store.Import, error) {
	im, err := tx.LockImport(id)
	if err == nil && im.State.Ended() {
		err = &importer.ImpossibleError{State: string(im.State), Event: "add"}
	}
	return im, err
}

// startClock lets the time of retention begin with the first durable byte.
func (s *scope) startClock(tx *store.Tx, id string) error {
	im, err := tx.LockImport(id)
	if err != nil || im.FirstByte.IsZero() {
		return err
	}
	limits, err := s.keeping(tx)
	if err != nil {
		return err
	}
	whole := im.Purge.Equal(im.Expires) // nobody asked for an earlier end
	im.Expires = im.FirstByte.Add(limits.retention)
	if whole {
		im.Purge = im.Expires
	}
	return tx.SaveImport(im)
}

// discard deletes the blobs of segments that no row names any more. What stays
// behind, after a crash, is collected as garbage.
func (s *scope) discard(ctx context.Context, id string, list []store.Segment) {
	keys := make([]string, len(list))
	for i, segment := range list {
		keys[i] = s.v.BlobKey(id, segment.ID)
	}
	if len(keys) == 0 {
		return
	}
	if err := s.blobs.Delete(context.WithoutCancel(ctx), keys...); err != nil {
		s.log.Warn("segments are left to the collection of garbage", "import", id, "count", len(keys), "error", err)
	}
}

// parts are what came in, as the source stage wants them, and a digest that another
// order or other bytes would not have.
func (s *scope) parts(ctx context.Context, im *store.Import) ([]source.Part, []byte, error) {
	var rows []store.Part
	segments := map[int][]store.Segment{}
	err := s.t.Read(ctx, func(tx *store.Tx) (err error) {
		clear(segments)
		if rows, err = tx.Parts(im.ID, rolePart); err != nil {
			return err
		}
		return tx.AllSegments(im.ID, func(part int, one store.Segment) error {
			segments[part] = append(segments[part], one)
			return nil
		})
	})
	if err != nil {
		return nil, nil, err
	}
	type placed struct {
		source.Part
		position, number int
	}
	list := make([]placed, 0, len(rows))
	for _, row := range rows {
		var about aboutPart
		if err := s.open(ctx, im.ID, sealedPart, row.About, &about); err != nil {
			return nil, nil, err
		}
		if !row.Complete && about.Refused == "" {
			about.Refused = importer.ReasonNotGiven // it broke off, and nobody goes on with it
		}
		data := s.v.Reader(im.ID, sealedSegments(segments[row.Number])).WithContext(ctx)
		list = append(list, placed{position: about.Position, number: row.Number, Part: source.Part{Source: about.Source, Origin: about.Origin,
			Name: about.Name, Size: row.Size, Data: data, Type: about.Type, Refused: about.Refused}})
	}
	slices.SortStableFunc(list, func(a, b placed) int {
		if a.Source != b.Source || a.position == b.position {
			return a.number - b.number
		}
		return a.position - b.position
	})
	out := make([]source.Part, len(list))
	sum := sha256.New()
	for i := range list {
		out[i] = list[i].Part
		fmt.Fprintf(sum, "part %d\n", list[i].number)
		for _, one := range segments[list[i].number] { // ids are never used again
			fmt.Fprintf(sum, "%s %d\n", one.ID, one.Size)
		}
	}
	return out, sum.Sum(nil), nil
}

// inspected is an inspection with where the package came from.
type inspected struct {
	Origin     importer.Origin
	Inspection *importer.Inspection
	Paths      map[int32]string // of documents and of what is left out
}

// keepInspection stores an inspection.
func (s *scope) keepInspection(ctx context.Context, fence func(*store.Tx) error, id string, in inspected) error {
	if err := s.deriveJSON(ctx, fence, id, keyInspection, in.unlinked()); err != nil {
		return err
	}
	return s.deriveJSON(ctx, fence, id, keySummary, patientViews(in.Inspection))
}

// inspection reads the stored inspection.
func (s *scope) inspection(ctx context.Context, id string) (*inspected, error) {
	in := &inspected{}
	if err := s.derivedJSON(ctx, id, keyInspection, in); err != nil {
		return nil, err
	}
	in.link()
	return in, nil
}

// unlinked is the inspection with documents that name their study: otherwise each
// would hold all of it.
func (in inspected) unlinked() inspected {
	copied := *in.Inspection
	copied.Documents = slices.Clone(copied.Documents)
	for i, d := range copied.Documents {
		if d.Study != nil {
			copied.Documents[i].Study = &importer.Study{UID: d.Study.UID}
		}
	}
	in.Inspection = &copied
	return in
}

// link gives the documents of an inspection that was read back their studies.
func (in *inspected) link() {
	studies := map[string]*importer.Study{}
	for _, p := range in.Inspection.Patients {
		for _, st := range p.Studies {
			studies[st.UID] = st
		}
	}
	for i, d := range in.Inspection.Documents {
		if d.Study != nil && studies[d.Study.UID] != nil {
			in.Inspection.Documents[i].Study = studies[d.Study.UID]
		}
	}
}
