package charset

import "strings"

// Name is one value of VR PN, decoded (PS3.5 §6.2.1).
type Name struct {
	Alphabetic, Ideographic, Phonetic Group
}

// Group is one component group of a Name.
type Group struct {
	Family, Given, Middle, Prefix, Suffix string
}

// ParseName reads a single decoded value. Spaces around components mean nothing
// and are removed, NUL padding too. Superfluous delimiters are kept as text in
// the last component, so that nothing of the value is lost.
func ParseName(value string) Name {
	var groups [3]Group
	for i, group := range strings.SplitN(strings.TrimRight(value, "^= \x00"), "=", len(groups)) {
		groups[i] = parseGroup(group)
	}
	return Name{groups[0], groups[1], groups[2]}
}

func parseGroup(text string) Group {
	var c [5]string
	for i, component := range strings.SplitN(text, "^", len(c)) {
		c[i] = strings.Trim(component, " \x00")
	}
	c[4] = strings.TrimRight(c[4], "^ \x00")
	return Group{c[0], c[1], c[2], c[3], c[4]}
}

// String returns the value for VR PN, without trailing delimiters.
func (n Name) String() string {
	return strings.TrimRight(n.Alphabetic.String()+"="+n.Ideographic.String()+"="+n.Phonetic.String(), "=")
}

// String returns the component group without trailing delimiters.
func (g Group) String() string {
	return strings.TrimRight(strings.Join([]string{g.Family, g.Given, g.Middle, g.Prefix, g.Suffix}, "^"), "^")
}
