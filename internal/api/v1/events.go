package v1

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// events is the route that shows an import live.
func (r *routes) events(s *api.Server) {
	api.RegisterEvents(s, api.Operation{ID: "watch-import", Path: "/imports/{import}/events", Tag: tagImports, Permission: auth.ImportsRead,
		Problems: []problem.Code{problem.NotFound}, Summary: "Watch an import",
		Description: "All of it each time that it changed, progress included, until it has ended. Whichever node is asked."}, r.watchImport)
}

type watchIn struct {
	ImportPath
	api.LastEvent
}

func (r *routes) watchImport(ctx context.Context, in *watchIn) (api.Snapshot[*app.Snapshot], error) {
	v, err := r.Gateway.Snapshot(ctx, who(ctx), in.Import)
	if err != nil {
		return api.Snapshot[*app.Snapshot]{}, err
	}
	text, err := json.Marshal(v)
	if err != nil {
		return api.Snapshot[*app.Snapshot]{}, err
	}
	// Progress and deliveries change without the version of the import.
	version := fmt.Sprintf("%d-%x", v.Version, sha256.Sum256(text))[:32]
	return api.Snapshot[*app.Snapshot]{Version: version, Final: v.State.Ended(), State: v}, nil
}
