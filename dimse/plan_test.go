package dimse

import (
	"fmt"
	"testing"
)

const (
	ctStorage   = "1.2.840.10008.5.1.4.1.1.2"
	scStorage   = "1.2.840.10008.5.1.4.1.1.7"
	jpegBaseTS  = "1.2.840.10008.1.2.4.50"
	jpegLosless = "1.2.840.10008.1.2.4.70"
)

func TestPlan(t *testing.T) {
	got := Plan([]ContextKey{
		{SOPClass: ctStorage, TransferSyntax: ExplicitVRLittleEndian},
		{SOPClass: scStorage, TransferSyntax: jpegBaseTS, LossyOnly: true},
		{SOPClass: ctStorage, TransferSyntax: jpegLosless},
		{SOPClass: ctStorage, TransferSyntax: ExplicitVRLittleEndian},
	})
	want := fmt.Sprint([][]PresentationContext{{
		{1, ctStorage, []string{ExplicitVRLittleEndian}},
		{3, ctStorage, []string{jpegLosless}},
		{5, ctStorage, []string{ImplicitVRLittleEndian}},
		{7, scStorage, []string{jpegBaseTS}},
	}})
	if fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Plan(nil); got != nil {
		t.Errorf("nothing planned as %v", got)
	}
}

func TestPlanImplicitOnce(t *testing.T) {
	for name, keys := range map[string][]ContextKey{
		"own":       {{SOPClass: ctStorage, TransferSyntax: ImplicitVRLittleEndian}},
		"lossyOnly": {{SOPClass: ctStorage, TransferSyntax: ImplicitVRLittleEndian, LossyOnly: true}},
	} {
		if got := Plan(keys); len(got) != 1 || len(got[0]) != 1 || got[0][0].TransferSyntaxes[0] != ImplicitVRLittleEndian {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestPlanMany plans 300 contexts and checks every association for itself.
func TestPlanMany(t *testing.T) {
	keys := manyKeys(150)
	plan := Plan(keys)
	checkPlan(t, plan, 300)
	if len(plan) != 3 {
		t.Errorf("%d associations", len(plan))
	}
	// One class with more syntaxes than an association can have.
	keys = nil
	for i := range 200 {
		keys = append(keys, ContextKey{SOPClass: ctStorage, TransferSyntax: fmt.Sprintf("1.2.3.%d", i)})
	}
	checkPlan(t, Plan(keys), 202)
}

func manyKeys(classes int) []ContextKey {
	var keys []ContextKey
	for i := range classes {
		keys = append(keys, ContextKey{SOPClass: fmt.Sprintf("1.2.840.10008.5.1.4.1.1.2.%d", i), TransferSyntax: ExplicitVRLittleEndian})
	}
	return keys
}

func checkPlan(t *testing.T, plan [][]PresentationContext, total int) {
	t.Helper()
	for n, contexts := range plan {
		fallback := map[string]bool{}
		for i, c := range contexts {
			if int(c.ID) != 2*i+1 || len(c.TransferSyntaxes) != 1 {
				t.Fatalf("association %d: context %d is %v", n, i, c)
			}
			fallback[c.SOPClass] = fallback[c.SOPClass] || c.TransferSyntaxes[0] == ImplicitVRLittleEndian
			total--
		}
		for class, ok := range fallback {
			if !ok {
				t.Errorf("association %d: no fallback for %s", n, class)
			}
		}
	}
	if total != 0 {
		t.Errorf("%d contexts missing", total)
	}
}
