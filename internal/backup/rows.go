package backup

import (
	"bufio"
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

// readRows calls f with every row; f must not keep it.
func readRows(r io.Reader, f func(store.Row) error) error {
	lines := json.NewDecoder(r)
	lines.UseNumber()
	var at heading
	for {
		var line json.RawMessage
		err := lines.Decode(&line)
		if errors.Is(err, io.EOF) {
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
			continue
		}
		row, err := at.row(line)
		if err == nil {
			err = f(row)
		}
		if err != nil {
			return err
		}
	}
}

func (h heading) row(line []byte) (store.Row, error) {
	row := store.Row{Table: h.Table, Columns: h.Columns}
	var values []json.RawMessage
	if err := json.Unmarshal(line, &values); err != nil || len(values) != len(h.Columns) || len(values) == 0 {
		return row, errRow
	}
	row.Values = make([]any, len(values))
	for i, raw := range values {
		v, err := parseValue(raw)
		if err != nil {
			return row, err
		}
		row.Values[i] = v
	}
	return row, nil
}

func parseValue(raw json.RawMessage) (any, error) {
	switch raw[0] {
	case 'n':
		return nil, nil
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case '{':
		var v struct{ B, T []byte }
		if err := json.Unmarshal(raw, &v); err != nil {
			return nil, errRow
		}
		if v.T != nil {
			return string(v.T), nil
		}
		if v.B == nil {
			return nil, errRow
		}
		return v.B, nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		return nil, errRow
	}
	return n, nil
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
