package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// plantedWithin is how many requests may be needed to find a planted difference.
const plantedWithin = 20000

// hunt plants each difference of the table that is meant for the oracle, and looks for it.
func hunt(ctx context.Context, o options) error {
	if !mutant.Enabled {
		return errors.New("built without mutants: build with -tags mutants")
	}
	fmt.Printf("seed %d\n%-26s %8s %5s  %s\n", o.seed, "planted", "requests", "case", "found as")
	missed := 0
	for _, m := range mutant.List() {
		if !strings.HasPrefix(m.Name, "oracle-") || o.mutant != "" && o.mutant != m.Name {
			continue
		}
		requests, n, d, err := seek(ctx, o, m.Name)
		switch {
		case err != nil:
			return err
		case d == nil:
			missed++
			fmt.Printf("%-26s %8d %5s  NOT FOUND\n", m.Name, requests, "-")
		default:
			fmt.Printf("%-26s %8d %5d  %s\n", m.Name, requests, n, d.What)
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d planted differences were not found", missed)
	}
	return nil
}

// seek plays cases against one mutant until it is found.
func seek(ctx context.Context, o options, name string) (int, int, *Difference, error) {
	p, err := startPair(ctx, name, o.settings)
	if err != nil {
		return 0, 0, nil, err
	}
	defer p.stop()
	cover := newCoverage()
	for n := 0; cover.requests < plantedWithin && ctx.Err() == nil; n++ {
		d, err := play(p, generate(caseSeed(o.seed, n)), rootName(n+1), cover, nil)
		if d != nil || err != nil {
			return cover.requests, n, d, err
		}
	}
	return cover.requests, 0, nil, ctx.Err()
}
