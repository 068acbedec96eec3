package dict

import (
	"slices"
	"strings"
	"testing"

	"lotse/dicom/uid"
)

func TestUIDTables(t *testing.T) {
	seen := map[string]bool{}
	check := func(u, name string) {
		t.Helper()
		if seen[u] {
			t.Errorf("%s is in two tables or twice", u)
		}
		seen[u] = true
		if err := uid.Valid(u); err != nil {
			t.Errorf("%s: %v", u, err)
		}
		if got, ok := UIDName(u); !ok || got != name || name == "" {
			t.Errorf("UIDName(%s) = %q, %t; want %q", u, got, ok, name)
		}
	}
	for c := range SOPClasses() {
		check(c.UID, c.Name)
		if got, ok := SOPClassByUID(c.UID); !ok || got != c {
			t.Errorf("SOPClassByUID(%s) = %+v, %t", c.UID, got, ok)
		}
		if c.IOD != "" && c.Retired {
			t.Errorf("%s is retired and has the IOD %q", c.UID, c.IOD)
		}
	}
	for s := range TransferSyntaxes() {
		check(s.UID, s.Name)
		if got, ok := TransferSyntaxByUID(s.UID); !ok || got != s {
			t.Errorf("TransferSyntaxByUID(%s) = %+v, %t", s.UID, got, ok)
		}
		if s.Encapsulated && (s.ImplicitVR || s.BigEndian || s.Deflated) {
			t.Errorf("%s: encapsulated is always explicit little endian, not deflated (PS3.5 §A.4)", s.UID)
		}
	}
	for _, o := range otherUIDs {
		check(o.uid, o.name)
	}
	if got, want := len(sopClasses), 175+138; got != want { // sop-classes.tsv, and storage, service, meta of uids.tsv
		t.Errorf("%d SOP classes, want %d", got, want)
	}
	if got, want := len(transferSyntaxes), 64; got != want {
		t.Errorf("%d transfer syntaxes, want %d", got, want)
	}
	if got, want := len(otherUIDs), 71; got != want {
		t.Errorf("%d other UIDs, want %d", got, want)
	}
}

func TestUIDTablesAreSorted(t *testing.T) {
	if !slices.IsSortedFunc(sopClasses[:], func(a, b SOPClass) int { return strings.Compare(a.UID, b.UID) }) ||
		!slices.IsSortedFunc(transferSyntaxes[:], func(a, b TransferSyntax) int { return strings.Compare(a.UID, b.UID) }) ||
		!slices.IsSortedFunc(otherUIDs[:], func(a, b registered) int { return strings.Compare(a.uid, b.uid) }) {
		t.Error("a table is not in the order of its UIDs")
	}
}

func TestSOPClassByUID(t *testing.T) {
	for _, want := range []SOPClass{
		{UID: "1.2.840.10008.1.1", Name: "Verification SOP Class"},
		{UID: "1.2.840.10008.1.3.10", Name: "Media Storage Directory Storage", IOD: "Basic Directory"},
		{UID: "1.2.840.10008.1.20.1", Name: "Storage Commitment Push Model SOP Class"},
		{UID: "1.2.840.10008.3.1.2.3.3", Name: "Modality Performed Procedure Step SOP Class"},
		{UID: "1.2.840.10008.5.1.1.29", Name: "Hardcopy Grayscale Image Storage SOP Class", Storage: true, Retired: true},
		{UID: "1.2.840.10008.5.1.4.1.1.2", Name: "CT Image Storage", IOD: "CT Image", Storage: true},
		{UID: "1.2.840.10008.5.1.4.1.1.5", Name: "Nuclear Medicine Image Storage", Storage: true, Retired: true},
		{UID: "1.2.840.10008.5.1.4.1.1.6", Name: "Ultrasound Image Storage", Storage: true, Retired: true},
		{UID: "1.2.840.10008.5.1.4.1.1.9", Name: "Standalone Curve Storage", Storage: true, Retired: true},
		{UID: "1.2.840.10008.5.1.4.1.1.104.1", Name: "Encapsulated PDF Storage", IOD: "Encapsulated PDF", Storage: true},
		{UID: "1.2.840.10008.5.1.4.1.2.1.1", Name: "Patient Root Query/Retrieve Information Model - FIND"},
		{UID: "1.2.840.10008.5.1.4.1.2.2.3", Name: "Study Root Query/Retrieve Information Model - GET"},
		{UID: "1.2.840.10008.5.1.4.31", Name: "Modality Worklist Information Model - FIND"},
		{UID: "1.2.840.10008.5.1.4.34.10", Name: "RT Brachy Application Setup Delivery Instruction Storage", IOD: "RT Brachy Application Setup Delivery Instruction", Storage: true},
	} {
		if got, ok := SOPClassByUID(want.UID); !ok || got != want {
			t.Errorf("SOPClassByUID(%s) = %+v, %t; want %+v", want.UID, got, ok, want)
		}
	}
}

