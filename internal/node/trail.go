package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"lotse/internal/app"
	"lotse/internal/store"
)

// keepTrail links and signs the audit trail, beginning with this node's start, until
// what it returns is called: when all else has ended, so that nothing is left unlinked.
func (n *Node) keepTrail(ctx context.Context) (end func()) {
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	tell := func(event string) {
		if err := n.Gateway.Announce(ctx, event); err != nil {
			n.Log.Error("the audit trail does not tell of this node", "event", event, "error", err)
		}
	}
	tell(app.NodeStarted)
	var work sync.WaitGroup
	work.Go(func() { n.Gateway.KeepChain(ctx) })
	return func() {
		tell(app.NodeStopped)
		stop()
		work.Wait()
	}
}

// headsName is the file that signed heads are appended to.
const headsName = "audit-heads.log"

// headsFile appends each head to a file in a folder, durably; nil without a folder.
func headsFile(folder string) func(store.Head) error {
	if folder == "" {
		return nil
	}
	return func(h store.Head) error {
		line, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(folder, headsName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		_, err = f.Write(append(line, '\n'))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		return nil
	}
}
