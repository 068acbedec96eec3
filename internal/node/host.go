package node

import (
	"fmt"
	"net"
	"strconv"
)

// splitServer reads host:port.
func splitServer(server string) (string, int, error) {
	host, text, err := net.SplitHostPort(server)
	if err != nil {
		return "", 0, err
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return "", 0, fmt.Errorf("the port is no number")
	}
	return host, port, nil
}
