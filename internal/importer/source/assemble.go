package source

import (
	"context"
	"errors"

	"lotse/internal/importer"
)

// Fetch follows the only link of req.Sources, or the codes of req.Picture, and keeps
// what is behind it. It may be called again and again, with the same Keeper or one
// that sees the same, until it returns nil; after that it does nothing. See Keeper.
func Fetch(ctx context.Context, req Request, hooks Hooks, keep Keeper) error {
	return &importer.Problem{Code: importer.ProblemInternal, Err: errors.New("source: fetching in parts is being built")}
}

// Assemble opens a package over parts that came earlier. The same parts and
// answers give the same files in the same order. Of req it uses Password, Answers,
// Later, ScratchDir and Limits. Its error is an *importer.Problem.
func Assemble(ctx context.Context, parts []Part, req Request, hooks Hooks) (*Opened, error) {
	return nil, &importer.Problem{Code: importer.ProblemInternal, Err: errors.New("source: assembling parts is being built")}
}
