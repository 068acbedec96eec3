package deliver

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"lotse/dicom"
	"lotse/dimse"
	"lotse/internal/importer"
)

// A destination that is restarted between two studies has answered before: it is
// waited for as in the middle of one.
func TestRestartBetweenStudies(t *testing.T) {
	accept := &dimse.Server{Store: func(_ context.Context, in dimse.StoreIndication) dimse.Status { return dimse.Success }}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	var wg sync.WaitGroup
	serve := func(ln net.Listener) (stop func()) {
		ctx, cancel := context.WithCancel(context.Background())
		wg.Go(func() { _ = accept.Serve(ctx, ln) })
		return cancel
	}
	stop := serve(ln)
	t.Cleanup(func() { stop(); wg.Wait() })

	e := newExam(t, 1, 1000)
	e.add(t, "1.2.4", "1.2.3.5.1", ctStorage, dicom.ExplicitVRLittleEndian, 1000)
	waits := 0
	wait := func(context.Context, time.Duration) error {
		if waits++; waits == 3 {
			again, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			stop = serve(again)
		}
		return nil
	}
	r := &results{t: t}
	report := func(res Result) error {
		if res.Index == 0 {
			stop()
			_ = ln.Close()
		}
		return r.add(res)
	}
	if err := node(t, "dicom://SINK@"+addr, Options{Wait: wait}).Deliver(t.Context(), e, report); err != nil {
		t.Fatal(err)
	}
	if n := r.fates()[importer.Delivered]; n != 2 || waits != 3 {
		t.Errorf("%d delivered after %d pauses", n, waits)
	}
}
