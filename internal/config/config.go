package config

import (
	"net/netip"
	"time"
)

// MaxImages is how long images may stay at most, counted from the first durable
// byte (import of outside exams, retention of at most seven days).
const MaxImages = 168 * time.Hour

// MaxLogs is how long lines of logs stay at most.
const MaxLogs = 14 * 24 * time.Hour

// Off as an address turns a listener off.
const Off = "off"

// Config is everything that can be set. Its zero value is not usable: begin with
// Default or Load.
type Config struct {
	DataDir        string         `koanf:"data_dir"`
	Listen         string         `koanf:"listen"`     // host:port of pages and API
	PublicURL      string         `koanf:"public_url"` // scheme://host[:port], without a path; follows Listen unless set
	TLS            TLS            `koanf:"tls"`
	TrustedProxies []netip.Prefix `koanf:"trusted_proxies"` // whose X-Forwarded-For, X-Forwarded-Proto and X-Request-Id count
	Plaintext      []Plaintext    `koanf:"plaintext"`       // who may be without TLS, and why; this machine always may
	Metrics        Metrics        `koanf:"metrics"`
	Database       Database       `koanf:"database"`
	Blobs          Blobs          `koanf:"blobs"`
	Keyring        Keyring        `koanf:"keyring"`
	MasterKey      MasterKey      `koanf:"master_key"`
	Folders        Folders        `koanf:"folders"`
	Retention      Retention      `koanf:"retention"`
	Audit          Audit          `koanf:"audit"`
	DICOM          DICOM          `koanf:"dicom"`
	Outbound       Outbound       `koanf:"outbound"`
	Mail           Mail           `koanf:"mail"`
	Workers        Workers        `koanf:"workers"`
	Security       Security       `koanf:"security"`
	Log            Log            `koanf:"log"`
	Institution    string         `koanf:"institution"` // Institution Name (0008,0080) of what is made here
	Station        string         `koanf:"station"`     // Station Name (0008,1010) of what is made here
	Issuer         string         `koanf:"issuer"`      // issuer of the local patient ids (0010,0021)
	LegalBasis     string         `koanf:"legal_basis"` // of imports for which nobody says one
}

// TLS names the certificate chain and its key, PEM files. Both or none.
type TLS struct {
	CertFile string `koanf:"cert_file"`
	KeyFile  string `koanf:"key_file"`
}

// Metrics is the listener of /metrics, apart from the pages.
type Metrics struct {
	Listen string `koanf:"listen"` // host:port, or Off
}

// Database is where rows are kept.
type Database struct {
	URL Secret `koanf:"url" secret:"url"` // postgres://…; empty: SQLite in DataDir
}

// Blobs is where sealed segments are kept: in DataDir unless a bucket is named.
type Blobs struct {
	S3 S3 `koanf:"s3"`
}

// Keyring is where the imports' keys are kept: in DataDir unless a bucket is named.
// The bucket must not keep versions, and must not be the one of the segments.
type Keyring struct {
	S3 S3 `koanf:"s3"`
}

// S3 is a bucket of an S3 server. Without Bucket it is not used.
type S3 struct {
	Endpoint  string `koanf:"endpoint"` // host[:port]
	Bucket    string `koanf:"bucket"`
	Region    string `koanf:"region"`
	AccessKey Secret `koanf:"access_key"`
	SecretKey Secret `koanf:"secret_key"`
	Insecure  bool   `koanf:"insecure"` // http instead of https
}

// Used tells whether a bucket is named.
func (s S3) Used() bool { return s.Bucket != "" }

// MasterKey wraps the tenants' keys.
type MasterKey struct {
	File string `koanf:"file"` // empty: master.key in DataDir, made when absent
}

// Folders bound what the gateway writes for people.
type Folders struct {
	Roots []string `koanf:"roots"` // that destinations dir:/path may be below; none: there are no such destinations
}

// Retention says how long things stay.
type Retention struct {
	Images         time.Duration `koanf:"images"`          // from the first durable byte; at most MaxImages
	AfterDelivery  time.Duration `koanf:"after_delivery"`  // from delivered and verified
	AfterRejection time.Duration `koanf:"after_rejection"` // from rejected or cancelled
	Receipts       time.Duration `koanf:"receipts"`        // receipts without personal data
	Audit          time.Duration `koanf:"audit"`           // what is personal in the audit trail, from the end of its month
}

// Audit is where the audit trail goes besides the database.
type Audit struct {
	HeadsDir string `koanf:"heads_dir"` // signed heads of the chain are appended to a file there; empty: only the API has them
	Syslog   Syslog `koanf:"syslog"`
}

