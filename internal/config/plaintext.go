package config

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"

	"lotse/internal/plaintext"
)

// Plaintext permits one peer, or a range of addresses, without TLS.
type Plaintext struct {
	Peer   string `koanf:"peer"`   // host:port as it is set elsewhere, or a range
	Reason string `koanf:"reason"` // why, shown on the overview
}

// Exceptions are the peers that may be without TLS.
func (c *Config) Exceptions() plaintext.Exceptions {
	all := make(plaintext.Exceptions, len(c.Plaintext))
	for i, p := range c.Plaintext {
		all[i] = plaintext.Exception(p)
	}
	return all
}

// Exposure is one key whose peer is spoken to, or listened for, without TLS.
type Exposure struct{ Key, Peer, Reason string }

// Exposures lists what in this configuration is without TLS beyond this machine, with
// the reasons that permit it; a configuration that was loaded has one for each.
func (c *Config) Exposures() []Exposure {
	all, exceptions := c.unprotected(), c.Exceptions()
	for i := range all {
		all[i].Reason, _ = exceptions.Allow(all[i].Peer)
	}
	return slices.DeleteFunc(all, func(e Exposure) bool { return plaintext.Local(e.Peer) })
}

// unprotected lists what is without TLS, on this machine as well.
func (c *Config) unprotected() []Exposure {
	var all []Exposure
	add := func(is bool, key, peer string) {
		if is {
			all = append(all, Exposure{Key: key, Peer: peer})
		}
	}
	add(c.TLS.CertFile == "", "listen", c.Listen)
	u, err := url.Parse(c.PublicURL)
	proxied := c.TLS.CertFile != "" || plaintext.Local(c.Listen) // else the exception of listen says it all
	add(err == nil && u.Scheme == "http" && proxied, "public_url", withPort(c.PublicURL, "80"))
	add(c.DICOM.Listen != Off && c.DICOM.TLS.CertFile == "", "dicom.listen", c.DICOM.Listen)
	for _, peer := range c.Database.unprotected() {
		add(true, "database.url", peer)
	}
	add(c.Blobs.S3.Used() && c.Blobs.S3.Insecure, "blobs.s3.insecure", withPort("http://"+c.Blobs.S3.Endpoint, "80"))
	add(c.Keyring.S3.Used() && c.Keyring.S3.Insecure, "keyring.s3.insecure", withPort("http://"+c.Keyring.S3.Endpoint, "80"))
	add(c.Mail.Server != "" && c.Mail.Security == "none", "mail.security", c.Mail.Server)
	for _, h := range c.Outbound.AllowHTTP {
		add(true, "outbound.allow_http", withPort("http://"+h, "80"))
	}
	if p, err := url.Parse(c.Outbound.Proxy.Reveal()); err == nil && p.Scheme == "http" && p.User != nil {
		add(true, "outbound.proxy", withPort("http://"+p.Host, "80")) // its password is sent in the clear
	}
	return all
}

// unprotected are the servers that the database's address lets be asked without TLS:
// only from require on is a server refused that has none.
func (d Database) unprotected() []string {
	u, err := url.Parse(d.URL.Reveal())
	if err != nil || !d.URL.IsSet() {
		return nil
	}
	q := u.Query()
	switch q.Get("sslmode") {
	case "require", "verify-ca", "verify-full":
		return nil
	}
	hosts, ports := strings.Split(u.Host, ","), []string{""}
	if q.Has("host") {
		hosts = strings.Split(q.Get("host"), ",")
	}
	if q.Has("port") {
		ports = strings.Split(q.Get("port"), ",")
	}
	for i, h := range hosts {
		if !strings.HasPrefix(h, "/") { // else a socket
			hosts[i] = withPort("//"+h, cmp.Or(ports[min(i, len(ports)-1)], "5432"))
		}
	}
	return hosts
}

// withPort is host:port of a URL; without a port it is the standard one.
func withPort(text, standard string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text // told elsewhere, and never local
	}
	return net.JoinHostPort(u.Hostname(), cmp.Or(u.Port(), standard))
}

// checkPlaintext wants a reason for everything that is without TLS beyond this machine.
func (c *Config) checkPlaintext(k *checker) {
	for i, e := range c.Exceptions() {
		if err := e.Check(); err != nil {
			k.fault(fmt.Sprintf("plaintext[%d]", i), "%q %s", e.Peer, err)
		}
	}
	for _, e := range c.Exposures() {
		if e.Reason == "" {
			k.fault(e.Key, "is without TLS; %s, or give %s a reason in plaintext", remedy(e.Key), e.Peer)
		}
	}
}

// remedy is how the peer of a key gets TLS.
func remedy(key string) string {
	switch key {
	case "listen":
		return "set tls.cert_file and tls.key_file, or listen on localhost behind a proxy"
	case "public_url":
		return "let the proxy before it do TLS and write https"
	case "dicom.listen":
		return "set dicom.tls.cert_file and dicom.tls.key_file"
	case "database.url":
		return "add sslmode=verify-full"
	case "mail.security":
		return "use starttls or tls"
	case "outbound.allow_http":
		return "take it out"
	case "outbound.proxy":
		return "write https"
	}
	return "take insecure out"
}
