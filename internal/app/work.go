package app

import (
	"context"
	"errors"

	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/importer/source"
	"lotse/internal/store"
)

// work is what a delivery is made from: the package, what was found in it and what
// was decided. All of it is the same every time.
type work struct {
	im      *store.Import
	pkg     *source.Opened
	found   *inspected
	decided *decided
	others  []importer.LeftOut // what the decision is not about
	exam    *exam
}

// Close lets the package go.
func (w *work) Close() error { return w.pkg.Close() }

// openWork opens what a decision is about.
func (s *scope) openWork(ctx context.Context, fence func(*store.Tx) error, id string) (*work, error) {
	im, err := s.read(ctx, id)
	if err != nil {
		return nil, err
	}
	if im.State != importer.Delivering || im.Decision == nil { // recalled meanwhile
		return nil, &importer.ImpossibleError{State: string(im.State), Event: "deliver"}
	}
	w := &work{im: im, decided: &decided{}}
	if err := s.open(ctx, id, sealedDecision, im.Decision, w.decided); err != nil {
		return nil, err
	}
	if w.found, err = s.inspection(ctx, id); err != nil {
		return nil, err
	}
	if w.others, err = choosePatient(w.found.Inspection, w.decided.choice()); err != nil {
		return nil, err
	}
	if w.pkg, err = s.assemble(ctx, fence, im); err != nil {
		return nil, err
	}
	if w.exam, err = newExam(w.pkg, w.found.Inspection, &w.decided.Decision); err != nil {
		return nil, errors.Join(err, w.pkg.Close())
	}
	return w, nil
}

// asides are the lines of what is not delivered: left out, of other patients, or
// unfit to become a DICOM object.
func (w *work) asides() []receipt.Item {
	var out []receipt.Item
	add := func(list []importer.LeftOut) {
		for _, l := range list {
			f := w.pkg.File(int(l.Item))
			out = append(out, receipt.Item{Item: int(l.Item), Path: f.Path, Kind: importer.KindLeftOut, Size: f.Size,
				Fate: importer.LeftAside, Reason: string(l.Reason), Detail: l.Detail})
		}
	}
	add(w.found.Inspection.LeftOut)
	add(w.others)
	add(w.exam.unfit)
	return out
}
