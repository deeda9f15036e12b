package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/vivariumdb/vivarium/client/load"
)

type benchFlags struct {
	options load.Options
	output  string
}

func newBench() *cobra.Command {
	var f benchFlags
	var names []string
	for _, w := range load.Workloads() {
		names = append(names, string(w))
	}
	cmd := &cobra.Command{
		Use:   "bench [workload ...]",
		Short: "Put a service under load and measure it",
		Long: "Put a service that speaks ZooKeeper's protocol under load and measure it.\n\n" +
			"Workloads: " + strings.Join(names, ", ") + "; read is the default.\n\n" +
			"Without --rate each connection keeps --pipeline requests in flight. With it,\n" +
			"so many requests a second are due at equal intervals, and latencies count\n" +
			"from when they were due. --pid names server processes on this machine, whose\n" +
			"CPU and memory are read. The znodes lie below one of a random name, which is\n" +
			"removed in the end.",
		Example: "  vivarium bench read write --server 127.0.0.1:2181 --pid 4711\n" +
			"  vivarium bench read --connections 128 --pipeline 1\n" +
			"  vivarium bench mixed --rate 5000 -o json",
		ValidArgs: names,
		RunE: untilSignal(func(cmd *cobra.Command, args []string) error {
			return bench(cmd, args, f)
		}),
	}
	o, flags := &f.options, cmd.Flags()
	flags.StringSliceVarP(&o.Servers, "server", "s", nil,
		"`host:port` of the servers (default 127.0.0.1:2181)")
	flags.IntVarP(&o.Connections, "connections", "c", 16, "connections, each with a session")
	flags.IntVarP(&o.Pipeline, "pipeline", "p", 16, "requests in flight on each connection")
	flags.Float64VarP(&o.Rate, "rate", "r", 0, "operations a second in all, as an open loop")
	flags.IntVarP(&o.Nodes, "nodes", "n", 10_000, "znodes to read and write, or children to list")
	flags.IntVar(&o.ValueBytes, "value", 1024, "bytes of a value")
	flags.IntVar(&o.WritePercent, "writes", 10, "per cent of writes in mixed")
	flags.IntVar(&o.MultiOps, "ops", 4, "operations in a multi")
	flags.IntVar(&o.Count, "count", 0, "end create after so many, not by time")
	flags.DurationVar(&o.Warmup, "warmup", time.Second,
		"time before anything is counted; 0 is none")
	flags.DurationVarP(&o.Duration, "duration", "d", 5*time.Second, "time that is counted")
	flags.DurationVar(&o.SessionTimeout, "timeout", 30*time.Second, "session time-out to ask for")
	flags.IntSliceVar(&o.Pids, "pid", nil, "process `ids` of the servers, if they run here")
	flags.BoolVar(&o.Keep, "keep", false, "leave the znodes behind")
	flags.StringVarP(&f.output, "output", "o", "text", "text or json (one object a line)")
	return cmd
}

func bench(cmd *cobra.Command, args []string, f benchFlags) error {
	if f.output != "text" && f.output != "json" {
		return usageError{fmt.Errorf("--output %q: text or json is allowed", f.output)}
	}
	if err := notZero(cmd); err != nil {
		return err
	}
	if f.options.Warmup == 0 {
		f.options.Warmup = load.NoWarmup
	}
	if len(args) == 0 {
		args = []string{string(load.Read)}
	}
	var runs []load.Options
	for _, workload := range args {
		o := f.options
		o.Workload = load.Workload(workload)
		if err := o.Validate(); err != nil {
			return usageError{err}
		}
		runs = append(runs, o)
	}
	return runBench(cmd.OutOrStdout(), f.output, runs, func(o load.Options) (*load.Result, error) {
		return load.Run(cmd.Context(), o)
	})
}

// notZero refuses a zero that was given: load.Options would take it for its default.
func notZero(cmd *cobra.Command) error {
	var faults []error
	for _, name := range []string{"connections", "pipeline", "nodes", "value", "writes", "ops",
		"duration", "timeout"} {
		flag := cmd.Flag(name)
		if text := flag.Value.String(); flag.Changed && (text == "0" || text == "0s") {
			faults = append(faults, fmt.Errorf("--%s %s: want more than 0, or leave it out for %s",
				name, text, flag.DefValue))
		}
	}
	if len(faults) > 0 {
		return usageError{errors.Join(faults...)}
	}
	return nil
}

// runBench does one run after the other. What has been measured is written although a later one
// fails or is interrupted.
func runBench(w io.Writer, output string, runs []load.Options,
	run func(load.Options) (*load.Result, error)) (err error) {
	var results []*load.Result
	for _, o := range runs {
		var r *load.Result
		if r, err = run(o); err != nil {
			err = fmt.Errorf("bench %s: %w", o.Workload, err)
			break
		}
		results = append(results, r)
		if output == "json" {
			if err := json.NewEncoder(w).Encode(r); err != nil {
				return err
			}
		}
	}
	if output == "text" && len(results) > 0 {
		err = errors.Join(err, writeBench(w, results))
	}
	return err
}

// writeBench writes the table and what people should not overlook.
func writeBench(w io.Writer, results []*load.Result) error {
	if err := load.Table(w, results); err != nil {
		return err
	}
	if i := slices.IndexFunc(results, func(r *load.Result) bool { return r.Errors > 0 }); i >= 0 {
		fmt.Fprintf(w, "\nThe first error of %s was %s.\n", results[i].Workload,
			results[i].FirstError)
	}
	return nil
}
