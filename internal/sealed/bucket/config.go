package bucket

import (
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
)

// Config says which bucket, and how to reach it. Printed, logged or formatted it
// does not show the secrets.
type Config struct {
	Endpoint     string // like https://s3.example.org or http://127.0.0.1:7070
	Region       string // asked of the server when empty
	Bucket       string
	Prefix       string // of all keys
	AccessKey    string
	SecretKey    string
	SessionToken string
	PathStyle    bool           // the bucket in the path, not in the host name
	Roots        *x509.CertPool // the system's when nil
}

// String has all but the secrets.
func (c Config) String() string {
	return fmt.Sprintf("%s bucket %q prefix %q region %q access key %q secret [redacted]", c.Endpoint, c.Bucket, c.Prefix, c.Region, c.AccessKey)
}

// GoString is String.
func (c Config) GoString() string { return c.String() }

// Format prints String for every verb.
func (c Config) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.String()) }

// LogValue is String.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalText is String, so that encoding does not show more.
func (c Config) MarshalText() ([]byte, error) { return []byte(c.String()), nil }
