package dimse

import (
	"net"
	"syscall"
)

// tcpQuickAck is TCP_QUICKACK of tcp(7).
const tcpQuickAck = 12

// quickAck returns a function that makes the kernel acknowledge at once what has
// been received, or nil where the connection is none of TCP. The option wears off,
// so it is set before every blocking read.
func quickAck(conn net.Conn) func() {
	if wrapped, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = wrapped.NetConn()
	}
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	set := func(fd uintptr) {
		// Failure costs time, not correctness.
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpQuickAck, 1)
	}
	return func() { _ = raw.Control(set) }
}
