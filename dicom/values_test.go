package dicom

import (
	"errors"
	"slices"
	"testing"
)

func TestStrings(t *testing.T) {
	d := New()
	for _, e := range []Element{
		NewBytes(0x00080008, CS, []byte(" ORIGINAL \\AXIAL ")), NewBytes(0x00104000, LT, []byte(" one\\two ")),
		NewNumbers(0x00280010, US, 512), NewNumbers(0x00091001, SS, -1, 2), NewNumbers(0x00091002, SL, -70000), NewNumbers(0x00091003, FL, 1.5),
		NewNumbers(0x00091004, FD, 0.1), NewNumbers(0x00091005, UV, 1<<40), NewNumbers(0x00091006, SV, -1), NewNumbers(0x00091007, UL, 4e9),
		NewBytes(0x00209165, AT, []byte{0x20, 0, 0x56, 0x90}), NewBytes(0x00101010, AS, nil), NewBytes(0x00091008, OB, []byte("ab")),
		NewBytes(0x00080080, UN, []byte("Clinic")), NewBytes(0x00080120, UR, []byte("http://a/?b=c\\d ")),
	} {
		d.Put(e)
	}
	for tag, want := range map[Tag][]string{
		0x00080008: {"ORIGINAL", "AXIAL"}, 0x00104000: {" one\\two"}, 0x00280010: {"512"}, 0x00091001: {"-1", "2"}, 0x00091002: {"-70000"}, 0x00091003: {"1.5"},
		0x00091004: {"0.1"}, 0x00091005: {"1099511627776"}, 0x00091006: {"-1"}, 0x00091007: {"4000000000"}, 0x00209165: {"00209056"}, 0x00101010: nil,
		0x00091008: nil, 0x00080080: {"Clinic"}, 0x00080120: {"http://a/?b=c\\d"}, 0x00100010: nil,
	} {
		if got := d.Strings(tag); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", tag, got, want)
		}
	}
	if n, ok := d.Int(0x00280010); n != 512 || !ok {
		t.Errorf("Int: %d %v", n, ok)
	}
	if _, ok := d.Int(0x00091004); ok {
		t.Error("0.1 is no whole number")
	}
}

func TestSetString(t *testing.T) {
	d := New()
	if old, err := d.SetString(0x00100020, "A"); old != nil || err != nil {
		t.Fatal(old, err)
	}
	old, err := d.SetString(0x00100020, "B", "C")
	if err != nil || string(old.Bytes()) != "A" || d.String(0x00100020) != "B" {
		t.Errorf("replaced %v, %v; is %q", old, err, d.Strings(0x00100020))
	}
	if _, err := d.SetString(0x00280010, "512"); err == nil {
		t.Error("a number is no text")
	}
	if _, err := d.Apply(Edit{}); err == nil {
		t.Error("an edit without a path is refused")
	}
	if _, err := d.Apply(Edit{Path: At(0x00100020), Op: Append, Item: New()}); err == nil || d.String(0x00100020) != "B" {
		t.Error("an item is not appended to a text")
	}
}

func TestParseTag(t *testing.T) {
	for s, want := range map[string]Tag{"PatientID": 0x00100020, "(0010,0020)": 0x00100020, "0010,0020": 0x00100020, "7fe00010": PixelData} {
		if got, err := ParseTag(s); got != want || err != nil {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "Patient", "0010", "0010,00200", "OverlayData"} {
		if got, err := ParseTag(s); err == nil {
			t.Errorf("%q is %s", s, got)
		}
	}
	if KeywordOrTag(0x00100020) != "PatientID" || KeywordOrTag(0x00091001) != "(0009,1001)" {
		t.Error("KeywordOrTag")
	}
}

func TestStrict(t *testing.T) {
	good := join(meta(ExplicitVRLittleEndian), threeEx)
	for name, file := range map[string][]byte{"no preamble": threeEx, "trailing bytes": join(good, make([]byte, 10)), "cut off": good[:len(good)-1]} {
		r, err := newReader(file, ReadOptions{Strict: true})
		if err == nil {
			_, err = r.Scan(nil)
		}
		if !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTruncated) {
			t.Errorf("%s: %v", name, err)
		}
	}
	r, err := newReader(good, ReadOptions{Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	if d, err := r.Scan(nil); err != nil || d.Len() != 3 || r.Meta() == nil {
		t.Errorf("%v", err)
	}
}
