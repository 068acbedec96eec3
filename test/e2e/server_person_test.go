package e2e

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"

	"lotse/test/peer"
	"lotse/test/samples"
)

// person sits at a terminal in which a command runs.
type person struct {
	t     *testing.T
	pty   *os.File
	sees  *safeBuffer
	ended chan struct{}
	cmd   *exec.Cmd
}

func (s *server) person(args ...string) *person {
	s.t.Helper()
	cmd := exec.Command(binary, append(args, "--server", s.url(), "--token-file", s.file)...)
	cmd.Env = append(os.Environ(), "LANG=en_GB.UTF-8", "LC_ALL=", "TERM=xterm")
	ptmx, err := pty.Start(cmd)
	if err != nil {
		s.t.Skipf("no pseudo terminal: %v", err)
	}
	p := &person{t: s.t, pty: ptmx, sees: &safeBuffer{}, ended: make(chan struct{}), cmd: cmd}
	go func() {
		_, _ = io.Copy(p.sees, ptmx) // until the command ends
		_ = cmd.Wait()               // its exit code says how
		close(p.ended)
	}()
	s.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = ptmx.Close()
		<-p.ended
	})
	return p
}

// answers waits for a text on the screen and types after it.
func (p *person) answers(text, typed string) {
	p.t.Helper()
	p.waits(text)
	if _, err := io.WriteString(p.pty, typed); err != nil {
		p.t.Fatal(err)
	}
}

// waits waits for a text on the screen, behind those waited for before.
func (p *person) waits(text string) {
	p.t.Helper()
	peer.Await(p.t, patience, "the screen to show "+text+"; it shows:\n"+p.sees.String(), func() bool {
		_, after, found := strings.Cut(p.sees.String(), text)
		if found {
			p.forget(len(after))
		}
		return found
	})
}

// forget keeps the last n bytes of what was seen.
func (p *person) forget(n int) {
	p.sees.mu.Lock()
	defer p.sees.mu.Unlock()
	p.sees.buf.Next(p.sees.buf.Len() - n)
}

// leaves waits for the end of the command.
func (p *person) leaves(code int) {
	p.t.Helper()
	peer.Await(p.t, patience, "the command to end", func() bool {
		select {
		case <-p.ended:
			return true
		default:
			return false
		}
	})
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		p.t.Errorf("exit code %d, want %d:\n%s", got, code, p.sees)
	}
}

// TestServerAsksPerson: a person at a terminal is asked what an import that is done
// here asks, and why a contradiction is accepted.
func TestServerAsksPerson(t *testing.T) {
	portal := startPortal(t)
	s := startServer(t, portal)
	dir := t.TempDir()
	s.destination("folder", "dir:"+dir)
	p := s.person("import", portal.link("BIRTH-1"), "--to", "folder", "--patient-id", "4711", "--patient-birth-date", "1971-02-03")
	p.answers("What is the birth date?", "2.2.1970\n")
	p.answers("Answer once more?", "\n")
	p.answers("What is the birth date?", "1.1.1970\n")
	p.waits("Mustermann") // what came in, with its files by name
	p.waits("report_mustermann.pdf")
	p.answers("Why does the exam belong to this patient all the same?", "checked by phone\n")
	p.waits("Import receipt")
	p.waits("signature of the receipt is genuine")
	p.leaves(0)
	if n := len(filesBelow(t, dir)); n != 5 {
		t.Errorf("%d files", n)
	}
}

// TestServerAsksForNewPortal: a person confirms a portal that is new to the server, once for
// all; who says no, or cannot be asked, keeps the answers.
func TestServerAsksForNewPortal(t *testing.T) {
	portal := startPortal(t)
	s := startServer(t, portal, "LOTSE_OUTBOUND_PORTALS=portal.example.org")
	s.destination("folder", "dir:"+t.TempDir())
	args := []string{"import", portal.link("BIRTH-1"), "--birth-date", "1.1.1970", "--to", "folder"}
	if r := s.lotse(args...).want(t, 5); !strings.Contains(r.err, "nobody here has confirmed") || !strings.Contains(r.err, "127.0.0.1:"+portal.port) {
		t.Errorf("without a person: %s", r.err)
	}
	p := s.person(args...)
	p.waits("127.0.0.1:" + portal.port)
	p.waits("number instead of a name")
	p.answers("May your answers go to this address?", "\n")
	p.leaves(5)
	p = s.person(args...)
	p.answers("May your answers go to this address?", "y\n")
	p.waits("Import receipt")
	p.leaves(0)
	s.lotse(args...).want(t, 0)
	if status := s.call(http.MethodDelete, "/portals/127.0.0.1:"+portal.port, nil, nil); status != http.StatusNoContent {
		t.Errorf("revoke: %d", status)
	}
	s.lotse(args...).want(t, 5)
	s.lotse(append(args, "--allow-host", "127.0.0.1:"+portal.port)...).want(t, 0)
}

func TestServerAsksForArchive(t *testing.T) {
	s := startServer(t, nil)
	s.destination("folder", "dir:"+t.TempDir())
	encrypted := t.TempDir() + "/encrypted.zip"
	peer.Run(t, "zip", "-q", "-j", "-P", "secret", encrypted, samples.File(t, "dlx-demo/patcd.zip"))
	p := s.person("import", encrypted, "--to", "folder")
	p.answers("Password", "wrong\n")
	p.answers("once more?", "y\n")
	p.answers("Password", "secret\n")
	p.waits("Import receipt")
	p.leaves(0)
}

// TestServerAsksWhetherToCancel: Ctrl-C leaves the import running, or not.
func TestServerAsksWhetherToCancel(t *testing.T) {
	portal := startPortal(t)
	s := startServer(t, portal)
	s.destination("folder", "dir:"+t.TempDir())
	for _, c := range []struct {
		typed, says string
		cancelled   bool
	}{{"y\n", "is cancelled on the server", true}, {"\n", "goes on on the server", false}} {
		begun := len(s.imports())
		p := s.person("import", portal.link("SLOW-1"), "--birth-date", "1970-01-01", "--to", "folder")
		peer.Await(t, patience, "the import to have begun", func() bool { return len(s.imports()) > begun })
		p.answers("", "\x03")
		p.answers("Cancel the import on the server as well?", c.typed)
		p.waits(c.says)
		p.leaves(1)
		if one := s.imports()[0]; (one.State == "cancelled") != c.cancelled {
			t.Errorf("%+v", one)
		}
	}
}
