// Command suites runs the clients of others, unchanged, against this server and against the real
// ZooKeeper, and compares what they say: kazoo's own suite, the tests of go-zookeeper, scripts for
// ZooKeeper's own command line, and what Curator's recipes do between clients.
//
// It sets itself up in .cache/compat at the root of the project: a virtual environment with kazoo,
// the sources of go-zookeeper, the jars of ZooKeeper, and the server built from this tree. Then
// each suite runs once per server; a server is started by compat/servers/zkServer.sh, whoever asks.
//
//	go run ./compat/suites                                  all suites, both servers, one table
//	go run ./compat/suites -server vivarium -suite kazoo    ours alone, held against the record
//	go run ./compat/suites -server vivarium -run TestLock   the matching tests only
//
// With -server vivarium the other column is the record of an earlier run (testdata/expected.json).
// The exit status is 0 if ours does whatever the real one does, 1 if not, and 2 if the run itself
// could not be completed. README.md in compat says how each suite finds the server under test.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// errDiffers says that the run is complete and ours does not do what the real server does.
var errDiffers = errors.New("ours differs from ZooKeeper")

// Options are the flags of a run.
type Options struct {
	// Servers and Suites say what runs, in this order.
	Servers, Suites []string
	// Run selects tests whose id matches; nil selects all.
	Run *regexp.Regexp
	// Kazoo is the release of kazoo: "newest", "recorded" or a version.
	Kazoo string
	// Timeout ends one suite on one server, with all the processes it started.
	Timeout time.Duration
	// Out is the folder for logs and reports; empty means a fresh one in the cache.
	Out string
	// Record writes ZooKeeper's results to testdata/expected.json, and what zkCli printed to its
	// scripts.
	Record bool
	// Flaws holds the scenarios of Curator against flaws planted between clients and server.
	Flaws bool
	// Verbose prints a line per test.
	Verbose bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	opts, err := parseFlags(os.Args[1:], os.Stderr)
	if err == nil {
		err = run(ctx, opts, os.Stdout)
	}
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errDiffers):
		os.Exit(1)
	default:
		fmt.Fprintf(os.Stderr, "compat: %v\n", err)
		os.Exit(2)
	}
}

