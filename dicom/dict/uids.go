package dict

import (
	"iter"
	"sort"
	"strings"
)

// SOPClass is a service-object pair class (PS3.6 Table A-1, PS3.4).
type SOPClass struct {
	UID  string
	Name string
	// IOD is the composite information object of a current storage class
	// (PS3.4 Table B.5-1, GG.3-1); empty for every other class.
	IOD string
	// Storage says that instances of the class are stored by C-STORE or
	// STOW-RS. It is false for the DICOMDIR (Media Storage Directory Storage),
	// which lives on media only.
	Storage bool
	// Retired says that the class is retired from the standard; old archives
	// still hold instances of it.
	Retired bool
}

// TransferSyntax says how a data set is encoded (PS3.5 §10 and Annex A).
type TransferSyntax struct {
	UID  string
	Name string
	// BigEndian is the byte order of the whole data set.
	BigEndian bool
	// ImplicitVR says that elements carry no VR.
	ImplicitVR bool
	// Deflated says that the whole data set is deflated (RFC 1951), which is
	// not so for Deflated Image Frame Compression: there the frames are.
	Deflated bool
	// Encapsulated says that the pixel data are fragments (PS3.5 §A.4).
	Encapsulated bool
	// Lossy says that the pixel data may have lost information in encoding.
	Lossy bool
	// Retired says that the standard no longer has it.
	Retired bool
	// Private says that it is a manufacturer's, not the standard's.
	Private bool
	// BigEndianPixels says that the pixel data are big endian in a data set
	// that is otherwise little endian (GE's private syntax).
	BigEndianPixels bool
}

// registered is a well-known UID that is neither a SOP class nor a transfer syntax.
type registered struct{ uid, name string }

func find[T any](table []T, uidOf func(*T) string, uid string) (T, bool) {
	i, found := sort.Find(len(table), func(i int) int { return strings.Compare(uid, uidOf(&table[i])) })
	if !found {
		var none T
		return none, false
	}
	return table[i], true
}

func all[T any](table []T) iter.Seq[T] {
	return func(yield func(T) bool) {
		for i := range table {
			if !yield(table[i]) {
				return
			}
		}
	}
}

// SOPClassByUID returns the SOP class with a UID, given without padding. It knows
// the standard's, current and retired, with the meta classes, DICOS and DICONDE.
func SOPClassByUID(uid string) (SOPClass, bool) {
	return find(sopClasses[:], func(c *SOPClass) string { return c.UID }, uid)
}

// SOPClasses yields every known SOP class, in the order of the UID strings.
func SOPClasses() iter.Seq[SOPClass] { return all(sopClasses[:]) }

// TransferSyntaxByUID returns the transfer syntax with a UID, given without
// padding. An unknown UID may be a private syntax: its encoding is then unknown too.
func TransferSyntaxByUID(uid string) (TransferSyntax, bool) {
	return find(transferSyntaxes[:], func(t *TransferSyntax) string { return t.UID }, uid)
}

// TransferSyntaxes yields every known transfer syntax, in the order of the UID strings.
func TransferSyntaxes() iter.Seq[TransferSyntax] { return all(transferSyntaxes[:]) }

// UIDName returns the name of a well-known UID (PS3.6 Annex A): SOP classes,
// transfer syntaxes, well-known instances, frames of reference, coding schemes and
// the application context. It reports false for any other, such as an instance UID.
func UIDName(uid string) (string, bool) {
	if c, ok := SOPClassByUID(uid); ok {
		return c.Name, true
	}
	if t, ok := TransferSyntaxByUID(uid); ok {
		return t.Name, true
	}
	r, ok := find(otherUIDs[:], func(r *registered) string { return r.uid }, uid)
	return r.name, ok
}
