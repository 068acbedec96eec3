package uid

import (
	"errors"
	"math/big"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// uuidOf undoes FromUUID.
func uuidOf(t rapid.TB, u string) [16]byte {
	t.Helper()
	n, ok := new(big.Int).SetString(strings.TrimPrefix(u, "2.25."), 10)
	if !ok || n.BitLen() > 128 || !strings.HasPrefix(u, "2.25.") {
		t.Fatalf("%s is no UUID under 2.25", u)
	}
	var uuid [16]byte
	n.FillBytes(uuid[:])
	return uuid
}

func checkVersion(t rapid.TB, u string, want byte) {
	t.Helper()
	uuid := uuidOf(t, u)
	if version, variant := uuid[6]>>4, uuid[8]>>6; version != want || variant != 2 {
		t.Errorf("%s: version %d, variant %d; want %d, 2", u, version, variant, want)
	}
}

func TestNew(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		u := New()
		if err := Valid(u); err != nil {
			t.Fatalf("New() = %s: %v", u, err)
		}
		checkVersion(t, u, 4)
		if seen[u] {
			t.Fatalf("New() gave %s twice", u)
		}
		seen[u] = true
	}
}

func TestFromUUID(t *testing.T) {
	// The example of PS3.5 §B.2: f81d4fae-7dec-11d0-a765-00a0c91e6bf6.
	uuid := [16]byte{0xf8, 0x1d, 0x4f, 0xae, 0x7d, 0xec, 0x11, 0xd0, 0xa7, 0x65, 0x00, 0xa0, 0xc9, 0x1e, 0x6b, 0xf6}
	if got, want := FromUUID(uuid), "2.25.329800735698586629295641978511506172918"; got != want {
		t.Errorf("FromUUID = %s, want %s", got, want)
	}
	if got, want := FromUUID([16]byte{}), "2.25.0"; got != want {
		t.Errorf("FromUUID(0) = %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		uuid := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "uuid"))
		u := FromUUID(uuid)
		if err := Valid(u); err != nil || len(u) > 44 {
			t.Fatalf("FromUUID = %s: %v", u, err)
		}
		if uuidOf(t, u) != uuid {
			t.Fatalf("%s is not %x", u, uuid)
		}
	})
}

func TestDerive(t *testing.T) {
	// Computed apart, with another implementation of HMAC: fixed, because stored studies depend on it.
	const want = "2.25.253525249983018278803958769208741499337"
	if got := Derive([]byte("0123456789abcdef0123456789abcdef"), "1.2.840.10008.1.1"); got != want {
		t.Errorf("Derive = %s, want %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key")
		original := rapid.String().Draw(t, "original")
		u := Derive(key, original)
		if err := Valid(u); err != nil {
			t.Fatalf("Derive = %s: %v", u, err)
		}
		checkVersion(t, u, 8)
		if again := Derive(key, original); again != u {
			t.Fatalf("Derive gave %s, then %s", u, again)
		}
		if other := Derive(key, original+"1"); other == u {
			t.Fatalf("two originals have the same UID %s", u)
		}
		key[0] ^= 1
		if other := Derive(key, original); other == u {
			t.Fatalf("two keys give the same UID %s", u)
		}
	})
}

func TestValid(t *testing.T) {
	for _, s := range []string{
		"1.2.840.10008.1.2", "0.0", "2.25.0", "1", "1.0.10",
		strings.Repeat("1.", 31) + "12", // 64 characters
	} {
		if err := Valid(s); err != nil {
			t.Errorf("Valid(%q) = %v", s, err)
		}
	}
	for _, s := range []string{
		"", ".", "1.", ".1", "1..2", "1.02", "00.1", "1.00", "1.2a", "1.2 ", "1.2\x00", "-1.2", "1.²",
		strings.Repeat("1.", 32) + "1", // 65 characters
	} {
		if err := Valid(s); !errors.Is(err, ErrInvalid) {
			t.Errorf("Valid(%q) = %v, want ErrInvalid", s, err)
		}
	}
}

func TestValidAgreesWithTheRuleAsPattern(t *testing.T) {
	rule := regexp.MustCompile(`^(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))*$`)
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.StringOfN(rapid.RuneFrom([]rune("0012..9")), 0, 70, -1),
			rapid.StringMatching(`(0|[1-9][0-9]{0,9})(\.(0|[1-9][0-9]{0,9})){0,8}`),
			rapid.String(),
		).Draw(t, "s")
		want := rule.MatchString(s) && len(s) <= 64
		if err := Valid(s); (err == nil) != want {
			t.Fatalf("Valid(%q) = %v, the pattern says %t", s, err, want)
		}
	})
}

func FuzzValid(f *testing.F) {
	for _, s := range []string{"", "1.2.840.10008.1.2", "1..2", "01", "1.2\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if Valid(s) != nil {
			return
		}
		for component := range strings.SplitSeq(s, ".") {
			n, ok := new(big.Int).SetString(component, 10)
			if !ok || n.String() != component {
				t.Errorf("Valid accepted %q with the component %q", s, component)
			}
		}
	})
}
