package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// bench is what the rows share.
type bench struct {
	o      options
	self   string
	cache  string
	disk   string // temporary folder as programs get it by default
	memory string // temporary folder in memory, the same where there is none
}

func newBench(_ context.Context, o options) (*bench, error) {
	b := &bench{o: o}
	var err error
	if b.self, err = os.Executable(); err != nil {
		return nil, err
	}
	if b.cache, err = os.UserCacheDir(); err != nil {
		b.cache = os.TempDir()
	}
	b.cache = filepath.Join(b.cache, "lotse-bench")
	if err := os.MkdirAll(b.cache, 0o750); err != nil {
		return nil, err
	}
	if b.disk, err = os.MkdirTemp("", "lotse-bench-"); err != nil {
		return nil, err
	}
	if b.memory, err = os.MkdirTemp("/dev/shm", "lotse-bench-"); err != nil {
		b.memory, err = os.MkdirTemp("", "lotse-bench-")
	}
	return b, err
}

func (b *bench) close() {
	_ = os.RemoveAll(b.disk) // what stays behind is in a temporary folder
	_ = os.RemoveAll(b.memory)
}

// folder makes an empty folder for one run; remove takes it away again.
func folder(parent string) (dir string, remove func(), err error) {
	dir, err = os.MkdirTemp(parent, "run-")
	return dir, func() { _ = os.RemoveAll(dir) }, err
}

// medium returns the path of a CT of that many slices, each with side × side
// pixels; it is made once and kept in the cache.
func (b *bench) medium(ctx context.Context, slices, side int) (string, error) {
	path := filepath.Join(b.cache, fmt.Sprintf("ct-%s-%d-%d.zip", cacheVersion, slices, side))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	fmt.Fprintf(os.Stderr, "making %s\n", path)
	_, _, err := run(ctx, nil, b.self, "-child", "medium", path, strconv.Itoa(slices), strconv.Itoa(side))
	return path, err
}

// ct is the examination that most rows are about.
func (b *bench) ct(ctx context.Context) (string, error) { return b.medium(ctx, b.o.slices, fullSide) }

// cacheVersion changes when package synth makes other media.
const cacheVersion = "1"

const (
	fullSide  = 512 // 530 KB a slice
	smallSide = 128 // 35 KB
	tinySide  = 64  // 10 KB
)
