package node

import (
	"context"
	"time"
)

// presenceLease is how long a node that was killed is still taken to be alive.
const presenceLease = 15 * time.Second

// present says in the database that this node runs, until what it returns is called:
// some things must not be done while one does.
func (n *Node) present(ctx context.Context) (leave func(), err error) {
	if err := n.DB.System().Present(ctx, n.name, n.version, presenceLease); err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(presenceLease / 3)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if err := n.DB.System().Present(ctx, n.name, n.version, presenceLease); err != nil && ctx.Err() == nil {
				n.Log.Warn("the node cannot say that it is alive", "error", err)
			}
		}
	}()
	return func() {
		stop()
		<-done
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), presenceLease)
		defer cancel()
		if err := n.DB.System().Leave(ctx, n.name); err != nil {
			n.Log.Warn("the node cannot say that it has stopped; that shows by itself", "error", err)
		}
	}, nil
}
