// Command load brings many exams through one `lotse serve` at the same time, and
// compares that with one exam after the other: whether all arrive, how much memory the
// server takes, and whether it answers in time throughout. See docs/performance.md.
//
//	go run ./test/load [-imports 50] [-slices 200] [-one 5] [-lotse bin/lotse]
//
// The exam is synthetic, uploaded as the ZIP of a medium each time, and delivered to
// an archive in this process. Everything is on loopback and in a temporary folder.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.IntVar(&o.imports, "imports", 50, "imports at the same time")
	flag.IntVar(&o.one, "one", 5, "imports one after the other, to compare with")
	flag.IntVar(&o.slices, "slices", 200, "slices of each exam")
	flag.IntVar(&o.rows, "rows", 512, "rows and columns of a slice")
	flag.StringVar(&o.program, "lotse", "", "the program; built when empty")
	flag.StringVar(&o.folder, "folder", "", "where the server keeps its data; a temporary folder when empty")
	flag.DurationVar(&o.time, "time", 30*time.Minute, "how long it may take altogether")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, o)
	if r != nil {
		fmt.Print(r)
	}
	if err == nil {
		err = r.judge()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		stop()
		os.Exit(1)
	}
}
