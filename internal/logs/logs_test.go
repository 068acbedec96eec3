package logs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestNoAddresses: an address is in no line, wherever it stood; what only looks like one
// stays.
func TestNoAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"read tcp 10.0.0.1:104->203.0.113.7:51000: reset": "read tcp [address]:104->[address]:51000: reset",
		"dial tcp [2001:db8::1]:443: refused":             "dial tcp [[address]]:443: refused",
		"from fe80::1%eth0 again":                         "from [address] again",
		"http: TLS handshake error from 192.0.2.1:5: EOF": "http: TLS handshake error from [address]:5: EOF",
		"::1": "[address]", "1.2.3.4": "[address]", "::ffff:10.0.0.1": "[address]",
		"1.2.840.10008.1.1": "1.2.840.10008.1.1", "v1.2.3": "v1.2.3", "at 12:30:15": "at 12:30:15", "10.0.0": "10.0.0", "a:b": "a:b", "x::": "x::", "": "",
		"0198c0de-0000-7000-8000-000000000000": "0198c0de-0000-7000-8000-000000000000", "2026-12-01T15:10:45Z": "2026-12-01T15:10:45Z", "dead.beef": "dead.beef", "face": "face",
	} {
		if got := withoutAddresses(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for _, json := range []bool{false, true} {
		var out bytes.Buffer
		log := New(&out, slog.LevelDebug, json)
		address := netip.MustParseAddr("203.0.113.7")
		log.Debug("from 203.0.113.7", "err", errors.New("at 203.0.113.7:1"), "peer", address, "text", "203.0.113.7", "list", []string{"203.0.113.7"},
			slog.Group("g", "deep", address), "n", 5)
		log.With("peer", "203.0.113.7").WithGroup("h").Info("x", "also", fmt.Stringer(address))
		if strings.Contains(out.String(), "203.0.113.7") || strings.Count(out.String(), Hidden) < 8 || !strings.Contains(out.String(), "5") {
			t.Errorf("json %t:\n%s", json, &out)
		}
	}
}

// TestNoStructs: what does not say itself what it is stays out.
func TestNoStructs(t *testing.T) {
	type patient struct{ Name string }
	for _, json := range []bool{false, true} {
		var out bytes.Buffer
		log := New(&out, slog.LevelDebug, json)
		log.Info("x", "a", patient{"Erika"}, "b", &patient{"Erika"}, "c", map[string]string{"name": "Erika"}, "d", []patient{{"Erika"}}, "e", []any{"Erika"},
			"f", []string{"fine"}, "g", errors.New("good"), "h", nil)
		if strings.Contains(out.String(), "Erika") || !strings.Contains(out.String(), "fine") || !strings.Contains(out.String(), "good") || strings.Count(out.String(), "[redacted]") != 5 {
			t.Errorf("json %t:\n%s", json, &out)
		}
	}
}

// clock is a clock that a test sets.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

func contents(t *testing.T, dir string) (names []string, text string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		raw, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		names, text = append(names, e.Name()), text+string(raw)
	}
	return names, text
}

// TestLinesEnd: no line outlives its time, on two nodes that share a folder, also when
// one of them is killed and nothing is written any more; what others put there stays.
func TestLinesEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "logs")
	c := &clock{at: time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)}
	a, err := open(dir, MaxKeep, c.now)
	if err != nil {
		t.Fatal(err)
	}
	killed, err := open(dir, MaxKeep, c.now) // never closed
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "lotse-notes.log"), []byte("notes\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(a, "first line")
	fmt.Fprintln(killed, "line of the killed")
	c.add(turn)
	fmt.Fprintln(a, "second line")
	names, text := contents(t, dir)
	if len(names) != 4 || !strings.Contains(text, "first line\n") || !strings.Contains(text, "line of the killed\n") {
		t.Fatalf("after a day: %v\n%s", names, text)
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
	c.add(MaxKeep - turn - time.Second)
	a.tidy()
	if _, text := contents(t, dir); !strings.Contains(text, "first line") {
		t.Error("a line was deleted too early")
	}
	c.add(time.Second)
	a.tidy()
	if _, text := contents(t, dir); strings.Contains(text, "first line") || strings.Contains(text, "killed") || !strings.Contains(text, "second line") || !strings.Contains(text, "notes") {
		t.Errorf("after their time:\n%s", text)
	}
	c.add(turn)
	a.tidy()
	if _, text := contents(t, dir); text != "notes\n" {
		t.Errorf("in the end:\n%s", text)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	if _, err := a.Write([]byte("x")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("after its end: %v", err)
	}
}

// TestLargeFileTurns begins a new file when one is large, and loses no line.
func TestLargeFileTurns(t *testing.T) {
	dir := t.TempDir()
	f, err := open(dir, time.Hour, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	line := bytes.Repeat([]byte("x"), 16<<20)
	for range 9 {
		if n, err := f.Write(line); n != len(line) || err != nil {
			t.Fatal(n, err)
		}
	}
	names, text := contents(t, dir)
	if len(names) != 3 || len(text) != 9*len(line) {
		t.Errorf("%d files with %d bytes", len(names), len(text))
	}
}

// TestFolderThatCannotBe says so at the start.
func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(file, time.Hour); err == nil || !strings.Contains(err.Error(), "log.dir") {
		t.Errorf("%v", err)
	}
}
