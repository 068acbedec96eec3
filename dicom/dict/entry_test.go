package dict

import (
	"slices"
	"strings"
	"testing"
)

func TestEntriesCount(t *testing.T) {
	const (
		elements = 5129 // rows of data/attributes.tsv
		commands = 46   // rows of data/commands.tsv
	)
	entries := slices.Collect(Entries())
	if len(entries) != elements+commands {
		t.Errorf("%d entries, want %d", len(entries), elements+commands)
	}
	if repeating := len(entries) - plainRows; repeating != len(repeatingMasks) || repeating < 70 {
		t.Errorf("%d repeating entries, %d masks", repeating, len(repeatingMasks))
	}
}

func TestEntriesAreSorted(t *testing.T) {
	if !slices.IsSortedFunc(attributes[:plainRows], func(a, b row) int { return int(int64(a.tag) - int64(b.tag)) }) {
		t.Error("plain tags are not in ascending order")
	}
	for i := 1; i < len(byKeyword); i++ {
		a, b := attributes[byKeyword[i-1]], attributes[byKeyword[i]]
		if a.keyword() >= b.keyword() {
			t.Errorf("keyword %q stands before %q", a.keyword(), b.keyword())
		}
	}
}

func TestEveryEntryRoundTrips(t *testing.T) {
	for e := range Entries() {
		if e.Tag&e.Mask != e.Tag {
			t.Errorf("%08X: mask %08X does not cover the tag", e.Tag, e.Mask)
		}
		// A repeating element's first tag may be a group length or a plain entry of its own.
		probe := e.Tag | ^e.Mask&0x00200020
		if got, ok := Lookup(probe); !ok || got != e {
			t.Errorf("Lookup(%08X) = %+v, %t; want %+v", probe, got, ok, e)
		}
		if e.Keyword == "" {
			continue
		}
		if got, ok := ByKeyword(e.Keyword); !ok || got != e {
			t.Errorf("ByKeyword(%q) = %+v, %t; want %+v", e.Keyword, got, ok, e)
		}
	}
}

func TestEntriesAreWellFormed(t *testing.T) {
	const vrCodes = "AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV"
	known := strings.Fields(vrCodes)
	var unnamed, without int
	for e := range Entries() {
		if strings.ContainsAny(e.Keyword+e.Name, "\t\n\u200b") || strings.ContainsAny(e.Keyword, " -/'") {
			t.Errorf("%08X: keyword %q or name %q", e.Tag, e.Keyword, e.Name)
		}
		if (e.Keyword == "") != (e.Name == "") {
			t.Errorf("%08X: keyword %q but name %q", e.Tag, e.Keyword, e.Name)
		}
		if e.Keyword == "" {
			unnamed++
			if !e.Retired {
				t.Errorf("%08X has no name but is not retired", e.Tag)
			}
		}
		if e.VR == "" {
			without++
			continue
		}
		for vr := range strings.SplitSeq(e.VR, " or ") {
			if !slices.Contains(known, vr) {
				t.Errorf("%08X: VR %q", e.Tag, e.VR)
			}
		}
	}
	if unnamed != 6 || without != 6 {
		t.Errorf("%d unnamed entries, %d without VR; want 6 and 6", unnamed, without)
	}
}

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		tag         uint32
		keyword, vr string
	}{
		{0x00000002, "AffectedSOPClassUID", "UI"},
		{0x00000000, "CommandGroupLength", "UL"},
		{0x00020000, "FileMetaInformationGroupLength", "UL"},
		{0x00020010, "TransferSyntaxUID", "UI"},
		{0x00080005, "SpecificCharacterSet", "CS"},
		{0x00100010, "PatientName", "PN"},
		{0x00181153, "ExposureInuAs", "IS"},
		{0x00280106, "SmallestImagePixelValue", "US or SS"},
		{0x00283006, "LUTData", "US or OW"},
		{0x7FE00010, "PixelData", "OB or OW"},
		{0xFFFEE000, "Item", ""},
		{0xFFFEE00D, "ItemDelimitationItem", ""},
		{0xFFFEE0DD, "SequenceDelimitationItem", ""},
		// Repeating groups and elements, and plain tags beside them.
		{0x60003000, "OverlayData", "OB or OW"},
		{0x601E3000, "OverlayData", "OB or OW"},
		{0x50020010, "NumberOfPoints", "US"},
		{0x002031FF, "SourceImageIDs", "CS"},
		{0x00280410, "RowsForNthOrderCoefficients", "US"},
		{0x002804F3, "CoefficientCodingPointers", "AT"},
		{0x00280401, "TransformVersionNumber", "LO"},
		{0x10000015, "ShiftTableTriplet", "US"},
		{0x10101234, "ZonalMap", "US"},
		{0x7F020010, "VariablePixelData", "OB or OW"},
		// Not named by the standard, but known.
		{0x00100000, "", "UL"},
		{0x00090000, "", "UL"},
		{0x10100000, "", "UL"},
		{0x00090010, "", "LO"},
		{0x602100FF, "", "LO"},
	} {
		got, ok := Lookup(c.tag)
		if !ok || got.Keyword != c.keyword || got.VR != c.vr {
			t.Errorf("Lookup(%08X) = %+v, %t; want %q %q", c.tag, got, ok, c.keyword, c.vr)
		}
	}
}

func TestLookupUnknown(t *testing.T) {
	for _, tag := range []uint32{
		0x00091001,                         // private
		0x0009000F, 0x00090100, 0x00090001, // beside the private creators
		0x00010010, 0x00070010, 0xFFFF0010, // groups nobody may use
		0x00100011, 0xFFFFFFFF, 0x60003001,
		0x60013000, // odd group, so private, not an overlay
	} {
		if got, ok := Lookup(tag); ok {
			t.Errorf("Lookup(%08X) = %+v, want nothing", tag, got)
		}
	}
	for _, keyword := range []string{"", "patientid", "PatientId", "Patient ID", "\xff"} {
		if got, ok := ByKeyword(keyword); ok {
			t.Errorf("ByKeyword(%q) = %+v, want nothing", keyword, got)
		}
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	if n := testing.AllocsPerRun(100, func() {
		Lookup(0x00100010)
		ByKeyword("PatientID")
		SOPClassByUID("1.2.840.10008.5.1.4.1.1.2")
		UIDName("1.2.840.10008.1.2.1")
	}); n != 0 {
		t.Errorf("%v allocations, want 0", n)
	}
}

func BenchmarkLookup(b *testing.B) {
	for b.Loop() {
		Lookup(0x00100010)
	}
}

func BenchmarkLookupRepeating(b *testing.B) {
	for b.Loop() {
		Lookup(0x60003000)
	}
}
