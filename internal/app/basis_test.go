package app

import (
	"errors"
	"strings"
	"testing"

	"lotse/internal/importer"
)

// TestLegalBasis: what is asked for goes before what the tenant has set, and that before
// the configuration; it is in the import, its audit trail and the signed receipt.
func TestLegalBasis(t *testing.T) {
	w := newWorld(t, t.TempDir(), nil, func(o *GatewayOptions) { o.LegalBasis = importer.BasisPublic })
	ctx := t.Context()
	begin := func(basis importer.LegalBasis) string {
		t.Helper()
		id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, LegalBasis: basis})
		must(t, err)
		s, err := w.Snapshot(ctx, w.who, id)
		must(t, err)
		return s.Basis
	}
	if got := begin(""); got != "public-health" {
		t.Errorf("as configured: %s", got)
	}
	v, err := w.ChangeSettings(ctx, w.who, -1, NewSettings{LegalBasis: importer.BasisVital})
	must(t, err)
	if v.InForce.LegalBasis != importer.BasisVital || begin("") != "vital-interests" || begin(importer.BasisClaims) != "legal-claims" {
		t.Errorf("as set: %s", show(v))
	}
	s := w.small(1)
	to, _ := w.folder()
	w.decideFor(s, to)
	s = w.until(s.ID, importer.Arrived)
	if _, raw := w.receiptOf(s, 0); s.Basis != "vital-interests" || !strings.Contains(raw, `"legal_basis":"vital-interests"`) {
		t.Errorf("the import says %q, the receipt\n%s", s.Basis, raw)
	}
	trail, err := w.Trail(ctx, w.who, s.ID)
	must(t, err)
	if trail[0].Detail["legal_basis"] != "vital-interests" {
		t.Errorf("the trail begins with %s", show(trail[0]))
	}
	var invalid *InvalidError
	if _, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, LegalBasis: "because"}); !errors.As(err, &invalid) || invalid.Field != "legal_basis" {
		t.Errorf("an unknown ground: %v", err)
	}
	if _, err := w.ChangeSettings(ctx, w.who, -1, NewSettings{LegalBasis: "because"}); !errors.As(err, &invalid) {
		t.Errorf("an unknown ground as setting: %v", err)
	}
}
