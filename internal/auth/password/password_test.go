package password

import (
	"context"
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"testing"
)

// cheap makes tests fast; what is checked does not depend on the cost.
var cheap = Params{Memory: 64, Time: 1, Threads: 1}

// TestHash: the right password opens, no other does, and nothing of it is in the hash.
func TestHash(t *testing.T) {
	h := New(cheap, DefaultMemory)
	const plain = "Zwölf Boxkämpfer"
	hash, err := h.Hash(t.Context(), plain)
	if err != nil || strings.Contains(hash, plain) || !strings.HasPrefix(hash, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Fatalf("%q, %v", hash, err)
	}
	again, _ := h.Hash(t.Context(), plain)
	if again == hash {
		t.Error("two hashes have the same salt")
	}
	for password, want := range map[string]bool{plain: true, "Zwo\u0308lf Boxka\u0308mpfer": true, "zwölf Boxkämpfer": false, "": false, plain + " ": false} {
		ok, outdated, err := h.Verify(t.Context(), hash, password)
		if ok != want || outdated || err != nil {
			t.Errorf("%q: %v, outdated %v, %v", password, ok, outdated, err)
		}
	}
	if ok, outdated, err := New(Params{Memory: 128, Time: 1, Threads: 1}, DefaultMemory).Verify(t.Context(), hash, plain); !ok || !outdated || err != nil {
		t.Errorf("with other parameters: %v, outdated %v, %v", ok, outdated, err)
	}
	for _, damaged := range []string{"", "x", hash[:len(hash)-1], strings.Replace(hash, "m=64", "m=4294967295", 1), strings.Replace(hash, "t=1", "t=0", 1),
		strings.Replace(hash, "argon2id", "argon2i", 1), hash + "A", strings.Replace(hash, "v=19", "v=16", 1)} {
		if _, _, err := h.Verify(t.Context(), damaged, plain); !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", damaged, err)
		}
	}
}

// TestWork: nobody's password costs the same as somebody's, and too many are turned
// away before they cost anything.
func TestWork(t *testing.T) {
	h := New(cheap, DefaultMemory)
	hash, err := h.Hash(t.Context(), "something else")
	if err != nil {
		t.Fatal(err)
	}
	before := h.Runs()
	if _, _, err := h.Verify(t.Context(), hash, "wrong"); err != nil {
		t.Fatal(err)
	}
	one := h.Runs() - before
	if err := h.Waste(t.Context(), "wrong"); err != nil || one != 1 || h.Runs()-before != 2 {
		t.Errorf("%d runs, %v", h.Runs()-before, err)
	}
	if n := cap(New(Params{Memory: 1 << 20, Time: 1, Threads: 1}, 1<<20).slots); n != 1 {
		t.Errorf("%d at once in too little memory", n)
	}
	for range cap(h.slots) {
		h.slots <- struct{}{}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Hash(ended, "x"); !errors.Is(err, context.Canceled) {
		t.Errorf("nobody waits any more: %v", err)
	}
	h.waiting.Store(maxWaiting)
	var busy BusyError
	if _, err := h.Hash(t.Context(), "x"); !errors.As(err, &busy) || !busy.Temporary() {
		t.Errorf("too many: %v", err)
	}
}

// TestCheck: what is tried first is refused, and what is long and of one's own is not,
// whatever characters it has.
func TestCheck(t *testing.T) {
	for plain, want := range map[string]Weakness{
		"":                             Short,
		"kurz":                         Short,
		"elf Zeichen":                  Short,
		strings.Repeat("ä", 12):        Common,
		"123456789012":                 Common,
		"098765432109":                 Common,
		"abcdefghijkl":                 Common,
		"abcabcabcabc":                 Common,
		"qwertzuiopü1":                 Common,
		"1qaz2wsx3edc":                 Common,
		"Password2024!":                Common,
		"P@ssw0rd2025!":                Common,
		"passwordpassword":             Common,
		"Sommer2024Winter":             Common,
		"Krankenhaus123!":              Common,
		"Röntgen12345":                 Common,
		"letmeinletmein!":              Common,
		"Lotse2026Lotse":               Common,
		"Musterfrau1985":               Common,
		"Brunhilde-1985":               Personal,
		"brunhilde.zwerg!":             Personal,
		"zwerg zwerg zwerg zwerg":      Personal,
		"correct horse battery staple": "",
		"vier wilde Hirsche tanzen":    "",
		"kX9q2vLm4tR7":                 "",
		"gzjfbwydklqm":                 "",
		"дванадцять слів тут":          "",
		strings.Repeat("Satz ohne Sinn und Zweck 7. ", 9): "",
		strings.Repeat("x", 257):                          Long,
	} {
		if got := Check(plain, "b.zwerg", "Brunhilde Zwerg", "brunhilde@example.org"); got != want {
			t.Errorf("%q: %q instead of %q", plain, got, want)
		}
	}
	if n := len(known()); n < 400 {
		t.Errorf("only %d words are known", n)
	}
}

// TestBudget: no more than the computer has to give.
func TestBudget(t *testing.T) {
	before := debug.SetMemoryLimit(-1)
	defer debug.SetMemoryLimit(before)
	debug.SetMemoryLimit(100 << 20)
	if got := Budget(); got > 25<<20 {
		t.Errorf("%d of 100 MiB", got>>20)
	}
	debug.SetMemoryLimit(before)
	if got := Budget(); got > DefaultMemory || got <= 0 {
		t.Errorf("%d", got)
	}
	for text, want := range map[string]int64{"max\n": math.MaxInt64, "1048576\n": 1 << 20, "": math.MaxInt64, "0": math.MaxInt64} {
		if got := container(text); got != want {
			t.Errorf("%q: %d", text, got)
		}
	}
}
