package receipt

import (
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Keys finds the public key of a key id; false when it is not trusted.
type Keys func(keyID string) (ed25519.PublicKey, bool)

// Verified is what a signed receipt proves, with its values or without.
type Verified struct {
	KeyID       string
	Version     string
	DryRun      bool
	Started     time.Time
	Finished    time.Time
	Destination string
	Problem     string
	Totals      Totals
	// Kept and Removed count the values by name, such as "patient" or "file".
	Kept, Removed map[string]int
}

// Redacted reports whether nothing is left of what a purge removes.
func (v *Verified) Redacted() bool { return len(v.Kept) == 0 }

// Verify reads a signed receipt and checks all of it: the signature, every value
// that is still there, and that the totals fit the items. What is wrong is an *InvalidError;
// other errors are those of r. Its memory is bounded.
func Verify(r io.Reader, keys Keys) (*Verified, error) {
	v := &Verified{Kept: map[string]int{}, Removed: map[string]int{}}
	found := func(name string, kept bool) {
		if kept {
			v.Kept[name]++
		} else {
			v.Removed[name]++
		}
	}
	var head object
	var items tree
	var count Receipt
	proof, err := scan(r, func(position int, whole object) error {
		open, err := check(whole, found)
		switch {
		case err != nil:
			return err
		case position < 0:
			head = open
			return nil
		}
		items.add(canonical(open))
		var it Item
		if json.Unmarshal(canonical(open), &it) != nil {
			return Malformed
		}
		count.count(it)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if err := v.prove(head, proof, &items, keys); err != nil {
		return nil, err
	}
	if !sameCounts(v.Totals, count.Totals) {
		return nil, &InvalidError{Flaw: WrongTotals, Position: -1}
	}
	return v, nil
}

// prove checks the signature and takes over what it covers.
func (v *Verified) prove(head, proof object, items *tree, keys Keys) error {
	invalid := func(flaw Flaw) error { return &InvalidError{Flaw: flaw, Position: -1} }
	signature, err := decode(proof.get("signature"), ed25519.SignatureSize)
	if err != nil || proof.text("algorithm") != algorithm || !proof.only("algorithm", "items", "items_root", "key_id", "signature") {
		return invalid(Malformed)
	}
	root := items.hash()
	if proof.text("items_root") != encoding().EncodeToString(root[:]) || proof.get("items") != items.count {
		return invalid(WrongSignature)
	}
	v.KeyID = proof.text("key_id")
	public, ok := keys(v.KeyID)
	switch {
	case !ok || len(public) != ed25519.PublicKeySize:
		return invalid(UnknownKey)
	case !ed25519.Verify(public, statement(head, proof), signature):
		return invalid(WrongSignature)
	}
	var h openHead
	if json.Unmarshal(canonical(head), &h) != nil {
		return invalid(Malformed)
	}
	v.Version, v.DryRun, v.Started, v.Finished = h.Version, h.DryRun, h.Started, h.Finished
	v.Destination, v.Problem, v.Totals = h.Destination, h.Problem, h.Totals
	return nil
}

// sameCounts compares what can be counted without the values.
func sameCounts(a, b Totals) bool {
	a.Bytes, a.BytesOut, b.Bytes, b.BytesOut = 0, 0, 0, 0
	return a == b
}

// scan reads a signed receipt and calls f with the head (position -1) and every
// item; it returns the proof.
func scan(r io.Reader, f func(position int, whole object) error) (object, error) {
	s := newScanner(r)
	position := -1
	proof, err := s.document(func(whole object) error {
		err := f(position, whole)
		if err == nil {
			position++
		}
		return err
	})
	var flaw Flaw
	var invalid *InvalidError
	switch {
	case errors.As(err, &invalid):
		invalid.Position = position
	case errors.As(err, &flaw):
		return nil, &InvalidError{Flaw: flaw, Position: position}
	}
	return proof, err
}

// document reads the members of the signed form, which stand in this order.
func (s *scanner) document(f func(whole object) error) (object, error) {
	if err := errors.Join(s.delim('{'), s.name("format"), s.name(Format), s.name("head")); err != nil {
		return nil, err
	}
	head, err := s.element()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f(head), s.name("items"), s.delim('[')); err != nil {
		return nil, err
	}
	for s.dec.More() {
		item, err := s.element()
		if err != nil {
			return nil, err
		}
		if err := f(item); err != nil {
			return nil, err
		}
	}
	s.next()
	if err := errors.Join(s.delim(']'), s.name("proof")); err != nil {
		return nil, err
	}
	proof, err := s.element()
	if err != nil {
		return nil, err
	}
	return proof, errors.Join(s.delim('}'), s.end())
}

// Redact copies a signed receipt without its values and salts, and so without names,
// UIDs and digests; what is left verifies as before. It checks nothing: Verify does.
// Its memory is bounded.
func Redact(w io.Writer, r io.Reader) error {
	var out *signedWriter
	proof, err := scan(r, func(position int, whole object) error {
		rest := newObject(member{"open", whole.get("open")})
		if position < 0 {
			out = newSignedWriter(w)
			out.head(rest)
			return nil
		}
		return out.item(rest)
	})
	if err != nil {
		return err
	}
	return out.end(proof)
}
