package node

import (
	"net"
	"net/url"

	"lotse/internal/auth"
	"lotse/internal/auth/passkey"
)

// accountOptions is what the accounts of persons need of the configuration.
func (n *Node) accountOptions() auth.Options {
	return auth.Options{Back: n.Config.PublicURL + auth.BackPath, Passkeys: n.passkeys()}
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
