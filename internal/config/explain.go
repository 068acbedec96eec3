package config

import (
	"fmt"
	"io"
	"net/netip"
	"reflect"
	"strings"
	"time"
	"unicode/utf8"
)

// row is one line of the explanation.
type row struct{ key, value, origin string }

// Explain writes every key in force, its value and where it comes from, secrets
// redacted, in the order of the example file.
func Explain(w io.Writer, c *Config, origins Origins) error {
	rows := explain(reflect.ValueOf(*c), settings(), "", origins)
	keyWidth, valueWidth := 0, 0
	for _, r := range rows {
		keyWidth = max(keyWidth, len(r.key))
		valueWidth = max(valueWidth, min(utf8.RuneCountInString(r.value), 48))
	}
	for _, r := range rows {
		if _, err := fmt.Fprintf(w, "%-*s  %-*s  %s\n", keyWidth, r.key, valueWidth, r.value, r.origin); err != nil {
			return fmt.Errorf("explaining the configuration: %w", err)
		}
	}
	return nil
}

// Check is `lotse config check`: it loads the configuration, explains what is in
// force and warns. The error is that of Load.
func Check(w io.Writer, from Sources) error {
	c, origins, err := Load(from)
	if c == nil {
		return err
	}
	if e := Explain(w, c, origins); e != nil {
		return e
	}
	for _, warning := range c.Warnings() {
		if _, e := fmt.Fprintf(w, "warning: %s\n", warning); e != nil {
			return fmt.Errorf("explaining the configuration: %w", e)
		}
	}
	return err
}

func explain(v reflect.Value, all []setting, prefix string, origins Origins) []row {
	var rows []row
	for _, s := range all {
		field, key := v.FieldByIndex(s.index), prefix+s.key
		if s.members == nil || field.Len() == 0 {
			rows = append(rows, row{key, s.show(field), origins[key].String()})
			continue
		}
		for i := range field.Len() {
			at := fmt.Sprintf("%s[%d]", key, i)
			rows = append(rows, explain(field.Index(i), s.members, at+".", origins)...)
		}
	}
	return rows
}

// show writes a value as the file would have it. Nothing set is a dash.
func (s setting) show(v reflect.Value) string {
	text := ""
	switch value := v.Interface().(type) {
	case Secret:
		if text = value.String(); s.isURL {
			text = value.place()
		}
	case time.Duration:
		text = short(value)
	case []netip.Prefix:
		var all []string
		for _, p := range value {
			all = append(all, showPrefix(p))
		}
		text = strings.Join(all, ", ")
	case []string:
		text = strings.Join(value, ", ")
	case string:
		text = value
		if strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			text = fmt.Sprintf("%q", value)
		}
	default:
		if s.members == nil { // else it is an empty list
			text = fmt.Sprint(value)
		}
	}
	if text == "" {
		return "-"
	}
	return text
}

// showPrefix leaves out the length of what is one address.
func showPrefix(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}

// short writes a duration without its empty minutes and seconds: 168h, not 168h0m0s.
func short(d time.Duration) string {
	s := d.String()
	if rest, ok := strings.CutSuffix(s, "m0s"); ok {
		s = rest + "m"
	}
	if rest, ok := strings.CutSuffix(s, "h0m"); ok {
		s = rest + "h"
	}
	return s
}
