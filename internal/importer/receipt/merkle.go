package receipt

import "crypto/sha256"

// tree is the Merkle tree hash of a list of entries (RFC 9162 §2.1.1), in memory of
// the logarithm of their number.
type tree struct {
	roots []root // of whole subtrees, larger ones first
	count int64
}

type root struct {
	hash   [sha256.Size]byte
	leaves int64 // a power of two
}

func (t *tree) add(entry []byte) {
	h := sha256.New()
	_, _ = h.Write([]byte{0})
	_, _ = h.Write(entry)
	r := root{leaves: 1}
	h.Sum(r.hash[:0])
	for n := len(t.roots); n > 0 && t.roots[n-1].leaves == r.leaves; n-- {
		r = root{node(t.roots[n-1].hash, r.hash), 2 * r.leaves}
		t.roots = t.roots[:n-1]
	}
	t.roots = append(t.roots, r)
	t.count++
}

func node(left, right [sha256.Size]byte) [sha256.Size]byte {
	both := append(append([]byte{1}, left[:]...), right[:]...)
	return sha256.Sum256(both)
}

func (t *tree) hash() [sha256.Size]byte {
	n := len(t.roots)
	if n == 0 {
		return sha256.Sum256(nil)
	}
	h := t.roots[n-1].hash
	for i := n - 2; i >= 0; i-- {
		h = node(t.roots[i].hash, h)
	}
	return h
}
