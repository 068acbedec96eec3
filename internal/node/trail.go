package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"lotse/internal/app"
	"lotse/internal/audit/atna"
	"lotse/internal/audit/syslog"
	"lotse/internal/config"
	"lotse/internal/store"
)

// keepTrail links and signs the audit trail and tells its receiver, beginning with this
// node's start, until what it returns is called: when all else has ended, so that
// nothing is left unlinked.
func (n *Node) keepTrail(ctx context.Context) (end func()) {
	ctx = context.WithoutCancel(ctx)
	tell := func(event string) {
		if err := n.Gateway.Announce(ctx, event); err != nil {
			n.Log.Error("the audit trail does not tell of this node", "event", event, "error", err)
		}
	}
	tell(app.NodeStarted)
	unlink := inBackground(ctx, n.Gateway.KeepChain)
	hush := inBackground(ctx, n.Gateway.TellReceiver)
	return func() {
		tell(app.NodeStopped)
		unlink()
		hush() // after the last link
	}
}

// inBackground runs work until what it returns is called, which waits for its end.
func inBackground(ctx context.Context, work func(context.Context)) (end func()) {
	ctx, stop := context.WithCancel(ctx)
	var running sync.WaitGroup
	running.Go(func() { work(ctx) })
	return func() {
		stop()
		running.Wait()
	}
}

// auditMsgID marks audit messages (PS3.15 A.6.1).
const auditMsgID = "DICOM+RFC3881"

// openReceiver makes the way to the audit record repository; nil where none is
// configured.
func (n *Node) openReceiver() (*app.AuditReceiver, error) {
	c := n.Config.Audit.Syslog
	if c.Address == "" {
		return nil, nil
	}
	secure, err := syslogTLS(c)
	if err != nil {
		return nil, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	client, err := syslog.New(syslog.Config{Address: c.Address, TLS: secure, Facility: c.Facility, Host: host, App: "lotse", Process: strconv.Itoa(os.Getpid()),
		MsgID: auditMsgID})
	if err != nil {
		return nil, fmt.Errorf("audit.syslog: %w", err)
	}
	n.closers = append(n.closers, client.Close)
	return &app.AuditReceiver{Name: c.Address, Tell: telling(client, c, n.Config.PublicURL, n.Config.Institution)}, nil
}

// telling makes messages of events and sends them.
func telling(client *syslog.Client, c config.Syslog, id, site string) func(context.Context, []app.Told, []store.Head) error {
	source := atna.Source{ID: id, Site: site, Patients: c.Patients}
	return func(ctx context.Context, told []app.Told, heads []store.Head) error {
		var all []syslog.Message
		for _, t := range told {
			texts, err := source.Messages(atnaEvent(t))
			if err != nil {
				return err
			}
			for _, text := range texts {
				all = append(all, syslog.Message{At: t.Event.At, Severity: syslog.Notice, Text: text})
			}
		}
		for _, h := range heads {
			line, err := json.Marshal(h)
			if err != nil {
				return err
			}
			at := time.UnixMicro(h.Signed)
			text, err := source.Head(at, line)
			if err != nil {
				return err
			}
			all = append(all, syslog.Message{At: at, Severity: syslog.Notice, Text: text})
		}
		if len(all) == 0 {
			return nil
		}
		return client.Send(ctx, all)
	}
}

func atnaEvent(t app.Told) atna.Event {
	e := atna.Event{ID: t.Event.ID, Actor: t.Event.Actor, Session: t.Event.Session, Code: t.Event.Event, Import: t.Event.Import, At: t.Event.At,
		Delivery: t.Delivery, Destination: t.Destination, Kind: t.Kind}
	e.Address, _ = t.Event.Personal["address"].(string)
	for _, p := range t.Patients {
		e.Patients = append(e.Patients, atna.Patient{ID: p.ID, Studies: p.Studies})
	}
	return e
}

// syslogTLS secures the way to the receiver (RFC 5425); nil where there is no TLS.
func syslogTLS(c config.Syslog) (*tls.Config, error) {
	u, err := url.Parse(c.Address)
	if err != nil || u.Scheme != "tls" {
		return nil, nil
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: u.Hostname()}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, fmt.Errorf("audit.syslog.ca_file: %w", err)
		}
		secure.RootCAs = x509.NewCertPool()
		if !secure.RootCAs.AppendCertsFromPEM(pem) {
			return nil, errors.New("audit.syslog.ca_file: there is no certificate in it")
		}
	}
	if c.CertFile != "" {
		pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("audit.syslog.cert_file: %w", err)
		}
		secure.Certificates = []tls.Certificate{pair}
	}
	return secure, nil
}

// headsName is the file that signed heads are appended to.
const headsName = "audit-heads.log"

// headsFile appends each head to a file in a folder, durably; nil without a folder.
func headsFile(folder string) func(store.Head) error {
	if folder == "" {
		return nil
	}
	return func(h store.Head) error {
		line, err := json.Marshal(h)
		if err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		f, err := os.OpenFile(filepath.Join(folder, headsName), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o640)
		if err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		_, err = f.Write(append(line, '\n'))
		if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("audit.heads_dir: %w", err)
		}
		return nil
	}
}
