// Package syslog sends messages to a receiver of syslog (RFC 5424) over TLS (RFC 5425),
// or, on this machine only, over TCP with the same frames or UDP.
package syslog

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Config says where a receiver is, and how messages are marked.
type Config struct {
	Address  string      // tls://host:port, tcp://…, udp://…
	TLS      *tls.Config // for tls://
	Facility string
	Host     string // HOSTNAME
	App      string // APP-NAME
	Process  string // PROCID
	MsgID    string
}

// Notice is a severity (RFC 5424 §6.2.1): normal, and yet significant.
const Notice = 5

// facilities are the numbers of their names (RFC 5424 §6.2.1).
func facilities() map[string]int {
	return map[string]int{"authpriv": 10, "audit": 13, "local0": 16, "local1": 17, "local2": 18, "local3": 19, "local4": 20, "local5": 21, "local6": 22, "local7": 23}
}

// Message is one to send.
type Message struct {
	At       time.Time
	Severity int
	Text     []byte // UTF-8
}

const (
	dialTime  = 5 * time.Second
	writeTime = 10 * time.Second
	// settle is how long a connection has to hold after everything was taken.
	settle = 250 * time.Millisecond
)

// Client sends to one receiver, over one connection at a time.
type Client struct {
	config   Config
	network  string
	address  string
	facility int

	mu   sync.Mutex
	conn net.Conn
	lost chan struct{} // closed when the receiver closed the connection
}

// New prepares a client; it connects when there is something to send.
func New(c Config) (*Client, error) {
	u, err := url.Parse(c.Address)
	if err != nil || u.Port() == "" {
		return nil, errors.New("syslog: the address is not understood")
	}
	facility, ok := facilities()[c.Facility]
	if !ok {
		return nil, fmt.Errorf("syslog: there is no facility %q", c.Facility)
	}
	client := &Client{config: c, network: u.Scheme, address: u.Host, facility: facility}
	switch {
	case u.Scheme == "tls" && c.TLS == nil, u.Scheme != "tls" && u.Scheme != "tcp" && u.Scheme != "udp":
		return nil, errors.New("syslog: the address is not understood")
	case u.Scheme != "tls" && !local(u.Hostname()):
		return nil, errors.New("syslog: another machine is told over TLS only")
	}
	return client, nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send gives messages to the receiver, in their order. It returns nil when the receiver's
// machine has taken all of them and the connection held; syslog has no other receipt. After
// an error some may have come: sending all of them again is right.
func (c *Client) Send(ctx context.Context, messages []Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	err := c.send(ctx, messages)
	if err != nil {
		c.hangUp()
		return fmt.Errorf("syslog: %w", err)
	}
	return nil
}

// Close ends the connection.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.hangUp()
	return nil
}

func (c *Client) hangUp() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

func (c *Client) send(ctx context.Context, messages []Message) error {
	if err := c.connect(ctx); err != nil {
		return err
	}
	deadline := time.Now().Add(writeTime)
	if err := c.conn.SetWriteDeadline(deadline); err != nil {
		return err
	}
	var frames bytes.Buffer
	for _, m := range messages {
		text := c.format(m)
		if c.network == "udp" {
			if _, err := c.conn.Write(text); err != nil {
				return err
			}
			continue
		}
		frames.WriteString(strconv.Itoa(len(text)) + " ") // octet counting
		frames.Write(text)
	}
	if c.network == "udp" {
		return nil
	}
	if _, err := c.conn.Write(frames.Bytes()); err != nil {
		return err
	}
	return c.taken(ctx, deadline)
}

// taken waits until the receiver's machine has everything, and a little longer for it to
// hang up.
func (c *Client) taken(ctx context.Context, deadline time.Time) error {
	look := time.NewTicker(settle)
	defer look.Stop()
	for {
		select {
		case <-c.lost:
			return errors.New("the receiver closed the connection")
		case <-ctx.Done():
			return ctx.Err()
		case <-look.C:
			left, err := unacknowledged(c.conn)
			switch {
			case err != nil:
				return err
			case left == 0:
				return nil
			case time.Now().After(deadline):
				return errors.New("the receiver does not take what is sent")
			}
		}
	}
}

// connect takes the connection that there is, or another one.
func (c *Client) connect(ctx context.Context) error {
	if c.conn != nil {
		select {
		case <-c.lost:
			c.hangUp()
		default:
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}}
	var err error
	if c.network == "tls" {
		c.conn, err = (&tls.Dialer{NetDialer: dialer, Config: c.config.TLS}).DialContext(ctx, "tcp", c.address)
	} else {
		c.conn, err = dialer.DialContext(ctx, c.network, c.address)
	}
	if err != nil {
		c.conn = nil
		return err
	}
	c.lost = make(chan struct{})
	if c.network != "udp" {
		go listen(c.conn, c.lost)
	}
	return nil
}

// listen hears the end of a connection: a receiver says nothing else.
func listen(conn net.Conn, lost chan<- struct{}) {
	_, _ = io.Copy(io.Discard, conn)
	close(lost)
}

// format is a message with its head and the byte order mark that says UTF-8 (RFC 5424 §6).
func (c *Client) format(m Message) []byte {
	head := fmt.Sprintf("<%d>1 %s %s %s %s %s - \ufeff", c.facility*8+m.Severity, m.At.UTC().Format("2006-01-02T15:04:05.000000Z"),
		name(c.config.Host, 255), name(c.config.App, 48), name(c.config.Process, 128), name(c.config.MsgID, 32))
	return append([]byte(head), m.Text...)
}

// name is a field of the head: printable ASCII, or the sign for none.
func name(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < '!' || r > '~' {
			return -1
		}
		return r
	}, s)
	if s == "" {
		return "-"
	}
	return s[:min(len(s), most)]
}
