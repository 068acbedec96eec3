package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	"lotse/internal/app"
	"lotse/internal/config"
	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/outbound"
	"lotse/internal/receive"
)

// gatewayOptions is what the service layer needs of the configuration.
func (n *Node) gatewayOptions(o Options) (app.GatewayOptions, error) {
	c := n.Config
	guard, err := outbound.New(outboundConfig(c.Outbound))
	if err != nil {
		return app.GatewayOptions{}, fmt.Errorf("outbound: %w", err)
	}
	authorities, err := authorities("dicom.ca_file", c.DICOM.CAFile)
	if err != nil {
		return app.GatewayOptions{}, err
	}
	receiver, err := n.openReceiver()
	if err != nil {
		return app.GatewayOptions{}, err
	}
	options := app.GatewayOptions{
		Version: o.Version, Retention: c.Retention.Images, Grace: c.Retention.AfterDelivery, GraceRejected: c.Retention.AfterRejection,
		Receipts: c.Retention.Receipts, Quiet: c.DICOM.Quiet, Institution: c.Institution, Station: c.Station, Issuer: c.Issuer, ReceiveAE: c.DICOM.AETitle,
		Languages: []string{"de", "en"},
		Transport: guard.Session,
		Plaintext: c.Exceptions(), Exposures: exposures(c), Certificates: certificates(c), FolderRoots: c.Folders.Roots, Portals: portals(c.Outbound.Portals), LegalBasis: importer.LegalBasis(c.LegalBasis), DestinationCAs: authorities,
		InsecureHTTP: len(c.Outbound.AllowHTTP) > 0, // the guard decides for which hosts
		PublicURL:    c.PublicURL, Warn: n.warner(), RetentionAudit: c.Retention.Audit, ExportHead: headsFile(c.Audit.HeadsDir), Receiver: receiver,
	}
	if o.Vary != nil {
		o.Vary(&options)
	}
	return options, nil
}

// portals writes the hosts of the configuration in the one spelling.
func portals(hosts []string) []string {
	var all []string
	for _, h := range hosts {
		if host, err := hostname.Canonical(h); err == nil { // checked with the configuration
			all = append(all, host)
		}
	}
	return all
}

func outboundConfig(c config.Outbound) outbound.Config {
	return outbound.Config{AllowHosts: c.AllowHosts, AllowHTTP: c.AllowHTTP, MaxBody: int64(c.MaxSize), MaxTime: c.MaxTime, MaxRedirects: c.MaxRedirects, Proxy: proxy(c)}
}

// proxy is the way out; nil: there is none. It was checked with the configuration.
func proxy(c config.Outbound) *url.URL {
	if u, err := url.Parse(c.Proxy.Reveal()); err == nil && c.Proxy.IsSet() {
		return u
	}
	return nil
}

// openIntake makes the C-STORE provider, which other archives also report to.
func (n *Node) openIntake() error {
	c := n.Config.DICOM
	if c.Listen == config.Off {
		return nil
	}
	secure, err := dicomTLS(c.TLS)
	if err != nil {
		return err
	}
	n.intake, err = receive.New(receive.Config{Address: c.Listen, TLS: secure}, n.Gateway.Rules(senders(c)), n.Gateway.Intake(MainTenant), n.Gateway, n.Log)
	return err
}

// senders are the rules for those who may send.
func senders(c config.DICOM) receive.RuleList {
	var list receive.RuleList
	for _, caller := range c.Callers {
		list = append(list, receive.Rule{Name: "caller " + caller.AETitle, CallingAE: caller.AETitle, CalledAE: c.AETitle, Networks: caller.Addresses,
			Subject: caller.ClientSubject, Objects: true, ObjectBytes: int64(caller.MaxObject), Associations: caller.MaxAssociations})
	}
	return list
}

// dicomTLS secures associations; nil without a certificate.
func dicomTLS(c config.DICOMTLS) (*tls.Config, error) {
	if c.CertFile == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("dicom.tls: %w", err)
	}
	secure := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
	if c.ClientCAFile == "" {
		return secure, nil
	}
	pem, err := os.ReadFile(c.ClientCAFile)
	if err != nil {
		return nil, fmt.Errorf("dicom.tls.client_ca_file: %w", err)
	}
	secure.ClientCAs = x509.NewCertPool()
	if !secure.ClientCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("dicom.tls.client_ca_file: there is no certificate in it")
	}
	secure.ClientAuth = tls.RequireAndVerifyClientCert
	return secure, nil
}

// authorities are the system's and those of the file of a key; nil: only the system's.
func authorities(key, file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("%s: the system's authorities: %w", key, err)
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: there is no certificate in it", key)
	}
	return pool, nil
}

// keyringCheck tries the keyring for /readyz.
func (n *Node) keyringCheck(ctx context.Context) error {
	list, err := n.DB.System().LivingTenants(ctx)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return errors.New("there is no tenant")
	}
	_, err = n.Vault.Tenant(ctx, list[0])
	return err
}
