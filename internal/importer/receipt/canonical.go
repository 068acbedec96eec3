package receipt

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
)

// object is a JSON object, its members sorted by name, each name once. Other values
// are nil, bool, int64, string and []any.
type object []member

type member struct {
	name  string
	value any
}

func (o object) get(name string) any {
	for _, m := range o {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// object returns a member that is an object; nil when it is none.
func (o object) object(name string) object {
	inner, _ := o.get(name).(object)
	return inner
}

// text returns a member that is a string; "" when it is none.
func (o object) text(name string) string {
	s, _ := o.get(name).(string)
	return s
}

// only reports whether there are no members but these.
func (o object) only(names ...string) bool {
	return !slices.ContainsFunc(o, func(m member) bool { return !slices.Contains(names, m.name) })
}

// newObject sorts members.
func newObject(members ...member) object {
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.name, b.name) })
	return members
}

// canonical writes a value as RFC 8785 has it: no space, members by name, strings
// with the fewest escapes, whole numbers only.
func canonical(value any) []byte { return appendCanonical(nil, value) }

func appendCanonical(out []byte, value any) []byte {
	switch v := value.(type) {
	case bool:
		return strconv.AppendBool(out, v)
	case int64:
		return strconv.AppendInt(out, v, 10)
	case string:
		return appendString(out, v)
	case []any:
		out = append(out, '[')
		for i, element := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = appendCanonical(out, element)
		}
		return append(out, ']')
	case object:
		out = append(out, '{')
		for i, m := range v {
			if i > 0 {
				out = append(out, ',')
			}
			out = append(appendString(out, m.name), ':')
			out = appendCanonical(out, m.value)
		}
		return append(out, '}')
	}
	return append(out, "null"...)
}

// appendString writes a string (RFC 8785 §3.2.2.2).
func appendString(out []byte, s string) []byte {
	const hex = "0123456789abcdef"
	out = append(out, '"')
	for i := range len(s) {
		switch c := s[i]; c {
		case '"', '\\':
			out = append(out, '\\', c)
		case '\b':
			out = append(out, '\\', 'b')
		case '\f':
			out = append(out, '\\', 'f')
		case '\n':
			out = append(out, '\\', 'n')
		case '\r':
			out = append(out, '\\', 'r')
		case '\t':
			out = append(out, '\\', 't')
		default:
			if c < ' ' {
				out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else {
				out = append(out, c)
			}
		}
	}
	return append(out, '"')
}

// maxElement bounds the head, an item or the proof of a receipt, in bytes.
const maxElement = 16 << 20

// maxDepth bounds how deep objects and arrays of a receipt lie in one another.
const maxDepth = 16

// maxNumber is the largest number that every reader of JSON keeps (RFC 7493 §2.2).
const maxNumber = 1<<53 - 1

// scanner reads JSON strictly, in memory bounded by its largest element.
type scanner struct {
	dec   *json.Decoder
	limit *limited
}

func newScanner(r io.Reader) *scanner {
	s := &scanner{limit: &limited{r: r}}
	s.dec = json.NewDecoder(s.limit)
	s.dec.UseNumber()
	s.next()
	return s
}

// next allows a further element.
func (s *scanner) next() { s.limit.left = maxElement }

// delim reads one of the characters [ ] { }.
func (s *scanner) delim(want json.Delim) error {
	token, err := s.token()
	if err == nil && token != want {
		return Malformed
	}
	return err
}

// name reads the name of a member.
func (s *scanner) name(want string) error {
	token, err := s.token()
	if err == nil && token != want {
		return Malformed
	}
	return err
}

func (s *scanner) token() (json.Token, error) {
	token, err := s.dec.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return token, nil
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &syntax):
		return nil, Malformed
	}
	return nil, err
}

// value reads any value.
func (s *scanner) value(depth int) (any, error) {
	token, err := s.token()
	if err != nil {
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == 0 {
			return nil, Malformed
		}
		if t == '[' {
			return s.array(depth - 1)
		}
		return s.object(depth - 1)
	case json.Number:
		n, err := strconv.ParseInt(t.String(), 10, 64)
		if err != nil || n > maxNumber || n < -maxNumber || t.String() != strconv.FormatInt(n, 10) {
			return nil, Malformed
		}
		return n, nil
	}
	return token, nil // nil, bool, string
}

func (s *scanner) array(depth int) (any, error) {
	all := []any{}
	for s.dec.More() {
		v, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, s.delim(']')
}

func (s *scanner) object(depth int) (any, error) {
	var all []member
	for s.dec.More() {
		token, err := s.token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, Malformed
		}
		v, err := s.value(depth)
		if err != nil {
			return nil, err
		}
		all = append(all, member{name, v})
	}
	o := newObject(all...)
	for i := range o {
		if i > 0 && o[i].name == o[i-1].name {
			return nil, Malformed // two readers may take two different ones
		}
	}
	return o, s.delim('}')
}

// element reads an object that is a head, an item or a proof.
func (s *scanner) element() (object, error) {
	s.next()
	v, err := s.value(maxDepth)
	if err != nil {
		return nil, err
	}
	o, ok := v.(object)
	if !ok {
		return nil, Malformed
	}
	return o, nil
}

// end makes sure that nothing follows.
func (s *scanner) end() error {
	s.next()
	if _, err := s.dec.Token(); !errors.Is(err, io.EOF) {
		return Malformed
	}
	return nil
}

// limited ends a reader that goes on for too long.
type limited struct {
	r    io.Reader
	left int
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, Malformed
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// toObject turns a struct into an object, by way of its JSON.
func toObject(v any) (any, error) {
	coded, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	return newScanner(bytes.NewReader(coded)).value(maxDepth)
}
