package tus

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxMetadata bounds the header Upload-Metadata, in bytes and in pairs.
const (
	maxMetadata = 16 << 10
	maxPairs    = 64
)

// number reads a header that holds one whole number of 0 or more.
func number(h http.Header, name string) (int64, bool) {
	values := h.Values(name)
	if len(values) != 1 || values[0] == "" || strings.Trim(values[0], "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	return n, err == nil
}

// parseMetadata reads Upload-Metadata: pairs of a key and a value in base64,
// separated by commas; the value may be missing. Keys are unique.
func parseMetadata(header string) (map[string]string, bool) {
	header = strings.Trim(header, " \t")
	if header == "" {
		return nil, true
	}
	if len(header) > maxMetadata {
		return nil, false
	}
	pairs := strings.Split(header, ",")
	if len(pairs) > maxPairs {
		return nil, false
	}
	metadata := make(map[string]string, len(pairs))
	for _, pair := range pairs {
		key, coded, _ := strings.Cut(strings.Trim(pair, " \t"), " ")
		value, err := base64.StdEncoding.Strict().DecodeString(coded)
		if err != nil || strings.ContainsAny(coded, "\r\n") || !validKey(key) {
			return nil, false
		}
		if _, twice := metadata[key]; twice {
			return nil, false
		}
		metadata[key] = string(value)
	}
	return metadata, true
}

// validKey reports whether a key is printable ASCII without space and comma.
func validKey(key string) bool {
	for i := range len(key) {
		if c := key[i]; c <= ' ' || c >= 0x7f || c == ',' {
			return false
		}
	}
	return key != ""
}

// formatMetadata writes Upload-Metadata, keys in order.
func formatMetadata(metadata map[string]string) string {
	pairs := make([]string, 0, len(metadata))
	for key, value := range metadata {
		pair := key
		if value != "" {
			pair += " " + base64.StdEncoding.EncodeToString([]byte(value))
		}
		pairs = append(pairs, pair)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
