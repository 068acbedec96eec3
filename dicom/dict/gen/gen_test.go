package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := generate("../data")
	if err != nil {
		t.Fatal(err)
	}
	present, err := filepath.Glob("../*_gen.go")
	if err != nil || len(present) != len(files) {
		t.Errorf("%d generated files present (%v), want %d", len(present), err, len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what the data give: run go generate ./dicom/dict", name)
		}
	}
}

func TestParseTag(t *testing.T) {
	for _, c := range []struct {
		in        string
		tag, mask uint32
	}{
		{"(0010,0020)", 0x00100020, 0xFFFFFFFF},
		{"(60XX,3000)", 0x60003000, 0xFF00FFFF},
		{"(0028,04X0)", 0x00280400, 0xFFFFFF0F},
		{"(1000,XXX5)", 0x10000005, 0xFFFF000F},
		{"(1010,XXXX)", 0x10100000, 0xFFFF0000},
	} {
		tag, mask, err := parseTag(c.in)
		if tag != c.tag || mask != c.mask || err != nil {
			t.Errorf("parseTag(%q) = %08X, %08X, %v; want %08X, %08X", c.in, tag, mask, err, c.tag, c.mask)
		}
	}
	for _, bad := range []string{"", "0010,0020", "(0010;0020)", "(0010,00G0)", "(0010,00200)"} {
		if _, _, err := parseTag(bad); err == nil {
			t.Errorf("parseTag(%q) accepted", bad)
		}
	}
}

func TestDamagedDataIsRefused(t *testing.T) {
	for name, damage := range map[string]struct{ file, from, to string }{
		"column":       {"attributes.tsv", "tag\tkeyword", "keyword\ttag"},
		"fields":       {"attributes.tsv", "\tPatient ID", ""},
		"retired":      {"commands.tsv", "\tY\t", "\tyes\t"},
		"syntax flags": {"transfer-syntaxes.tsv", "deflated", "inflated"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("../data")); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, damage.file)
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			changed := strings.Replace(string(data), damage.from, damage.to, 1)
			if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := generate(dir); err == nil {
				t.Error("generate accepted the data")
			}
		})
	}
}
