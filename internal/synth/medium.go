package synth

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/klauspost/compress/flate"
)

// file is one entry of a medium, made when its turn comes.
type file struct {
	name string
	make func() ([]byte, error)
}

// packed is a file compressed for a ZIP.
type packed struct {
	header zip.FileHeader
	data   []byte
	err    error
}

// level is that of Info-ZIP where nobody asks for another.
const level = 6

// writeZIP makes and compresses the files on all processors and writes them in
// their order. It holds a few files at a time.
func writeZIP(w io.Writer, modified time.Time, files []file) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := zip.NewWriter(w)
	for next := range inOrder(ctx, files, modified) {
		p := <-next
		if p.err != nil {
			return p.err
		}
		entry, err := out.CreateRaw(&p.header)
		if err != nil {
			return fmt.Errorf("synth: write ZIP: %w", err)
		}
		if _, err := entry.Write(p.data); err != nil {
			return fmt.Errorf("synth: write ZIP: %w", err)
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("synth: write ZIP: %w", err)
	}
	return nil
}

// inOrder gives a channel per file, in order; the buffer bounds how many are under
// way at once.
func inOrder(ctx context.Context, files []file, modified time.Time) <-chan chan packed {
	queue := make(chan chan packed, runtime.GOMAXPROCS(0))
	go func() {
		defer close(queue)
		for _, f := range files {
			result := make(chan packed, 1)
			select {
			case queue <- result:
			case <-ctx.Done():
				return
			}
			go func() { result <- pack(f, modified) }()
		}
	}()
	return queue
}

func pack(f file, modified time.Time) packed {
	content, err := f.make()
	if err != nil {
		return packed{err: fmt.Errorf("synth: make %s: %w", f.name, err)}
	}
	var b bytes.Buffer
	z, err := flate.NewWriter(&b, level)
	if err == nil {
		_, err = z.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		return packed{err: fmt.Errorf("synth: compress %s: %w", f.name, err)}
	}
	h := zip.FileHeader{Name: f.name, Method: zip.Deflate, CRC32: crc32.ChecksumIEEE(content)}
	h.Modified = modified
	h.CompressedSize64, h.UncompressedSize64 = uint64(b.Len()), uint64(len(content))
	return packed{header: h, data: b.Bytes()}
}

// files lists the DICOMDIR and all instances of e.
func (e *exam) files() []file {
	all := []file{{"DICOMDIR", e.directory}}
	for i := range e.study.series {
		s := &e.study.series[i]
		for index := range s.count {
			all = append(all, file{strings.Join(e.fileID(s, index), "/"), func() ([]byte, error) { return e.instance(s, index) }})
		}
	}
	return all
}

func fixed(text string) func() ([]byte, error) {
	return func() ([]byte, error) { return []byte(text), nil }
}
