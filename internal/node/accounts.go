package node

import (
	"net"
	"net/url"

	"lotse/internal/auth"
	"lotse/internal/auth/passkey"
)

// accountOptions is what the accounts of persons need of the configuration.
func (n *Node) accountOptions() auth.Options {
	c := n.Config.Security
	o := auth.Options{Idle: c.Idle, Absolute: c.Longest, Fresh: c.Reprove, Elevated: c.AllSites, Suspicions: map[auth.Suspicion]auth.Action{
		auth.NewNetwork: auth.Action(c.NewNetwork), auth.Moved: auth.Action(c.Moved),
		auth.TwoPlaces: auth.Action(c.TwoPlaces), auth.TooFast: auth.Action(c.TooFast),
	}, Back: n.Config.PublicURL + auth.BackPath, Passkeys: n.passkeys()}
	for _, role := range c.SecondFactor {
		o.SecondFactor = append(o.SecondFactor, auth.Role(role))
	}
	return o
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
