package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"lotse/internal/synth"
	"lotse/test/recorder"
	"lotse/test/torture/gateway"
)

// options are the flags.
type options struct {
	imports, one, slices, rows int
	program, folder            string
	time                       time.Duration
}

// Limits that the server has to keep.
const (
	maxMemory = 512 << 20 // bytes
	maxAnswer = time.Second
)

// report is what came out.
type report struct {
	o                  options
	zip                int
	alone, together    time.Duration // for all imports of the phase
	health             health
	peak               int64 // bytes
	delivered, objects int
	again              int // objects that came more than once for one import
}

// String is for people.
func (r *report) String() string {
	var b strings.Builder
	data := float64(r.zip) / 1e6
	rate := func(n int, d time.Duration) float64 { return data * float64(n) / d.Seconds() }
	alone, together := rate(r.o.one, r.alone), rate(r.o.imports, r.together)
	fmt.Fprintf(&b, "exam             %d slices of %d × %d, ZIP of %.1f MB\n", r.o.slices, r.o.rows, r.o.rows, data)
	fmt.Fprintf(&b, "one by one       %d imports in %.1f s: %.1f s each, %.1f MB/s\n", r.o.one, r.alone.Seconds(), r.alone.Seconds()/float64(max(r.o.one, 1)), alone)
	fmt.Fprintf(&b, "at once          %d imports in %.1f s: %.1f MB/s\n", r.o.imports, r.together.Seconds(), together)
	fmt.Fprintf(&b, "throughput       %.2f times that of one by one\n", together/alone)
	fmt.Fprintf(&b, "delivered        %d imports, %d objects, %d of them more than once\n", r.delivered, r.objects, r.again)
	fmt.Fprintf(&b, "server's memory  %.0f MiB at most\n", float64(r.peak)/(1<<20))
	fmt.Fprintf(&b, "/healthz         %d answers, the slowest after %.0f ms; %d failed or took over a second\n", r.health.asked, float64(r.health.slowest.Milliseconds()), r.health.bad)
	return b.String()
}

// judge says what is not as it has to be.
func (r *report) judge() error {
	var wrong []error
	if want := r.o.imports + r.o.one; r.delivered != want {
		wrong = append(wrong, fmt.Errorf("%d of %d imports were delivered", r.delivered, want))
	}
	if r.again > 0 {
		wrong = append(wrong, fmt.Errorf("%d objects were sent more than once although nothing failed", r.again))
	}
	if r.peak >= maxMemory {
		wrong = append(wrong, fmt.Errorf("the server took %d MiB", r.peak>>20))
	}
	if r.health.bad > 0 || r.health.asked == 0 {
		wrong = append(wrong, fmt.Errorf("%d of %d health checks failed or took over a second", r.health.bad, r.health.asked))
	}
	return errors.Join(wrong...)
}

// rig is a server between clients and an archive.
type rig struct {
	o       options
	node    *gateway.Node
	api     *gateway.Client
	archive *recorder.Recorder
	exam    *gateway.Exam
	to      string // id of the destination
}

// run measures.
func run(ctx context.Context, o options) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	dir, err := os.MkdirTemp(o.folder, "lotse-load-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what stays
	r, err := start(ctx, o, dir)
	if r != nil {
		defer r.close()
	}
	if err != nil {
		return nil, err
	}
	rep := &report{o: o, zip: len(r.exam.ZIP)}
	watching, stop := context.WithCancel(ctx)
	var watch sync.WaitGroup
	watch.Go(func() { rep.health = r.watch(watching) })
	rep.alone, err = timed(func() error { return r.imports(ctx, o.one, 1) })
	if err == nil {
		rep.together, err = timed(func() error { return r.imports(ctx, o.imports, o.imports) })
	}
	stop()
	watch.Wait()
	if err == nil {
		err = r.count(ctx, rep)
	}
	rep.peak = r.node.PeakMemory()
	r.node.Stop()
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, r.node.Tail(2000))
	}
	return rep, err
}

