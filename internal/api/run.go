package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// bound is what Listen took.
type bound struct {
	pages, metrics []net.Listener
}

// Listen takes the addresses, so that what else starts can rely on them; Run does it
// otherwise. Errors name the key of the configuration.
func (s *Server) Listen(ctx context.Context) error {
	if s.bound != nil {
		return nil
	}
	pages, err := listen(ctx, s.Options.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	b := &bound{pages: pages}
	if s.Metrics != nil && s.MetricsListen != "" && s.MetricsListen != "off" {
		if b.metrics, err = listen(ctx, s.MetricsListen); err != nil {
			closeAll(pages)
			return fmt.Errorf("metrics.listen: %w", err)
		}
	}
	s.bound = b
	return nil
}

// listen takes an address. localhost is IPv4 and, where the machine has it and the port
// is free, IPv6: which of them a browser tries first is its own affair.
func listen(ctx context.Context, address string) ([]net.Listener, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	var lc net.ListenConfig
	if host != "localhost" {
		l, err := lc.Listen(ctx, "tcp", address)
		if err != nil {
			return nil, err
		}
		return []net.Listener{l}, nil
	}
	four, err := lc.Listen(ctx, "tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return nil, err
	}
	_, port, err = net.SplitHostPort(four.Addr().String())
	if err != nil {
		return nil, errors.Join(err, four.Close())
	}
	all := []net.Listener{four}
	if six, err := lc.Listen(ctx, "tcp6", net.JoinHostPort("::1", port)); err == nil {
		all = append(all, six)
	}
	return all, nil
}

// Addresses are what the server listens on, after Listen: of pages, and of metrics.
func (s *Server) Addresses() (pages, metrics net.Addr) {
	if s.bound == nil {
		return nil, nil
	}
	pages = s.bound.pages[0].Addr()
	if len(s.bound.metrics) > 0 {
		metrics = s.bound.metrics[0].Addr()
	}
	return pages, metrics
}

// Run serves until ctx ends, then takes no more requests, ends all streams, and gives
// what runs Options.Stop to end. The error is nil after such an end.
func (s *Server) Run(ctx context.Context) error {
	if err := s.Listen(ctx); err != nil {
		return err
	}
	pages, metrics := s.newHTTP(s), s.newHTTP(s.metricsHandler())
	if s.CertFile != "" {
		c, err := newCertificate(s.CertFile, s.KeyFile, s.CertPoll, s.Log)
		if err != nil {
			closeAll(s.bound.pages)
			closeAll(s.bound.metrics)
			return err
		}
		pages.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: c.get}
	}
	var wg sync.WaitGroup
	failed := make(chan error, len(s.bound.pages)+len(s.bound.metrics))
	serve := func(server *http.Server, l net.Listener, secure bool) {
		wg.Go(func() {
			err := error(nil)
			if secure {
				err = server.ServeTLS(l, "", "")
			} else {
				err = server.Serve(l)
			}
			if !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving at %s: %w", l.Addr(), err)
			}
		})
	}
	for _, l := range s.bound.pages {
		serve(pages, l, s.CertFile != "")
	}
	for _, l := range s.bound.metrics {
		serve(metrics, l, false)
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	s.shutdown(context.WithoutCancel(ctx), pages, metrics)
	wg.Wait()
	return err
}

// newHTTP is a server of net/http with bounds. There is none on writing as a whole,
// which would cut off streams and downloads: each write has its own. What net/http
// tells of broken connections and handshakes has addresses, and is for debugging.
func (s *Server) newHTTP(r http.Handler) *http.Server {
	return &http.Server{
		Handler: r, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
}

// shutdown ends the servers, politely as long as Options.Stop allows.
func (s *Server) shutdown(ctx context.Context, servers ...*http.Server) {
	s.stop()
	ctx, cancel := context.WithTimeout(ctx, s.Stop)
	defer cancel()
	for _, server := range servers {
		if err := server.Shutdown(ctx); err != nil {
			s.Log.Warn("requests were cut off by the stop", "err", err)
			_ = server.Close() // nothing more can be done for them
		}
	}
}

// Stopping ends when the server begins to stop: for handlers that wait.
func (s *Server) Stopping() <-chan struct{} { return s.stopping.Done() }

func closeAll(listeners []net.Listener) {
	for _, l := range listeners {
		_ = l.Close() // nobody has used it
	}
}
