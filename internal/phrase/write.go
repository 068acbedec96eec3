package phrase

import (
	"fmt"
	"strings"
	"time"

	"golang.org/x/text/language"
)

// Count writes a whole number: 1.234 or 1,234.
func (p *Phrases) Count(n int64) string { return p.printer.Sprintf("%d", n) }

// Bytes writes an amount of data in decimal units with at most one digit after
// the point: 812 B, 1,5 GB. A negative amount is unknown.
func (p *Phrases) Bytes(n int64) string {
	if n < 0 {
		return p.Say("word.unknown", nil)
	}
	if n < 1000 {
		return p.Count(n) + " B"
	}
	value := float64(n)
	units := []string{"B", "kB", "MB", "GB", "TB", "PB", "EB"}
	i := 0
	for i < len(units)-1 && value >= 999.5 {
		value, i = value/1000, i+1
	}
	if value < 9.95 {
		return p.printer.Sprintf("%.1f", value) + " " + units[i]
	}
	return p.printer.Sprintf("%.0f", value) + " " + units[i]
}

// Date writes a date of DICOM (PS3.5 §6.2, DA): 31.01.1970 or 31 Jan 1970. What is
// no date is returned as it is, and then foreign text.
func (p *Phrases) Date(da string) string {
	t, err := time.Parse("20060102", strings.TrimSpace(da))
	if err != nil {
		return da
	}
	return p.Day(t)
}

// Day writes the day of t: 31.01.1970 or 31 Jan 1970.
func (p *Phrases) Day(t time.Time) string {
	if p.tag == language.German {
		return t.Format("02.01.2006")
	}
	return t.Format("2 Jan 2006")
}

// Time writes a time of DICOM (PS3.5 §6.2, TM) to the minute: 14:05. What is no
// time is returned as it is, and then foreign text.
func (p *Phrases) Time(tm string) string {
	digits, _, _ := strings.Cut(strings.TrimSpace(tm), ".")
	for _, layout := range []string{"150405", "1504"} {
		if t, err := time.Parse(layout, digits); err == nil {
			return t.Format("15:04")
		}
	}
	return tm
}

// Clock writes the time of day of t to the second: 14:05:09.
func (p *Phrases) Clock(t time.Time) string { return t.Format("15:04:05") }

// Moment writes day and time of t: 31.01.2026, 14:05:09.
func (p *Phrases) Moment(t time.Time) string { return p.Day(t) + ", " + p.Clock(t) }

// Duration writes a span of time in words, in seconds up to 90, then in minutes up
// to 90, then in hours, rounded.
func (p *Phrases) Duration(d time.Duration) string {
	key, unit := "duration.hours", time.Hour
	switch {
	case d <= 90*time.Second:
		key, unit = "duration.seconds", time.Second
	case d <= 90*time.Minute:
		key, unit = "duration.minutes", time.Minute
	}
	return p.Say(key, map[string]any{"Count": int64((max(d, 0) + unit/2) / unit)})
}

// Span writes a span of time as Duration does, with the units' symbols: 12 s, 5 min,
// 3 h.
func (p *Phrases) Span(d time.Duration) string {
	symbol, unit := "h", time.Hour
	switch {
	case d <= 90*time.Second:
		symbol, unit = "s", time.Second
	case d <= 90*time.Minute:
		symbol, unit = "min", time.Minute
	}
	return p.Count(int64((max(d, 0)+unit/2)/unit)) + " " + symbol
}

// Countdown writes what is left of a wait: 0:07, 2:05, 1:02:05.
func (p *Phrases) Countdown(d time.Duration) string {
	s := int64((max(d, 0) + time.Second - 1) / time.Second)
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
