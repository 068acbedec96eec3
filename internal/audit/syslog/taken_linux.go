package syslog

import (
	"crypto/tls"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged is how many bytes the other machine has not confirmed yet.
func unacknowledged(conn net.Conn) (int, error) {
	if secure, ok := conn.(*tls.Conn); ok {
		conn = secure.NetConn()
	}
	raw, ok := conn.(syscall.Conn)
	if !ok {
		return 0, nil
	}
	control, err := raw.SyscallConn()
	if err != nil {
		return 0, err
	}
	n := 0
	var failed error
	err = control.Control(func(fd uintptr) { n, failed = unix.IoctlGetInt(int(fd), unix.SIOCOUTQ) })
	if err == nil {
		err = failed
	}
	return n, err
}
