package api_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"testing"

	"lotse/internal/api"
	"lotse/internal/api/problem"
)

type sortKey struct {
	At int64
	ID string
}

// TestPaging walks a list page by page and sees every item once.
func TestPaging(t *testing.T) {
	all := make([]sortKey, 25)
	for i := range all {
		all[i] = sortKey{int64(i / 3), string(rune('a' + i))}
	}
	seen, cursor := 0, ""
	for pages := 1; ; pages++ {
		after := sortKey{At: -1}
		if err := api.DecodeCursor(cursor, &after); err != nil {
			t.Fatal(err)
		}
		from := 0
		for from < len(all) && (all[from].At < after.At || all[from].At == after.At && all[from].ID <= after.ID) {
			from++
		}
		page, err := api.NewPage(all[from:min(from+11, len(all))], 10, func(k sortKey) sortKey { return k })
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Items {
			if item != all[seen] {
				t.Fatalf("%v instead of %v", item, all[seen])
			}
			seen++
		}
		if cursor = page.Next; cursor == "" {
			if pages != 3 || seen != 25 {
				t.Errorf("%d items on %d pages", seen, pages)
			}
			break
		}
	}
	if page, err := api.NewPage[int](nil, 10, func(i int) int { return i }); err != nil || page.Items == nil || page.Next != "" {
		t.Errorf("an empty list: %+v %v", page, err)
	}
}

// FuzzCursor: a made-up cursor is refused or read, and what is read can be written back.
func FuzzCursor(f *testing.F) {
	good, _ := api.EncodeCursor(sortKey{5, "x"})
	f.Add(good)
	f.Add("")
	f.Add("AXsi")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte("\x02{}")))
	f.Fuzz(func(t *testing.T, cursor string) {
		var key, again sortKey
		if err := api.DecodeCursor(cursor, &key); err != nil {
			if !errors.Is(err, problem.New(problem.BadCursor, "")) {
				t.Fatal(err)
			}
			return
		}
		text, err := api.EncodeCursor(key)
		if err != nil {
			t.Fatal(err)
		}
		if err := api.DecodeCursor(text, &again); err != nil || again != key {
			t.Fatalf("%v became %v: %v", key, again, err)
		}
	})
}

// TestEditions: which tags match.
func TestEditions(t *testing.T) {
	for header, status := range map[string]int{`"7"`: 0, `"6", "7"`: 0, "*": 0, "": 428, " ": 428, `"6"`: 412, `W/"7"`: 412, "7": 412} {
		err := api.IfMatch{IfMatch: header}.Check(api.Tag(7))
		var p *problem.Problem
		if errors.As(err, &p); (p == nil) != (status == 0) || p != nil && p.Status != status {
			t.Errorf("If-Match %s: %v", header, err)
		}
	}
	for header, same := range map[string]bool{`"7"`: true, `W/"7"`: true, `"6","7"`: true, "*": true, "": false, `"6"`: false} {
		err := api.IfNoneMatch{IfNoneMatch: header}.Check(api.Tag(7))
		var s interface{ GetStatus() int }
		if (err != nil) != same || err != nil && (!errors.As(err, &s) || s.GetStatus() != http.StatusNotModified) {
			t.Errorf("If-None-Match %s: %v", header, err)
		}
	}
}
