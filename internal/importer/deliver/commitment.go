package deliver

import (
	"context"
	"fmt"
	"time"

	"lotse/dimse"
	"lotse/dimse/commitment"
	"lotse/internal/importer"
)

// AskCommitment asks the node to commit itself to what it took (PS3.4 Annex J) and
// waits for its report on the same association for as long as wait. Reports go to
// h; when none came, it comes on another association, or never. An error is an
// *importer.Problem and says that the node was not asked; with code
// ProblemNoCommitment it does not offer this.
func (n *Node) AskCommitment(ctx context.Context, r commitment.Request, wait time.Duration, h commitment.ReportHandler) error {
	a, err := dimse.Dial(ctx, n.addr.HostPort, n.cfg, []dimse.PresentationContext{commitment.Context(1)})
	if err != nil {
		return n.problem(err)
	}
	if _, err := a.Find(commitment.SOPClass, ""); err != nil {
		_ = a.Release(ctx)
		return &importer.Problem{Code: importer.ProblemNoCommitment, Host: n.String(), Err: err}
	}
	out, err := commitment.Ask(ctx, a, r, wait, h)
	if err != nil {
		a.Abort()
		if ctx.Err() != nil {
			return n.problem(err)
		}
		return nil // the node may have been asked: its report shows, or none
	}
	_ = a.Release(ctx) // everything was said before
	if out.Response.Status.Class() == dimse.ClassFailure {
		return &importer.Problem{Code: importer.ProblemNoCommitment, Host: n.String(), Err: fmt.Errorf("status %04X", uint16(out.Response.Status))}
	}
	return nil
}
