package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// sweepBases are how far the bases of two sweeps of a hunt are apart.
const sweepBases = 1_000_003

// newMutants runs worlds with each known bug until it is caught.
func newMutants(s streams) *cobra.Command {
	h := hunt{s: s}
	var workers int
	c := &cobra.Command{Use: "mutants", Args: cobra.NoArgs,
		Short: "run worlds with each known bug until it is caught",
		RunE: func(*cobra.Command, []string) error {
			if !mutant.Enabled {
				return errors.New("built without mutants: build with -tags mutants,checked")
			}
			binary, err := os.Executable()
			if err != nil {
				return fmt.Errorf("find own binary: %w", err)
			}
			h.pool = pool{binary: binary, env: []string{"GOMAXPROCS=1", "GOGC=400"},
				size: workers, limit: 10 * time.Minute, cpu: time.Minute}
			return h.run()
		}}
	fs := c.Flags()
	fs.Uint64Var(&h.most, "max", 2000, "give a sweep up after so many worlds")
	fs.DurationVar(&h.time, "time", 0, "give all sweeps up after so long; 0: never")
	fs.Uint64Var(&h.from, "from", 1, "the first seed of the first sweep")
	fs.IntVar(&h.sweeps, "sweeps", 5, "run so many sweeps, each with other seeds")
	fs.StringVar(&h.only, "only", "", "only mutants whose name contains this, or of this area")
	fs.BoolVar(&h.all, "all", false, "also those that few worlds or none catch")
	fs.IntVar(&h.sample, "sample", 0, "only so many mutants, a part of each area; 0: all of them")
	fs.Uint64Var(&h.turn, "turn", 0, "which part that is: with each turn the next")
	fs.StringVarP(&h.output, "output", "o", "text", "text, or json")
	fs.StringVar(&h.table, "table", "", "write the tables into this file of documentation")
	fs.StringVar(&h.commit, "commit", "", "the commit that the tables name")
	fs.DurationVar(&h.shrink, "shrink", 0, "make what has caught a mutant smaller, for so long")
	fs.IntVar(&workers, "workers", runtime.NumCPU(), "processes that run worlds")
	return c
}

// hunt looks for mutants.
type hunt struct {
	s             streams
	pool          pool
	most, from    uint64
	time          time.Duration
	sweeps        int
	only          string
	all           bool
	sample        int
	turn          uint64
	output, table string
	commit        string
	shrink        time.Duration
}

// chase is one sweep for one mutant: its seeds one after the other, so that what it comes to does
// not depend on how many processes there are.
type chase struct {
	mutant mutant.Mutant
	base   uint64
	next   uint64 // worlds that were run
	busy   bool
	caught *verdict
	nanos  int64 // of processor time
}

func (h *hunt) run() error {
	list := h.choose()
	if len(list) == 0 || h.sweeps < 1 || h.most < 1 { // else all of none would be caught
		return fmt.Errorf("nothing to hunt: %d mutants are named like %q (--all adds those that "+
			"few worlds catch), %d sweeps of %d worlds", len(list), h.only, h.sweeps, h.most)
	}
	var all []*chase
	for _, m := range list {
		for i := range h.sweeps {
			all = append(all, &chase{mutant: m, base: h.from + uint64(i)*sweepBases})
		}
	}
	h.chase(all)
	if h.shrink > 0 {
		return h.shrinkAll(all)
	}
	r := h.report(list, all)
	r.Dirty = h.clean(all)
	switch h.output {
	case "json":
		if err := r.write(h.s.out); err != nil {
			return err
		}
	default:
		r.text(h.s.out)
	}
	if h.table != "" {
		if err := r.document(h.table, h.commit); err != nil {
			return err
		}
	}
	if r.Missed+len(r.Dirty) > 0 {
		return errFound
	}
	return nil
}

// choose are the mutants to be hunted. A sample has mutants of all areas, and as many turns as
// there are mutants in a sample's place have all of them.
func (h *hunt) choose() []mutant.Mutant {
	var list []mutant.Mutant
	for _, m := range mutant.List() {
		if (m.By == mutant.World || h.all && m.By != mutant.Oracle) &&
			(strings.Contains(m.Name, h.only) || m.Area.String() == h.only) {
			list = append(list, m)
		}
	}
	if h.sample <= 0 || h.sample >= len(list) {
		return list
	}
	var some []mutant.Mutant
	for i := range h.sample {
		from, to := i*len(list)/h.sample, (i+1)*len(list)/h.sample
		some = append(some, list[from+int(h.turn%uint64(to-from))])
	}
	return some
}

// run is one world with one mutant.
type run struct {
	seed   uint64
	mutant string
}

// chase runs worlds until each is caught or given up. Who has had the fewest comes next, so that
// what is given up because the time is over is what is hard to catch.
func (h *hunt) chase(all []*chase) {
	running := map[run]*chase{}
	began := time.Now()
	h.pool.work(func() (task, bool) {
		var c *chase
		for _, o := range all {
			if !o.busy && o.caught == nil && o.next < h.most && (c == nil || o.next < c.next) {
				c = o
			}
		}
		if c == nil || h.time > 0 && time.Since(began) > h.time {
			return task{}, false // who else is at work finishes what is left
		}
		t := task{Seed: c.base + c.next, Mutant: c.mutant.Name}
		c.busy, c.next = true, c.next+1
		running[run{t.Seed, t.Mutant}] = c
		return t, true
	}, func(t task, v *verdict) bool {
		c := running[run{t.Seed, t.Mutant}]
		delete(running, run{t.Seed, t.Mutant})
		c.busy, c.nanos = false, c.nanos+v.Nanos
		if len(v.Violations) > 0 {
			c.caught = v
		}
		if c.caught != nil || c.next == h.most {
			c.progress(h.s.err)
		}
		return true
	})
	for _, c := range all {
		if c.caught == nil && c.next < h.most {
			c.progress(h.s.err)
		}
	}
}

// clean runs the seeds that have caught a mutant without any, and returns those with violations.
func (h *hunt) clean(all []*chase) (dirty []uint64) {
	var seeds []uint64
	for _, c := range all {
		if c.caught != nil {
			seeds = append(seeds, c.caught.Seed)
		}
	}
	slices.Sort(seeds)
	seeds = slices.Compact(seeds)
	h.pool.work(func() (task, bool) {
		if len(seeds) == 0 {
			return task{}, false
		}
		t := task{Seed: seeds[0]}
		seeds = seeds[1:]
		return t, true
	}, func(t task, v *verdict) bool {
		if len(v.Violations) > 0 {
			dirty = append(dirty, t.Seed)
			_, _ = fmt.Fprintf(h.s.err, "without a mutant: %s: %s\n  %s\n", v.Violations[0].Judge,
				v.Violations[0].Text, replay(t))
		}
		return true
	})
	slices.Sort(dirty)
	return dirty
}
