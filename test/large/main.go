// Command large uploads one very large exam to a `lotse serve` (SQLite, disk) by tus, and
// says how long it took until the exam was read and how much memory the server needed.
// See docs/performance.md.
//
//	go run ./test/large [-size 30] [-patch 1024] [-lotse bin/lotse] [-folder DIR]
//
// The exam is synthetic and made while it is sent. The server keeps it sealed in a
// temporary folder, which needs as much room as the exam and is removed at the end.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.Float64Var(&o.size, "size", 30, "of the exam, in GB (10⁹ bytes)")
	flag.Int64Var(&o.patch, "patch", 1024, "how much one request sends, in MiB")
	flag.IntVar(&o.rows, "rows", 1024, "rows and columns of a slice")
	flag.StringVar(&o.program, "lotse", "", "the program; built when empty")
	flag.StringVar(&o.folder, "folder", "", "where the server keeps its data; a temporary folder when empty")
	flag.DurationVar(&o.time, "time", 3*time.Hour, "how long it may take altogether")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	r, err := run(ctx, o)
	if r != nil {
		fmt.Print(r)
		err = errors.Join(err, r.judge())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		stop()
		os.Exit(1) //nolint:gocritic // nothing is left to be done
	}
}
