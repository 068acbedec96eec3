package node

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"

	"github.com/wneessen/go-mail"

	"lotse/internal/auth"
	"lotse/internal/auth/passkey"
	"lotse/internal/config"
	"lotse/internal/outbound"
	"lotse/internal/queue"
)

// accountOptions is what the accounts of persons need of the configuration.
func (n *Node) accountOptions() (auth.Options, error) {
	c := n.Config.Security
	client, err := providerClient(n.Config)
	if err != nil {
		return auth.Options{}, err
	}
	o := auth.Options{Idle: c.Idle, Absolute: c.Longest, Fresh: c.Reprove, Elevated: c.AllSites, SecondPerson: c.SecondPerson, Suspicions: map[auth.Suspicion]auth.Action{
		auth.NewNetwork: auth.Action(c.NewNetwork), auth.Moved: auth.Action(c.Moved),
		auth.TwoPlaces: auth.Action(c.TwoPlaces), auth.TwoLogins: auth.Action(c.TwoLogins), auth.TooFast: auth.Action(c.TooFast),
	}, Back: n.Config.PublicURL + auth.BackPath, Passkeys: n.passkeys(), Client: client}
	for _, role := range c.SecondFactor {
		o.SecondFactor = append(o.SecondFactor, auth.Role(role))
	}
	return o, nil
}

// providerClient asks identity providers.
func providerClient(c *config.Config) (*http.Client, error) {
	roots, err := authorities("security.provider_ca_file", c.Security.ProviderCAFile)
	if err != nil {
		return nil, err
	}
	named := outbound.Named{Roots: roots}
	if !c.Security.ProviderDirect {
		named.Proxy = proxy(c.Outbound)
	}
	return named.Client(), nil
}

// passkeys are those of the public address; nil where that is no name, which they are
// bound to.
func (n *Node) passkeys() *passkey.Site {
	u, err := url.Parse(n.Config.PublicURL)
	if err != nil || net.ParseIP(u.Hostname()) != nil {
		return nil
	}
	site, err := passkey.New(n.Config.PublicURL, "Lotse")
	if err != nil {
		n.Log.Warn("there are no passkeys", "err", err)
		return nil
	}
	return site
}

// elevated reports by mail that somebody took access to all sites, again and again until
// the mail server took it; without one, the audit trail is all there is.
func (n *Node) elevated(ctx context.Context, run *queue.Run) error {
	c := n.Config.Mail
	if c.Server == "" {
		return nil
	}
	e, err := auth.ElevationOf(run.Job)
	if err != nil {
		return queue.Permanent(err)
	}
	message, err := elevation(c, e, n.Config.PublicURL)
	if err != nil {
		return err
	}
	return send(ctx, c, message)
}

// elevation is the message. It names the account by its id and nobody; the reason is
// for the auditor, in Lotse.
func elevation(c config.Mail, e auth.Elevation, url string) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.From(c.From); err != nil {
		return nil, err
	}
	if err := m.To(c.To...); err != nil {
		return nil, err
	}
	m.Subject("Lotse: Notfallzugriff auf alle Standorte / emergency access to all sites")
	m.SetBodyString(mail.TypeTextPlain, fmt.Sprintf(`Das Konto %[1]s hat bis %[2]s Zugriff auf die Importe aller Standorte genommen.
Der Grund steht unter %[3]s/api/v1/elevations (Notfallzugriff %[4]s).

The account %[1]s has taken access to the imports of all sites until %[2]s.
The reason is at %[3]s/api/v1/elevations (elevation %[4]s).
`, e.User, e.Ends.Local().Format("2006-01-02 15:04 MST"), url, e.ID))
	return m, nil
}
