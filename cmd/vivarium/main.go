// Command vivarium is the coordination service and its tools.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

func main() { os.Exit(run()) }

func run() int {
	root := newRoot()
	if filepath.Base(os.Args[0]) == zkServerScript {
		root.SetArgs(append([]string{"container", zkServerScript}, os.Args[1:]...))
	}
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "vivarium:", err)
	var usage usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "vivarium",
		Short: "A coordination service that speaks ZooKeeper's protocol",
		Example: "  vivarium serve                       # data in ./data, on 127.0.0.1:2181\n" +
			"  vivarium serve --config /etc/zoo.cfg # ZooKeeper's own configuration file",
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		// What goes wrong is said once, by run.
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(newServe(), newBench(), newImport(), newExport(), newSnapshot(),
		newStatus(), newCheck(), newContainer(), newVersion())
	return root
}

// noArguments refuses arguments. Those of the root are subcommands that it does not have.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if !cmd.HasParent() {
		meant := ""
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			meant = fmt.Sprintf(" (%s?)", near[0])
		}
		return usageError{fmt.Errorf("unknown command %q%s; see vivarium --help", args[0], meant)}
	}
	return usageError{fmt.Errorf("%s takes no arguments, and got %s; see %s --help",
		cmd.CommandPath(), strings.Join(args, " "), cmd.CommandPath())}
}
