package dlx

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Date is a day written as YYYYMMDD, the form of a DATE answer; "" when unknown.
type Date string

// Years outside this range are typing errors. It also makes eight digits
// without separators readable: day first and year first are never both in it.
const minYear, maxYear = 1850, 2199

var (
	digits8   = regexp.MustCompile(`^\d{8}$`)
	yearFirst = regexp.MustCompile(`^(\d{4})([-./])(\d{1,2})([-./])(\d{1,2})\.?$`)
	dayFirst  = regexp.MustCompile(`^(\d{1,2})([-./])(\d{1,2})([-./])(\d{4}|\d{2})\.?$`)
)

// ParseDate reads a date as people write it: 1970-01-31, 31.01.1970,
// 1.2.1970, 19700131, 31011970, 31/01/1970. It refuses what can be read in
// two ways: two-digit years, and 01/02/1970, which is February in Europe and
// January in America. The error is an *Error of kind BadAnswer.
func ParseDate(s string) (Date, error) {
	s = strings.Join(strings.Fields(s), "")
	if digits8.MatchString(s) {
		if d, ok := makeDate(number(s[:4]), number(s[4:6]), number(s[6:])); ok {
			return d, nil
		}
		return finish(makeDate(number(s[4:]), number(s[2:4]), number(s[:2])))
	}
	if m := yearFirst.FindStringSubmatch(s); m != nil && m[2] == m[4] {
		return finish(makeDate(number(m[1]), number(m[3]), number(m[5])))
	}
	m := dayFirst.FindStringSubmatch(s)
	if m == nil || m[2] != m[4] {
		return "", &Error{Kind: BadAnswer}
	}
	if len(m[5]) == 2 {
		return "", &Error{Kind: BadAnswer, Reason: AmbiguousDate}
	}
	european, ok := makeDate(number(m[5]), number(m[3]), number(m[1]))
	if m[2] == "." {
		return finish(european, ok)
	}
	american, also := makeDate(number(m[5]), number(m[1]), number(m[3]))
	if ok && also && european != american {
		return "", &Error{Kind: BadAnswer, Reason: AmbiguousDate}
	}
	if ok {
		return european, nil
	}
	return finish(american, also)
}

func finish(d Date, ok bool) (Date, error) {
	if !ok {
		return "", &Error{Kind: BadAnswer}
	}
	return d, nil
}

func makeDate(year, month, dayOfMonth int) (Date, bool) {
	if year < minYear || year > maxYear || month < 1 || month > 12 || dayOfMonth < 1 || dayOfMonth > 31 {
		return "", false
	}
	t := time.Date(year, time.Month(month), dayOfMonth, 0, 0, 0, 0, time.UTC)
	if t.Day() != dayOfMonth {
		return "", false
	}
	return Date(fmt.Sprintf("%04d%02d%02d", year, month, dayOfMonth)), true
}

// number reads digits that a pattern has already checked.
func number(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}
