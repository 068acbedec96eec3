package archive

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lotse/internal/importer"
)

// secrets are files of all sizes that matter: none, less than a block of AES, more
// than a buffer.
func secrets() map[string]string {
	noise, x := make([]byte, 200_000), uint32(1)
	for i := range noise {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	return map[string]string{
		"IMG001": string(noise), "text": strings.Repeat("The quick brown fox. ", 20_000), "small": "x", "empty": "", "block": strings.Repeat("b", 512),
	}
}

// locked makes an archive of files with a tool, "zip" or "7z", in a folder of its own.
func locked(t testing.TB, contents map[string]string, tool string, args ...string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, content := range contents {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if tool == "7z" {
		args = append([]string{"a", "-tzip", "-bd"}, args...)
	}
	path := filepath.Join(t.TempDir(), "a.zip")
	run(t, dir, tool, append(append(args, path), names(contents)...)...)
	return readFile(t, path)
}

func names(contents map[string]string) []string {
	var all []string
	for name := range contents {
		all = append(all, name)
	}
	return all
}

func unlocked(t testing.TB, b []byte, password string) *Archive {
	t.Helper()
	a := open(t, b)
	if !a.Locked() {
		t.Fatal("not locked")
	}
	if !a.Unlock(password) {
		t.Fatalf("%q does not open it", password)
	}
	if a.Locked() {
		t.Fatal("still locked")
	}
	return a
}

func TestEncrypted(t *testing.T) {
	contents := secrets()
	tests := map[string][]string{
		"Info-ZIP":          {"zip", "-q", "-Psecret"},
		"Info-ZIP stored":   {"zip", "-q0", "-Psecret"},
		"Info-ZIP bzip2":    {"zip", "-qZbzip2", "-Psecret"},
		"Info-ZIP zip64":    {"zip", "-qfz", "-Psecret"},
		"7-Zip traditional": {"7z", "-psecret", "-mem=ZipCrypto"},
		"AES 128":           {"7z", "-psecret", "-mem=AES128"},
		"AES 192":           {"7z", "-psecret", "-mem=AES192"},
		"AES 256":           {"7z", "-psecret", "-mem=AES256"},
		"AES stored":        {"7z", "-psecret", "-mem=AES256", "-mx0"},
		"AES bzip2":         {"7z", "-psecret", "-mem=AES256", "-mm=BZip2"},
	}
	for name, args := range tests {
		t.Run(name, func(t *testing.T) {
			b := locked(t, contents, args[0], args[1:]...)
			refused := map[string]string{}
			for name := range contents {
				refused[name] = "!encrypted"
			}
			want(t, files(t, open(t, b)), refused)
			a := unlocked(t, b, "secret")
			want(t, files(t, a), contents)
			for i := range a.Len() {
				content := contents[a.Entry(i).Name]
				var head [4]byte
				if n := a.Head(i, head[:]); string(head[:n]) != content[:min(4, len(content))] {
					t.Errorf("head of %s: %q", a.Entry(i).Name, head[:n])
				}
				if _, ok := a.Stored(i); ok {
					t.Error("ciphertext is given as content")
				}
			}
			a = open(t, b)
			for _, wrong := range []string{"", "Secret", "secret ", strings.Repeat("s", 300)} {
				if a.Unlock(wrong) || !a.Locked() {
					t.Errorf("%q opens it", wrong)
				}
			}
			a.RefuseLocked(importer.ReasonPassword)
			if got := files(t, a)["text"]; got != "!wrong-password" || a.Locked() {
				t.Errorf("refused: %.30q", got)
			}
		})
	}
}

// TestAgainstPython lets another implementation open what we open.
func TestAgainstPython(t *testing.T) {
	b := locked(t, secrets(), "zip", "-q", "-Psecret")
	path := filepath.Join(t.TempDir(), "a.zip")
	out := t.TempDir()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, out, "/usr/bin/python3", "-c", "import zipfile\nzipfile.ZipFile('"+path+"').extractall(pwd=b'secret')")
	theirs := map[string]string{}
	for name := range secrets() {
		theirs[name] = string(readFile(t, filepath.Join(out, name)))
	}
	want(t, files(t, unlocked(t, b, "secret")), theirs)
}

func TestPasswordsBeyondASCII(t *testing.T) {
	contents := map[string]string{"a": "content", "b": strings.Repeat("b", 5000)}
	const password = "Müßig-Öl"
	for name, typed := range map[string]string{"UTF-8": password, "code page 437": "M\x81\xe1ig-\x99l", "Windows-1252": "M\xfc\xdfig-\xd6l"} {
		t.Run(name, func(t *testing.T) {
			want(t, files(t, unlocked(t, locked(t, contents, "zip", "-q", "-P"+typed), password)), contents)
		})
	}
	if n := len(encodings("ascii")) + len(encodings("пароль")); n != 2 {
		t.Errorf("%d encodings", n)
	}
}

// TestWrongPasswordsDoNotPassTheCheckByte: one in 256 passes it.
func TestWrongPasswordsDoNotPassTheCheckByte(t *testing.T) {
	for _, level := range []string{"-q0", "-q9"} {
		a := open(t, locked(t, map[string]string{"a": strings.Repeat("one small file ", 9)}, "zip", level, "-Psecret"))
		passed := 0
		for i := range 3000 {
			password := fmt.Sprint("wrong", i)
			a.lock = a.newLock([]byte(password))
			if !a.WrongPassword(0) {
				passed++
			}
			a.lock = nil
			if a.Unlock(password) {
				t.Fatalf("%q opens it", password)
			}
		}
		if passed == 0 {
			t.Error("no password passed the check byte: nothing was tested")
		}
	}
}

func TestPlainAndEncryptedMixed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain", "first", "second"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, "zip", "-q", "a.zip", "plain")
	run(t, dir, "zip", "-q", "-Pone", "a.zip", "first")
	run(t, dir, "zip", "-q", "-Ptwo", "a.zip", "second")
	b := readFile(t, filepath.Join(dir, "a.zip"))
	want(t, files(t, open(t, b)), map[string]string{"plain": "plain", "first": "!encrypted", "second": "!encrypted"})
	for password, expected := range map[string]map[string]string{
		"one": {"plain": "plain", "first": "first", "second": "!wrong-password"},
		"two": {"plain": "plain", "first": "!wrong-password", "second": "second"},
	} {
		a := unlocked(t, b, password)
		for i := range a.Len() {
			if a.WrongPassword(i) {
				a.Refuse(i, importer.ReasonPassword)
			}
		}
		want(t, files(t, a), expected)
	}
}

