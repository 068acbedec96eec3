package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"lotse/internal/config"
	"lotse/internal/logs"
	"lotse/internal/node"
)

// configFlags say where the configuration is.
type configFlags struct {
	Config string `help:"Configuration file. Default: what LOTSE_CONFIG names, else lotse.yaml in the working folder." type:"path" placeholder:"FILE"`
}

func (f configFlags) sources() config.Sources {
	return config.Sources{Path: f.Config, Environ: os.Environ()}
}

// serveCmd runs the gateway.
type serveCmd struct {
	configFlags

	NewLink bool `help:"Print a one-time link for another administrator, when nobody can get in any more."`
}

// Run serves until it is told to stop.
func (c serveCmd) Run(s *session) error {
	cfg, _, err := config.Load(c.sources())
	if err != nil {
		return err
	}
	out, err := logWriter(s, cfg.Log)
	if err != nil {
		return err
	}
	log := newLog(out, cfg.Log)
	for _, w := range cfg.Warnings() {
		log.Warn(w)
	}
	n, err := node.Open(s.ctx, cfg, node.Options{Version: version, Log: log})
	if err != nil {
		return err
	}
	err = c.serve(s, n)
	err = errors.Join(err, n.Close())
	if err != nil && out != s.err {
		log.Error("the node has ended", "error", err) // it is also told on standard error
	}
	return err
}

func (c serveCmd) serve(s *session, n *node.Node) error {
	link, err := n.SetupLink(s.ctx, c.NewLink)
	if err != nil {
		return err
	}
	key := "serve.ready"
	if link != "" {
		key = "serve.setup"
	}
	n.OnReady(func() {
		_, _ = fmt.Fprintln(s.out, s.phrases.Say(key, map[string]any{"URL": n.Config.PublicURL, "Link": link}))
	})
	err = n.Run(s.ctx)
	if errors.Is(err, context.Canceled) && s.ctx.Err() != nil {
		return nil // told to stop, and stopped
	}
	return err
}

// newLog writes what the running of a node is told of.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // checked with the configuration
	return logs.New(w, level, c.Format == "json")
}

// logWriter is where logs go: a folder, in which their files end while the node runs, or
// standard error.
func logWriter(s *session, c config.Log) (io.Writer, error) {
	if c.Dir == "" {
		return s.err, nil
	}
	files, err := logs.Open(c.Dir, c.Keep)
	if err != nil {
		return nil, err
	}
	go func() { _ = files.Run(s.ctx) }() // ends with the command, the last lines with the process
	return files, nil
}
