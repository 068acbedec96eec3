package main

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lotse/dimse"
	"lotse/internal/importer/source/archive/inflate"
	"lotse/internal/synth"
)

func cores() int { return runtime.GOMAXPROCS(0) }

// inflateRow inflates the whole medium in a child, on all cores.
func inflateRow(digest bool) func(context.Context, *bench) (sample, error) {
	return func(ctx context.Context, b *bench) (sample, error) {
		medium, err := b.ct(ctx)
		if err != nil {
			return sample{}, err
		}
		s, _, err := run(ctx, nil, b.self, "-child", "inflate", medium, strconv.FormatBool(digest))
		return s, err
	}
}

// receiverRow has a child send the objects from its memory: no inflating, no
// editing, no reading. Time counts from the association to its release.
func receiverRow(ctx context.Context, b *bench) (sample, error) {
	medium, err := b.ct(ctx)
	if err != nil {
		return sample{}, err
	}
	peer, err := storescp(ctx, true, false)
	if err != nil {
		return sample{}, err
	}
	defer peer.stop()
	_, out, err := run(ctx, nil, b.self, "-child", "send", medium, peer.addr())
	if err != nil {
		return sample{}, err
	}
	var s sample
	if err := json.Unmarshal(out, &s); err != nil {
		return sample{}, fmt.Errorf("read the child's result: %w", err)
	}
	s.Peer = peer.cpu()
	return s, nil
}

// child does one step in a process of its own, so that the memory it takes does
// not count for what is measured.
func child(ctx context.Context, step string, args []string) error {
	switch {
	case step == "medium" && len(args) == 3:
		return makeMedium(args[0], args[1], args[2])
	case step == "inflate" && len(args) == 2:
		return inflateAll(args[0], args[1] == "true")
	case step == "send" && len(args) == 2:
		return sendAll(ctx, args[0], args[1])
	}
	return fmt.Errorf("no step %q with %d arguments", step, len(args))
}

// makeMedium writes to a file beside the right one first: a medium in the cache is
// complete.
func makeMedium(path, slices, side string) error {
	count, err := strconv.Atoi(slices)
	if err != nil {
		return err
	}
	pixels, err := strconv.Atoi(side)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(path[:strings.LastIndexByte(path, '/')], "new-")
	if err != nil {
		return err
	}
	err = synth.CT(f, synth.CTOptions{Slices: count, Rows: pixels, Columns: pixels, Seed: 1})
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// spread calls f for every file of a medium, on all cores.
func spread(path string, f func(i int, in *zip.File) error) error {
	z, err := zip.OpenReader(path)
	if err != nil {
		return err
	}
	defer func() { _ = z.Close() }() // was only read
	errs := make([]error, cores())
	var next atomic.Int64
	var workers sync.WaitGroup
	for w := range errs {
		workers.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1)) - 1
				if i >= len(z.File) {
					return
				}
				errs[w] = f(i, z.File[i])
			}
		})
	}
	workers.Wait()
	return errors.Join(errs...)
}

// inflateAll inflates and checks everything with the inflate that Lotse uses.
func inflateAll(path string, digest bool) error {
	type worker struct {
		inflate *inflate.Reader
		sha     hash.Hash
		buffer  []byte
	}
	pool := sync.Pool{New: func() any {
		return &worker{inflate.NewSize(nil, 256<<10), sha256.New(), make([]byte, 256<<10)}
	}}
	return spread(path, func(_ int, in *zip.File) error {
		w, _ := pool.Get().(*worker)
		defer pool.Put(w)
		raw, err := in.OpenRaw()
		if err != nil {
			return err
		}
		w.inflate.Reset(raw)
		w.sha.Reset()
		sum := crc32.NewIEEE()
		var out io.Writer = sum
		if digest {
			out = io.MultiWriter(sum, w.sha)
		}
		if _, err := io.CopyBuffer(out, w.inflate, w.buffer); err != nil {
			return err
		}
		if sum.Sum32() != in.CRC32 {
			return zip.ErrChecksum
		}
		return nil
	})
}

// object is a data set in memory, with what C-STORE says about it.
type object struct {
	class, instance, syntax string
	body                    []byte
}

// sendAll loads all images of a medium and then sends them over one association.
func sendAll(ctx context.Context, path, addr string) error {
	objects, err := load(path)
	if err != nil {
		return err
	}
	if len(objects) == 0 {
		return errors.New("no objects on the medium")
	}
	before := processCPU()
	start := time.Now()
	contexts := dimse.Plan([]dimse.ContextKey{{SOPClass: objects[0].class, TransferSyntax: objects[0].syntax}})
	a, err := dimse.Dial(ctx, addr, dimse.Config{CallingAE: callingAE, CalledAE: calledAE}, contexts[0])
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }() // released below, or lost
	for i, o := range objects {
		answer, err := a.Store(ctx, dimse.StoreRequest{
			SOPClass: o.class, SOPInstance: o.instance, TransferSyntax: o.syntax, Data: dimse.FromBytes(o.body),
		})
		if err != nil {
			return err
		}
		if answer.Status != dimse.Success {
			return fmt.Errorf("object %d: status %04x", i, uint16(answer.Status))
		}
	}
	if err := a.Release(ctx); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(sample{Seconds: time.Since(start).Seconds(), CPU: processCPU() - before})
}

// load inflates the images of a medium into memory.
func load(path string) ([]object, error) {
	var mu sync.Mutex
	var objects []object
	err := spread(path, func(_ int, in *zip.File) error {
		if !strings.HasPrefix(in.Name, "DICOM/") {
			return nil
		}
		r, err := in.Open()
		if err != nil {
			return err
		}
		b := make([]byte, in.UncompressedSize64)
		if _, err = io.ReadFull(r, b); err != nil {
			return err
		}
		o, err := split(b)
		if err != nil {
			return fmt.Errorf("%s: %w", in.Name, err)
		}
		mu.Lock()
		defer mu.Unlock()
		objects = append(objects, o)
		return nil
	})
	return objects, err
}

// split parts a file of package synth into file meta information and data set
// (PS3.10 §7.1).
func split(b []byte) (object, error) {
	const groupLength, meta = 140, 144
	if len(b) < meta {
		return object{}, io.ErrUnexpectedEOF
	}
	end := meta + int(binary.LittleEndian.Uint32(b[groupLength:]))
	if end > len(b) {
		return object{}, io.ErrUnexpectedEOF
	}
	o := object{body: b[end:]}
	for at := meta; at+12 <= end; {
		element := binary.LittleEndian.Uint16(b[at+2:])
		from, n := at+8, int(binary.LittleEndian.Uint16(b[at+6:]))
		if string(b[at+4:at+6]) == "OB" {
			from, n = at+12, int(binary.LittleEndian.Uint32(b[at+8:]))
		}
		if from+n > end {
			return object{}, io.ErrUnexpectedEOF
		}
		value := strings.TrimRight(string(b[from:from+n]), "\x00")
		switch element {
		case 0x02:
			o.class = value
		case 0x03:
			o.instance = value
		case 0x10:
			o.syntax = value
		}
		at = from + n
	}
	return o, nil
}
