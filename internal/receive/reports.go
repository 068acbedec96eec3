package receive

import (
	"context"
	"errors"

	"lotse/dimse"
	"lotse/dimse/commitment"
)

// reporterKey is where event leaves the rule of the peer for report.
type reporterKey struct{}

// event is the handler for N-EVENT-REPORT.
func (s *Server) event() dimse.NormalizedHandler {
	handle := commitment.Reports(s.report)
	return func(ctx context.Context, in dimse.NormalizedIndication) dimse.Status {
		rule, ok := s.rule(in.Peer)
		if !ok || !rule.Reports {
			return dimse.NotAuthorized
		}
		return handle(context.WithValue(ctx, reporterKey{}, rule), in)
	}
}

// report hands on one report.
func (s *Server) report(ctx context.Context, from commitment.Party, r commitment.Report) dimse.Status {
	rule, _ := ctx.Value(reporterKey{}).(Rule)
	err := s.reports.Report(ctx, Reporter{Rule: rule.Name, Party: from}, r)
	if err == nil {
		return dimse.Success
	}
	s.log.Warn("report on storage commitment not taken", "calling", from.AETitle, "error", err)
	if errors.Is(err, ErrUnknownTransaction) {
		return dimse.InvalidArgument
	}
	return dimse.ProcessingFailure
}
