package dlx

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// maxEntries bounds every array of an answer; the body's limit alone would
// let a few megabytes of "{}," become hundreds in memory.
const maxEntries = 50_000

var (
	errEntries     = errors.New("too many entries")
	errUndecodable = errors.New("not the expected JSON")
)

// tidyJSON returns an answer as UTF-8 without a byte order mark. What is not
// UTF-8 is read as Windows-1252, which portals mean when they send umlauts so.
func tidyJSON(body []byte) []byte {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	if utf8.Valid(body) {
		return body
	}
	decoded, err := charmap.Windows1252.NewDecoder().Bytes(body)
	if err != nil {
		return body
	}
	return decoded
}

// text is a string; a number or a boolean is taken as its spelling, anything
// else as empty.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case len(b) == 0 || b[0] == '{' || b[0] == '[' || string(b) == "null":
	case b[0] == '"':
		if err := json.Unmarshal(b, &s); err != nil {
			return errUndecodable
		}
	default:
		s = string(b)
	}
	*t = text(s)
	return nil
}

// count is a whole number, also when written as a string or with a fraction;
// absent reports as false.
type count struct {
	n     int64
	known bool
}

func (c *count) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(string(t)), 64)
	if err != nil || math.IsNaN(f) || math.Abs(f) > 1<<53 {
		*c = count{}
		return nil
	}
	*c = count{n: int64(math.Ceil(f)), known: true}
	return nil
}

// flag is a boolean, also as a string or a number.
type flag bool

func (f *flag) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	switch strings.ToLower(strings.TrimSpace(string(t))) {
	case "true", "1", "yes":
		*f = true
	default:
		*f = false
	}
	return nil
}

// many is an array, also when a single element stands in its place.
type many[T any] []T

func (m *many[T]) UnmarshalJSON(b []byte) error {
	*m = nil
	if string(b) == "null" {
		return nil
	}
	if len(b) == 0 || b[0] != '[' {
		var one T
		if err := json.Unmarshal(b, &one); err != nil {
			return errUndecodable
		}
		*m = many[T]{one}
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	if _, err := dec.Token(); err != nil {
		return errUndecodable
	}
	for dec.More() {
		if len(*m) == maxEntries {
			return errEntries
		}
		var element *T
		if err := dec.Decode(&element); err != nil {
			return errUndecodable
		}
		if element != nil {
			*m = append(*m, *element)
		}
	}
	return nil
}

// day is a date as portals write it: YYYY-MM-DD or YYYYMMDD, with or without
// a time behind it, as a string or a number, or as [year, month, day].
type day Date

func (d *day) UnmarshalJSON(b []byte) error {
	*d = ""
	if len(b) > 0 && b[0] == '[' {
		var parts []int
		if json.Unmarshal(b, &parts) == nil && len(parts) == 3 {
			date, _ := makeDate(parts[0], parts[1], parts[2])
			*d = day(date)
		}
		return nil
	}
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	s := strings.TrimSpace(string(t))
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 1e7 && f < 1e8 {
		s = strconv.FormatInt(int64(f), 10) // also 2.0240419E7
	}
	if i := strings.IndexAny(s, "T "); i >= 8 {
		s = s[:i]
	}
	if date, err := ParseDate(s); err == nil {
		*d = day(date)
	}
	return nil
}

// modalities is a list of codes, as an array or as one separated string.
type modalities []string

func (m *modalities) UnmarshalJSON(b []byte) error {
	var list many[text]
	if err := list.UnmarshalJSON(b); err != nil {
		return err
	}
	*m = nil
	for _, entry := range list {
		*m = append(*m, strings.FieldsFunc(string(entry), func(r rune) bool {
			return strings.ContainsRune(`\,;/ `, r)
		})...)
	}
	return nil
}
