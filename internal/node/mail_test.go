package node

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/config"
	"lotse/internal/importer"
	"lotse/internal/queue"
	"lotse/internal/store"
	"lotse/test/peer"
)

// output gathers what a process writes.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// TestWarningIsMailed sends a warning to a real mail server, Python's.
func TestWarningIsMailed(t *testing.T) {
	const python = "/usr/bin/python3"
	if err := exec.Command(python, "-W", "ignore", "-c", "import smtpd").Run(); err != nil {
		t.Skip("skipped: python3 with the module smtpd is not installed")
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(peer.FreePort(t)))
	var got output
	server := exec.Command(python, "-u", "-W", "ignore", "-m", "smtpd", "-n", "-c", "DebuggingServer", address)
	server.Stdout, server.Stderr = &got, os.Stderr
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
	})
	peer.Await(t, 10*time.Second, "the mail server to listen", func() bool {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			_ = conn.Close()
		}
		return err == nil
	})
	c := config.Default()
	c.Mail = config.Mail{Server: address, Security: "none", From: "lotse@example.org", To: []string{"it@example.org"}}
	c.PublicURL = "https://lotse.example.org"
	n := &Node{Config: &c, Log: slog.Default()}
	id := "0197a000-0000-7000-8000-000000000000"
	if err := n.warner()(context.Background(), app.Warning{Tenant: "main", Import: id, State: importer.Review, Expires: time.Now().Add(24 * time.Hour)}); err != nil {
		t.Fatal(err)
	}
	peer.Await(t, 10*time.Second, "the mail", func() bool { return strings.Contains(got.String(), id) })
	if mail := got.String(); !strings.Contains(mail, "it@example.org") || !strings.Contains(mail, "lotse.example.org") {
		t.Errorf("the mail is\n%s", mail)
	}
	elevation := auth.Elevation{ID: "0197a000-0000-7000-8000-000000000001", User: "0197a000-0000-7000-8000-000000000002", Reason: "Polytrauma", Ends: time.Now()}
	payload, err := json.Marshal(elevation)
	if err != nil {
		t.Fatal(err)
	}
	job := &queue.Run{Job: store.Job{Payload: payload}}
	if err := n.elevated(context.Background(), job); err != nil {
		t.Fatal(err)
	}
	if err := n.elevated(cancelled(), job); err == nil {
		t.Error("a report was sent with a context that had ended: nobody would try it again")
	}
	peer.Await(t, 10*time.Second, "the second mail", func() bool { return strings.Contains(got.String(), elevation.ID) })
	if mail := got.String(); !strings.Contains(mail, elevation.User) || strings.Contains(mail, elevation.Reason) {
		t.Errorf("the mail is\n%s", mail)
	}
	if err := (&Node{Config: &c}).warner()(cancelled(), app.Warning{}); err == nil {
		t.Error("a mail was sent with a context that had ended")
	}
}

func cancelled() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}
