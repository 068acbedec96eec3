package backup

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"

	"lotse/internal/store"
)

// Rows are lines of JSON: an object {"table": …, "columns": […]} before the first
// row of each table, and an array of values for each row. Integers, texts and null
// are themselves, bytes are {"b": base64}, texts that are no UTF-8 {"t": base64}.
type heading struct {
	Table   string   `json:"table"`
	Columns []string `json:"columns"`
}

type rowWriter struct {
	w       *bufio.Writer
	heading heading
	line    []byte
	counts  map[string]int64
}

func newRowWriter(w io.Writer) *rowWriter {
	return &rowWriter{w: bufio.NewWriterSize(w, payload), counts: map[string]int64{}}
}

func (w *rowWriter) write(r store.Row) error {
	if w.heading.Table != r.Table {
		w.heading = heading{r.Table, slices.Clone(r.Columns)}
		head, err := json.Marshal(w.heading)
		if err != nil {
			return err
		}
		if _, err := w.w.Write(append(head, '\n')); err != nil {
			return err
		}
	}
	w.counts[r.Table]++
	w.line = append(w.line[:0], '[')
	for i, v := range r.Values {
		if i > 0 {
			w.line = append(w.line, ',')
		}
		var err error
		if w.line, err = appendValue(w.line, v); err != nil {
			return err
		}
	}
	w.line = append(w.line, "]\n"...)
	_, err := w.w.Write(w.line)
	return err
}

func (w *rowWriter) flush() error { return w.w.Flush() }

func appendValue(line []byte, value any) ([]byte, error) {
	switch v := value.(type) {
	case nil:
		return append(line, "null"...), nil
	case int64:
		return strconv.AppendInt(line, v, 10), nil
	case []byte:
		line = append(line, `{"b":"`...)
		return append(base64.StdEncoding.AppendEncode(line, v), `"}`...), nil
	case string:
		if !utf8.ValidString(v) {
			line = append(line, `{"t":"`...)
			return append(base64.StdEncoding.AppendEncode(line, []byte(v)), `"}`...), nil
		}
		text, err := json.Marshal(v)
		return append(line, text...), err
	}
	return nil, fmt.Errorf("write a row: a value of type %T", value)
}

var errRow = errors.New("a row of the backup cannot be read")

// readRows calls f with every row; f must not keep it. Rows of tables that are not
// wanted come without their values; a nil wanted wants all.
func readRows(r io.Reader, wanted func(table string) bool, f func(store.Row) error) error {
	lines := bufio.NewReaderSize(r, 256<<10)
	var long []byte
	var at heading
	parse := true
	for {
		line, err := lines.ReadSlice('\n')
		for errors.Is(err, bufio.ErrBufferFull) {
			long = append(long, line...)
			line, err = lines.ReadSlice('\n')
		}
		if len(long) > 0 {
			line = append(long, line...)
			long = line[:0]
		}
		if errors.Is(err, io.EOF) && len(line) == 0 {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		if line[0] == '{' {
			at = heading{}
			if err := json.Unmarshal(line, &at); err != nil || at.Table == "" {
				return errRow
			}
			parse = wanted == nil || wanted(at.Table)
			continue
		}
		row := store.Row{Table: at.Table, Columns: at.Columns}
		if parse {
			if row.Values, err = parseRow(line, len(at.Columns)); err != nil {
				return err
			}
		}
		if err := f(row); err != nil {
			return err
		}
	}
}

// parseRow reads a line as it is written, which is stricter than JSON.
func parseRow(line []byte, columns int) ([]any, error) {
	values := make([]any, 0, columns)
	rest := line
	for separator := byte('['); len(values) < columns; separator = ',' {
		if len(rest) == 0 || rest[0] != separator {
			return nil, errRow
		}
		v, n, err := parseValue(rest[1:])
		if err != nil {
			return nil, err
		}
		values, rest = append(values, v), rest[1+n:]
	}
	if columns == 0 || string(rest) != "]\n" {
		return nil, errRow
	}
	return values, nil
}

// parseValue reads the value that b begins with, and tells how long it is.
func parseValue(b []byte) (value any, n int, err error) {
	switch {
	case bytes.HasPrefix(b, []byte("null")):
		return nil, 4, nil
	case bytes.HasPrefix(b, []byte(`{"b":"`)), bytes.HasPrefix(b, []byte(`{"t":"`)):
		end := bytes.Index(b, []byte(`"}`))
		if end < 6 {
			return nil, 0, errRow
		}
		plain, err := base64.StdEncoding.AppendDecode([]byte{}, b[6:end])
		if err != nil {
			return nil, 0, errRow
		}
		if b[2] == 't' {
			return string(plain), end + 2, nil
		}
		return plain, end + 2, nil
	case bytes.HasPrefix(b, []byte(`"`)):
		return parseText(b)
	}
	for n < len(b) && (b[n] == '-' || b[n] >= '0' && b[n] <= '9') {
		n++
	}
	number, err := strconv.ParseInt(string(b[:n]), 10, 64)
	if err != nil {
		return nil, 0, errRow
	}
	return number, n, nil
}

func parseText(b []byte) (text any, n int, err error) {
	escaped := false
	for n = 1; n < len(b) && b[n] != '"'; n++ {
		if b[n] == '\\' {
			escaped = true
			n++
		}
	}
	if n >= len(b) {
		return nil, 0, errRow
	}
	n++
	if !escaped {
		return string(b[1 : n-1]), n, nil
	}
	var s string
	if err := json.Unmarshal(b[:n], &s); err != nil {
		return nil, 0, errRow
	}
	return s, n, nil
}

// fields reads columns of a row by their names.
type fields struct{ row store.Row }

func (f fields) value(name string) any {
	if i := slices.Index(f.row.Columns, name); i >= 0 {
		return f.row.Values[i]
	}
	return nil
}

func (f fields) text(name string) string { s, _ := f.value(name).(string); return s }

func (f fields) number(name string) int64 { n, _ := f.value(name).(int64); return n }
