package charset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// writeFile writes a Part 10 file with one element of text, Explicit VR Little
// Endian.
func writeFile(t *testing.T, set string, kind Kind, raw string) string {
	t.Helper()
	const class, instance, syntax = "1.2.840.10008.5.1.4.1.1.7\x00", "1.2.3\x00", "1.2.840.10008.1.2.1\x00"
	meta := element(2, 1, "OB", "\x00\x01") + element(2, 2, "UI", class) + element(2, 3, "UI", instance) +
		element(2, 0x10, "UI", syntax) + element(2, 0x12, "UI", instance)
	length := string(binary.LittleEndian.AppendUint32(nil, uint32(len(meta))))
	body := element(8, 5, "CS", set)
	switch kind {
	case Text:
		body += element(0x10, 0x4000, "LT", raw)
	case Multi:
		body += element(8, 0x103E, "LO", raw)
	case PersonName:
		body += element(0x10, 0x10, "PN", raw)
	}
	file := strings.Repeat("\x00", 128) + "DICM" + element(2, 0, "UL", length) + meta + body
	path := filepath.Join(t.TempDir(), "text.dcm")
	if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func element(group, number uint16, vr, value string) string {
	if len(value)%2 == 1 {
		value += " "
	}
	b := binary.LittleEndian.AppendUint16(nil, group)
	b = binary.LittleEndian.AppendUint16(b, number)
	b = append(b, vr...)
	if vr == "OB" {
		b = binary.LittleEndian.AppendUint32(append(b, 0, 0), uint32(len(value)))
	} else {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(value)))
	}
	return string(b) + value
}

// jsonText is the text of the element that writeFile wrote, as dcm2json tells it.
func jsonText(out []byte) (string, error) {
	var dataset map[string]struct{ Value []any }
	if err := json.Unmarshal(out, &dataset); err != nil {
		return "", err
	}
	var values []string
	for tag, e := range dataset {
		if tag == "00080005" {
			continue
		}
		for _, value := range e.Value {
			switch v := value.(type) {
			case map[string]any:
				groups := make([]string, 3)
				for i, group := range []string{"Alphabetic", "Ideographic", "Phonetic"} {
					groups[i], _ = v[group].(string)
				}
				values = append(values, strings.TrimRight(strings.Join(groups, "="), "="))
			default:
				values = append(values, fmt.Sprint(v))
			}
		}
	}
	return strings.Join(values, `\`), nil
}

// dcmtkDiffers are the examples that dcmtk 3.6.7 on glibc reads in another way, or
// not at all, and why.
func dcmtkDiffers() map[string]string {
	return map[string]string{
		"IR 13 values":               "the separator becomes a yen sign, too",
		"GB 2312 inside lines":       "fails on a second line that does not begin with the escape sequence",
		"romaji by escape":           "knows one active set only",
		"own escape in a single set": "no code extensions for a single set",
	}
}

// errUnsupported is a set that dcmtk cannot convert from with its iconv.
var errUnsupported = errors.New("not supported by this dcmtk")

// convert has dcmtk convert a file to UTF-8 with both of its programs, which have
// to agree, and returns the text.
func convert(t *testing.T, set string, kind Kind, raw string) (string, error) {
	t.Helper()
	path := writeFile(t, set, kind, raw)
	direct, err := dcm2json(path)
	if err != nil {
		return "", err
	}
	converted := path + ".utf8"
	if out, err := exec.Command("dcmconv", "+U8", path, converted).CombinedOutput(); err != nil {
		return "", fmt.Errorf("dcmconv +U8: %w: %s", err, out)
	}
	text, err := dcm2json(converted)
	if err != nil || text != direct {
		t.Fatalf("dcmconv and dcm2json disagree: %q, %q, %v", text, direct, err)
	}
	return direct, nil
}

func dcm2json(path string) (string, error) {
	var complaint bytes.Buffer
	cmd := exec.Command("dcm2json", path)
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil && strings.Contains(complaint.String(), "not supported") {
		return "", errUnsupported
	}
	if err != nil {
		return "", fmt.Errorf("dcm2json: %w: %s", err, complaint.String())
	}
	return jsonText(out)
}

func requireDcmtk(t *testing.T) {
	t.Helper()
	for _, program := range []string{"dcm2json", "dcmconv"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("dcmtk is not installed: %v", err)
		}
	}
}

func TestExamplesAgreeWithDcmtk(t *testing.T) {
	requireDcmtk(t)
	differs, compared := dcmtkDiffers(), 0
	for _, e := range examples() {
		t.Run(e.name, func(t *testing.T) {
			got, err := convert(t, e.set, e.kind, e.raw)
			if errors.Is(err, errUnsupported) {
				t.Skipf("dcmtk cannot convert from %s here", e.set)
			}
			compared++
			same := err == nil && strings.TrimRight(got, "= ") == strings.TrimRight(e.want, "= ")
			if why, ok := differs[e.name]; ok == same {
				t.Errorf("dcmtk decodes %q, %v; wanted %q (expected a difference: %q)", got, err, e.want, why)
			}
		})
	}
	if compared < 10 {
		t.Errorf("only %d examples could be compared", compared)
	}
}

// Every 96-character set by its escape sequence, as PS3.3 Table C.12-3 gives it.
func TestEscapeSequencesAgreeWithDcmtk(t *testing.T) {
	requireDcmtk(t)
	for number, final := range map[string]string{"100": "A", "101": "B", "109": "C", "110": "D", "144": "L", "127": "G",
		"126": "F", "138": "H", "148": "M", "166": "T"} {
		t.Run(number, func(t *testing.T) {
			raw := "\x1b-" + final + "a\xe4\xe8\xe9\xea"
			set := `\ISO 2022 IR ` + number
			want, ok := mustParse(t, set).Decode(Text, []byte(raw))
			alone, _ := mustParse(t, "ISO_IR "+number).Decode(Text, []byte(raw[3:]))
			got, err := convert(t, set, Text, raw)
			if !ok || err != nil || strings.TrimRight(got, " ") != want || want != alone {
				t.Errorf("dcmtk decodes %q, %v; we %q (%v), without escape sequence %q", got, err, want, ok, alone)
			}
		})
	}
}

func TestSingleByteTablesAgreeWithDcmtk(t *testing.T) {
	requireDcmtk(t)
	for _, set := range []string{"ISO_IR 100", "ISO_IR 101", "ISO_IR 109", "ISO_IR 110", "ISO_IR 126", "ISO_IR 127",
		"ISO_IR 138", "ISO_IR 144", "ISO_IR 148", "ISO_IR 166", "ISO_IR 13"} {
		t.Run(set, func(t *testing.T) {
			s := mustParse(t, set)
			var raw []byte
			for c := 0xA1; c <= 0xFF; c++ {
				if s.Valid(Text, []byte{byte(c)}) {
					raw = append(raw, byte(c))
				}
			}
			want, _ := s.Decode(Text, raw)
			got, err := convert(t, set, Text, string(raw))
			if err != nil || strings.TrimRight(got, " ") != want {
				t.Errorf("dcmtk decodes %q, %v; we %q", got, err, want)
			}
		})
	}
}
