package main

import (
	"context"
	"fmt"
	"io"
	"time"
)

// fullRun is the number of requests from which on coverage is a condition.
const fullRun = 500000

// least is how often a full run has to have seen everything of the table.
const least = 200

// caseSeed is the seed of the nth case of a run.
func caseSeed(seed uint64, n int) int {
	x := seed*0x9e3779b97f4a7c15 + uint64(n)*0xbf58476d1ce4e5b9
	x = (x ^ x>>31) * 0x94d049bb133111eb
	return int((x ^ x>>29) >> 1)
}

// campaign plays cases until enough requests are compared. It returns what was covered.
func campaign(ctx context.Context, o options, w io.Writer) (*coverage, error) {
	p, err := startPair(ctx, o.mutant, o.settings)
	if err != nil {
		return nil, err
	}
	defer func() { p.stop() }()
	fmt.Fprintf(w, "seed %d\n", o.seed)
	total := newCoverage()
	start := time.Now()
	found, roots := 0, 0
	for n := max(o.only, 0); total.requests < o.requests && ctx.Err() == nil; n++ {
		c := generate(caseSeed(o.seed, n))
		var log func(string, ...any)
		if o.only >= 0 || o.verbose {
			log = func(format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
		}
		cover := newCoverage()
		roots++
		d, err := play(p, c, rootName(roots), cover, log)
		if err != nil {
			return total, err
		}
		if d != nil {
			found++
			if p, err = report(ctx, o, p, n, c, d, w); err != nil {
				return total, err
			}
			roots = 0
		}
		total.add(cover)
		total.cases++
		if found >= o.differences || o.only >= 0 {
			break
		}
		if total.cases%500 == 0 {
			fmt.Fprintf(w, "%d requests, %d cases, %.0f requests/s\n", total.requests,
				total.cases, float64(total.requests)/time.Since(start).Seconds())
		}
	}
	took := time.Since(start)
	fmt.Fprintf(w, "%d requests in %d cases and %d frames compared in %v, %.0f requests/s; "+
		"%d differences\n", total.requests, total.cases, total.frames, took.Round(time.Second),
		float64(total.requests)/took.Seconds(), found)
	if found > 0 {
		return total, errFound
	}
	if ctx.Err() != nil {
		return total, ctx.Err()
	}
	return total, total.judge(o, w)
}

// judge says whether enough was seen.
func (c *coverage) judge(o options, w io.Writer) error {
	limit := o.coverage
	if limit == 0 && c.requests >= fullRun {
		limit = least
	}
	if rare := c.missing(limit); limit > 0 && rare != "" {
		fmt.Fprintf(w, "seen less than %d times: %s\n", limit, rare)
		return errFound
	}
	return nil
}

// report prints a difference and the few requests that show it. The servers have parted, so
// both are started anew; it returns the new ones.
func report(ctx context.Context, o options, p *pair, n int, c *Case, d *Difference, w io.Writer) (
	*pair, error) {
	fmt.Fprintf(w, "\ncase %d of seed %d differs at %s", n, o.seed, d)
	fmt.Fprintf(w, "replay: go run ./fuzz/oracle -seed %d -case %d\n", o.seed, n)
	p.stop()
	p, err := startPair(ctx, o.mutant, o.settings)
	if err != nil {
		return p, err
	}
	small, last, trials, err := shrink(ctx, p, c)
	if err != nil {
		return p, err
	}
	if last == nil {
		fmt.Fprintf(w, "played again by itself on fresh servers, it does not differ\n")
	} else {
		fmt.Fprintf(w, "shrunk in %d trials from %d requests to %d:\n%sdiffers at %s\n", trials,
			c.requests(), small.requests(), renderCase(small), last)
	}
	p.stop()
	return startPair(ctx, o.mutant, o.settings)
}
