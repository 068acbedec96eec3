package commitment

import (
	"context"
	"errors"
	"io"
	"time"

	"lotse/dimse"
)

// ReportHandler takes a report. With dimse.Success the peer forgets the matter, so the
// report must be safe by then; InvalidArgument says that the transaction is not known.
type ReportHandler func(ctx context.Context, from Party, r Report) dimse.Status

// RequestHandler takes a request for commitment; the report follows by [Tell].
type RequestHandler func(ctx context.Context, from Party, r Request) dimse.Status

// Outcome is how far [Ask] came.
type Outcome struct {
	// Response is the answer to the request itself.
	Response dimse.Response
	// Reported tells that the report has already come and was handled with success.
	Reported bool
}

// Ask sends a request and, when the peer takes it, waits for the report on the same
// association for as long as wait. Every report that comes meanwhile goes to h, also one
// about another transaction. When Outcome.Reported is false the report is to be expected
// on another association. The errors are those of dimse.Association.Store.
func Ask(ctx context.Context, a *dimse.Association, r Request, wait time.Duration, h ReportHandler) (Outcome, error) {
	pc, err := a.Find(SOPClass, "")
	if err != nil {
		return Outcome{}, err
	}
	data, err := r.encode(pc.TransferSyntax)
	if err != nil {
		return Outcome{}, err
	}
	var o Outcome
	a.HandleEvents(Reports(func(ctx context.Context, from Party, report Report) dimse.Status {
		status := h(ctx, from, report)
		o.Reported = o.Reported || status == dimse.Success && report.TransactionUID == r.TransactionUID
		return status
	}))
	defer a.HandleEvents(nil)
	o.Response, err = a.Action(ctx, dimse.NormalizedRequest{
		SOPClass: SOPClass, SOPInstance: SOPInstance, Type: actionType,
		TransferSyntax: pc.TransferSyntax, Data: dimse.FromBytes(data),
	})
	if err != nil || o.Response.Status.Class() == dimse.ClassFailure || wait <= 0 {
		return o, err
	}
	_, err = a.Await(ctx, wait, func() bool { return o.Reported })
	return o, err
}

// Tell sends a report; EventType is set by whether there are failures. An archive that
// opens the association itself proposes [ReporterRole].
func Tell(ctx context.Context, a *dimse.Association, r Report) (dimse.Response, error) {
	pc, err := a.Find(SOPClass, "")
	if err != nil {
		return dimse.Response{}, err
	}
	data, err := r.encode(pc.TransferSyntax)
	if err != nil {
		return dimse.Response{}, err
	}
	kind := Complete
	if len(r.Failed) > 0 {
		kind = FailuresExist
	}
	return a.Event(ctx, dimse.NormalizedRequest{
		SOPClass: SOPClass, SOPInstance: SOPInstance, Type: uint16(kind),
		TransferSyntax: pc.TransferSyntax, Data: dimse.FromBytes(data),
	})
}

// parallel bounds how many data sets one handler holds in memory at once.
const parallel = 2

// Reports makes a handler for N-EVENT-REPORT of h: the Event of a dimse.Service.
func Reports(h ReportHandler) dimse.NormalizedHandler {
	places := make(chan struct{}, parallel)
	return func(ctx context.Context, in dimse.NormalizedIndication) dimse.Status {
		kind := EventType(in.Type)
		if kind != Complete && kind != FailuresExist {
			return dimse.NoSuchEventType
		}
		return withPlace(ctx, places, in, func() dimse.Status {
			r, err := decodeReport(in.Data, in.TransferSyntax)
			if err != nil {
				return statusOf(err)
			}
			r.EventType = kind
			return h(ctx, partyOf(in.Peer), r)
		})
	}
}

// Requests makes a handler for N-ACTION of h: the Action of a dimse.Service.
func Requests(h RequestHandler) dimse.NormalizedHandler {
	places := make(chan struct{}, parallel)
	return func(ctx context.Context, in dimse.NormalizedIndication) dimse.Status {
		if in.Type != actionType {
			return dimse.NoSuchActionType
		}
		return withPlace(ctx, places, in, func() dimse.Status {
			r, err := decodeRequest(in.Data, in.TransferSyntax)
			if err != nil {
				return statusOf(err)
			}
			return h(ctx, partyOf(in.Peer), r)
		})
	}
}

// withPlace runs work about the right instance as soon as there is a place.
func withPlace(ctx context.Context, places chan struct{}, in dimse.NormalizedIndication, work func() dimse.Status) dimse.Status {
	if in.SOPInstance != SOPInstance {
		return dimse.NoSuchSOPInstance
	}
	select {
	case places <- struct{}{}:
	case <-ctx.Done():
		return dimse.ResourceLimitation
	}
	defer func() { <-places }()
	return work()
}

// statusOf is the answer to a data set that could not be decoded.
func statusOf(err error) dimse.Status {
	switch {
	case errors.Is(err, ErrTooLarge):
		return dimse.ResourceLimitation
	case errors.Is(err, errContent):
		return dimse.InvalidArgument
	}
	return dimse.ProcessingFailure
}

// readAll reads a data set of at most MaxBytes.
func readAll(r io.Reader) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, MaxBytes+1))
	if err == nil && len(b) > MaxBytes {
		err = ErrTooLarge
	}
	return b, err
}
