package node

import "lotse/internal/auth"

// accountOptions is what the accounts of persons need of the configuration.
func (n *Node) accountOptions() auth.Options {
	c := n.Config.Security
	o := auth.Options{Idle: c.Idle, Absolute: c.Longest, Fresh: c.Reprove, Elevated: c.AllSites, Suspicions: map[auth.Suspicion]auth.Action{
		auth.NewNetwork: auth.Action(c.NewNetwork), auth.Moved: auth.Action(c.Moved),
		auth.TwoPlaces: auth.Action(c.TwoPlaces), auth.TooFast: auth.Action(c.TooFast),
	}}
	for _, role := range c.SecondFactor {
		o.SecondFactor = append(o.SecondFactor, auth.Role(role))
	}
	return o
}
