package dlx

import (
	"errors"
	"net/netip"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

var errHost = errors.New("not a host name")

// asciiHost returns the one spelling of a host under which it is compared,
// shown and connected to: lower case, punycode, no trailing dot. What is
// shown to a person is so exactly what is connected to.
func asciiHost(host string) (string, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		if addr.Zone() != "" {
			return "", errHost
		}
		return addr.Unmap().String(), nil
	}
	host = strings.ToLower(norm.NFKC.String(strings.ToLower(host)))
	host = strings.TrimSuffix(strings.ReplaceAll(host, "\u3002", "."), ".")
	labels := strings.Split(host, ".")
	for i, label := range labels {
		ascii, err := asciiLabel(label)
		if err != nil {
			return "", err
		}
		labels[i] = ascii
	}
	host = strings.Join(labels, ".")
	if len(host) > 253 || numeric(labels[len(labels)-1]) {
		return "", errHost // 0x7f.1 and 2130706433 are addresses to some resolvers
	}
	return host, nil
}

func asciiLabel(label string) (string, error) {
	ascii := true
	for _, r := range label {
		switch {
		case r >= 0x80:
			if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) || r == unicode.ReplacementChar {
				return "", errHost
			}
			ascii = false
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9', r == '-', r == '_':
		default:
			return "", errHost
		}
	}
	if !ascii {
		label = "xn--" + punycode(label)
	}
	if label == "" || len(label) > 63 {
		return "", errHost
	}
	return label, nil
}

// numeric reports whether a last label makes resolvers think of an IPv4 address.
func numeric(label string) bool {
	if strings.HasPrefix(label, "0x") {
		return true
	}
	return strings.Trim(label, "0123456789") == ""
}

// Parameters of punycode, RFC 3492 §5.
const (
	pcBase, pcMin, pcMax    = 36, 1, 26
	pcSkew, pcDamp, pcStart = 38, 700, 72
)

// punycode encodes a label without the prefix, RFC 3492 §6.3. Labels are at
// most a few hundred runes, so nothing overflows.
func punycode(label string) string {
	runes := []rune(label)
	if len(runes) > 253 {
		return strings.Repeat("x", 64) // too long in any case
	}
	var out []byte
	for _, r := range runes {
		if r < 0x80 {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	handled := basic
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(0x80), 0, pcStart
	for handled < len(runes) {
		next := rune(unicode.MaxRune)
		for _, r := range runes {
			if r >= n && r < next {
				next = r
			}
		}
		delta += int(next-n) * (handled + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r == n {
				out = appendVariable(out, delta, bias)
				bias = adapt(delta, handled+1, handled == basic)
				delta, handled = 0, handled+1
			}
		}
		delta++
		n++
	}
	return string(out)
}

func appendVariable(out []byte, q, bias int) []byte {
	for k := pcBase; ; k += pcBase {
		t := min(max(k-bias, pcMin), pcMax)
		if q < t {
			return append(out, digit(q))
		}
		out = append(out, digit(t+(q-t)%(pcBase-t)))
		q = (q - t) / (pcBase - t)
	}
}

func digit(d int) byte { return "abcdefghijklmnopqrstuvwxyz0123456789"[d] }

func adapt(delta, points int, first bool) int {
	if first {
		delta /= pcDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for ; delta > (pcBase-pcMin)*pcMax/2; k += pcBase {
		delta /= pcBase - pcMin
	}
	return k + (pcBase-pcMin+1)*delta/(delta+pcSkew)
}
