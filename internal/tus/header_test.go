package tus

import (
	"net/http"
	"reflect"
	"strings"
	"testing"
)

// FuzzMetadata reads any header: what was understood is written and read the same.
func FuzzMetadata(f *testing.F) {
	for _, seed := range []string{"", "a", "a YQ==", "filename d29ybGQ=,is_confidential", "a YQ==, b  ", "a YQ==,a", "a YR==", ",", " ", "a\tYQ=="} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		m, ok := parseMetadata(header)
		if !ok {
			return
		}
		if len(m) > maxPairs {
			t.Errorf("%d pairs", len(m))
		}
		for key := range m {
			if key == "" || strings.ContainsAny(key, " ,\x00\r\n") {
				t.Errorf("key %q", key)
			}
		}
		said := formatMetadata(m)
		again, ok := parseMetadata(said)
		if !ok || len(m) > 0 && !reflect.DeepEqual(m, again) {
			t.Errorf("%q became %q", header, said)
		}
	})
}

// FuzzChecksum reads any header: what was understood has the length of its algorithm.
func FuzzChecksum(f *testing.F) {
	for _, seed := range []string{"", "sha1 Kq5sNclPz7QV2+lfQIuc6R7oRu0=", "sha256 47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=", "md5 x", "sha1", "sha1  ", "sha1 \n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		c, err := parseChecksum([]string{header})
		if err != nil {
			if refusal(err).Status() != http.StatusBadRequest || c != nil {
				t.Errorf("%v", err)
			}
			return
		}
		if len(c.want) != c.Size() || c.Size() < 20 {
			t.Errorf("%d bytes", len(c.want))
		}
		_ = c.right()
	})
}

// FuzzNumber reads any header: what was understood is whole and not negative.
func FuzzNumber(f *testing.F) {
	for _, seed := range []string{"", "0", "-1", "9223372036854775807", "9223372036854775808", "1e3", "００"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, ok := number(http.Header{"Upload-Length": {s}}, "Upload-Length"); ok && n < 0 {
			t.Errorf("%q is %d", s, n)
		}
	})
}
