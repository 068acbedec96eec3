package config

import (
	"fmt"
	"net"
	"net/mail"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"lotse/internal/hostname"
	"lotse/internal/plaintext"
)

// checker collects what is wrong.
type checker struct {
	origins Origins
	faults  []Fault
}

// fault notes what is wrong with a key; its place is that of the nearest key above
// when it is not set.
func (k *checker) fault(key, format string, args ...any) {
	origin, above := k.origins[key], key
	for origin == (Origin{}) && strings.Contains(above, ".") {
		above = above[:strings.LastIndex(above, ".")]
		origin = k.origins[above]
	}
	k.faults = append(k.faults, Fault{key, origin, fmt.Sprintf(format, args...)})
}

// check says what is wrong with values that could be read. Keys of which the value
// could not be read have their default here; unread holds the faults that told so.
func (c *Config) check(origins Origins, unread []Fault) []Fault {
	k := &checker{origins: origins}
	if c.DataDir == "" {
		k.fault("data_dir", "is empty; name a folder")
	}
	c.checkHTTP(k)
	c.checkStorage(k)
	c.checkFolders(k)
	c.checkRetention(k)
	c.checkAudit(k)
	c.checkDICOM(k)
	c.checkOutbound(k)
	c.checkMail(k)
	c.checkPlaintext(k)
	c.checkSecurity(k)
	for key, n := range map[string]int{"workers.fetch": c.Workers.Fetch, "workers.inspect": c.Workers.Inspect, "workers.deliver": c.Workers.Deliver, "workers.other": c.Workers.Other} {
		if n < 1 || n > 256 {
			k.fault(key, "is %d; 1 to 256 jobs can run at once", n)
		}
	}
	k.within("workers.stop", c.Workers.Stop, time.Second, 10*time.Minute)
	k.oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	k.oneOf("log.format", c.Log.Format, "text", "json")
	k.within("log.keep", c.Log.Keep, 24*time.Hour, MaxLogs)
	k.oneOf("legal_basis", c.LegalBasis, "treatment", "consent", "vital-interests", "public-health", "legal-claims")
	k.text("institution", c.Institution, 64) // LO
	k.text("station", c.Station, 16)         // SH
	k.text("issuer", c.Issuer, 64)           // LO
	k.faults = slices.DeleteFunc(k.faults, func(f Fault) bool {
		return slices.ContainsFunc(unread, func(u Fault) bool { return u.Key != "" && strings.HasPrefix(f.Key+".", u.Key+".") })
	})
	slices.SortStableFunc(k.faults, func(a, b Fault) int { return strings.Compare(a.Key, b.Key) })
	return k.faults
}

func (c *Config) checkHTTP(k *checker) {
	k.address("listen", c.Listen)
	if c.Metrics.Listen != Off {
		k.address("metrics.listen", c.Metrics.Listen)
		if c.Metrics.Listen == c.Listen {
			k.fault("metrics.listen", "is the address of listen; choose another one, or off")
		}
	}
	k.pair("tls.cert_file", c.TLS.CertFile, "tls.key_file", c.TLS.KeyFile)
	for _, p := range c.TrustedProxies {
		if p.Bits() == 0 {
			k.fault("trusted_proxies", "%s trusts everybody; name the proxies' own addresses", p)
		}
	}
	u, err := url.Parse(c.PublicURL)
	switch {
	case c.PublicURL == "": // listen is wrong, and told
	case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
		k.fault("public_url", "is no address; write it as https://lotse.example.org")
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		k.fault("public_url", "has more than scheme, host and port; leave out the rest")
	case u.Scheme == "http" && c.TLS.CertFile != "":
		k.fault("public_url", "begins with http although tls.cert_file is set; write https")
	}
}

func (c *Config) checkStorage(k *checker) {
	if c.Database.URL.IsSet() {
		u, err := url.Parse(c.Database.URL.Reveal())
		if err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") || u.Host == "" && !u.Query().Has("host") {
			k.fault("database.url", "is no address of a database; write it as postgres://user:password@host:5432/name, or leave it out for SQLite")
		}
	}
	k.bucket("blobs.s3", c.Blobs.S3)
	k.bucket("keyring.s3", c.Keyring.S3)
	if b, r := c.Blobs.S3, c.Keyring.S3; b.Used() && b.Bucket == r.Bucket && b.Endpoint == r.Endpoint {
		k.fault("keyring.s3.bucket", "is the bucket of the segments; a backup of them must not hold the keys: use another one")
	}
}