// single returns an archive of one file, and where its bytes begin and end.
func single(t testing.TB, content, tool string, args ...string) (b []byte, from, to int) {
	t.Helper()
	b = locked(t, map[string]string{"a": content}, tool, args...)
	a := open(t, b)
	at, _, err := a.data(&a.entries[0])
	if err != nil {
		t.Fatal(err)
	}
	return b, int(at), int(at + a.entries[0].packed)
}

func TestTamperedAES(t *testing.T) {
	content := strings.Repeat("genuine ", 20_000)
	for _, level := range []string{"-mx0", "-mx5"} {
		good, from, to := single(t, content, "7z", "-psecret", "-mem=AES256", level)
		for name, at := range map[string]int{"ciphertext": from + 18, "its end": to - 11, "code": to - 1} {
			b := bytes.Clone(good)
			b[at] ^= 1
			_, err := content1(unlocked(t, b, "secret"), 0)
			var fault *importer.OpenError
			if !errors.As(err, &fault) || fault.Reason != importer.ReasonUnreadable {
				t.Errorf("%s %s: %v", level, name, err)
			}
			if level == "-mx0" && !errors.Is(err, errTampered) {
				t.Errorf("%s %s: %v", level, name, err)
			}
		}
		for _, at := range []int{from, from + 16} { // salt, verifier
			b := bytes.Clone(good)
			b[at] ^= 1
			if open(t, b).Unlock("secret") {
				t.Error("the verifier is not looked at")
			}
		}
		// What nobody reads to its end is not judged.
		b := bytes.Clone(good)
		b[to-1] ^= 1
		r, err := unlocked(t, b, "secret").Open(0)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.ReadFull(r, make([]byte, 1000)); err != nil {
			t.Errorf("%d, %v", n, err)
		}
		_ = r.Close()
	}
}

