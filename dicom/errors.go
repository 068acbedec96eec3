package dicom

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Step is one step into a data set: the attribute, and the item when the step
// goes on into a sequence (Item counts from 0; -1 is the attribute itself).
type Step struct {
	Tag  Tag
	Item int
}

// Path leads from the top of a data set to an element.
type Path []Step

// At is the path of a top-level attribute.
func At(t Tag) Path { return Path{{Tag: t, Item: -1}} }

// Into returns p extended into item number item of its last attribute, to tag t.
func (p Path) Into(item int, t Tag) Path {
	q := append(Path(nil), p...)
	q[len(q)-1].Item = item
	return append(q, Step{Tag: t, Item: -1})
}

// Tag returns the attribute the path ends at.
func (p Path) Tag() Tag {
	if len(p) == 0 {
		return 0
	}
	return p[len(p)-1].Tag
}

// String formats p as "(0040,A730)[2].(0040,A160)", items counted from 0.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p {
		if i > 0 {
			b.WriteByte('.')
		}
		b.WriteString(s.Tag.String())
		if s.Item >= 0 {
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.Item))
			b.WriteByte(']')
		}
	}
	return b.String()
}

// Reasons for which reading stops; test with errors.Is.
var (
	// ErrTruncated: the source ended inside an element.
	ErrTruncated = errors.New("the file ends in the middle of an element")
	// ErrLimit: a limit of ReadOptions was reached.
	ErrLimit = errors.New("a limit of the reader was reached")
	// ErrMalformed: the bytes cannot be a data set.
	ErrMalformed = errors.New("the bytes are not a valid data set")
	// ErrNotDICOM: nothing at the start looks like DICOM.
	ErrNotDICOM = errors.New("not a DICOM file")
)

// ParseError says where reading failed and why.
type ParseError struct {
	Offset int64 // bytes from the start of the file (of the inflated data set when Deflated)
	Path   Path
	Reason string // never contains values
	Err    error  // ErrTruncated, ErrLimit, ErrMalformed, ErrNotDICOM, or the source's own error
}

func (e *ParseError) Error() string {
	at := ""
	if len(e.Path) > 0 {
		at = " in " + e.Path.String()
	}
	return fmt.Sprintf("dicom: at byte %d%s: %s", e.Offset, at, e.Reason)
}

// Unwrap returns the cause.
func (e *ParseError) Unwrap() error { return e.Err }

// ProblemCode names a departure from the standard that the reader coped with.
type ProblemCode string

// Problems a lenient reader goes on after; a strict one returns them as errors.
const (
	ProblemNoPreamble      ProblemCode = "no-preamble"
	ProblemNoMeta          ProblemCode = "no-file-meta"
	ProblemImplicitMeta    ProblemCode = "file-meta-implicit"
	ProblemMetaLength      ProblemCode = "file-meta-length"
	ProblemSyntaxMissing   ProblemCode = "transfer-syntax-missing"
	ProblemSyntaxWrong     ProblemCode = "transfer-syntax-wrong"
	ProblemSyntaxUnknown   ProblemCode = "transfer-syntax-unknown"
	ProblemMixedVR         ProblemCode = "explicit-implicit-mixed"
	ProblemUnknownVR       ProblemCode = "unknown-vr"
	ProblemOrder           ProblemCode = "tags-out-of-order"
	ProblemDelimiter       ProblemCode = "stray-delimiter"
	ProblemLength          ProblemCode = "length-beyond-enclosing"
	ProblemTrailing        ProblemCode = "trailing-bytes"
	ProblemTruncated       ProblemCode = "truncated"
	ProblemOddLength       ProblemCode = "odd-length"
	ProblemByteOrder       ProblemCode = "byte-order-mixed"
	ProblemUnusualPreamble ProblemCode = "executable-preamble"
)

// Problem is a departure from the standard, with its first place and how often.
type Problem struct {
	Code   ProblemCode
	Offset int64
	Path   Path
	Count  int
}
