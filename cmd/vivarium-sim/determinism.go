package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// setting is one way to run a world that must not change its trace.
type setting struct {
	name   string
	binary string // empty: this one
	env    []string
}

// newDeterminism compares the traces of worlds between processes and settings of the runtime.
func newDeterminism(s streams) *cobra.Command {
	var seeds, from uint64
	var race string
	c := &cobra.Command{Use: "determinism", Args: cobra.NoArgs,
		Short: "compare the traces of worlds between processes and settings",
		RunE: func(*cobra.Command, []string) error {
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
			if race != "" {
				settings = append(settings, setting{"race detector", race, nil})
			}
			return compare(s, settings, from, seeds)
		}}
	c.Flags().Uint64Var(&seeds, "seeds", 20, "compare so many worlds")
	c.Flags().Uint64Var(&from, "from", 1, "the first seed")
	c.Flags().StringVar(&race, "race-binary", "", "this command, built with -race, to compare with")
	return c
}

func compare(s streams, settings []setting, from, seeds uint64) error {
	first := map[uint64]string{}
	found := false
	for i, set := range settings {
		p := pool{binary: set.binary, env: set.env, size: 2, limit: 10 * time.Minute}
		seed, different := from, 0
		p.work(func() (task, bool) {
			seed++
			return task{Seed: seed - 1}, seed-1 < from+seeds
		}, func(t task, v *verdict) bool {
			switch {
			case v.Trace == "":
				found = true
				_, _ = fmt.Fprintf(s.out, "seed %d, %s: %v\n", v.Seed, set.name, v.Violations)
			case i == 0:
				first[v.Seed] = v.Trace
			case first[v.Seed] != v.Trace:
				found = true
				different++
				_, _ = fmt.Fprintf(s.out, "seed %d: trace %s, with %s %s\n  %s\n", v.Seed,
					first[v.Seed], set.name, v.Trace, replay(t))
			}
			return true
		})
		_, _ = fmt.Fprintf(s.out, "%-18s %d worlds, %d traces differ\n", set.name, seeds, different)
	}
	if found {
		return errFound
	}
	return nil
}