// Syslog is the receiver of audit messages (DICOM PS3.15 A.5): an audit record
// repository. Without Address nothing is sent.
type Syslog struct {
	Address  string `koanf:"address"`   // tls://host:port; tcp:// and udp:// on this machine only
	CAFile   string `koanf:"ca_file"`   // who signed the receiver's certificate; empty: the system's authorities
	CertFile string `koanf:"cert_file"` // shown to the receiver
	KeyFile  string `koanf:"key_file"`
	Facility string `koanf:"facility"` // authpriv, audit, local0 to local7
	Patients bool   `koanf:"patients"` // name patients by their ids
}

// DICOM is the C-STORE provider, the way in for objects that are sent.
type DICOM struct {
	Listen  string        `koanf:"listen"`   // host:port, or Off
	AETitle string        `koanf:"ae_title"` // at most 16 characters (PS3.5 §6.2, AE)
	TLS     DICOMTLS      `koanf:"tls"`
	CAFile  string        `koanf:"ca_file"` // authorities, besides the system's, of destinations' certificates
	Callers []Caller      `koanf:"callers"` // who may send; nobody else
	Quiet   time.Duration `koanf:"quiet"`   // an import of received objects closes when nothing came for so long
}

// DICOMTLS secures associations (PS3.15 Annex B). With ClientCAFile callers must
// show a certificate signed by it.
type DICOMTLS struct {
	CertFile     string `koanf:"cert_file"`
	KeyFile      string `koanf:"key_file"`
	ClientCAFile string `koanf:"client_ca_file"`
}

// Caller is one application entity that may send objects. Zero limits are the
// receiver's own.
type Caller struct {
	AETitle         string         `koanf:"ae_title"`
	Addresses       []netip.Prefix `koanf:"addresses"`        // from where; at least one
	ClientSubject   string         `koanf:"client_subject"`   // common name its certificate must have; empty: any
	MaxObject       Size           `koanf:"max_object"`       // of one object
	MaxAssociations int            `koanf:"max_associations"` // at once
}

// Outbound bounds what is fetched for users.
type Outbound struct {
	AllowHosts   []string      `koanf:"allow_hosts"` // host[:port] that may have private addresses
	AllowHTTP    []string      `koanf:"allow_http"`  // host[:port] that may be asked without TLS
	Portals      []string      `koanf:"portals"`     // host[:port] that answers may be sent to without anybody's confirming it
	Proxy        Secret        `koanf:"proxy" secret:"url"`
	MaxSize      Size          `koanf:"max_size"` // of one download
	MaxTime      time.Duration `koanf:"max_time"` // of one download
	MaxRedirects int           `koanf:"max_redirects"`
}

// Mail is how warnings leave. Without Server none are sent.
type Mail struct {
	Server   string   `koanf:"server"`   // host:port
	Security string   `koanf:"security"` // tls, starttls or none
	Username string   `koanf:"username"`
	Password Secret   `koanf:"password"`
	From     string   `koanf:"from"`
	To       []string `koanf:"to"`
}

// Workers says how many jobs of a kind run at once on this node.
type Workers struct {
	Fetch   int           `koanf:"fetch"`
	Inspect int           `koanf:"inspect"`
	Deliver int           `koanf:"deliver"`
	Other   int           `koanf:"other"`
	Stop    time.Duration `koanf:"stop"` // what running steps get to reach a durable point when the node stops
}

// Log is what is told about the running of the node.
type Log struct {
	Level  string `koanf:"level"`  // debug, info, warn or error
	Format string `koanf:"format"` // text or json
	// Dir is where files of them are kept; empty: they go to standard error.
	Dir  string        `koanf:"dir"`
	Keep time.Duration `koanf:"keep"` // how long a line in Dir is kept; at most MaxLogs
}

// Default is what is in force when nothing is set.
func Default() Config {
	return Config{
		DataDir: "./lotse-data",
		Listen:  "localhost:8080",
		Metrics: Metrics{Listen: "localhost:9464"},
		Retention: Retention{Images: MaxImages, AfterDelivery: 24 * time.Hour, AfterRejection: 24 * time.Hour, Receipts: 10 * 365 * 24 * time.Hour,
			Audit: 3 * 365 * 24 * time.Hour},
		Audit:      Audit{Syslog: Syslog{Facility: "authpriv"}},
		DICOM:      DICOM{Listen: "127.0.0.1:11112", AETitle: "LOTSE", Quiet: time.Minute},
		Outbound:   Outbound{MaxSize: 64 << 30, MaxTime: 12 * time.Hour, MaxRedirects: 10},
		Mail:       Mail{Security: "starttls"},
		Workers:    Workers{Fetch: 8, Inspect: 2, Deliver: 4, Other: 2, Stop: 20 * time.Second},
		Security:   defaultSecurity(),
		Log:        Log{Level: "info", Format: "text", Keep: MaxLogs},
		LegalBasis: "treatment",
	}
}
