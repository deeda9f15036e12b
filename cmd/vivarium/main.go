// Command vivarium is the coordination service and its tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes, as LIBRARIES section 5 names them.
const (
	exitFailure = 1
	exitUsage   = 2
)

// usageError is a mistake on the command line or in a configuration file.
type usageError struct{ err error }

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "vivarium:", err)
	var usage usageError
	if errors.As(err, &usage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailure)
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "vivarium",
		Short: "A coordination service that speaks ZooKeeper's protocol",
		Example: "  vivarium serve                       # data in ./data, on 127.0.0.1:2181\n" +
			"  vivarium serve --config /etc/zoo.cfg # ZooKeeper's own configuration file",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(), newVersion())
	return root
}
