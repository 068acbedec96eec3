package node

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"lotse/internal/app"
	"lotse/internal/config"
)

// exposures are what the configuration has without TLS, for the overview.
func exposures(c *config.Config) []app.Exposure {
	var all []app.Exposure
	for _, e := range c.Exposures() {
		all = append(all, app.Exposure{What: e.Key, Peer: e.Peer, Reason: e.Reason})
	}
	return all
}

// certificates say when those of the configuration end, as the files are now.
func certificates(c *config.Config) func() []app.Certificate {
	return func() []app.Certificate {
		var all []app.Certificate
		for _, of := range []struct{ key, file string }{
			{"tls.cert_file", c.TLS.CertFile}, {"dicom.tls.cert_file", c.DICOM.TLS.CertFile},
			{"dicom.tls.client_ca_file", c.DICOM.TLS.ClientCAFile}, {"dicom.ca_file", c.DICOM.CAFile},
			{"security.provider_ca_file", c.Security.ProviderCAFile},
		} {
			if ends := firstEnd(of.file); !ends.IsZero() {
				all = append(all, app.Certificate{What: of.key, Ends: ends})
			}
		}
		return all
	}
}

// firstEnd is when the first certificate of a file ends; zero when there is none.
func firstEnd(file string) time.Time {
	var first time.Time
	if file == "" {
		return first
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return first // the listener says so
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if c, err := x509.ParseCertificate(block.Bytes); err == nil && (first.IsZero() || c.NotAfter.Before(first)) {
			first = c.NotAfter
		}
	}
	return first.UTC()
}