// TestTrailingCiphertext: all of the ciphertext is authenticated, also what the
// inflater does not look at.
func TestTrailingCiphertext(t *testing.T) {
	b, _, to := single(t, strings.Repeat("genuine ", 2000), "7z", "-psecret", "-mem=AES256")
	longer := append(append(bytes.Clone(b[:to-aesCode]), make([]byte, 100_000)...), b[to-aesCode:]...)
	c := central(longer, 0)
	binary.LittleEndian.PutUint32(longer[c+20:], binary.LittleEndian.Uint32(longer[c+20:])+100_000)
	end := bytes.LastIndex(longer, []byte("PK\x05\x06"))
	binary.LittleEndian.PutUint32(longer[end+16:], binary.LittleEndian.Uint32(longer[end+16:])+100_000)
	if _, err := content1(unlocked(t, longer, "secret"), 0); !errors.Is(err, errTampered) {
		t.Error(err)
	}
}

// TestAE1 turns AE-2 into AE-1, which has a checksum besides.
func TestAE1(t *testing.T) {
	content := strings.Repeat("with a checksum ", 500)
	b, _, _ := single(t, content, "7z", "-psecret", "-mem=AES192")
	c := central(b, 0)
	marker := c + bytes.Index(b[c:], []byte("\x01\x99\x07\x00\x02\x00AE"))
	if marker < c {
		t.Fatal("no AE-2")
	}
	// AE-2 has none, and what stands there does not count.
	binary.LittleEndian.PutUint32(b[c+16:], 12345)
	want(t, files(t, unlocked(t, b, "secret")), map[string]string{"a": content})
	b[marker+4] = 1
	if _, err := content1(unlocked(t, b, "secret"), 0); !errors.Is(err, errChecksum) {
		t.Errorf("wrong checksum: %v", err)
	}
	binary.LittleEndian.PutUint32(b[c+16:], crc32.ChecksumIEEE([]byte(content)))
	want(t, files(t, unlocked(t, b, "secret")), map[string]string{"a": content})
	b[marker+4] = 3
	if a := open(t, b); a.Locked() || a.Entry(0).Refused != importer.ReasonEncrypted {
		t.Error("an unknown version may be opened")
	}
}

// TestDamagedEncrypted: the right password stays the right one when one file of
// several is damaged, and when all are.
func TestDamagedEncrypted(t *testing.T) {
	contents := map[string]string{"a": strings.Repeat("a", 50), "b": strings.Repeat("b", 60), "c": strings.Repeat("c", 70), "d": strings.Repeat("d", 80)}
	b := locked(t, contents, "zip", "-q0", "-Psecret")
	a := open(t, b)
	for i := range a.Len() {
		at, _, err := a.data(&a.entries[i])
		if err != nil {
			t.Fatal(err)
		}
		b[at+20] ^= 1
		for j := range a.Len() {
			_, err := content1(unlocked(t, b, "secret"), j)
			if damaged := errors.Is(err, errChecksum); damaged != (j <= i) {
				t.Errorf("%d of %d damaged, %d: %v", i+1, a.Len(), j, err)
			}
		}
	}
}

func TestTruncatedEncrypted(t *testing.T) {
	content := strings.Repeat("genuine ", 2000)
	for _, tool := range [][]string{{"zip", "-q", "-Psecret"}, {"7z", "-psecret", "-mem=AES256"}} {
		good, from, to := single(t, content, tool[0], tool[1:]...)
		for _, length := range []int{0, 1, 11, 12, 17, 20, 27, 28, to - from - 11, to - from - 1} {
			b := bytes.Clone(good)
			binary.LittleEndian.PutUint32(b[central(b, 0)+20:], uint32(length))
			a := open(t, b)
			a.Unlock("secret")
			got, err := content1(a, 0)
			var fault *importer.OpenError
			if !errors.As(err, &fault) || errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, %d bytes: %v", tool[0], length, err)
			}
			if len(got) > len(content) {
				t.Errorf("%d bytes", len(got))
			}
		}
		b := bytes.Clone(good) // the file says more than there is
		binary.LittleEndian.PutUint32(b[central(b, 0)+20:], uint32(to-from+200))
		if a := open(t, b); a.Unlock("secret") {
			t.Error("opens")
		}
	}
}

