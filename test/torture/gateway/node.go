package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// StartTime bounds how long a node may take until it answers.
const StartTime = 60 * time.Second

// Build builds the program of this module into a folder and returns its path.
func Build(ctx context.Context, folder string) (string, error) {
	path := filepath.Join(folder, "lotse")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "lotse/cmd/lotse")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build lotse: %w\n%s", err, out)
	}
	return path, nil
}

// Node is one process of `lotse serve` after the other, with the same configuration.
// Its methods are not for concurrent use, except those that say so.
type Node struct {
	Program string
	Folder  string            // data and log of the node
	Config  map[string]string // LOTSE_… variables without the prefix
	// Ports on the loopback interface, chosen by NewNode.
	HTTP, DICOM, Metrics int

	mu    sync.Mutex
	cmd   *exec.Cmd
	done  chan struct{} // closed when the process has ended
	setup string        // secret of the one-time link it printed
}

// Modality is the AE title of the one sender that the nodes know, and AETitle theirs.
const (
	Modality = "MODALITY"
	AETitle  = "LOTSE"
)

// callers let the sender in.
const callers = "dicom:\n  ae_title: " + AETitle + "\n  callers:\n    - ae_title: " + Modality + "\n      addresses: [127.0.0.1]\n"

// NewNode prepares a node; nothing runs yet.
func NewNode(program, folder string, config map[string]string) (*Node, error) {
	n := &Node{Program: program, Folder: folder, Config: maps.Clone(config)}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(folder, "lotse.yaml"), []byte(callers), 0o600); err != nil {
		return nil, err
	}
	for _, port := range []*int{&n.HTTP, &n.DICOM, &n.Metrics} {
		p, err := freePort()
		if err != nil {
			return nil, err
		}
		*port = p
	}
	return n, nil
}

// freePort finds a port below those that outgoing connections get: it has to be free
// also when the node comes back after a kill.
func freePort() (int, error) {
	for range 200 {
		port := 20000 + rand.N(10000) //nolint:gosec // any will do
		ln, err := net.Listen("tcp", loopback(port))
		if err == nil {
			return port, ln.Close()
		}
	}
	return 0, errors.New("no free port between 20000 and 30000")
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// URL is the address of the API; safe for concurrent use.
func (n *Node) URL() string { return "http://" + loopback(n.HTTP) }

// DICOMAddr is host:port for objects; safe for concurrent use.
func (n *Node) DICOMAddr() string { return loopback(n.DICOM) }

// MetricsURL is where the metrics are; safe for concurrent use.
func (n *Node) MetricsURL() string { return "http://" + loopback(n.Metrics) + "/metrics" }

// environ is the environment of the process: nothing of LOTSE_ from outside.
func (n *Node) environ() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "LOTSE_") {
			env = append(env, v)
		}
	}
	config := map[string]string{"DATA_DIR": filepath.Join(n.Folder, "data"), "LISTEN": loopback(n.HTTP), "METRICS_LISTEN": loopback(n.Metrics),
		"DICOM_LISTEN": loopback(n.DICOM)}
	maps.Copy(config, n.Config)
	for _, key := range slices.Sorted(maps.Keys(config)) {
		env = append(env, "LOTSE_"+key+"="+config[key])
	}
	return env
}

// Begin starts the process and does not wait for it.
func (n *Node) Begin() error {
	log, err := os.OpenFile(n.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close() // the process has it
	cmd := exec.Command(n.Program, "serve")
	cmd.Dir, cmd.Env, cmd.Stderr = n.Folder, n.environ(), log
	cmd.SysProcAttr = attributes()
	said, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := start(cmd); err != nil {
		return fmt.Errorf("start lotse: %w", err)
	}
	done := make(chan struct{})
	n.mu.Lock()
	n.cmd, n.done = cmd, done
	n.mu.Unlock()
	go func() {
		defer close(done)
		n.listen(said)
		_ = cmd.Wait() // how it ended shows in its log
	}()
	return nil
}

// listen reads what the process prints for its administrator.
func (n *Node) listen(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if _, secret, ok := strings.Cut(lines.Text(), "/setup#"); ok {
			n.mu.Lock()
			n.setup = strings.Fields(secret + " ")[0]
			n.mu.Unlock()
		}
	}
}

// Start starts the process and waits until it answers.
func (n *Node) Start(ctx context.Context) error {
	if err := n.Begin(); err != nil {
		return err
	}
	return n.Ready(ctx)
}

// Ready waits until the process answers /healthz. An error says that it ended, or
// not in time.
func (n *Node) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, StartTime)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if n.Healthy(ctx) {
			return nil
		}
		select {
		case <-tick.C:
		case <-n.Ended():
			return fmt.Errorf("the node has ended:\n%s", n.Tail(2000))
		case <-ctx.Done():
			return fmt.Errorf("the node does not answer: %w\n%s", ctx.Err(), n.Tail(2000))
		}
	}
}

// Healthy asks /healthz once; safe for concurrent use.
func (n *Node) Healthy(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, n.URL()+"/healthz", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// Ended is closed when the process has ended; safe for concurrent use.
func (n *Node) Ended() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.done
}

// PID is the id of the running process, or of the last one; 0 before the first.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return 0
	}
	return n.cmd.Process.Pid
}

// SetupSecret is that of the link for the first administrator, or empty.
func (n *Node) SetupSecret() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setup
}

// Kill ends the process at once (SIGKILL) and waits until it is gone.
func (n *Node) Kill() { n.signal(syscall.SIGKILL) }

// Stop asks the process to end (SIGTERM) and waits; after a minute it is killed.
func (n *Node) Stop() { n.signal(syscall.SIGTERM) }

func (n *Node) signal(s syscall.Signal) {
	n.mu.Lock()
	cmd, done := n.cmd, n.done
	n.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(s) // an error says that it is gone already
	timer := time.NewTimer(time.Minute)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		_ = cmd.Process.Kill()
		<-done
	}
}

// Pause stops the process where it stands, as a machine that is suspended does, until
// Resume, or Kill.
func (n *Node) Pause() error { return n.tell(syscall.SIGSTOP) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.tell(syscall.SIGCONT) }

func (n *Node) tell(s syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.cmd == nil {
		return errors.New("no process was started")
	}
	return n.cmd.Process.Signal(s)
}

// PeakMemory is the largest resident set that the running process has had, in bytes;
// 0 when it cannot be known. (What the system tells of a process that has ended counts
// from what its parent had.)
func (n *Node) PeakMemory() int64 {
	if pid := n.PID(); pid != 0 {
		return peakMemory(pid)
	}
	return 0
}

// LogFile is where the log of the node is.
func (n *Node) LogFile() string { return filepath.Join(n.Folder, "log") }

// Tail is the end of the node's log.
func (n *Node) Tail(bytes int) string {
	all, err := os.ReadFile(n.LogFile())
	if err != nil {
		return err.Error()
	}
	return string(all[max(0, len(all)-bytes):])
}