func timed(f func() error) (time.Duration, error) {
	begun := time.Now()
	err := f()
	return time.Since(begun), err
}

// start puts everything up.
func start(ctx context.Context, o options, dir string) (*rig, error) {
	r := &rig{o: o}
	var err error
	if o.program == "" {
		if o.program, err = gateway.Build(ctx, dir); err != nil {
			return nil, err
		}
	} else if o.program, err = filepath.Abs(o.program); err != nil {
		return nil, err
	}
	if r.exam, err = gateway.NewExam(synth.CTOptions{Seed: 1, Slices: o.slices, Rows: o.rows, Columns: o.rows}); err != nil {
		return nil, err
	}
	if r.archive, err = recorder.StartRecorder("ARCHIVE"); err != nil {
		return nil, err
	}
	if r.node, err = gateway.NewNode(o.program, filepath.Join(dir, "node"), nil); err != nil {
		return r, err
	}
	if err = r.node.Start(ctx); err != nil {
		return r, err
	}
	if r.api, err = gateway.Setup(ctx, []*gateway.Node{r.node}); err != nil {
		return r, err
	}
	r.to, err = r.api.NewDestination(ctx, "archive", "dicom://ARCHIVE@"+r.archive.Addr)
	return r, err
}

func (r *rig) close() {
	if r.api != nil {
		r.api.Close()
	}
	if r.node != nil {
		r.node.Kill()
	}
	r.archive.Close()
}

// imports brings the exam through n times, some at the same time.
func (r *rig) imports(ctx context.Context, n, together int) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	places := make(chan struct{}, together)
	var all sync.WaitGroup
	for range n {
		places <- struct{}{}
		all.Go(func() {
			defer func() { <-places }()
			if err := r.bring(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// bring uploads the exam, decides and waits until it is delivered.
func (r *rig) bring(ctx context.Context) error {
	id, err := r.api.Create(ctx, gateway.NewImport{Kind: "upload", Files: 1})
	if err != nil {
		return err
	}
	upload := &gateway.Upload{Client: r.api, Import: id, Path: "exam.zip", Content: r.exam.ZIP, Patch: len(r.exam.ZIP)}
	if err := upload.Run(ctx); err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	im, err := r.until(ctx, id, "review")
	if err != nil {
		return err
	}
	d := gateway.Decision{Destinations: []string{r.to}, Patient: &gateway.Patient{ID: "LOCAL-" + id[len(id)-8:]}}
	if err := r.api.Decide(ctx, im, d); err != nil {
		return err
	}
	_, err = r.until(ctx, id, "delivered")
	return err
}

// until waits for an import to be in a state.
func (r *rig) until(ctx context.Context, id, state string) (*gateway.Import, error) {
	for {
		im, err := r.api.Import(ctx, id)
		switch {
		case err != nil:
			return nil, err
		case im.State == state:
			return im, nil
		case im.State == "failed" || im.State == "waiting" || im.Ended():
			return nil, fmt.Errorf("import %s is %s instead of %s: %+v", id, im.State, state, im.Problem)
		}
		if !gateway.Wait(ctx, 250*time.Millisecond) {
			return nil, context.Cause(ctx)
		}
	}
}

// count looks at what the archive and the server say at the end.
func (r *rig) count(ctx context.Context, rep *report) error {
	list, err := r.api.Imports(ctx, "state=delivered")
	if err != nil {
		return err
	}
	rep.delivered = len(list)
	seen := r.archive.Seen()
	for _, o := range r.exam.Objects {
		n := seen[o.UID].Count()
		rep.objects += n
		rep.again += max(n-rep.delivered, 0)
		if n < rep.delivered {
			return fmt.Errorf("an object came to the archive %d times instead of %d", n, rep.delivered)
		}
	}
	return nil
}
