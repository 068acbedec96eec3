//go:build !linux

package dimse

import "net"

// quickAck is for Linux only; elsewhere several associations hide the delay.
func quickAck(net.Conn) func() { return nil }
