package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// beyond is a context for what is left to do after the command was told to stop; the
// next signal ends it.
func beyond(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.WithoutCancel(ctx), os.Interrupt, syscall.SIGTERM)
}