func (c *Config) checkFolders(k *checker) {
	for _, root := range c.Folders.Roots {
		if !filepath.IsAbs(root) || filepath.Dir(filepath.Clean(root)) == filepath.Clean(root) {
			k.fault("folders.roots", "%q is no folder that can bound others; write a whole path, as in /srv/lotse", root)
		}
	}
}

func (c *Config) checkRetention(k *checker) {
	r := c.Retention
	k.within("retention.images", r.Images, time.Hour, MaxImages)
	k.within("retention.after_delivery", r.AfterDelivery, 0, MaxImages)
	k.within("retention.after_rejection", r.AfterRejection, 0, MaxImages)
	k.within("retention.receipts", r.Receipts, 24*time.Hour, 100*365*24*time.Hour)
	k.within("retention.audit", r.Audit, 31*24*time.Hour, 100*365*24*time.Hour)
}

func (c *Config) checkAudit(k *checker) {
	s := c.Audit.Syslog
	k.pair("audit.syslog.cert_file", s.CertFile, "audit.syslog.key_file", s.KeyFile)
	k.oneOf("audit.syslog.facility", s.Facility, Facilities()...)
	if s.Address == "" {
		return
	}
	u, err := url.Parse(s.Address)
	switch {
	case err != nil || u.Port() == "" || u.Hostname() == "" || u.Scheme != "tls" && u.Scheme != "tcp" && u.Scheme != "udp" || strings.Trim(u.Path, "/") != "":
		k.fault("audit.syslog.address", "is no address; write it as tls://syslog.example.org:6514")
	case u.Scheme != "tls" && !plaintext.Local(u.Host):
		k.fault("audit.syslog.address", "would send the audit trail in the clear; use tls:// for other machines")
	}
}

// Facilities are the facilities of syslog that audit messages may have.
func Facilities() []string {
	return []string{"authpriv", "audit", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"}
}

func (c *Config) checkDICOM(k *checker) {
	d := c.DICOM
	if d.Listen != Off {
		k.address("dicom.listen", d.Listen)
	}
	k.title("dicom.ae_title", d.AETitle)
	k.pair("dicom.tls.cert_file", d.TLS.CertFile, "dicom.tls.key_file", d.TLS.KeyFile)
	if d.TLS.ClientCAFile != "" && d.TLS.CertFile == "" {
		k.fault("dicom.tls.client_ca_file", "needs dicom.tls.cert_file and dicom.tls.key_file as well")
	}
	k.within("dicom.quiet", d.Quiet, time.Second, 24*time.Hour)
	seen := map[string]bool{}
	for i, caller := range d.Callers {
		at := fmt.Sprintf("dicom.callers[%d]", i)
		k.title(at+".ae_title", caller.AETitle)
		if seen[caller.AETitle] {
			k.fault(at+".ae_title", "%q is there twice; put its addresses into one entry", caller.AETitle)
		}
		seen[caller.AETitle] = true
		if len(caller.Addresses) == 0 {
			k.fault(at+".addresses", "is missing; name the addresses that %q may send from", caller.AETitle)
		}
		if caller.ClientSubject != "" && d.TLS.ClientCAFile == "" {
			k.fault(at+".client_subject", "needs dicom.tls.client_ca_file, otherwise nobody shows a certificate")
		}
	}
}

func (c *Config) checkOutbound(k *checker) {
	o := c.Outbound
	for key, hosts := range map[string][]string{"outbound.allow_hosts": o.AllowHosts, "outbound.allow_http": o.AllowHTTP} {
		for _, h := range hosts {
			if u, err := url.Parse("//" + h); err != nil || u.Host != h || u.Hostname() == "" || strings.Contains(h, "*") {
				k.fault(key, "%q is no host; write host or host:port, one entry for each", h)
			}
		}
	}
	for _, h := range o.Portals {
		if _, err := hostname.Canonical(h); err != nil {
			k.fault("outbound.portals", "%q is no host; write host or host:port, one entry for each", h)
		}
	}
	if o.Proxy.IsSet() {
		if u, err := url.Parse(o.Proxy.Reveal()); err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
			k.fault("outbound.proxy", "is no address of a proxy; write it as http://proxy.example.org:3128")
		}
	}
	if o.MaxSize < 1<<20 {
		k.fault("outbound.max_size", "is %s; no exam is that small, use 1MiB or more", o.MaxSize)
	}
	k.within("outbound.max_time", o.MaxTime, time.Minute, MaxImages)
	if o.MaxRedirects > 50 {
		k.fault("outbound.max_redirects", "is %d; use 50 or fewer", o.MaxRedirects)
	}
}

