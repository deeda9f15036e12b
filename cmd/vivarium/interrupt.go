package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
)

// untilSignal makes the first SIGINT or SIGTERM end the context of a command, which then stops in
// order. Only who looks at its context asks for that: all other commands a signal ends as it ends
// any program.
func untilSignal(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		// Who asks twice does not want to wait for an orderly stop.
		context.AfterFunc(ctx, stop)
		cmd.SetContext(ctx)
		return run(cmd, args)
	}
}

// undoOnSignal calls undo and ends the process, with the exit code that shells give to one that
// was ended by that signal, if SIGINT or SIGTERM comes before done is called. One that is ignored,
// as SIGINT is by what a script runs in the background, stays so.
func undoOnSignal(undo func()) (done func()) {
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	quit := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case s := <-signals:
			undo()
			code := exitFailure
			if number, ok := s.(syscall.Signal); ok {
				code = 128 + int(number)
			}
			os.Exit(code)
		case <-quit:
		}
	})
	return func() {
		signal.Stop(signals)
		close(quit)
		watch.Wait()
	}
}
