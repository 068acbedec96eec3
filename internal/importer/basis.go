package importer

import "slices"

// LegalBasis is on what ground a house processes the data of an import, by the articles
// of the GDPR: of Article 6 for personal data, of Article 9(2) for health data.
type LegalBasis string

// The grounds there can be.
const (
	BasisTreatment LegalBasis = "treatment"       // Art. 6(1)(b) or (e), Art. 9(2)(h) with (3): care under a duty of secrecy
	BasisConsent   LegalBasis = "consent"         // Art. 6(1)(a), Art. 9(2)(a): explicit consent
	BasisVital     LegalBasis = "vital-interests" // Art. 6(1)(d), Art. 9(2)(c): who cannot consent, and whose life is at stake
	BasisPublic    LegalBasis = "public-health"   // Art. 6(1)(c) or (e), Art. 9(2)(i): by law, such as against epidemics
	BasisClaims    LegalBasis = "legal-claims"    // Art. 6(1)(f) or (c), Art. 9(2)(f): expert opinions, proceedings
)

// LegalBases lists all grounds, the usual one first.
func LegalBases() []LegalBasis {
	return []LegalBasis{BasisTreatment, BasisConsent, BasisVital, BasisPublic, BasisClaims}
}

// Known reports whether it is one of them.
func (b LegalBasis) Known() bool { return slices.Contains(LegalBases(), b) }
