package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/vivariumdb/vivarium/sim"
)

// TraceOptions are the flags of `tla traces`.
type TraceOptions struct {
	// Base is the first seed, Traces how many traces each specification gets at least.
	Base    uint64
	Traces  int
	Timeout time.Duration
	Output  string
	// Run chooses the specifications that are checked, Jobs how many at the same time.
	Run  *regexp.Regexp
	Jobs int
}

// traceSpecs are the specifications that worlds are held against.
var traceSpecs = []TraceSpec{sessionsSpec, deliverySpec, watchesSpec, recoverySpec}

// sessionsSpec is about one session that moves between servers.
var sessionsSpec = TraceSpec{Module: "Sessions", Model: "SessionsMoves", Tracer: "TraceSessions",
	View: "Place",
	Constants: func(traces []Trace) string {
		conns, entries := 1, 1
		for _, t := range traces {
			c, e := 1, 1
			for i := range t.Lines {
				switch l := &t.Lines[i]; l.Action {
				case "Reconnect":
					c++
				case "Commit", "Expire":
					e++
				}
			}
			conns, entries = max(conns, c), max(entries, e)
		}
		return fmt.Sprintf("    Servers = {%s}\n    First = 1\n    Connections = %d\n"+
			"    Writes = %d\n    Entries = %d\n", upTo(most("s", traces)), conns+1, 10000,
			entries+1)
	}}

// deliverySpec is about one connection.
var deliverySpec = TraceSpec{Module: "Delivery", Model: "SessionsDelivery",
	Tracer: "TraceDelivery", View: "Place",
	Unseen: map[string]string{
		"ArmLate":    "only without a guard",
		"FinishRead": "only without a guard",
	},
	Constants: func([]Trace) string {
		return "    Requests = 100000\n    Entries = 100000\n"
	}}

// watchesSpec is about one client's watch.
var watchesSpec = TraceSpec{Module: "Watches", Model: "SessionsWatches", Tracer: "TraceWatches",
	View: "Place",
	Constants: func(traces []Trace) string {
		return fmt.Sprintf("    Servers = {%s}\n    Entries = 100000\n"+
			"    Connections = 100000\n    Reads = 100000\n    Underway = 100000\n",
			upTo(most("s", traces)))
	}}

// most is the largest that a field is in any trace, 1 at least.
func most(name string, traces []Trace) int {
	n := 1
	for _, t := range traces {
		for i := range t.Lines {
			if v, ok := field(&t.Lines[i], name).(int); ok {
				n = max(n, v)
			}
		}
	}
	return n
}

// upTo lists the numbers from 1 on.
func upTo(n int) string {
	var names []string
	for i := range n {
		names = append(names, strconv.Itoa(i+1))
	}
	return strings.Join(names, ", ")
}

// recoverySpec is about one member and its disk.
var recoverySpec = TraceSpec{Module: "Recovery", Model: "Recovery", Tracer: "TraceRecovery",
	Unseen: map[string]string{
		"CheckpointIndexAlone": "only without a guard",
	},
	Constants: func(traces []Trace) string {
		return fmt.Sprintf("    MaxTerm = %d\n    MaxLength = 100000\n    MaxCrashes = 100000\n"+
			"    MaxFaults = 100000\n    Garbage <- NoTerm\n    Self <- Itself\n"+
			"    Candidates = {%s}\n"+
			"    Features = {\"vote\", \"checkpoint\", \"receive\", \"return\", "+
			"\"rejoin\"}\n", max(most("t", traces), most("term", traces))+1,
			upTo(most("c", traces)))
	}}

// untold are the models about sessions of which no trace tells, and why.
var untold = []struct{ Model, Why string }{
	{"SessionsStreams", "a trace is of one session, and a stream carries those of a whole " +
		"server; what comes of it is told as Commit"},
	{"SessionsResend", "as SessionsStreams, and what is sent again leaves nothing in the log"},
	{"SessionsExpiry", "whether a tick counts is decided inside a leader; " +
		"what it decides is told as Expire"},
}

// field is the value of a line's field, nil if it has none of that name.
func field(l *sim.AbstractLine, name string) any {
	for _, f := range l.Fields {
		if f.Name == name {
			return f.Value
		}
	}
	return nil
}

