package deliver

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"lotse/dimse"
	"lotse/internal/importer"
)

// Options tunes a delivery. The zero value is the default.
type Options struct {
	// Workers render ahead; default the number of processors.
	Workers int
	// Reopen is how often in a row an association is opened again without a single
	// object getting through; default 4. The waits between are 1 s, 2 s, 4 s …
	Reopen int
	// Resources is how often in a row A7xx is waited out; default 6. When that was in
	// vain, it is once for each of the next objects, until one that waited is taken:
	// some destinations say A7xx of objects that they cannot read.
	Resources int
	// Below is the folder that a destination folder must not be outside of; see Folder.Below.
	Below string
	// Roots are the authorities of certificates; nil: the system's.
	Roots *x509.CertPool
	// Wait waits for d or until ctx ends; tests replace it.
	Wait func(ctx context.Context, d time.Duration) error
}

func (o Options) withDefaults() Options {
	if o.Workers <= 0 {
		o.Workers = runtime.GOMAXPROCS(0)
	}
	if o.Reopen <= 0 {
		o.Reopen = 4
	}
	if o.Resources <= 0 {
		o.Resources = 6
	}
	if o.Wait == nil {
		o.Wait = wait
	}
	return o
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Node is a DICOM application entity that takes C-STORE.
type Node struct {
	addr   Address
	cfg    dimse.Config
	opts   Options
	chunks *chunks
	// reached: the destination answered last time. One that was never reached, or was
	// given up, is more likely a wrong address than one that comes back.
	reached atomic.Bool
	// exhausted: A7xx was waited out in vain last time.
	exhausted atomic.Bool
}

// NewNode returns the destination at a.
func NewNode(a Address, opts Options) *Node {
	n := &Node{addr: a, opts: opts.withDefaults(), chunks: newChunks(),
		cfg: dimse.Config{CallingAE: a.Calling, CalledAE: a.Called}}
	switch a.TLS {
	case TLSVerify:
		n.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: opts.Roots}
	case TLSInsecure:
		// The administrator asked for encryption without identity.
		n.cfg.TLS = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: true} //nolint:gosec // tls=unverified is a named choice
	}
	return n
}

// String names the node as AE@host:port.
func (n *Node) String() string { return n.addr.Called + "@" + n.addr.HostPort }

// Echo verifies the connection by C-ECHO.
func (n *Node) Echo(ctx context.Context) error {
	a, err := dimse.Dial(ctx, n.addr.HostPort, n.cfg, []dimse.PresentationContext{dimse.VerificationContext(1)})
	if err != nil {
		return n.problem(err)
	}
	if _, err := a.Echo(ctx); err != nil {
		a.Abort()
		return n.problem(err)
	}
	return a.Release(ctx)
}

// Deliver sends study by study, each on an association of its own (or several at
// the same time where the address says so).
func (n *Node) Deliver(ctx context.Context, objects Objects, report Report) error {
	var mu sync.Mutex
	locked := func(r Result) error {
		mu.Lock()
		defer mu.Unlock()
		return report(r)
	}
	var first error
	for _, study := range byStudy(objects) {
		for _, lot := range lots(objects, study) {
			if err := n.deliverLot(ctx, objects, lot, locked); err != nil && first == nil {
				first = err
			}
		}
	}
	return first
}

// byStudy cuts the objects into runs of one study, in their order.
func byStudy(objects Objects) [][]int {
	var order []string
	runs := map[string][]int{}
	for i := range objects.Len() {
		study := objects.Object(i).Study
		if runs[study] == nil {
			order = append(order, study)
		}
		runs[study] = append(runs[study], i)
	}
	out := make([][]int, 0, len(order))
	for _, s := range order {
		out = append(out, runs[s])
	}
	return out
}

// lot is what one association can carry: its contexts and the objects in them.
type lot struct {
	contexts []dimse.PresentationContext
	indices  []int
}

// lots cuts a study where it needs more presentation contexts than one
// association can have.
func lots(objects Objects, study []int) []lot {
	keys := make([]dimse.ContextKey, 0, 8)
	seen := map[dimse.ContextKey]bool{}
	for _, i := range study {
		if k := keyOf(objects.Object(i)); !seen[k] {
			seen[k] = true
			keys = append(keys, k)
		}
	}
	plan := dimse.Plan(keys)
	out := make([]lot, len(plan))
	home := map[[2]string]int{}
	for p, contexts := range plan {
		out[p].contexts = contexts
		for _, c := range contexts {
			for _, syntax := range c.TransferSyntaxes {
				if _, ok := home[[2]string{c.SOPClass, syntax}]; !ok {
					home[[2]string{c.SOPClass, syntax}] = p
				}
			}
		}
	}
	for _, i := range study {
		o := objects.Object(i)
		p := home[[2]string{o.SOPClass, o.TransferSyntax}]
		out[p].indices = append(out[p].indices, i)
	}
	return out
}

func keyOf(o Object) dimse.ContextKey {
	return dimse.ContextKey{SOPClass: o.SOPClass, TransferSyntax: o.TransferSyntax, LossyOnly: o.LossyOnly}
}

// deliverLot spreads a lot over the associations that may be open at a time.
func (n *Node) deliverLot(ctx context.Context, objects Objects, l lot, report Report) error {
	count := max(1, min(n.addr.Associations, len(l.indices)))
	errs := make([]error, count)
	var wg sync.WaitGroup
	for k := range count {
		part := l.indices[k*len(l.indices)/count : (k+1)*len(l.indices)/count]
		wg.Go(func() {
			s := &session{node: n, objects: objects, contexts: l.contexts, pending: part, report: report,
				workers: max(1, n.opts.Workers/count)}
			errs[k] = s.run(ctx)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// problem turns an error of the association into one for people.
func (n *Node) problem(err error) error {
	var rejected *dimse.RejectError
	if errors.As(err, &rejected) && !rejected.Temporary() {
		return &importer.Problem{Code: importer.ProblemRejected, Host: n.String(), Err: err}
	}
	var certificate *tls.CertificateVerificationError
	if errors.As(err, &certificate) {
		return &importer.Problem{Code: importer.ProblemCertificate, Host: n.String(), Err: err}
	}
	return &importer.Problem{Code: importer.ProblemDestination, Host: n.String(), Err: err}
}
