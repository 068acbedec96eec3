package receipt

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"io"
)

// saltSize is that of the salt of a commitment, in bytes: enough that nobody guesses
// a name, a date or a UID from it.
const saltSize = 16

// entry is the head or an item in the signed form: what stays, and by name what a
// purge removes.
type entry struct {
	open   object
	values []member // in any order
}

// encoding is that of salts, commitments, roots and signatures.
func encoding() *base64.Encoding { return base64.RawURLEncoding.Strict() }

// commit is SHA-256(salt ‖ canonical JSON of the value).
func commit(salt []byte, value any) []byte {
	h := sha256.New()
	_, _ = h.Write(salt)
	_, _ = h.Write(canonical(value))
	return h.Sum(nil)
}

// seal adds a commitment to the open part for each value, and returns the whole:
// {"open": {…, "commitments": {name: …}}, "values": {name: {"salt": …, "value": …}}}.
func (e entry) seal(random io.Reader) (whole, open object, err error) {
	var commitments, values []member
	for _, m := range e.values {
		salt := make([]byte, saltSize)
		if _, err := io.ReadFull(random, salt); err != nil {
			return nil, nil, fmt.Errorf("receipt: make a salt: %w", err)
		}
		commitments = append(commitments, member{m.name, encoding().EncodeToString(commit(salt, m.value))})
		values = append(values, member{m.name, newObject(member{"salt", encoding().EncodeToString(salt)}, member{"value", m.value})})
	}
	open = newObject(append([]member{{"commitments", newObject(commitments...)}}, e.open...)...)
	return newObject(member{"open", open}, member{"values", newObject(values...)}), open, nil
}

// check compares the values of a whole entry with their commitments, and tells
// found of every commitment, and whether its value is there.
func check(whole object, found func(name string, kept bool)) (open object, err error) {
	open, isObject := whole.get("open").(object)
	values, areObject := whole.get("values").(object)
	if !isObject || !areObject && whole.get("values") != nil || !whole.only("open", "values") {
		return nil, Malformed
	}
	commitments := open.object("commitments")
	for _, m := range values {
		if commitments.get(m.name) == nil {
			return nil, &InvalidError{Flaw: Malformed, Position: -1, Name: m.name}
		}
	}
	for _, c := range commitments {
		want, err := decode(c.value, sha256.Size)
		if err != nil {
			return nil, err
		}
		given := values.get(c.name)
		if found(c.name, given != nil); given == nil {
			continue
		}
		v, ok := given.(object)
		if !ok || !v.only("salt", "value") {
			return nil, &InvalidError{Flaw: Malformed, Position: -1, Name: c.name}
		}
		salt, err := decode(v.get("salt"), saltSize)
		if err != nil || subtle.ConstantTimeCompare(want, commit(salt, v.get("value"))) != 1 {
			return nil, &InvalidError{Flaw: WrongValue, Position: -1, Name: c.name}
		}
	}
	return open, nil
}

// decode reads what encoding wrote, of a given size.
func decode(value any, size int) ([]byte, error) {
	s, _ := value.(string)
	b, err := encoding().DecodeString(s)
	if err != nil || len(b) != size || encoding().EncodeToString(b) != s {
		return nil, Malformed
	}
	return b, nil
}
