// Command tla checks the specification: it runs each model in this directory with TLC, and then
// each model again for every guard it names, with that guard switched off.
//
//	go run ./tla                          all models and all their broken variants
//	go run ./tla -run '^Recovery'         those whose name matches
//	go run ./tla -run 'Log/ack' -v        with TLC's own output: the counterexample
//	go run ./tla -quick                   each module once, and a fifth of the broken variants
//	go run ./tla -table                   the tables of README.md
//	go run ./tla traces                   traces of simulated worlds, held against models
//
// A model must have no counterexample, take each of its actions and reach what it says it reaches.
// A broken variant must be refuted, by the very invariant or property that its guard is there for:
// a specification that holds no matter what is left out says nothing. README.md in this directory
// tells how a model declares its guards. The exit status is 0 if all of that holds, 1 if not, and
// 2 if the run itself could not be completed.
//
// TLC comes from Maven Central through mvn and stays in .cache/tla; it needs Java 11 or newer.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// errRefuted says that the run is complete and not everything holds.
var errRefuted = errors.New("not everything holds")

// Options are the flags of a run.
type Options struct {
	// Run selects jobs whose name matches; nil selects all.
	Run *regexp.Regexp
	// Quick selects each module once and a part of the variants; Turn says which part.
	Quick bool
	Turn  int
	// Jobs is how many models are checked at the same time, each by one worker of TLC.
	Jobs int
	// Timeout ends one run of TLC; a model that needs longer fails.
	Timeout time.Duration
	// Verbose prints TLC's own output, counterexamples included.
	Verbose bool
	// Table prints the tables as Markdown.
	Table bool
	// Output is a file for the results as JSON; empty means none.
	Output string
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := command(ctx, os.Args[1:])
	switch {
	case err == nil:
	case errors.Is(err, flag.ErrHelp):
		os.Exit(0)
	case errors.Is(err, errRefuted):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "tla:", err)
		os.Exit(2)
	}
}

// command checks the models, or traces of worlds against them.
func command(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == "traces" {
		return runTraces(ctx, args[1:], os.Stdout, os.Stderr)
	}
	opts, err := parseFlags(args, os.Stderr)
	if err != nil {
		return err
	}
	return run(ctx, opts, os.Stdout, os.Stderr)
}

// parseFlags reads the command line.
func parseFlags(args []string, out io.Writer) (Options, error) {
	var opts Options
	fs := flag.NewFlagSet("tla", flag.ContinueOnError)
	fs.SetOutput(out)
	pattern := fs.String("run", "", "check only models and variants that match this `regexp`")
	fs.BoolVar(&opts.Quick, "quick", false,
		"check each module once, at its smallest, and a fifth of the broken variants")
	fs.IntVar(&opts.Turn, "turn", today(), "which fifth -quick checks; any `number` from 0")
	fs.BoolVar(&opts.Table, "table", false, "print the tables for README.md")
	fs.IntVar(&opts.Jobs, "j", runtime.NumCPU(), "run so many instances of TLC at a time")
	fs.DurationVar(&opts.Timeout, "timeout", 5*time.Minute, "end a run of TLC after this time")
	fs.BoolVar(&opts.Verbose, "v", false, "print TLC's own output, counterexamples included")
	fs.StringVar(&opts.Output, "o", "", "write the results as JSON to this `file`")
	if err := fs.Parse(args); err != nil {
		return Options{}, err
	}
	if fs.NArg() > 0 {
		return Options{}, fmt.Errorf("unexpected argument %q: models are chosen by -run", fs.Arg(0))
	}
	if opts.Jobs < 1 {
		return Options{}, fmt.Errorf("-j %d: at least one instance has to run", opts.Jobs)
	}
	if opts.Turn < 0 {
		return Options{}, fmt.Errorf("-turn %d: turns count from 0", opts.Turn)
	}
	if *pattern != "" {
		var err error
		if opts.Run, err = regexp.Compile(*pattern); err != nil {
			return Options{}, fmt.Errorf("-run: %w", err)
		}
	}
	return opts, nil
}

// run checks what opts select and prints the tables to out, progress to log.
func run(ctx context.Context, opts Options, out, log io.Writer) error {
	root, err := findRoot()
	if err != nil {
		return err
	}
	models, err := loadModels(filepath.Join(root, "tla"), opts.Run)
	if err != nil {
		return err
	}
	all := allJobs(models)
	if opts.Quick {
		all = quickJobs(all, opts.Turn)
		fmt.Fprintf(log, "quick: turn %d of %d of the broken variants\n",
			opts.Turn%quickTurns, quickTurns)
	}
	var jobs []Job
	for _, job := range all {
		if opts.Run == nil || opts.Run.MatchString(job.Name) {
			jobs = append(jobs, job)
		}
	}
	if len(jobs) == 0 {
		// It may be the module that was asked for that could not be read.
		if _, err := loadModels(filepath.Join(root, "tla"), nil); err != nil {
			return err
		}
		return errors.New("no model and no variant matches -run")
	}
	tlc, err := fetchTLC(ctx, root)
	if err != nil {
		return err
	}
	tlc.Timeout = opts.Timeout
	start := time.Now()
	results, err := checkAll(ctx, tlc, jobs, opts, log)
	if err != nil {
		return err
	}
	if opts.Table {
		printMarkdown(out, results)
	} else {
		printTables(out, results, time.Since(start))
	}
	if opts.Output != "" {
		text, err := json.MarshalIndent(results, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(opts.Output, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	for _, r := range results {
		if r.Failure != "" {
			return errRefuted
		}
	}
	return nil
}

// checkAll runs all jobs, some at a time, and returns their results in the order of the jobs.
func checkAll(ctx context.Context, tlc TLC, jobs []Job, opts Options, log io.Writer) ([]Result,
	error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]Result, len(jobs))
	next := make(chan int)
	var (
		mu   sync.Mutex // guards log and done
		done int
		wg   sync.WaitGroup
	)
	for range min(opts.Jobs, len(jobs)) {
		wg.Go(func() {
			for i := range next {
				r, output, err := tlc.Check(ctx, jobs[i], func(line string) {
					mu.Lock()
					defer mu.Unlock()
					fmt.Fprintf(log, "        %s: %s\n", jobs[i].Name, line)
				})
				if err != nil {
					cancel(fmt.Errorf("%s: %w", jobs[i].Name, err))
					continue
				}
				results[i] = r
				mu.Lock()
				done++
				fmt.Fprintf(log, "[%*d/%d] %s\n", len(fmt.Sprint(len(jobs))), done, len(jobs),
					r.Line())
				if opts.Verbose || r.Failure != "" {
					log.Write(output)
				}
				mu.Unlock()
			}
		})
	}
	for i := range jobs {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	wg.Wait()
	return results, context.Cause(ctx)
}

// findRoot finds the root of the project above the working directory.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tla", "pom.xml")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the project: no tla/pom.xml above here")
		}
		dir = filepath.Dir(dir)
	}
}
