package node

import "lotse/internal/auth"

// accountOptions is what the accounts of persons need of the configuration.
func (n *Node) accountOptions() auth.Options { return auth.Options{} }
