package config

import (
	"errors"
	"fmt"
	"net/netip"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// setting is one key that can be set.
type setting struct {
	key     string // with dots between the levels
	typ     reflect.Type
	index   []int // of the field, from Config (or from the element of a list)
	isURL   bool  // a secret of which scheme, host and path may be shown
	members []setting
}

// secret tells whether the value must not be shown.
func (s setting) secret() bool { return s.typ == reflect.TypeFor[Secret]() }

// list tells whether the setting has several values.
func (s setting) list() bool { return s.typ.Kind() == reflect.Slice }

// settings lists every key, in the order of the structs.
func settings() []setting { return settingsOf(reflect.TypeFor[Config](), "", nil) }

func settingsOf(t reflect.Type, prefix string, index []int) []setting {
	var all []setting
	for i := range t.NumField() {
		f := t.Field(i)
		s := setting{
			key: prefix + f.Tag.Get("koanf"), typ: f.Type, isURL: f.Tag.Get("secret") == "url",
			index: append(append([]int(nil), index...), i),
		}
		switch {
		case f.Type.Kind() == reflect.Struct && f.Type != reflect.TypeFor[Secret]():
			all = append(all, settingsOf(f.Type, s.key+".", s.index)...)
			continue
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct && f.Type.Elem() != reflect.TypeFor[netip.Prefix]():
			s.members = settingsOf(f.Type.Elem(), "", nil)
		}
		all = append(all, s)
	}
	return all
}

// parse reads one written value into what the layers carry: a plain bool, number or
// text that is known to decode. Its errors continue a sentence that names the key
// and never repeat a secret.
func (s setting) parse(text string) (any, error) {
	switch s.typ {
	case reflect.TypeFor[time.Duration]():
		d, err := time.ParseDuration(text)
		if err != nil || d < 0 {
			return nil, fmt.Errorf("%q is no duration; write it as 30s, 15m or 168h", text)
		}
		return d.String(), nil
	case reflect.TypeFor[Size]():
		var size Size
		if err := size.UnmarshalText([]byte(text)); err != nil {
			return nil, fmt.Errorf("%q %w", text, err)
		}
		return size.String(), nil
	case reflect.TypeFor[Secret]():
		return text, nil
	case reflect.TypeFor[[]netip.Prefix]():
		p, err := parsePrefix(text)
		if err != nil {
			return nil, err
		}
		return p.String(), nil
	}
	switch s.typ.Kind() {
	case reflect.Bool:
		switch text {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", text)
	case reflect.Int:
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no whole number of 0 or more", text)
		}
		return n, nil
	case reflect.String, reflect.Slice:
		return text, nil
	}
	return nil, errors.New("cannot be set")
}

// parseList reads the values of a list; empty ones are left out.
func (s setting) parseList(texts []string) (any, error) {
	values := []any{}
	for _, text := range texts {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		v, err := s.parse(text)
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	return values, nil
}

// parsePrefix reads an address or a range of addresses in CIDR notation.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is neither an IP address nor a range like 10.1.0.0/16", text)
	}
	return p.Masked(), nil
}
