package backup

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"lotse/internal/sealed/durable"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// Opened opens every file of a backup with its key; the rows are "tables".
func Opened(t *testing.T, dir, keyFile string) map[string][]byte {
	t.Helper()
	key, err := keyring.MasterFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	walk := func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || info.Name() == lockName {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		name := strings.TrimPrefix(filepath.ToSlash(rel), blobsFolder+"/")
		file, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		plain, err := sealer{key}.open(t.Context(), name, file)
		if strings.HasPrefix(name, tablesPrefix) {
			name = "tables"
		}
		all[name] = plain
		return err
	}
	if err := filepath.Walk(dir, walk); err != nil {
		t.Fatal(err)
	}
	return all
}

// Lock keeps backups out of a folder.
func Lock(t *testing.T, dir string) (unlock func()) {
	t.Helper()
	if _, err := durable.OpenFolder(dir); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return unlock
}

// TestRowsRoundTrip writes rows of any values and reads them back.
func TestRowsRoundTrip(t *testing.T) {
	value := rapid.OneOf(
		rapid.Just[any](nil),
		rapid.Map(rapid.Int64(), func(n int64) any { return n }),
		rapid.Map(rapid.String(), func(s string) any { return s }),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) any { return string(b) }), // often no UTF-8
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) any { return append([]byte{}, b...) }),
	)
	row := rapid.Custom(func(t *rapid.T) store.Row {
		r := store.Row{Table: rapid.SampledFrom([]string{"imports", "parts"}).Draw(t, "table")}
		r.Columns = map[string][]string{"imports": {"id", "name"}, "parts": {"x"}}[r.Table]
		for range r.Columns {
			r.Values = append(r.Values, value.Draw(t, "value"))
		}
		return r
	})
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(row, 1, 10).Draw(t, "rows")
		var file bytes.Buffer
		w := newRowWriter(&file)
		for _, r := range want {
			if err := w.write(r); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.flush(); err != nil {
			t.Fatal(err)
		}
		var got []store.Row
		err := readRows(&file, nil, func(r store.Row) error {
			got = append(got, r)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Fatal(d)
		}
	})
}

// FuzzRows: whatever is in a file of rows, reading it ends.
func FuzzRows(f *testing.F) {
	f.Add([]byte(`{"table":"a","columns":["b","c"]}` + "\n" + `[null,{"b":"AA=="}]` + "\n" + `["x\"",-7]` + "\n"))
	f.Add([]byte(`[1]`))
	f.Add([]byte(`{"table":"a","columns":[]}[]`))
	f.Fuzz(func(t *testing.T, file []byte) {
		_ = readRows(bytes.NewReader(file), nil, func(r store.Row) error {
			if r.Table == "" || len(r.Values) != len(r.Columns) {
				t.Errorf("%+v", r)
			}
			return nil
		})
	})
}

// TestSealBindsTheName: a sealed file opens under its own name and whole only.
func TestSealBindsTheName(t *testing.T) {
	s := sealer{keyring.NewKeyMaster(keyring.Key{1})}
	for _, size := range []int{1, payload - 1, payload, payload + 1, 3 * payload} {
		plain := bytes.Repeat([]byte("x"), size)
		file, err := s.seal(t.Context(), "a", plain)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := s.open(t.Context(), "a", file); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if !s.mine(t.Context(), "a", bytes.NewReader(file), int64(len(file)), int64(size)) {
			t.Errorf("%d bytes: not known again", size)
		}
		if s.mine(t.Context(), "b", bytes.NewReader(file), int64(len(file)), int64(size)) ||
			s.mine(t.Context(), "a", bytes.NewReader(file), int64(len(file)-1), int64(size)) {
			t.Errorf("%d bytes: another file is taken for this one", size)
		}
		if _, err := s.open(t.Context(), "b", file); err == nil {
			t.Errorf("%d bytes: opened under another name", size)
		}
		for _, cut := range []int{0, 1, len(file) / 2, len(file) - 1, len(file) - size%payload - overhead} {
			if _, err := s.open(t.Context(), "a", file[:cut]); err == nil {
				t.Errorf("%d bytes: opened when cut to %d", size, cut)
			}
			r, err := s.opening(t.Context(), "a", bufio.NewReader(bytes.NewReader(file[:cut])))
			if err == nil && size > 1 {
				if _, err = io.Copy(io.Discard, r); err == nil && cut > 200 {
					t.Errorf("%d bytes: a stream that is cut to %d ends well", size, cut)
				}
			}
		}
	}
}

// TestLongRows: a row may be longer than any buffer, and what is not wanted is
// counted and not parsed.
func TestLongRows(t *testing.T) {
	long := bytes.Repeat([]byte{7}, 3<<20)
	want := []store.Row{{Table: "a", Columns: []string{"x", "y"}, Values: []any{long, "1"}}, {Table: "a", Columns: []string{"x", "y"}, Values: []any{long[:1], "2"}},
		{Table: "b", Columns: []string{"z"}, Values: []any{int64(3)}}}
	var file bytes.Buffer
	w := newRowWriter(&file)
	for _, r := range want {
		if err := w.write(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.flush(); err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{"a", "b"} {
		i := 0
		err := readRows(bytes.NewReader(file.Bytes()), func(table string) bool { return table == wanted }, func(r store.Row) error {
			if r.Table == wanted && !reflect.DeepEqual(r, want[i]) || r.Table != wanted && r.Values != nil {
				t.Errorf("row %d of %s", i, r.Table)
			}
			i++
			return nil
		})
		if err != nil || i != len(want) {
			t.Errorf("%d rows, %v", i, err)
		}
	}
}