// parseFlags turns arguments into Options and reports every fault at once.
func parseFlags(args []string, usage io.Writer) (Options, error) {
	var opts Options
	var server, suite, pattern string
	flags := flag.NewFlagSet("suites", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.StringVar(&server, "server", "both", "run against `vivarium|zookeeper|both`")
	flags.StringVar(&suite, "suite", "all", "run `"+strings.Join(suiteNames(), "|")+"|all`")
	flags.StringVar(&pattern, "run", "", "run only the tests whose id matches `regexp`")
	flags.StringVar(&opts.Kazoo, "kazoo", "",
		"`version` of kazoo, newest or recorded (default newest with ZooKeeper, else recorded)")
	flags.DurationVar(&opts.Timeout, "timeout", 15*time.Minute, "end a suite after this `time`")
	flags.StringVar(&opts.Out, "out", "", "`folder` for logs and reports (default in the cache)")
	flags.BoolVar(&opts.Record, "record", false, "write what ZooKeeper does to the record")
	flags.BoolVar(&opts.Flaws, "flaws", false,
		"break what Curator's clients see: each scenario has to notice")
	flags.BoolVar(&opts.Verbose, "v", false, "print a line per test")
	if err := flags.Parse(args); err != nil {
		return opts, err
	}
	var faults []error
	if flags.NArg() > 0 {
		faults = append(faults, fmt.Errorf("unexpected argument %q", flags.Arg(0)))
	}
	var err error
	if opts.Servers, err = choose("-server", server, "both", zooKeeper, vivarium); err != nil {
		faults = append(faults, err)
	}
	if opts.Suites, err = choose("-suite", suite, "all", suiteNames()...); err != nil {
		faults = append(faults, err)
	}
	if pattern != "" {
		if opts.Run, err = regexp.Compile(pattern); err != nil {
			faults = append(faults, fmt.Errorf("-run: %w", err))
		}
	}
	if opts.Record && (pattern != "" || !slices.Contains(opts.Servers, zooKeeper)) {
		faults = append(faults, errors.New("-record wants a whole run that includes ZooKeeper"))
	}
	if opts.Flaws && (suite != curatorName || opts.Record) {
		faults = append(faults, errors.New("-flaws wants -suite curator, and is not recorded"))
	}
	if opts.Kazoo == "" {
		opts.Kazoo = "recorded"
		if slices.Contains(opts.Servers, zooKeeper) {
			opts.Kazoo = "newest"
		}
	}
	return opts, errors.Join(faults...)
}

// choose returns the values that the flag name=got selects; all selects every one.
func choose(name, got, all string, values ...string) ([]string, error) {
	switch {
	case got == all:
		return values, nil
	case slices.Contains(values, got):
		return []string{got}, nil
	}
	return nil, fmt.Errorf("%s=%s: want one of %v or %s", name, got, values, all)
}

// A suite is somebody else's collection of tests. Prepare fetches it, Collect
// lists its tests, Run runs some of them against one
// server and hands results to the monitor as they come. It returns an error only if the suite
// could not be run to its end.
type suite interface {
	Name() string
	Version() string
	Prepare(ctx context.Context) error
	Collect(ctx context.Context) ([]string, error)
	Run(ctx context.Context, job Job) error
}

// run does what the flags ask for and prints the table.
func run(ctx context.Context, opts Options, out io.Writer) error {
	cache, err := openCache()
	if err != nil {
		return err
	}
	lists, err := readLists(cache.Source("testdata"))
	if err != nil {
		return err
	}
	expected, err := readExpected(cache.Source("testdata", "expected.json"))
	if err != nil {
		return err
	}
	if opts.Out, err = cache.RunFolder(opts.Out, time.Now()); err != nil {
		return err
	}
	servers, err := prepareServers(ctx, cache, opts.Servers, out)
	if err != nil {
		return err
	}
	var tables []Comparison
	for _, name := range opts.Suites {
		s := newSuite(name, setup{cache, opts, expected, out})
		fmt.Fprintf(out, "setting up %s\n", name)
		if err := s.Prepare(ctx); err != nil {
			return fmt.Errorf("set up %s: %w", name, err)
		}
		var columns []*Column
		for _, server := range servers {
			column, err := runColumn(ctx, s, server, opts, lists, out)
			if err != nil {
				return err
			}
			columns = append(columns, column)
		}
		tables = append(tables, compare(name, columns, expected, lists, opts.Run))
	}
	return conclude(tables, cache, opts, expected, out)
}

// A setup is what a suite may need to know of the run.
type setup struct {
	cache    Cache
	opts     Options
	expected Expected
	out      io.Writer
}

// suites are all there are, in the order of a run. Another one is a line here, a type that
// implements suite, and its record (-server zookeeper -suite its-name -record).
var suites = []struct {
	name string
	open func(s setup) suite
}{
	{kazooName, func(s setup) suite {
		return &kazoo{cache: s.cache, out: s.out, want: s.opts.Kazoo,
			recorded: s.expected[kazooName].Version}
	}},
	{gozkName, func(s setup) suite { return &gozk{cache: s.cache} }},
	{zkcliName, func(s setup) suite {
		return &zkcliSuite{cache: s.cache, record: s.opts.Record}
	}},
	{curatorName, func(s setup) suite {
		return &curatorSuite{cache: s.cache, flaws: s.opts.Flaws}
	}},
}

// suiteNames returns the names of all suites.
func suiteNames() []string {
	var names []string
	for _, s := range suites {
		names = append(names, s.name)
	}
	return names
}

// newSuite returns the suite of that name.
func newSuite(name string, with setup) suite {
	i := slices.Index(suiteNames(), name)
	return suites[i].open(with)
}

// conclude prints the table and what differs, writes the reports, and gives the verdict.
func conclude(tables []Comparison, cache Cache, opts Options, old Expected, out io.Writer) error {
	for _, t := range tables {
		for _, col := range t.Columns {
			col.Folder = cache.Short(col.Folder)
		}
	}
	fmt.Fprintln(out)
	text := render(tables)
	fmt.Fprint(out, text)
	if err := os.WriteFile(filepath.Join(opts.Out, "table.txt"), []byte(text), 0o644); err != nil {
		return err
	}
	report := filepath.Join(opts.Out, "report.json")
	if err := writeJSON(report, tables); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nreport: %s\n", cache.Short(report))
	if opts.Record {
		path := cache.Source("testdata", "expected.json")
		if err := writeJSON(path, old.with(tables)); err != nil {
			return err
		}
		fmt.Fprintf(out, "recorded: %s\n", cache.Short(path))
	}
	for _, t := range tables {
		if len(t.Broken) > 0 {
			return errors.New("a suite did not run to its end")
		}
	}
	for _, t := range tables {
		if len(t.Failures) > 0 {
			return errDiffers
		}
	}
	return nil
}
