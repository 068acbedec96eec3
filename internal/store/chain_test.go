package store_test

import (
	"reflect"
	"testing"

	"lotse/internal/store"
)

// TestDigest: what is hashed, and how, does not change: links that exist would not verify.
// Every field counts, and none can flow into the next.
func TestDigest(t *testing.T) {
	whole := store.Link{Seq: 7, Linked: 1764590400123456, Event: store.LinkedEvent{ID: "id", At: 1764590400000001, Import: "im", Actor: "ac", Session: "se",
		Event: "ev", Detail: `{"n":1}`, Period: "audit-2025-12", Sealed: []byte{0, 1, 255}}}
	const want = "06a7547f267616da5da0a4f7b2bd396300c999ca2116467d8848ea2eb60efc80"
	if got := whole.Digest("main", "previous"); got != want {
		t.Errorf("the digest is %s instead of %s", got, want)
	}
	seen := map[string]string{want: "whole"}
	note := func(what, digest string) {
		if other, twice := seen[digest]; twice {
			t.Errorf("%s has the digest of %s", what, other)
		}
		seen[digest] = what
	}
	note("another tenant", whole.Digest("mai", "nprevious"))
	note("no previous", whole.Digest("main", ""))
	for _, change := range []func(*store.Link){func(l *store.Link) { l.Seq++ }, func(l *store.Link) { l.Linked++ }, func(l *store.Link) { l.Event.At++ },
		func(l *store.Link) { l.Event.Sealed = nil }, func(l *store.Link) { l.Event.Sealed = []byte{} }, func(l *store.Link) { l.Event.Sealed = []byte{0, 1} }} {
		l := whole
		change(&l)
		note("a change", l.Digest("main", "previous"))
	}
	texts := []string{"ID", "Import", "Actor", "Session", "Event", "Detail", "Period"}
	for i, name := range texts {
		l := whole
		field := reflect.ValueOf(&l.Event).Elem().FieldByName(name)
		field.SetString(field.String() + "x")
		note(name, l.Digest("main", "previous"))
		if i > 0 { // a letter goes from one field to the next
			l = whole
			before := reflect.ValueOf(&l.Event).Elem().FieldByName(texts[i-1])
			field = reflect.ValueOf(&l.Event).Elem().FieldByName(name)
			text := before.String()
			before.SetString(text[:len(text)-1])
			field.SetString(text[len(text)-1:] + field.String())
			note(name+" that took a letter", l.Digest("main", "previous"))
		}
	}
}