func (c *Config) checkMail(k *checker) {
	m := c.Mail
	k.oneOf("mail.security", m.Security, "tls", "starttls", "none")
	if m.Server == "" {
		return
	}
	k.address("mail.server", m.Server)
	if _, err := mail.ParseAddress(m.From); err != nil {
		k.fault("mail.from", "is no mail address; mail.server needs one")
	}
	if len(m.To) == 0 {
		k.fault("mail.to", "is empty; name who is to be warned")
	}
	for _, to := range m.To {
		if _, err := mail.ParseAddress(to); err != nil {
			k.fault("mail.to", "%q is no mail address", to)
		}
	}
	if m.Password.IsSet() && m.Security == "none" {
		k.fault("mail.security", "none would send the password in the clear; use starttls or tls")
	}
}

// address checks host:port.
func (k *checker) address(key, v string) {
	_, port, err := net.SplitHostPort(v)
	if n, e := strconv.ParseUint(port, 10, 16); err != nil || e != nil || n > 65535 {
		k.fault(key, "%q is no address; write host:port, as in localhost:8080", v)
	}
}

// bucket checks a bucket of which something is set.
func (k *checker) bucket(key string, s S3) {
	if s == (S3{}) {
		return
	}
	if s.Bucket == "" {
		k.fault(key+".bucket", "is missing")
	}
	if s.Endpoint == "" || strings.ContainsAny(s.Endpoint, "/ ") {
		k.fault(key+".endpoint", "is host or host:port, without https:// (%s.insecure: true makes it http)", key)
	}
	if s.AccessKey.IsSet() != s.SecretKey.IsSet() {
		k.fault(key+".secret_key", "access_key and secret_key belong together; set both or none")
	}
}

// pair checks that two files are both named or none.
func (k *checker) pair(a, fileA, b, fileB string) {
	if (fileA == "") != (fileB == "") {
		missing := a
		if fileB == "" {
			missing = b
		}
		k.fault(missing, "is missing; %s and %s belong together", a, b)
	}
}

// title checks an application entity title (PS3.5 §6.2, AE).
func (k *checker) title(key, v string) {
	bad := strings.IndexFunc(v, func(r rune) bool { return r < ' ' || r > '~' || r == '\\' }) >= 0
	if bad || len(v) > 16 || v == "" || strings.TrimSpace(v) != v {
		k.fault(key, "%q is no AE title: 1 to 16 letters, digits and signs of ASCII without backslash", v)
	}
}

// text checks a value that goes into DICOM objects.
func (k *checker) text(key, v string, limit int) {
	if len([]rune(v)) > limit || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == '\\' || r == 0x7f }) {
		k.fault(key, "has more than %d characters, or a backslash or control character", limit)
	}
}

// within checks a duration.
func (k *checker) within(key string, d, least, most time.Duration) {
	if d < least || d > most {
		k.fault(key, "is %s; it may be %s to %s", short(d), short(least), short(most))
	}
}

// oneOf checks a choice.
func (k *checker) oneOf(key, v string, choices ...string) {
	if !slices.Contains(choices, v) {
		k.fault(key, "%q is not known; use %s", v, strings.Join(choices, ", "))
	}
}

// Warnings says what is allowed and yet worth a second look, one sentence each.
func (c *Config) Warnings() []string {
	var w []string
	for _, e := range c.Exposures() {
		if e.Reason != "" { // else it is a fault
			w = append(w, fmt.Sprintf("%s: %s is without TLS: %s", e.Key, e.Peer, e.Reason))
		}
	}
	if u, err := url.Parse(c.Database.URL.Reveal()); err == nil && u.Query().Get("sslmode") == "require" {
		w = append(w, "database.url: sslmode=require takes any certificate; use verify-full")
	}
	if u, err := url.Parse(c.PublicURL); err == nil && u.Scheme == "http" && u.Hostname() != "localhost" {
		w = append(w, "public_url: passkeys need https, or the name localhost")
	}
	if c.Metrics.Listen != Off && !plaintext.Local(c.Metrics.Listen) {
		w = append(w, "metrics.listen: anybody who reaches this address reads the metrics")
	}
	if c.DICOM.Listen != Off && !plaintext.Local(c.DICOM.Listen) && len(c.DICOM.Callers) == 0 {
		w = append(w, "dicom.callers: is empty, so only those may send objects who are set through the API")
	}
	return w
}
