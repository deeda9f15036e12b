package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// runFlags are those of the command run.
type runFlags struct {
	seed, seeds    uint64
	verbose        bool
	explain        bool
	out            string
	history, trace string
	set            []string
	mutant, output string
	decisions      string
	workers        int
	budget         time.Duration
	table, commit  string
}

func newRun(s streams) *cobra.Command {
	var f runFlags
	c := &cobra.Command{Use: "run", Short: "run one world, or many", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if !c.Flags().Changed("seed") {
				f.seed = uint64(time.Now().UnixNano()) % 1_000_000_000
			}
			if f.decisions != "" && !c.Flags().Changed("explain") {
				f.explain = false // it is explained already
			}
			if f.seeds > 0 {
				return sweep(s, &f)
			}
			return runOne(s, &f)
		}}
	fs := c.Flags()
	fs.Uint64Var(&f.seed, "seed", 0,
		"the seed of the world, or of the first of many; without it, any")
	fs.Uint64Var(&f.seeds, "seeds", 0, "run so many worlds, with the seeds from -seed on")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "show all violations and all counters")
	fs.BoolVar(&f.explain, "explain", true,
		"make worlds that fail smaller, and leave a folder about the first of each judge")
	fs.StringVar(&f.out, "out", defaultDir(), "where the folders about failures are left")
	fs.StringVar(&f.decisions, "decisions", "", "replay the decisions in this file")
	fs.StringVar(&f.history, "history", "", "write the history to this file, as JSON lines")
	fs.StringVar(&f.trace, "trace", "", "write what is traced to this file")
	fs.StringArrayVar(&f.set, "set", nil, "set a knob, Name=number")
	fs.StringVar(&f.mutant, "mutant", "", "run with this known bug (build with -tags mutants)")
	fs.StringVarP(&f.output, "output", "o", "text", "text, or json")
	fs.DurationVar(&f.budget, "budget", time.Minute,
		"the time in which a world that fails is made smaller; 0: it is not")
	fs.IntVar(&f.workers, "workers", runtime.NumCPU(), "processes that run many worlds")
	fs.StringVar(&f.table, "table", "", "write what many worlds came to into this documentation")
	fs.StringVar(&f.commit, "commit", "", "the commit that the documentation names")
	return c
}

// replay is the command that runs a world again.
func replay(t task) string {
	text := fmt.Sprintf("go run -tags checked ./cmd/vivarium-sim run -seed %d", t.Seed)
	if t.Mutant != "" {
		text = fmt.Sprintf("go run -tags mutants,checked ./cmd/vivarium-sim run "+
			"-seed %d -mutant %s", t.Seed, t.Mutant)
	}
	for _, s := range t.Set {
		text += " -set " + s
	}
	return text
}

// plan is the one world that is to be run.
func (f *runFlags) plan() (*sim.Plan, error) {
	if f.decisions == "" {
		p := &sim.Plan{Seed: f.seed, Mutant: f.mutant, Knobs: f.set}
		_, err := p.World()
		return p, err
	}
	file, err := os.Open(f.decisions)
	if err != nil {
		return nil, fmt.Errorf("read decisions: %w", err)
	}
	defer func() { _ = file.Close() }() // only read
	p, err := sim.ReadPlan(file)
	if err != nil {
		return nil, err
	}
	p.Knobs = append(p.Knobs, f.set...)
	return p, nil
}

// replay is the command that runs the one world again.
func (f *runFlags) replay(p *sim.Plan) string {
	if f.decisions != "" {
		return replayFile(p, f.decisions)
	}
	return replay(task{Seed: p.Seed, Set: p.Knobs, Mutant: p.Mutant})
}

// replayFile is the command that replays decisions.
func replayFile(p *sim.Plan, name string) string {
	tags := "checked"
	if p.Mutant != "" {
		tags = "mutants,checked"
	}
	return fmt.Sprintf("go run -tags %s ./cmd/vivarium-sim run -decisions %s", tags, name)
}

