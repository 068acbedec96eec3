// Package csvsafe writes comma-separated values (RFC 4180) that a spreadsheet shows as
// they are: none of them is taken for a formula, whatever it holds.
package csvsafe

import (
	"encoding/csv"
	"io"
	"strings"
	"unicode"
)

// starters begin a formula, also in the full width that Japanese keyboards write.
const starters = "=+-@＝＋－＠"

// separators are what programs split cells at, whatever the file's own separator is.
const separators = ",;\t|\r\n\v\f\u0085\u2028\u2029"

// Cell makes a text harmless that a spreadsheet could take for a formula: one that begins
// with =, +, -, @, a tab or a line break, also after quotes, blanks, invisible and control
// characters, at its beginning or after any separator that a program might split it at. It
// gets an apostrophe in front, there and at its beginning, which says "text" to a
// spreadsheet. All else stays as it is.
func Cell(text string) string {
	var b strings.Builder
	begin := true // of what may become a cell of its own
	blank := 0    // where that began
	harmful := false
	for i, r := range text {
		switch {
		case begin && strings.ContainsRune(starters, r):
			b.WriteString(text[blank:i])
			b.WriteByte('\'')
			b.WriteRune(r)
			blank, begin, harmful = i+len(string(r)), false, true
		case strings.ContainsRune(separators, r):
			harmful = harmful || i == 0 && r != ',' && r != ';' && r != '|'
			b.WriteString(text[blank : i+len(string(r))])
			blank, begin = i+len(string(r)), true
		case begin && skipped(r):
		default:
			begin = false
		}
	}
	b.WriteString(text[blank:])
	if harmful && !strings.HasPrefix(b.String(), "'") {
		return "'" + b.String()
	}
	return b.String()
}

// skipped are characters that programs leave out before they look for a formula.
func skipped(r rune) bool {
	return r == '"' || r == '\'' || r == '`' || r == '\ufffd' || unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Zs, r)
}

// Writer writes records of harmless cells, lines ending with CRLF. It keeps nothing but
// a buffer.
type Writer struct{ w *csv.Writer }

// NewWriter writes to w.
func NewWriter(w io.Writer) *Writer {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	return &Writer{out}
}

// Write writes a record.
func (w *Writer) Write(cells ...string) error {
	safe := make([]string, len(cells))
	for i, c := range cells {
		safe[i] = Cell(c)
	}
	return w.w.Write(safe)
}

// Flush writes what is buffered.
func (w *Writer) Flush() error {
	w.w.Flush()
	return w.w.Error()
}
