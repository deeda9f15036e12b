package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/vivariumdb/vivarium/sim"
)

// setting is one way to run a world that must not change its trace.
type setting struct {
	name   string
	binary string // empty: this one
	env    []string
}

// newDeterminism compares the traces of worlds between processes and settings of the runtime.
func newDeterminism(s streams) *cobra.Command {
	var d determinism
	c := &cobra.Command{Use: "determinism", Args: cobra.NoArgs,
		Short: "compare the traces of worlds between processes and settings",
		RunE:  func(*cobra.Command, []string) error { return d.run(s) }}
	c.Flags().Uint64Var(&d.seeds, "seeds", 20, "compare so many worlds")
	c.Flags().Uint64Var(&d.from, "from", 1, "the first seed")
	c.Flags().StringArrayVar(&d.set, "set", nil, "set a knob, Name=number")
	c.Flags().BoolVar(&d.race, "race", false, "compare with a build of this command with -race")
	c.Flags().BoolVar(&d.ensembles, "ensembles", false, "compare worlds of several hosts only")
	c.Flags().IntVar(&d.workers, "workers", runtime.NumCPU(), "processes that run worlds")
	return c
}

// determinism is what is compared.
type determinism struct {
	seeds, from uint64
	set         []string
	race        bool
	ensembles   bool
	workers     int
}

// choose returns the seeds of the worlds that are compared.
func (d *determinism) choose() []uint64 {
	var seeds []uint64
	for seed := d.from; uint64(len(seeds)) < d.seeds; seed++ {
		if !d.ensembles || sim.Draw(seed).Hosts > 1 {
			seeds = append(seeds, seed)
		}
	}
	return seeds
}

func (d *determinism) run(s streams) error {
	if d.seeds == 0 {
		return errors.New("nothing to compare: 0 worlds")
	}
	binary, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own binary: %w", err)
	}
	settings := []setting{
		{"GOMAXPROCS=1", binary, []string{"GOMAXPROCS=1"}},
		{"a second process", binary, []string{"GOMAXPROCS=1"}},
		{"all processors", binary, nil},
		{"GOGC=20", binary, []string{"GOGC=20"}},
		{"GOGC=off", binary, []string{"GOGC=off", "GOMEMLIMIT=1GiB"}},
	}
	if d.race {
		dir, err := os.MkdirTemp("", "vivarium-race-")
		if err != nil {
			return fmt.Errorf("build with -race: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }() // a directory for temporary files
		race := filepath.Join(dir, "sim")
		// It is run at the root of the module.
		if err := goCommand("build", "-race", "-tags", "checked", "-o", race,
			"./cmd/vivarium-sim"); err != nil {
			return err
		}
		settings = append(settings, setting{"race detector", race,
			[]string{"GORACE=halt_on_error=1"}})
	}
	return d.compare(s, settings)
}

func (d *determinism) compare(s streams, settings []setting) error {
	first := map[uint64]string{}
	found := false
	seeds := d.choose()
	for i, set := range settings {
		p := pool{binary: set.binary, env: set.env, size: d.workers, limit: worldLimit}
		given, equal := 0, 0
		p.work(func() (t task, ok bool) {
			if ok = given < len(seeds); ok {
				t = task{Seed: seeds[given], Set: d.set}
				given++
			}
			return t, ok
		}, func(t task, v *verdict) bool {
			switch {
			case v.Trace == "":
				found = true
				_, _ = fmt.Fprintf(s.out, "seed %d, %s: %v\n", v.Seed, set.name, v.Violations)
			case i == 0:
				first[v.Seed] = v.Trace
				equal++
			case first[v.Seed] == v.Trace:
				equal++
			default:
				found = true
				_, _ = fmt.Fprintf(s.out, "seed %d: trace %s, with %s %s\n  %s\n", v.Seed,
					first[v.Seed], set.name, v.Trace, replay(t))
			}
			return true
		})
		_, _ = fmt.Fprintf(s.out, "%-18s %d worlds, %d traces equal\n", set.name, d.seeds, equal)
	}
	if found {
		return errFound
	}
	return nil
}
