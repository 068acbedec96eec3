package dimse

import "lotse/dimse/pdu"

// PresentationContext is a presentation context to propose (PS3.8 §9.3.2.2).
type PresentationContext struct {
	ID               byte // odd
	SOPClass         string
	TransferSyntaxes []string
}

// ContextKey is what decides about the presentation context of an object.
type ContextKey struct {
	SOPClass, TransferSyntax string
	// LossyOnly tells that the object exists in a lossy syntax only, so that no
	// uncompressed syntax has to be offered for it (PS3.5 §10.1).
	LossyOnly bool
}

// Plan gives the presentation contexts to propose for objects: one list per
// association. Each (SOP class, transfer syntax) gets a context of its own with
// that syntax alone, in the order of first appearance, and each SOP class one with
// Implicit VR Little Endian (PS3.5 §10.1) unless all its objects are LossyOnly. No
// list has more than 128 contexts, and a SOP class stays in one list where it fits.
func Plan(objects []ContextKey) [][]PresentationContext {
	var plan [][]PresentationContext
	var last []PresentationContext
	for _, group := range groupBySOPClass(objects) {
		for _, part := range group.parts() {
			if len(last)+len(part) > pdu.MaxContexts {
				plan = append(plan, last)
				last = nil
			}
			for _, syntax := range part {
				last = append(last, PresentationContext{
					ID: byte(2*len(last) + 1), SOPClass: group.class, TransferSyntaxes: []string{syntax},
				})
			}
		}
	}
	if len(last) > 0 {
		plan = append(plan, last)
	}
	return plan
}

// classGroup is a SOP class with the distinct transfer syntaxes of its objects.
type classGroup struct {
	class    string
	syntaxes []string
	fallback bool // Implicit VR Little Endian has to be offered
}

func groupBySOPClass(objects []ContextKey) []*classGroup {
	var groups []*classGroup
	byClass := map[string]*classGroup{}
	type pair struct{ class, syntax string }
	seen := map[pair]bool{}
	for _, o := range objects {
		g := byClass[o.SOPClass]
		if g == nil {
			g = &classGroup{class: o.SOPClass}
			byClass[o.SOPClass] = g
			groups = append(groups, g)
		}
		g.fallback = g.fallback || !o.LossyOnly
		if p := (pair{o.SOPClass, o.TransferSyntax}); !seen[p] {
			seen[p] = true
			g.syntaxes = append(g.syntaxes, o.TransferSyntax)
		}
	}
	return groups
}

// parts gives the syntaxes to propose, cut into lists that fit an association.
// Each list offers the fallback, because its objects may need it.
func (g *classGroup) parts() [][]string {
	own := make([]string, 0, len(g.syntaxes)+1)
	for _, s := range g.syntaxes {
		if s != ImplicitVRLittleEndian || !g.fallback {
			own = append(own, s)
		}
	}
	most := pdu.MaxContexts
	if g.fallback {
		most--
	}
	var parts [][]string
	for first := true; first || len(own) > 0; first = false {
		n := min(most, len(own))
		part := append([]string(nil), own[:n]...)
		if g.fallback {
			part = append(part, ImplicitVRLittleEndian)
		}
		parts, own = append(parts, part), own[n:]
	}
	return parts
}