func runOne(s streams, f *runFlags) error {
	plan, err := f.plan()
	if err != nil {
		return err
	}
	if err := mutant.Select(plan.Mutant); err != nil {
		return err
	}
	o := sim.Options{Seed: plan.Seed, Plan: plan}
	if f.trace != "" {
		file, err := os.Create(f.trace)
		if err != nil {
			return fmt.Errorf("write trace: %w", err)
		}
		defer func() { _ = file.Close() }() // for people to read
		o.Trace = file
	}
	start := time.Now()
	r := sim.Run(o)
	took := time.Since(start)
	if f.history != "" {
		if err := writeHistory(f.history, r); err != nil {
			return err
		}
	}
	if f.output == "json" {
		v := verdictOf(r, took)
		one := gather([]*verdict{v})
		one.Seed, one.Knobs, one.Trace = r.Seed, r.Knobs.String(), r.Trace
		one.Violations = v.Violations
		if err := one.write(s.out); err != nil || !r.Failed() {
			return err
		}
		return f.tell(s, plan)
	}
	_, _ = fmt.Fprintf(s.out, "seed %d\nknobs %v\n", r.Seed, r.Knobs)
	for _, c := range r.Counts {
		if c.Value != 0 || f.verbose {
			_, _ = fmt.Fprintf(s.out, "%9d  %s\n", c.Value, c.Name)
		}
	}
	j := r.Judged
	_, _ = fmt.Fprintf(s.out, "judged %d commits, %d writes, %d reads, %d events, %d sessions; "+
		"%d not judged\n", j.Commits, j.Writes, j.Reads, j.Events, j.Sessions, j.Unjudged)
	_, _ = fmt.Fprintf(s.out, "simulated %.1f s\ntrace %s\n", float64(r.Virtual)/1e6, r.Trace)
	_, _ = fmt.Fprintf(s.err, "took %v\n", took.Round(time.Millisecond))
	if !r.Failed() {
		_, _ = fmt.Fprintln(s.out, "no violation")
		return nil
	}
	show(s.out, r, f.verbose)
	_, _ = fmt.Fprintln(s.out, "replay:", f.replay(plan))
	return f.tell(s, plan)
}

// show prints violations with the lines of the history that they are about.
func show(w io.Writer, r *sim.Result, all bool) {
	for i, v := range r.Violations {
		if i == 5 && !all {
			_, _ = fmt.Fprintf(w, "and %d more violations (-v shows them)\n", len(r.Violations)-i)
			return
		}
		v.Text = printable.Lines(v.Text)
		_, _ = fmt.Fprintf(w, "VIOLATION %v\n", v)
		for _, no := range v.Lines {
			if i := no - 2; i >= 0 && i < len(r.History.Lines) {
				_, _ = fmt.Fprintf(w, "  line %d: %s\n", no,
					printable.Text(string(r.History.Lines[i].AppendTo(nil))))
			}
		}
	}
}

func writeHistory(name string, r *sim.Result) error {
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	err = r.History.Write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	return err
}

// tell explains worlds that fail, for no longer than two of them may take, and says that some do.
func (f *runFlags) tell(s streams, plans ...*sim.Plan) error {
	if !f.explain {
		return errFound
	}
	e, err := newExplainer(s, f)
	if err != nil {
		return err
	}
	start := time.Now()
	for _, p := range plans {
		if time.Since(start) > f.budget && f.budget > 0 {
			break
		}
		if err := e.explain(p, f.replay(p)); err != nil {
			return err
		}
	}
	return errFound
}

// sweep runs many worlds and reports.
func sweep(s streams, f *runFlags) error {
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	text := s.out
	if f.output == "json" {
		text = s.err
	}
	_, _ = fmt.Fprintf(text, "seeds %d to %d in %d processes\n", f.seed, f.seed+f.seeds-1,
		f.workers)
	sum := summary{start: time.Now(), want: f.seeds}
	p := pool{binary: binary, env: []string{"GOMAXPROCS=1", "GOGC=400"}, size: f.workers,
		limit: worldLimit}
	given := uint64(0)
	p.work(func() (task, bool) {
		given++
		return task{Seed: f.seed + given - 1, Set: f.set, Mutant: f.mutant}, given <= f.seeds
	}, func(t task, v *verdict) bool {
		sum.add(v)
		for i, found := range v.Violations {
			if i == 0 || f.verbose {
				_, _ = fmt.Fprintf(text, "seed %d: VIOLATION %s: %s\n  %s\n", v.Seed, found.Judge,
					found.Text, replay(t))
			}
		}
		sum.progress(s.err)
		return true
	})
	r := gather(sum.verdicts)
	if f.output == "json" {
		if err := r.write(s.out); err != nil {
			return err
		}
	} else {
		sum.report(s.out, f.workers)
	}
	if f.table != "" {
		if err := r.document(f, sum.porcupine()); err != nil {
			return err
		}
	}
	if len(sum.failed) > 0 {
		return f.tell(s, sum.firsts(f)...)
	}
	return nil
}

