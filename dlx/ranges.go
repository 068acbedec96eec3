package dlx

import (
	"strconv"
	"strings"
)

// contentRange reads "bytes 5-99/100", "bytes 5-99/*" and "bytes */100" (RFC
// 9110 §14.4); total is -1 when unknown. ok is false without a first and last byte.
func contentRange(s string) (first, last, total int64, ok bool) {
	total = -1
	unit, rest, found := strings.Cut(strings.TrimSpace(s), " ")
	if !found || !strings.EqualFold(unit, "bytes") {
		return 0, 0, -1, false
	}
	span, size, _ := strings.Cut(rest, "/")
	if n, good := wholeNumber(size); good {
		total = n
	}
	from, to, _ := strings.Cut(span, "-")
	first, okFirst := wholeNumber(from)
	last, okLast := wholeNumber(to)
	ok = okFirst && okLast && first <= last && (total < 0 || last < total)
	return first, last, total, ok
}

// wholeNumber is a number without a sign that has room to be counted on.
func wholeNumber(s string) (int64, bool) {
	n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 62)
	return int64(n), err == nil
}