func TestTransferSyntaxByUID(t *testing.T) {
	for _, want := range []TransferSyntax{
		{UID: "1.2.840.10008.1.2", Name: "Implicit VR Little Endian", ImplicitVR: true},
		{UID: "1.2.840.10008.1.2.1", Name: "Explicit VR Little Endian"},
		{UID: "1.2.840.10008.1.2.1.98", Name: "Encapsulated Uncompressed Explicit VR Little Endian", Encapsulated: true},
		{UID: "1.2.840.10008.1.2.1.99", Name: "Deflated Explicit VR Little Endian", Deflated: true},
		{UID: "1.2.840.10008.1.2.2", Name: "Explicit VR Big Endian", BigEndian: true, Retired: true},
		{UID: "1.2.840.10008.1.2.4.50", Name: "JPEG Baseline (Process 1)", Encapsulated: true, Lossy: true},
		{UID: "1.2.840.10008.1.2.4.80", Name: "JPEG-LS Lossless Image Compression", Encapsulated: true},
		{UID: "1.2.840.10008.1.2.4.95", Name: "JPIP Referenced Deflate", Deflated: true, Lossy: true},
		{UID: "1.2.840.10008.1.2.5", Name: "RLE Lossless", Encapsulated: true},
		{UID: "1.2.840.10008.1.2.8.1", Name: "Deflated Image Frame Compression", Encapsulated: true},
		{UID: "1.2.840.113619.5.2", Name: "GE Private Implicit VR Little Endian with Big Endian Pixel Data", ImplicitVR: true, Private: true, BigEndianPixels: true},
	} {
		if got, ok := TransferSyntaxByUID(want.UID); !ok || got != want {
			t.Errorf("TransferSyntaxByUID(%s) = %+v, %t; want %+v", want.UID, got, ok, want)
		}
	}
}

func TestUIDName(t *testing.T) {
	for u, want := range map[string]string{
		"1.2.840.10008.3.1.1.1":   "DICOM Application Context Name",
		"1.2.840.10008.1.20.1.1":  "Storage Commitment Push Model SOP Instance",
		"1.2.840.10008.2.16.4":    "DICOM Controlled Terminology",
		"1.2.840.10008.1.4.1.1":   "Talairach Brain Atlas Frame of Reference",
		"1.2.840.10008.1.2.4.201": "High-Throughput JPEG 2000 Image Compression (Lossless Only)",
	} {
		if got, ok := UIDName(u); !ok || got != want {
			t.Errorf("UIDName(%s) = %q, %t; want %q", u, got, ok, want)
		}
	}
	for _, u := range []string{"", "2.25.1", "1.2.840.10008.1.1\x00", "1.2.840.10008.1"} {
		if got, ok := UIDName(u); ok {
			t.Errorf("UIDName(%q) = %q, want nothing", u, got)
		}
	}
}