// firsts are, of the worlds that each judge has objected to first, those in which least happened.
func (m *summary) firsts(f *runFlags) []*sim.Plan {
	least := map[string]*verdict{}
	for _, v := range m.verdicts {
		if len(v.Violations) == 0 || v.Violations[0].Judge == "process" {
			continue
		}
		judge := v.Violations[0].Judge
		if best := least[judge]; best == nil || cmp.Or(cmp.Compare(v.events(), best.events()),
			cmp.Compare(v.Seed, best.Seed)) < 0 {
			least[judge] = v
		}
	}
	var plans []*sim.Plan
	for _, judge := range sortedKeys(least) {
		plans = append(plans, &sim.Plan{Seed: least[judge].Seed, Knobs: f.set, Mutant: f.mutant})
	}
	return plans
}

// summary gathers the verdicts of a sweep.
type summary struct {
	start    time.Time
	last     time.Time
	want     uint64
	verdicts []*verdict
	failed   []uint64
	judges   map[string]int
}

func (m *summary) add(v *verdict) {
	m.verdicts = append(m.verdicts, v)
	if m.judges == nil {
		m.judges = map[string]int{}
	}
	if len(v.Violations) > 0 {
		m.failed = append(m.failed, v.Seed)
		for _, j := range v.judges() {
			m.judges[j]++
		}
	}
}

// progress shows how far the sweep is, every few seconds.
func (m *summary) progress(w io.Writer) {
	now := time.Now()
	if now.Sub(m.last) < 5*time.Second {
		return
	}
	m.last = now
	rate := float64(len(m.verdicts)) / now.Sub(m.start).Seconds()
	left := time.Duration(float64(m.want-uint64(len(m.verdicts))) / rate * float64(time.Second))
	_, _ = fmt.Fprintf(w, "%d of %d, %.1f seeds/s, %d with violations, %v left\n",
		len(m.verdicts), m.want, rate, len(m.failed), left.Round(time.Second))
}

func (m *summary) report(w io.Writer, workers int) {
	took := time.Since(m.start)
	var virtual, nanos int64
	var kinds []string
	for _, v := range m.verdicts {
		virtual += v.Virtual
		nanos += v.Nanos
	}
	_, _ = fmt.Fprintln(w, "\nper world          least   median      90%      99%     most")
	for i, name := range sim.CounterNames() {
		values := make([]int64, 0, len(m.verdicts))
		total, worlds := int64(0), 0
		for _, v := range m.verdicts {
			if i < len(v.Counts) {
				values = append(values, v.Counts[i])
				total += v.Counts[i]
				if v.Counts[i] > 0 {
					worlds++
				}
			}
		}
		if strings.HasPrefix(name, "fault: ") {
			kinds = append(kinds, fmt.Sprintf("%9d in %6d worlds  %s", total, worlds, name[7:]))
			continue
		}
		slices.Sort(values)
		_, _ = fmt.Fprintf(w, "%-20s %s\n", name, quantiles(values))
	}
	_, _ = fmt.Fprintf(w, "\nfaults\n%s\n\n", strings.Join(kinds, "\n"))
	n := len(m.verdicts)
	_, _ = fmt.Fprintf(w, "%d worlds in %v with %d processes: %.0f per CPU-hour, "+
		"%.0f times as fast as real time\n", n, took.Round(time.Second), workers,
		float64(n)/(float64(nanos)/1e9)*3600, float64(virtual)/1e6/(float64(nanos)/1e9))
	p := m.porcupine()
	_, _ = fmt.Fprintf(w, "porcupine: %d operations in %d windows of %d components, %d weakened, "+
		"%d inconclusive\n", p.Operations, p.Windows, p.Components, p.Weakened, p.Inconclusive)
	if len(m.failed) == 0 {
		_, _ = fmt.Fprintln(w, "no violation")
		return
	}
	slices.Sort(m.failed)
	_, _ = fmt.Fprintf(w, "%d worlds with violations: %v\n", len(m.failed), m.failed)
	for _, j := range sortedKeys(m.judges) {
		_, _ = fmt.Fprintf(w, "%9d  %s\n", m.judges[j], j)
	}
}

// porcupine says how much porcupine was asked, and how often it had no answer.
func (m *summary) porcupine() (p linearizability.Porcupine) {
	for _, v := range m.verdicts {
		p.Components += v.Porcupine.Components
		p.Windows += v.Porcupine.Windows
		p.Operations += v.Porcupine.Operations
		p.Weakened += v.Porcupine.Weakened
		p.Inconclusive += v.Porcupine.Inconclusive
	}
	return p
}

// quantiles shows a sorted list of values.
func quantiles(v []int64) string {
	if len(v) == 0 {
		return ""
	}
	at := func(q float64) int64 { return v[min(int(q*float64(len(v))), len(v)-1)] }
	return fmt.Sprintf("%8d %8d %8d %8d %8d", v[0], at(0.5), at(0.9), at(0.99), v[len(v)-1])
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