// runTraces is the command `tla traces`.
func runTraces(ctx context.Context, args []string, out, log io.Writer) error {
	opts, err := parseTraceFlags(args, log)
	if err != nil {
		return err
	}
	root, err := findRoot()
	if err != nil {
		return err
	}
	tlc, err := fetchTLC(ctx, root)
	if err != nil {
		return err
	}
	tlc.Timeout = opts.Timeout
	start := time.Now()
	traces, worlds, err := record(opts, tlc.Modules)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "%d worlds from seed %d on told %d traces, %s\n", worlds, opts.Base,
		count(traces), took(start))
	reports, err := checkSpecs(ctx, tlc, opts, traces, log)
	if err != nil {
		return err
	}
	printTraces(out, reports)
	printAltered(out, reports)
	fmt.Fprintf(out, "seeds %d to %d, %s\n", opts.Base, opts.Base+uint64(worlds)-1, took(start))
	return finishTraces(opts, reports, out)
}

// specs are the specifications that are checked.
func (o *TraceOptions) specs() []TraceSpec {
	return slices.DeleteFunc(slices.Clone(traceSpecs),
		func(s TraceSpec) bool { return !o.Run.MatchString(s.Tracer) })
}

func count(traces map[string][]Trace) (n int) {
	for _, list := range traces {
		n += len(list)
	}
	return n
}

func finishTraces(opts TraceOptions, reports []TraceReport, out io.Writer) error {
	if opts.Output != "" {
		text, err := json.MarshalIndent(reports, "", "  ")
		if err != nil {
			return err
		}
		if err := os.WriteFile(opts.Output, append(text, '\n'), 0o644); err != nil {
			return err
		}
	}
	failed := false
	for _, r := range reports {
		for _, f := range r.Failures {
			failed = true
			fmt.Fprintf(out, "FAILED: %s: %s\n", r.Spec, f)
		}
	}
	if failed {
		return errRefuted
	}
	return nil
}

