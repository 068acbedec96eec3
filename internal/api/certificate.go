package api

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// certificate is read from files, and again when they change.
type certificate struct {
	certFile, keyFile string
	poll              time.Duration // between two looks at the files
	log               *slog.Logger

	mu     sync.Mutex
	loaded *tls.Certificate
	stamp  [2]fileStamp // of the files when they were last looked at
	looked time.Time
}

// fileStamp tells whether a file is another one than before.
type fileStamp struct {
	modified time.Time
	size     int64
}

func newCertificate(certFile, keyFile string, poll time.Duration, log *slog.Logger) (*certificate, error) {
	c := &certificate{certFile: certFile, keyFile: keyFile, poll: poll, log: log, stamp: stampOf(certFile, keyFile), looked: time.Now()}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("tls.cert_file, tls.key_file: %w", err)
	}
	c.loaded = &pair
	return c, nil
}

func stampOf(names ...string) (stamps [2]fileStamp) {
	for i, name := range names {
		if info, err := os.Stat(name); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// get is the certificate in force. Files that changed and do not belong together (yet)
// leave the old one in force and are tried again when they change once more.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < c.poll {
		return c.loaded, nil
	}
	c.looked = time.Now()
	stamp := stampOf(c.certFile, c.keyFile)
	if stamp == c.stamp {
		return c.loaded, nil
	}
	c.stamp = stamp
	pair, err := tls.LoadX509KeyPair(c.certFile, c.keyFile)
	if err != nil {
		c.log.Error("the changed certificate cannot be used, the old one stays", "err", err)
		return c.loaded, nil
	}
	c.loaded = &pair
	c.log.Info("the certificate was read again")
	return c.loaded, nil
}
