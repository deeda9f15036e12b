package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/sim"
)

// shrunk is a failing world that was made smaller.
type shrunk struct {
	plan          *sim.Plan
	after, before *sim.Trial
	size          int // of the whole plan
	took          time.Duration
	tried         int
}

// shrink makes a failing world smaller, in as many processes as the pool has, for so long at most.
// The whole world may take as long as it took when it was found, on a busy machine more than the
// pool's limit; what is made of it need not be much slower.
func shrink(w io.Writer, p pool, plan *sim.Plan, budget time.Duration) *shrunk {
	out := &shrunk{}
	start := time.Now()
	workers := make([]*process, max(p.size, 1))
	for i := range workers {
		workers[i] = &process{pool: p}
		workers[i].pool.limit = max(p.limit, worldLimit)
		defer workers[i].stop()
	}
	whole := true
	last := start
	s := sim.Shrinker{Width: len(workers),
		Enough: func() bool { return time.Since(start) > budget },
		Try: func(plans []*sim.Plan) []*sim.Trial {
			trials := try(workers, plans)
			for i := range workers {
				if whole {
					workers[i].pool.limit = max(p.limit, 2*time.Since(start))
				}
			}
			whole = false
			return trials
		},
		Progress: func(tried int, p *sim.Plan, t *sim.Trial) {
			if out.size == 0 {
				out.size = p.Size()
			}
			out.tried = tried
			if now := time.Now(); now.Sub(last) > 5*time.Second {
				last = now
				_, _ = fmt.Fprintf(w, "shrinking: %d worlds tried, %d decisions, %d events\n",
					tried, p.Size(), t.Events)
			}
		}}
	out.plan, out.after, out.before = s.Shrink(plan)
	out.took = time.Since(start)
	return out
}

// try runs the worlds of plans, one a worker at a time.
func try(workers []*process, plans []*sim.Plan) []*sim.Trial {
	trials := make([]*sim.Trial, len(plans))
	var wg sync.WaitGroup
	for i, worker := range workers {
		wg.Go(func() {
			for at := i; at < len(plans); at += len(workers) {
				v := worker.do(task{Seed: plans[at].Seed, Plan: plans[at]})
				if trials[at] = v.Trial; v.Trial == nil {
					trials[at] = &sim.Trial{Judges: v.judges()} // it died
				}
			}
		})
	}
	wg.Wait()
	return trials
}

// String tells in one line what came of it.
func (s *shrunk) String() string {
	perCent := func(part, whole int64) float64 {
		return 100 * float64(part) / float64(max(whole, 1))
	}
	return fmt.Sprintf("%d of %d decisions, %d of %d events (%.1f %%), %.1f of %.1f s, "+
		"in %.0f s and %d worlds", s.plan.Size(), s.size, s.after.Events, s.before.Events,
		perCent(s.after.Events, s.before.Events), float64(s.after.Virtual)/1e6,
		float64(s.before.Virtual)/1e6, s.took.Seconds(), s.tried)
}