// TestBeyondPasswords: what no password opens here is said to be encrypted.
func TestBeyondPasswords(t *testing.T) {
	good, _, _ := single(t, "content", "zip", "-q", "-Psecret")
	for _, flag := range []uint16{flagStrong, flagMasked} {
		b := bytes.Clone(good)
		at := central(b, 0) + 8
		binary.LittleEndian.PutUint16(b[at:], binary.LittleEndian.Uint16(b[at:])|flag)
		a := open(t, b)
		if a.Locked() || a.Unlock("secret") || a.Entry(0).Refused != importer.ReasonEncrypted {
			t.Errorf("flag %x: %+v", flag, a.Entry(0))
		}
	}
	// An end record of version 2 says that the directory is encrypted (7.3.4).
	end64 := make([]byte, end64Record+28)
	copy(end64, "PK\x06\x06")
	binary.LittleEndian.PutUint64(end64[4:], uint64(len(end64)-12))
	end64[14] = 62
	binary.LittleEndian.PutUint64(end64[40:], 100)
	binary.LittleEndian.PutUint16(end64[end64Record+18:], 0x6610) // AES-256
	locator := append([]byte("PK\x06\x07"), make([]byte, 16)...)
	binary.LittleEndian.PutUint64(locator[8:], 100)
	end := append([]byte("PK\x05\x06"), make([]byte, 18)...)
	for i := 8; i < 20; i++ {
		end[i] = 0xff
	}
	b := bytes.Join([][]byte{make([]byte, 100), end64, locator, end}, nil)
	if _, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{}); !errors.Is(err, ErrEncrypted) {
		t.Error(err)
	}
	end64[end64Record+18], end64[end64Record+19] = 0, 0
	b = bytes.Join([][]byte{make([]byte, 100), end64, locator, end}, nil)
	if _, err := Open(bytes.NewReader(b), int64(len(b)), LocalBuffer, Limits{}); !errors.Is(err, ErrFormat) {
		t.Error(err)
	}
}

// TestLocalHeaderContradicts: what the directory says plain is never given as
// ciphertext, nor deciphered what is plain.
func TestLocalHeaderContradicts(t *testing.T) {
	b, _, _ := single(t, "content", "zip", "-q", "-Psecret")
	b[6] &^= flagEncrypted
	if open(t, b).Unlock("secret") {
		t.Error("opens what its local header says is not encrypted")
	}
	b, _, _ = single(t, "content", "zip", "-q")
	b[6] |= flagEncrypted
	want(t, files(t, open(t, b)), map[string]string{"a": "!encrypted"})
}

func TestConcurrentDeciphering(t *testing.T) {
	contents := secrets()
	for _, tool := range [][]string{{"zip", "-q", "-Psecret"}, {"7z", "-psecret", "-mem=AES256"}} {
		a := unlocked(t, locked(t, contents, tool[0], tool[1:]...), "secret")
		var wg sync.WaitGroup
		for range 6 {
			wg.Go(func() {
				for range 3 {
					for i := range a.Len() {
						if b, err := content1(a, i); err != nil || string(b) != contents[a.Entry(i).Name] {
							t.Errorf("%s: %v", a.Entry(i).Name, err)
						}
					}
				}
			})
		}
		wg.Wait()
	}
}

func BenchmarkDecipher(b *testing.B) {
	content := strings.Repeat(secrets()["IMG001"], 40)
	for _, tool := range [][]string{{"zip", "-q0"}, {"zip", "-q0", "-Psecret"}, {"7z", "-psecret", "-mem=AES256", "-mx0"}} {
		if _, err := exec.LookPath(tool[0]); err != nil {
			b.Skip(err)
		}
		a := open(b, locked(b, map[string]string{"a": content}, tool[0], tool[1:]...))
		a.Unlock("secret")
		b.Run(strings.Join(tool, " "), func(b *testing.B) {
			b.SetBytes(int64(len(content)))
			b.ReportAllocs()
			for b.Loop() {
				r, err := a.Open(0)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, r); err != nil {
					b.Fatal(err)
				}
				_ = r.Close()
			}
		})
	}
	b.Run("derive", func(b *testing.B) {
		for b.Loop() {
			if _, err := newAESSecrets([]byte("secret"), make([]byte, 16), 32); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// An encrypted entry without content agrees with every 256th password: that alone
// must not open an archive.
func TestEmptyEntryDoesNotVouch(t *testing.T) {
	b := locked(t, map[string]string{"empty": "", "text": "a text that only the right password gives"}, "zip", "-q", "-Psecret")
	a := open(t, b)
	for n := range 1500 {
		if wrong := fmt.Sprint("wrong", n); a.Unlock(wrong) {
			t.Fatalf("%q opens it", wrong)
		}
	}
	if !a.Unlock("secret") {
		t.Error("the right password does not open it")
	}
}
