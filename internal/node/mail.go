package node

import (
	"context"
	"fmt"
	"time"

	"github.com/wneessen/go-mail"

	"lotse/internal/app"
	"lotse/internal/config"
)

// warner sends warnings by mail; nil where no mail server is configured.
func (n *Node) warner() func(context.Context, app.Warning) error {
	c := n.Config.Mail
	if c.Server == "" {
		return nil
	}
	return func(ctx context.Context, w app.Warning) error {
		message, err := warning(c, w, n.Config.PublicURL)
		if err != nil {
			return fmt.Errorf("mail: %w", err)
		}
		return send(ctx, c, message)
	}
}

// send sends a message.
func send(ctx context.Context, c config.Mail, message *mail.Msg) error {
	client, err := mailClient(c)
	if err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, message); err != nil {
		return fmt.Errorf("mail: %w", err)
	}
	return nil
}

func mailClient(c config.Mail) (*mail.Client, error) {
	host, port, err := splitServer(c.Server)
	if err != nil {
		return nil, err
	}
	options := []mail.Option{mail.WithPort(port), mail.WithTimeout(30 * time.Second)}
	switch c.Security {
	case "tls":
		options = append(options, mail.WithSSL())
	case "none":
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	default:
		options = append(options, mail.WithTLSPolicy(mail.TLSMandatory))
	}
	if c.Username != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.Username), mail.WithPassword(c.Password.Reveal()))
	}
	return mail.NewClient(host, options...)
}

// warning is the message. It names the import by its id and nobody.
func warning(c config.Mail, w app.Warning, url string) (*mail.Msg, error) {
	m := mail.NewMsg()
	if err := m.From(c.From); err != nil {
		return nil, err
	}
	if err := m.To(c.To...); err != nil {
		return nil, err
	}
	m.Subject("Lotse: Untersuchung wird ohne Zustellung gelöscht / exam is erased undelivered")
	m.SetBodyString(mail.TypeTextPlain, fmt.Sprintf(`Eine importierte Untersuchung ist noch nicht zugestellt und wird am %[1]s gelöscht.
Stand: %[2]s. Bitte stellen Sie sie vorher zu oder lehnen Sie sie ab: %[3]s (Import %[4]s)

An imported exam has not been delivered and is erased on %[1]s.
State: %[2]s. Please deliver or reject it before: %[3]s (import %[4]s)
`, w.Expires.Local().Format("2006-01-02 15:04 MST"), w.State, url, w.Import))
	return m, nil
}
