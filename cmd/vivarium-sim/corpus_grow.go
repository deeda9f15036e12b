package main

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vivariumdb/vivarium/sim"
)

// grower looks for worlds that reach what others don't.
type grower struct {
	tries, from uint64
	most        int
	budget      time.Duration

	rng      *rand.Rand
	given    uint64
	old      []member
	seen     map[string]bool
	frontier []task // worlds that were the first to reach something, the newest last
	found    []candidate
	failed   int
}

// candidate is a world that may be kept.
type candidate struct {
	task  task
	nanos int64
	all   []string
}

// run looks at many worlds and writes the corpus anew.
func (g *grower) run(s streams, f *corpusFlags) error {
	if c, err := openCorpus(f.file); err == nil {
		g.old = c.members
	}
	run, err := newRunner(f.workers, true)
	if err != nil {
		return err
	}
	defer run.close()
	g.rng, g.seen = rand.New(rand.NewPCG(g.from, 1)), map[string]bool{}
	last, tried := time.Now(), 0
	run.work(g.next, func(_ int, t task, r *reach) {
		tried++
		g.take(s, t, r)
		if time.Since(last) > 10*time.Second {
			last = time.Now()
			_, _ = fmt.Fprintf(s.err, "%d of %d worlds: %d meetings and blocks are reached, %d of "+
				"the worlds were the first to reach one; %d failed\n", tried,
				g.tries+uint64(len(g.old)), len(g.seen), len(g.frontier), g.failed)
		}
	})
	if run.err != nil {
		return run.err
	}
	c := g.choose()
	if len(c.members) == 0 {
		return errNoWorld
	}
	if err := os.MkdirAll(filepath.Dir(f.file), 0o777); err != nil {
		return fmt.Errorf("write corpus: %w", err)
	}
	file, err := os.Create(f.file)
	if err != nil {
		return fmt.Errorf("write corpus: %w", err)
	}
	err = c.write(file)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err != nil {
		return fmt.Errorf("write corpus: %w", err)
	}
	_, _ = fmt.Fprintf(s.out, "%d worlds were looked at, %d are kept; they reach %d kinds of "+
		"meetings and %d blocks; all that were looked at reach %d of both\n", tried, len(c.members),
		c.meetings, c.blocks, len(g.seen))
	if g.failed > 0 {
		return errFound
	}
	return nil
}

// next is a world to look at: first those of the corpus as it is, then new ones, every other of
// which has some knobs of a world that has reached something new.
func (g *grower) next() (int, task, bool) {
	g.given++
	n := g.given - 1
	if n < uint64(len(g.old)) {
		return 0, g.old[n].task(), true
	}
	n -= uint64(len(g.old))
	if n >= g.tries {
		return 0, task{}, false
	}
	t := task{Seed: g.from + n, Reach: true}
	if len(g.frontier) == 0 || n%2 == 0 {
		return 0, t, true
	}
	// The newest are the likeliest.
	i := max(g.rng.IntN(len(g.frontier)), g.rng.IntN(len(g.frontier)))
	parent := g.frontier[i]
	k, err := parent.knobs()
	if err != nil {
		return 0, t, true
	}
	t.Set = slices.Clone(parent.Set)
	differ := sim.Draw(t.Seed).Difference(*k)
	g.rng.Shuffle(len(differ), func(i, j int) { differ[i], differ[j] = differ[j], differ[i] })
	differ = slices.DeleteFunc(differ, func(set string) bool {
		name, _, _ := strings.Cut(set, "=")
		return slices.Contains(founding, name)
	})
	const most = 8
	for _, set := range differ[:min(len(differ), 1+g.rng.IntN(most))] {
		if !slices.Contains(t.Set, set) {
			t.Set = append(t.Set, set)
		}
	}
	t.Set = t.Set[max(0, len(t.Set)-2*most):]
	return 0, t, true
}

// founding are knobs that only fit each other: how the ensemble begins.
var founding = []string{"Hosts", "FoundingTerm", "ZxidLead", "SequenceLead", "RealStore"}

// take notes what a world has reached.
func (g *grower) take(s streams, t task, r *reach) {
	if len(r.verdict.Violations) > 0 {
		g.failed++
		v := r.verdict.Violations[0]
		_, _ = fmt.Fprintf(s.err, "seed %d: VIOLATION %s: %s\n  %s\n", t.Seed, v.Judge, v.Text,
			replay(t))
		return
	}
	c := candidate{task: t, nanos: r.verdict.Nanos}
	fresh := false
	for what := range r.all { //order-free: sorted below
		c.all = append(c.all, what)
		fresh = fresh || !g.seen[what]
		g.seen[what] = true
	}
	slices.Sort(c.all)
	if fresh {
		g.frontier = append(g.frontier, t)
	}
	g.found = append(g.found, c)
}

// wanted is in how many worlds of the corpus something is to be reached, if so many reach it: once
// is luck, for what happens around it differs.
const wanted = 3

// choose keeps worlds one after the other, each time the one that has most of what is rare and not
// there often enough, for the time that it takes.
func (g *grower) choose() *corpus {
	slices.SortFunc(g.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.task.Seed, b.task.Seed),
			slices.Compare(a.task.Set, b.task.Set))
	})
	worlds, have := map[string]int{}, map[string]int{}
	for i := range g.found {
		for _, what := range g.found[i].all {
			worlds[what]++
		}
	}
	// What the first world with it is worth; the second and the third a part of that.
	worth := func(what string) float64 {
		if have[what] >= wanted {
			return 0
		}
		return 1 / float64(worlds[what]) / float64(1+9*have[what])
	}
	c := &corpus{}
	var nanos int64
	left := slices.Clone(g.found)
	for len(c.members) < g.most {
		best, most := -1, 0.0
		for i := range left {
			sum := 0.0
			for _, what := range left[i].all {
				sum += worth(what)
			}
			const base = 50e6 // a world that takes no time is still one more line
			if sum /= float64(left[i].nanos) + base; sum > most &&
				nanos+left[i].nanos <= g.budget.Nanoseconds() {
				best, most = i, sum
			}
		}
		if best < 0 {
			break
		}
		chosen := left[best]
		left = slices.Delete(left, best, best+1)
		nanos += chosen.nanos
		c.members = append(c.members, chosen.keep(worlds, have))
	}
	for what := range have { //order-free: counts
		if isBlock(what) {
			c.blocks++
		} else {
			c.meetings++
		}
	}
	return c
}

// keep counts what a world reaches, and names the rarest of what none had reached before it.
func (c *candidate) keep(worlds, have map[string]int) member {
	m := member{seed: c.task.Seed, set: c.task.Set}
	for _, what := range c.all {
		if have[what] < wanted {
			m.why = append(m.why, what)
		}
		have[what]++
	}
	slices.SortStableFunc(m.why, func(a, b string) int {
		return cmp.Or(cmp.Compare(have[a], have[b]), cmp.Compare(worlds[a], worlds[b]))
	})
	const most = 4
	m.why = m.why[:min(len(m.why), most)]
	return m
}
