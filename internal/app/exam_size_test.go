package app

import (
	"archive/zip"
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/synth"
)

// manySlices is a ZIP of small slices with some letters.
func manySlices(t *testing.T, n, letters int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	add := func(name string, raw []byte) {
		f, err := z.Create(name)
		must(t, err)
		_, err = f.Write(raw)
		must(t, err)
	}
	for i := range n {
		raw, err := synth.Slice(synth.SliceOptions{Seed: 1, Number: i})
		must(t, err)
		add(fmt.Sprintf("IM%05d", i), raw)
	}
	for i := range letters {
		add(fmt.Sprintf("REPORTS/%d.PDF", i), append(letter(), strconv.Itoa(i)...))
	}
	must(t, z.Close())
	return b.Bytes()
}

// TestManyInstances takes an exam of many small instances and letters all the way.
// LOTSE_EXAM_INSTANCES makes it larger, to measure.
func TestManyInstances(t *testing.T) {
	t.Parallel()
	n, letters := 300, 20
	if v, err := strconv.Atoi(os.Getenv("LOTSE_EXAM_INSTANCES")); err == nil {
		n = v
	}
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	content := manySlices(t, n, letters)
	rec, address := recording(t)
	to := w.destinationAt(address, "")
	at := time.Now()
	lap := func(what string) {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		t.Logf("%-10s %6d ms, heap %d MiB of %d MiB", what, time.Since(at).Milliseconds(), m.HeapAlloc>>20, m.HeapSys>>20)
		at = time.Now()
	}
	id, err := w.Create(ctx, w.who, NewImport{Kind: KindUpload, Files: 1})
	must(t, err)
	w.upload(id, "exam.zip", content)
	lap("upload")
	s := w.until(id, importer.Review)
	lap("inspect")
	for range 10 {
		_, err := w.Snapshot(ctx, w.who, id)
		must(t, err)
	}
	lap("snapshots")
	w.decideFor(s, to)
	lap("decide")
	s = w.until(id, importer.Arrived)
	lap("deliver")
	if got := len(rec.Seen()); got != n+letters || s.Delivery[0].Delivered != int64(n+letters) {
		t.Errorf("%d objects arrived: %s", got, show(s.Delivery))
	}
	sc, err := w.scope(ctx, w.who)
	must(t, err)
	r, err := sc.derived(ctx, id, keyInspection, nil)
	must(t, err)
	if limit := int64(600 * (n + letters + 10)); r.Size() > limit {
		t.Errorf("the inspection has %d bytes, more than %d", r.Size(), limit)
	}
	found, err := sc.inspection(ctx, id)
	must(t, err)
	if d := found.Inspection.Documents[0]; d.Study == nil || len(d.Study.Series) == 0 {
		t.Error("a document lost its study")
	}
}
