package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// sample is one measurement.
type sample struct {
	Seconds float64 `json:"seconds"`        // by the clock
	CPU     float64 `json:"cpuSeconds"`     // of all processes that were measured
	Memory  int64   `json:"maxRSS"`         // bytes, of the largest process
	Peer    float64 `json:"peerCPUSeconds"` // of the receiver
}

// run executes a program and measures it. Its memory counts from what this program
// has at that time, which is why everything large happens in children.
func run(ctx context.Context, env []string, name string, args ...string) (sample, []byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	start := time.Now()
	err := cmd.Run()
	s := sample{Seconds: time.Since(start).Seconds()}
	if err != nil {
		return s, nil, fmt.Errorf("%s: %w: %s", name, err, lastLine(problems.Bytes()))
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.Memory = usage.Maxrss << 10 // kilobytes on Linux
	}
	s.CPU = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	return s, out.Bytes(), nil
}

func lastLine(b []byte) string {
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return lines[len(lines)-1]
}

// server is a peer that is running.
type server struct {
	port int
	cmd  *exec.Cmd
	done chan struct{}
	log  bytes.Buffer // to be read when done is closed
}

// serve starts a peer and waits until it listens on port.
func serve(ctx context.Context, env []string, port int, name string, args ...string) (*server, error) {
	s := &server{port: port, done: make(chan struct{})}
	s.cmd = exec.Command(name, args...) //nolint:noctx // it ends with stop, in order
	s.cmd.Env = append(os.Environ(), env...)
	s.cmd.Stdout, s.cmd.Stderr = &s.log, &s.log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended does not matter here
	}()
	if err := s.listening(ctx); err != nil {
		s.stop()
		return nil, fmt.Errorf("%s does not start: %w: %s", name, err, lastLine(s.log.Bytes()))
	}
	return s, nil
}

func (s *server) listening(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.addr())
		if err == nil {
			return conn.Close()
		}
		select {
		case <-tick.C:
		case <-s.done:
			return errors.New("it has ended")
		case <-ctx.Done():
			return err
		}
	}
}

func (s *server) addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// stop ends the peer with its children and waits for its end.
func (s *server) stop() {
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGTERM) // gone already: fine
	select {
	case <-s.done:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-s.cmd.Process.Pid, syscall.SIGKILL)
	<-s.done
}

// cpu stops the peer and returns the seconds of processor that it used.
func (s *server) cpu() float64 {
	s.stop()
	return (s.cmd.ProcessState.UserTime() + s.cmd.ProcessState.SystemTime()).Seconds()
}

// freePort gives a TCP port on which nobody listens.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer func() { _ = ln.Close() }() // nothing was sent
	return ln.Addr().(*net.TCPAddr).Port, nil
}

// processCPU returns the seconds of processor that this process has used.
func processCPU() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
