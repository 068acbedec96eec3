package dict

import (
	"iter"
	"sort"
	"strings"
)

// Entry is one row of the data dictionary (PS3.6 Table 6-1, 7-1, 8-1; PS3.7 Table E.1-1).
type Entry struct {
	// Tag is group<<16 | element. In a repeating entry (60xx,3000) the
	// repeating digits are 0; the entry is for each tag with tag&Mask == Tag.
	Tag uint32
	// Mask is 0xFFFFFFFF, or has zeros at the repeating digits (PS3.5 §7.6).
	Mask uint32
	// Keyword is empty for group lengths, private creators and the few retired
	// tags that the standard leaves unnamed.
	Keyword string
	// Name is the attribute's name; empty where Keyword is for want of a name.
	Name string
	// VR is one value representation, a choice such as "US or SS" or
	// "OB or OW", or empty where the standard gives none: items and delimiters
	// (PS3.5 §7.5), which have no VR, and a few retired tags, to be read as UN.
	VR string
	// VM is the value multiplicity as printed, such as "1", "1-n" or "2-2n".
	VM string
	// Retired says that the element is retired from the standard; it may still
	// be met.
	Retired bool
}

// The rows proper are free of pointers, so that the garbage collector has nothing
// to scan; keyword and name lie beside each other in attributeText.
type row struct {
	tag                 uint32
	text                uint32 // offset into attributeText: keyword, tab, name
	keywordLen, nameLen uint8
	vr, vm              uint8 // indexes into vrs and vms
	retired             bool
}

func (r *row) keyword() string {
	return attributeText[r.text : r.text+uint32(r.keywordLen)]
}

func (r *row) entry(mask uint32) Entry {
	name := r.text + uint32(r.keywordLen) + 1
	return Entry{
		Tag: r.tag, Mask: mask,
		Keyword: r.keyword(),
		Name:    attributeText[name : name+uint32(r.nameLen)],
		VR:      vrs[r.vr], VM: vms[r.vm],
		Retired: r.retired,
	}
}

const wholeTag = 0xFFFFFFFF

// at returns the i-th row, in the order plain tags, then repeating ones.
func at(i int) Entry {
	if i < plainRows {
		return attributes[i].entry(wholeTag)
	}
	return attributes[i].entry(repeatingMasks[i-plainRows])
}

// Lookup returns the entry for a tag (group<<16 | element).
//
// It knows repeating groups and elements (any even group is taken for 50xx, 60xx,
// 7Fxx), group lengths (gggg,0000) of any group (PS3.5 §7.2), and private creators
// (gggg,0010-00FF) with odd gggg (PS3.5 §7.8.1), for which Tag is the one asked
// for. It reports false for private elements and for what the standard does not list.
func Lookup(tag uint32) (Entry, bool) {
	group, element := tag>>16, tag&0xFFFF
	if group%2 == 1 {
		return lookupPrivate(tag, group, element)
	}
	i := sort.Search(plainRows, func(i int) bool { return attributes[i].tag >= tag })
	if i < plainRows && attributes[i].tag == tag {
		return at(i), true
	}
	if element == 0 {
		return groupLength(tag), true
	}
	for j, mask := range repeatingMasks {
		if tag&mask == attributes[plainRows+j].tag {
			return at(plainRows + j), true
		}
	}
	return Entry{}, false
}

// lookupPrivate knows the only elements of an odd group whose meaning the standard
// fixes. Groups 0001-0007 and FFFF may not be used at all (PS3.5 §7.1).
func lookupPrivate(tag, group, element uint32) (Entry, bool) {
	switch {
	case group < 0x0009 || group == 0xFFFF:
		return Entry{}, false
	case element == 0:
		return groupLength(tag), true
	case element >= 0x0010 && element <= 0x00FF:
		return Entry{Tag: tag, Mask: wholeTag, Name: "Private Creator", VR: "LO", VM: "1"}, true
	}
	return Entry{}, false
}

func groupLength(tag uint32) Entry {
	return Entry{Tag: tag, Mask: wholeTag, Name: "Group Length", VR: "UL", VM: "1", Retired: true}
}

// ByKeyword returns the entry with a keyword such as "PatientID", in its exact
// spelling. For a repeating one ("OverlayData") the Tag has zeros at the repeating
// digits, which is the tag of the first group.
func ByKeyword(keyword string) (Entry, bool) {
	i, found := sort.Find(len(byKeyword), func(i int) int {
		return strings.Compare(keyword, attributes[byKeyword[i]].keyword())
	})
	if !found {
		return Entry{}, false
	}
	return at(int(byKeyword[i])), true
}

// Entries yields every entry of the standard: the plain tags in ascending order,
// then the repeating ones.
func Entries() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i := range attributes {
			if !yield(at(i)) {
				return
			}
		}
	}
}
