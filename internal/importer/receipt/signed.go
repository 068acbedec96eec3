package receipt

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
)

// Format names the signed form, in its first member.
const Format = "lotse-receipt/1"

// algorithm of the signature (RFC 8032).
const algorithm = "Ed25519"

// Signer signs receipts.
type Signer interface {
	// KeyID names the key, for who verifies.
	KeyID() string
	// Sign returns the Ed25519 signature of a message (RFC 8032 §5.1).
	Sign(ctx context.Context, message []byte) ([]byte, error)
}

// Key is a Signer whose key is in memory.
type Key ed25519.PrivateKey

// KeyID implements Signer.
func (k Key) KeyID() string { return KeyID(k.Public()) }

// Public is the key to verify with.
func (k Key) Public() ed25519.PublicKey {
	return ed25519.PublicKey(k[ed25519.PrivateKeySize-ed25519.PublicKeySize:])
}

// Sign implements Signer.
func (k Key) Sign(_ context.Context, message []byte) ([]byte, error) {
	return ed25519.Sign(ed25519.PrivateKey(k), message), nil
}

// Format prints nothing of the key, for any verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "receipt.Key[redacted]") }

// KeyID is the first half of the SHA-256 of a public key, in hexadecimal.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:sha256.Size/2])
}

// WriteSigned writes the signed form: every value that is personal or names the exam
// stands beside a salted commitment to it, and the signature covers the commitments;
// so Redact can remove the values later, and the rest still verifies. The form is
// described in docs/receipt.md. Its memory does not depend on the number of items.
func (r *Receipt) WriteSigned(ctx context.Context, w io.Writer, signer Signer) error {
	return r.writeSigned(ctx, w, signer, bufio.NewReader(rand.Reader))
}

func (r *Receipt) writeSigned(ctx context.Context, w io.Writer, signer Signer, random io.Reader) error {
	out := newSignedWriter(w)
	e, err := headEntry(r.Head)
	if err != nil {
		return err
	}
	whole, head, err := e.seal(random)
	if err != nil {
		return err
	}
	out.head(whole)
	var items tree
	err = r.Items(func(it Item) error {
		e, err := itemEntry(it)
		if err != nil {
			return err
		}
		whole, open, err := e.seal(random)
		if err != nil {
			return err
		}
		items.add(canonical(open))
		return out.item(whole)
	})
	if err != nil {
		return err
	}
	root := items.hash()
	proof := newObject(member{"algorithm", algorithm}, member{"items", items.count},
		member{"items_root", encoding().EncodeToString(root[:])}, member{"key_id", signer.KeyID()})
	signature, err := signer.Sign(ctx, statement(head, proof))
	if err != nil {
		return fmt.Errorf("receipt: sign: %w", err)
	}
	return out.end(newObject(append(proof, member{"signature", encoding().EncodeToString(signature)})...))
}

// statement is what is signed: the format, the open head, and the proof but the
// signature, in canonical JSON.
func statement(head, proof object) []byte {
	members := []member{{"format", Format}, {"head", head}}
	for _, m := range proof {
		if m.name != "signature" {
			members = append(members, m)
		}
	}
	return canonical(newObject(members...))
}

// signedWriter writes the members of the signed form in their order, an entry in a
// line. bufio keeps the first error for the end.
type signedWriter struct {
	out   *bufio.Writer
	items int
}

func newSignedWriter(w io.Writer) *signedWriter { return &signedWriter{out: bufio.NewWriter(w)} }

func (s *signedWriter) head(whole object) {
	_, _ = s.out.WriteString("{\"format\":\"" + Format + "\",\n\"head\":")
	_, _ = s.out.Write(canonical(whole))
	_, _ = s.out.WriteString(",\n\"items\":[")
}

func (s *signedWriter) item(whole object) error {
	if s.items++; s.items > 1 {
		_ = s.out.WriteByte(',')
	}
	_ = s.out.WriteByte('\n')
	if _, err := s.out.Write(canonical(whole)); err != nil {
		return fmt.Errorf("receipt: write: %w", err)
	}
	return nil
}

func (s *signedWriter) end(proof object) error {
	_, _ = s.out.WriteString("\n],\n\"proof\":")
	_, _ = s.out.Write(canonical(proof))
	_, _ = s.out.WriteString("}\n")
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("receipt: write: %w", err)
	}
	return nil
}
