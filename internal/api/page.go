package api

import (
	"encoding/base64"
	"encoding/json"

	"lotse/internal/api/problem"
)

// Paging is the part of a list's input that says which part of it.
type Paging struct {
	Cursor string `query:"cursor" maxLength:"1024" doc:"From next of the part before; without it, the beginning."`
	Limit  int    `query:"limit" minimum:"1" maximum:"200" default:"50" doc:"How many at most."`
}

// Page is one part of a list.
type Page[T any] struct {
	Items []T    `json:"items" nullable:"false"`
	Next  string `json:"next,omitempty" doc:"The cursor of the next part; absent at the end."`
}

// NewPage cuts items to the limit. A list is asked for limit+1 items: one more means that
// there is a next part, which begins behind the sort key of the last item.
func NewPage[T, K any](items []T, limit int, key func(T) K) (Page[T], error) {
	if len(items) <= limit {
		if items == nil {
			items = []T{}
		}
		return Page[T]{Items: items}, nil
	}
	items = items[:limit:limit]
	next, err := EncodeCursor(key(items[limit-1]))
	return Page[T]{Items: items, Next: next}, err
}

// cursorVersion begins every cursor.
const cursorVersion = 1

// EncodeCursor makes a cursor of a sort key, a value that JSON can carry. It is not
// secret and not signed: a sort key has no personal data, and a list shows nothing by a
// made-up one that it would not show anyway.
func EncodeCursor(key any) (string, error) {
	text, err := json.Marshal(key)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(append([]byte{cursorVersion}, text...)), nil
}

// DecodeCursor reads a sort key back; an empty cursor leaves key as it is. Anything that
// is no cursor of this kind is problem.BadCursor.
func DecodeCursor(cursor string, key any) error {
	if cursor == "" {
		return nil
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(text) < 2 || text[0] != cursorVersion || json.Unmarshal(text[1:], key) != nil {
		return problem.New(problem.BadCursor, "")
	}
	return nil
}