func parseTraceFlags(args []string, out io.Writer) (TraceOptions, error) {
	var opts TraceOptions
	fs := flag.NewFlagSet("tla traces", flag.ContinueOnError)
	fs.SetOutput(out)
	fs.Uint64Var(&opts.Base, "base", 1, "the first `seed`")
	fs.IntVar(&opts.Traces, "traces", 200,
		"check so many traces for each specification; 50 and more show all actions")
	fs.DurationVar(&opts.Timeout, "timeout", 10*time.Minute, "end a run of TLC after this time")
	run := fs.String("run", "", "check only specifications that match this `regexp`")
	fs.IntVar(&opts.Jobs, "j", runtime.NumCPU(), "run so many instances of TLC at a time")
	fs.StringVar(&opts.Output, "o", "", "write the results as JSON to this `file`")
	if err := fs.Parse(args); err != nil {
		return opts, err
	}
	if fs.NArg() > 0 {
		return opts, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	var err error
	if opts.Run, err = regexp.Compile(*run); err != nil {
		return opts, fmt.Errorf("-run: %w", err)
	}
	if opts.Jobs < 1 {
		return opts, fmt.Errorf("-j %d: at least one instance has to run", opts.Jobs)
	}
	if opts.Traces < 1 {
		return opts, errors.New("-traces: at least one trace has to be checked")
	}
	return opts, nil
}

// A TraceReport is what came of the traces of a specification.
type TraceReport struct {
	Spec, Model   string
	Traces, Lines int
	Seconds       float64
	// Actions counts lines by action, Cuts traces by why they end before their world does.
	Actions, Cuts map[string]int
	Order         []string
	Failures      []string
	Alterations   []Altered
	unseen        map[string]string // TraceSpec.Unseen
}

// checkSpecs checks the traces of all specifications, of some at a time.
func checkSpecs(ctx context.Context, tlc TLC, opts TraceOptions, traces map[string][]Trace,
	log io.Writer) ([]TraceReport, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	specs := opts.specs()
	reports := make([]TraceReport, len(specs))
	var (
		mu sync.Mutex // guards log
		wg sync.WaitGroup
	)
	busy := make(chan struct{}, opts.Jobs)
	for i, spec := range slices.Backward(specs) { // the last takes longest
		busy <- struct{}{}
		wg.Go(func() {
			defer func() { <-busy }()
			r, err := checkSpec(ctx, tlc, spec, traces[spec.Module], func(line string) {
				mu.Lock()
				defer mu.Unlock()
				fmt.Fprintf(log, "        %s: %s\n", spec.Tracer, line)
			})
			if err != nil {
				cancel(err)
			}
			reports[i] = r
		})
	}
	wg.Wait()
	return reports, context.Cause(ctx)
}

// checkSpec has the traces of one specification checked, its actions counted, and the traces
// checked once more when they are altered.
func checkSpec(ctx context.Context, tlc TLC, spec TraceSpec, traces []Trace,
	progress func(string)) (TraceReport, error) {
	start := time.Now()
	r := TraceReport{Spec: spec.Tracer, Model: spec.Model, Traces: len(traces),
		Actions: map[string]int{}, Cuts: map[string]int{}, unseen: spec.Unseen}
	verdicts, err := tlc.CheckTraces(ctx, spec, traces, progress)
	if err != nil {
		return r, err
	}
	for i, t := range traces {
		r.Cuts[t.Cut]++
		r.Lines += len(t.Lines)
		for j := range t.Lines {
			r.Actions[t.Lines[j].Action]++
		}
		if n := verdicts[i].Refuted(t); n > 0 {
			r.Failures = append(r.Failures, fmt.Sprintf("%s is refuted at line %d:\n%s", t.Name, n,
				around(t, n)))
		}
	}
	r.Order, err = nextActions(tlc.Modules, spec.Model)
	if err != nil {
		return r, err
	}
	for _, name := range r.Order {
		why, never := spec.Unseen[name]
		switch {
		case r.Actions[name] == 0 && !never && len(traces) >= enough:
			r.Failures = append(r.Failures, "no trace shows "+name)
		case r.Actions[name] > 0 && never:
			r.Failures = append(r.Failures, fmt.Sprintf("%s is seen: %s", name, why))
		}
	}
	r.Seconds = time.Since(start).Seconds()
	if len(r.Failures) == 0 {
		r.Alterations, err = checkAlterations(ctx, tlc, spec, traces)
		r.Failures = failuresOf(r.Alterations, len(traces) >= enough)
	}
	return r, err
}

// around shows some lines before one.
func around(t Trace, n int) string {
	var b strings.Builder
	for i := max(0, n-12); i < n; i++ {
		fmt.Fprintf(&b, "    %4d  %9.3f ms  ", i+1, float64(t.Lines[i].At)/1000)
		writeLine(&b, &t.Lines[i])
		b.WriteByte('\n')
	}
	return b.String()
}

// printTraces prints how often each action was seen, and where traces end.
func printTraces(out io.Writer, reports []TraceReport) {
	for _, r := range reports {
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
		fmt.Fprintf(out, "\n%s: %d traces, %s lines, %.1f s of TLC\n", r.Spec, r.Traces,
			grouped(int64(r.Lines)), r.Seconds)
		for _, name := range r.Order {
			fmt.Fprintf(w, "\t%s\t%s\t\n", name, grouped(int64(r.Actions[name])))
		}
		w.Flush()
		var seen, cuts []string
		for name := range r.Actions {
			if !slices.Contains(r.Order, name) {
				seen = append(seen, fmt.Sprintf("%s %s", grouped(int64(r.Actions[name])), name))
			}
		}
		for why, n := range r.Cuts {
			if why != "" {
				cuts = append(cuts, fmt.Sprintf("%d %s", n, why))
			}
		}
		slices.Sort(seen)
		slices.Sort(cuts)
		fmt.Fprintf(out, "  seen besides: %s\n", strings.Join(seen, ", "))
		fmt.Fprintf(out, "  ended early: %s\n", strings.Join(cuts, "; "))
		for _, name := range r.Order {
			if why, never := r.unseen[name]; never {
				fmt.Fprintf(out, "  never seen: %s: %s\n", name, why)
			}
		}
	}
	fmt.Fprintln(out, "\nnot told by any trace:")
	for _, m := range untold {
		fmt.Fprintf(out, "  %s: %s\n", m.Model, m.Why)
	}
}
