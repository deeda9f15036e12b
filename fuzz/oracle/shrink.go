package main

import (
	"context"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// maxTrials bounds how often a case is played to make it smaller.
const maxTrials = 600

// shrinker looks for a smaller case that differs as well.
type shrinker struct {
	ctx    context.Context
	pair   *pair
	trials int
	best   *Case
	diff   *Difference
	err    error
}

// shrink takes away of a case what its difference does not need. It returns no difference if
// the case does not show one again.
func shrink(ctx context.Context, p *pair, c *Case) (*Case, *Difference, int, error) {
	s := &shrinker{ctx: ctx, pair: p, best: c}
	if !s.try(c) {
		return c, nil, s.trials, s.err
	}
	s.best.Steps = slices.Clone(s.best.Steps[:min(s.diff.Step+1, len(s.best.Steps))])
	for before := -1; before != s.best.requests() && s.err == nil; {
		before = s.best.requests()
		s.sessions()
		s.steps()
		s.requests()
		s.operations()
	}
	return s.best, s.diff, s.trials, s.err
}

// try plays a candidate and keeps it if it differs.
func (s *shrinker) try(c *Case) bool {
	if s.err != nil || s.trials >= maxTrials || s.ctx.Err() != nil {
		return false
	}
	s.trials++
	// Names from above: the servers have been given those from below.
	d, err := play(s.pair, c, rootName(1e6-s.trials), newCoverage(), nil)
	if err != nil {
		s.err = err
		return false
	}
	if d == nil {
		return false
	}
	s.best, s.diff = c, d
	return true
}

// sessions tries to do without each session.
func (s *shrinker) sessions() {
	for i := range s.best.Sessions {
		c := &Case{Sessions: s.best.Sessions}
		for _, step := range s.best.Steps {
			if step.Session != i {
				c.Steps = append(c.Steps, step)
			}
		}
		if len(c.Steps) < len(s.best.Steps) {
			s.try(c)
		}
	}
}

// steps takes away runs of steps, long ones first.
func (s *shrinker) steps() {
	for size := len(s.best.Steps) / 2; size > 0; size /= 2 {
		for at := len(s.best.Steps) - size; at >= 0; at -= size {
			if at+size > len(s.best.Steps) {
				continue
			}
			steps := slices.Concat(s.best.Steps[:at], s.best.Steps[at+size:])
			s.try(&Case{Sessions: s.best.Sessions, Steps: steps})
		}
	}
}

// requests takes away single requests of bursts.
func (s *shrinker) requests() {
	for i := len(s.best.Steps) - 1; i >= 0; i-- {
		for k := len(s.best.Steps[i].Requests) - 1; k >= 0; k-- {
			if len(s.best.Steps[i].Requests) > 1 {
				less := slices.Delete(slices.Clone(s.best.Steps[i].Requests), k, k+1)
				s.try(s.with(i, less))
			}
		}
	}
}

// operations takes away single operations of multis.
func (s *shrinker) operations() {
	for i := len(s.best.Steps) - 1; i >= 0; i-- {
		for k := range s.best.Steps[i].Requests {
			for n := 0; n < 8; n++ {
				q := s.best.Steps[i].Requests[k]
				if q.Op != wire.OpMulti && q.Op != wire.OpMultiRead {
					break
				}
				var m wire.MultiRequest
				r := wire.NewReader(q.Body)
				if m.Decode(&r); r.Err() != nil || n >= len(m.Ops) {
					break
				}
				m.Ops = slices.Delete(m.Ops, n, n+1)
				changed := slices.Clone(s.best.Steps[i].Requests)
				changed[k].Body = m.AppendTo(nil)
				if s.try(s.with(i, changed)) {
					n--
				}
			}
		}
	}
}

// with returns the best case with other requests in one step.
func (s *shrinker) with(i int, requests []Request) *Case {
	steps := slices.Clone(s.best.Steps)
	steps[i].Requests = requests
	return &Case{Sessions: s.best.Sessions, Steps: steps}
}
