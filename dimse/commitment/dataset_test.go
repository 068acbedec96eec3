package commitment

import (
	"bytes"
	"reflect"
	"testing"

	"lotse/dimse"
)

// TestBothCommittedAndFailed: an object in doubt is not committed.
func TestBothCommittedAndFailed(t *testing.T) {
	a, b := Reference{"1.1", "1.2"}, Reference{"1.1", "1.3"}
	raw, err := encode(dimse.ExplicitVRLittleEndian, "1.9", []Reference{a, b}, []Failure{{b, NoSuchObject}})
	if err != nil {
		t.Fatal(err)
	}
	r, err := decodeReport(bytes.NewReader(raw), dimse.ExplicitVRLittleEndian)
	want := Report{TransactionUID: "1.9", Committed: []Reference{a}, Failed: []Failure{{b, NoSuchObject}}}
	if err != nil || !reflect.DeepEqual(r, want) {
		t.Errorf("got %+v, %v", r, err)
	}
}

// FuzzReport decodes, encodes and decodes again.
func FuzzReport(f *testing.F) {
	list := []Reference{{"1.1", "1.2"}, {"1.1", "1.3"}}
	for _, syntax := range []string{dimse.ImplicitVRLittleEndian, dimse.ExplicitVRLittleEndian} {
		raw, err := encode(syntax, "1.9", list, []Failure{{Reference{"1.1", "1.4"}, NoSuchObject}})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw, syntax == dimse.ExplicitVRLittleEndian)
		f.Add(raw[:len(raw)-9], syntax == dimse.ExplicitVRLittleEndian)
	}
	f.Fuzz(func(t *testing.T, raw []byte, explicit bool) {
		syntax := dimse.ImplicitVRLittleEndian
		if explicit {
			syntax = dimse.ExplicitVRLittleEndian
		}
		if q, err := decodeRequest(bytes.NewReader(raw), syntax); err == nil {
			if _, err := q.encode(syntax); err != nil {
				t.Fatalf("%+v: %v", q, err)
			}
		}
		first, err := decodeReport(bytes.NewReader(raw), syntax)
		if err != nil {
			return
		}
		again, err := first.encode(syntax)
		if err != nil {
			t.Fatalf("%+v: %v", first, err)
		}
		second, err := decodeReport(bytes.NewReader(again), syntax)
		if err != nil || !reflect.DeepEqual(normal(first), normal(second)) {
			t.Fatalf("first %+v, second %+v, %v", first, second, err)
		}
	})
}

// normal makes no difference between no list and an empty one.
func normal(r Report) Report {
	if len(r.Committed) == 0 {
		r.Committed = nil
	}
	return r
}
