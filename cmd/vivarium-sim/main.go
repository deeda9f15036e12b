// Command vivarium-sim runs simulated worlds and has them judged.
//
//	vivarium-sim run -seed 7            one world: its knobs, counters, trace hash and verdict
//	vivarium-sim run -seeds 1000        many, in several processes
//	vivarium-sim determinism -seeds 20  the same trace between processes and settings
//	vivarium-sim mutants                every known bug must be caught (build with -tags mutants)
//	vivarium-sim coverage               which statements of core and replication worlds reach
//	vivarium-sim corpus                 the standing corpus: worlds that reach what few others do
//	vivarium-sim picture PAGE FILE      draw the page about a failure into a PNG
//
// Everything that fails prints the command that replays it.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// errFound is returned when something was found that must not be; it has been reported.
var errFound = errors.New("violations found")

func main() {
	err := newRoot(os.Stdin, os.Stdout, os.Stderr).ExecuteArgs(os.Args[1:])
	if err != nil {
		if !errors.Is(err, errFound) {
			fmt.Fprintln(os.Stderr, "vivarium-sim:", err)
		}
		os.Exit(1)
	}
}

// streams are what a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// root is the command with its sub-commands.
type root struct{ *cobra.Command }

func newRoot(in io.Reader, out, err io.Writer) root {
	s := streams{in, out, err}
	c := &cobra.Command{Use: "vivarium-sim", Short: "run simulated worlds and have them judged",
		SilenceUsage: true, SilenceErrors: true}
	c.SetOut(out)
	c.SetErr(err)
	c.AddCommand(newRun(s), newDeterminism(s), newMutants(s), newCoverage(s), newCorpus(s),
		newPicture(), newWorker(s))
	return root{c}
}

// ExecuteArgs runs the command. Flags may be written with one dash, as in -seed 7.
func (r root) ExecuteArgs(args []string) error {
	long := make([]string, len(args))
	for i, a := range args {
		if len(a) > 2 && a[0] == '-' && a[1] != '-' && !strings.ContainsAny(a[1:2], "0123456789") {
			a = "-" + a
		}
		long[i] = a
	}
	r.SetArgs(long)
	return r.Execute()
}
