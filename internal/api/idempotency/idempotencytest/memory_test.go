package idempotencytest

import "testing"

func TestMemory(t *testing.T) {
	m := NewMemory()
	Suite(t, m, [2]string{"a", "b"}, m.Expire)
}
