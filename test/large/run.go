package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"lotse/test/torture/gateway"
)

// options are the flags.
type options struct {
	size            float64 // GB
	patch           int64   // MiB
	rows            int
	program, folder string
	time            time.Duration
}

// maxMemory is what the server may need, in bytes.
const maxMemory = 512 << 20

// report is what came out.
type report struct {
	size               int64
	slices             int
	upload, inspection time.Duration
	uploadPeak, peak   int64 // of the server's memory, bytes
	instances          int64
}

// String is for people.
func (r *report) String() string {
	var b strings.Builder
	rate := func(d time.Duration) float64 { return float64(r.size) / 1e6 / max(d.Seconds(), 1e-3) }
	fmt.Fprintf(&b, "exam             ZIP of %.2f GB, %d slices\n", float64(r.size)/1e9, r.slices)
	fmt.Fprintf(&b, "upload           %.0f s, %.0f MB/s; the server's memory %.0f MiB at most\n", r.upload.Seconds(), rate(r.upload), float64(r.uploadPeak)/(1<<20))
	fmt.Fprintf(&b, "inspection       %.0f s, %.0f MB/s; %d objects found\n", r.inspection.Seconds(), rate(r.inspection), r.instances)
	fmt.Fprintf(&b, "server's memory  %.0f MiB at most\n", float64(r.peak)/(1<<20))
	return b.String()
}

// judge says what is not as it has to be.
func (r *report) judge() error {
	var wrong []error
	if r.instances != int64(r.slices) {
		wrong = append(wrong, fmt.Errorf("%d objects were found instead of %d", r.instances, r.slices))
	}
	if r.peak >= maxMemory || r.peak == 0 {
		wrong = append(wrong, fmt.Errorf("the server took %d MiB", r.peak>>20))
	}
	return errors.Join(wrong...)
}

// run measures. The report is nil when it did not get to the end.
func run(ctx context.Context, o options) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, o.time)
	defer cancel()
	x, err := newExam(int64(o.size*1e9), o.rows)
	if err != nil {
		return nil, err
	}
	r := &report{slices: x.count}
	if r.size, err = x.size(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.folder, "lotse-large-")
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.RemoveAll(dir) }() // the system cleans up what stays
	if o.program == "" {
		o.program, err = gateway.Build(ctx, dir)
	} else {
		o.program, err = filepath.Abs(o.program)
	}
	if err != nil {
		return nil, err
	}
	node, err := gateway.NewNode(o.program, filepath.Join(dir, "node"), nil)
	if err != nil {
		return nil, err
	}
	if err := node.Start(ctx); err != nil {
		return nil, err
	}
	defer node.Kill()
	api, err := gateway.Setup(ctx, []*gateway.Node{node})
	if err != nil {
		return nil, err
	}
	defer api.Close()
	if err := r.bring(ctx, api, node, x, o.patch<<20); err != nil {
		return nil, fmt.Errorf("%w\n%s", err, node.Tail(2000))
	}
	return r, nil
}

// bring uploads the exam and waits until it was read.
func (r *report) bring(ctx context.Context, api *gateway.Client, node *gateway.Node, x *exam, patch int64) error {
	id, err := api.Create(ctx, gateway.NewImport{Kind: "upload", Files: 1})
	if err != nil {
		return err
	}
	begun := time.Now()
	if err := r.send(ctx, api, id, x, patch); err != nil {
		return err
	}
	r.upload, r.uploadPeak = time.Since(begun), node.PeakMemory()
	begun = time.Now()
	for {
		im, err := api.Import(ctx, id)
		if err != nil {
			return err
		}
		if im.State == "review" {
			r.inspection, r.instances, r.peak = time.Since(begun), im.Received.Instances, node.PeakMemory()
			return nil
		}
		if im.State != "fetching" && im.State != "inspecting" {
			return fmt.Errorf("the import is %s: %+v", im.State, im.Problem)
		}
		if !gateway.Wait(ctx, 250*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// send uploads the exam in requests of some bytes. It is made only once, so a request
// that fails ends the run.
func (r *report) send(ctx context.Context, api *gateway.Client, id string, x *exam, patch int64) error {
	coded := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	a, err := api.Once(ctx, gateway.Request{Method: http.MethodPost, Path: "/api/v1/uploads", Header: map[string]string{
		"Tus-Resumable": "1.0.0", "Upload-Length": strconv.FormatInt(r.size, 10),
		"Upload-Metadata": "import " + coded(id) + ",path " + coded("exam.zip"),
	}})
	if err != nil {
		return err
	}
	if err := a.Expect(http.StatusCreated); err != nil {
		return err
	}
	at := a.Header.Get("Location")
	content := x.open()
	defer content.Close()
	buffered := bufio.NewReaderSize(content, 1<<20)
	for offset := int64(0); offset < r.size; {
		n := min(patch, r.size-offset)
		a, err := api.Once(ctx, gateway.Request{Method: http.MethodPatch, Path: at, Length: n,
			Header: map[string]string{"Tus-Resumable": "1.0.0", "Content-Type": "application/offset+octet-stream", "Upload-Offset": strconv.FormatInt(offset, 10)},
			Body:   func() io.Reader { return io.LimitReader(buffered, n) }})
		if err != nil {
			return err
		}
		if err := a.Expect(http.StatusNoContent); err != nil {
			return err
		}
		if offset += n; a.Header.Get("Upload-Offset") != strconv.FormatInt(offset, 10) {
			return fmt.Errorf("the server has %s bytes instead of %d", a.Header.Get("Upload-Offset"), offset)
		}
	}
	return nil
}
