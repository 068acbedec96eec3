package v1

import (
	"lotse/internal/api"
)

// kept is a thing that is changed by version, as the use cases return it.
type kept interface {
	// Kept is the id of the thing and the version that it has.
	Kept() (id string, version int64)
}

// keptOut shows a thing as it is.
type keptOut[V kept] struct {
	ETag string `header:"ETag" doc:"The version of it."`
	Body V
}

// madeOut shows a thing that is new.
type madeOut[V kept] struct {
	Location string `header:"Location" doc:"Where it is."`
	ETag     string `header:"ETag" doc:"The version of it."`
	Body     V
}

// shown answers with a thing.
func shown[V kept](v V, err error) (*keptOut[V], error) {
	if err != nil {
		return nil, err
	}
	_, version := v.Kept()
	return &keptOut[V]{api.Tag(version), v}, nil
}

// made answers with a thing that is new, below a path.
func made[V kept](path string, v V, err error) (*madeOut[V], error) {
	if err != nil {
		return nil, err
	}
	id, version := v.Kept()
	return &madeOut[V]{api.Base + path + id, api.Tag(version), v}, nil
}

// seen is the version of a thing, when it is the one that the client saw.
func seen[V kept](m api.IfMatch, v V, err error) (int64, error) {
	if err != nil {
		return 0, err
	}
	_, version := v.Kept()
	return version, m.Check(api.Tag(version))
}
