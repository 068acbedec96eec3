package deliver

import (
	"context"
	"io"

	"lotse/dicom"
	"lotse/internal/importer"
)

// Nowhere is the destination of a dry run: objects are read, adjusted and written
// to nowhere, so that everything but the sending is tried.
type Nowhere struct{}

// String names it.
func (Nowhere) String() string { return "" }

// Deliver reports every object that could be sent as planned.
func (Nowhere) Deliver(ctx context.Context, objects Objects, report Report) error {
	var rd dicom.Reader
	for i := range objects.Len() {
		o := objects.Object(i)
		r := Result{Index: i, Object: o, Status: -1, Syntax: o.TransferSyntax, Fate: importer.Planned}
		if ctx.Err() != nil {
			r.Fate, r.Reason, r.Err = importer.Failed, FailureCancelled, context.Cause(ctx)
		} else if r.Rendered, r.Err = objects.Render(ctx, i, &rd, io.Discard, Form{}); r.Err != nil {
			r.Fate, r.Reason = importer.Failed, FailureSource
		}
		if err := report(r); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}
