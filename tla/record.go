package main

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/sim"
)

// enough traces show each action of their specification, and can be altered in each way: if they
// do not, more worlds are run for what is rare.
const enough = 50

// shortest is how many lines a trace has at least that is worth to be checked.
const shortest = 20

// furthest is how many worlds are run at most for what only few show.
const furthest = 400

// rare is what no trace of a specification has shown yet.
type rare struct {
	actions     []string
	alterations []alteration
}

func newRare(spec TraceSpec, modules string) (*rare, error) {
	actions, err := nextActions(modules, spec.Model)
	r := &rare{actions: slices.DeleteFunc(actions, func(name string) bool {
		_, never := spec.Unseen[name]
		return never
	})}
	for _, a := range alterations {
		if a.module == spec.Module {
			r.alterations = append(r.alterations, a)
		}
	}
	return r, err
}

// shown says whether a trace shows something that none before it has.
func (r *rare) shown(t Trace) bool {
	actions := slices.DeleteFunc(slices.Clone(r.actions), func(name string) bool {
		return slices.ContainsFunc(t.Lines,
			func(l sim.AbstractLine) bool { return l.Action == name })
	})
	ways := slices.DeleteFunc(slices.Clone(r.alterations), func(a alteration) bool {
		return slices.ContainsFunc(ends(t.Lines), a.at)
	})
	shows := len(actions) < len(r.actions) || len(ways) < len(r.alterations)
	r.actions, r.alterations = actions, ways
	return shows
}

// record runs worlds until each specification has its traces, and says how many they were. If these
// have to show everything, some more are run for what is rare, and of them only the traces are
// taken that show it.
func record(opts TraceOptions, modules string) (map[string][]Trace, int, error) {
	traces, rares := map[string][]Trace{}, map[string]*rare{}
	for _, spec := range opts.specs() {
		r, err := newRare(spec, modules)
		if err != nil {
			return nil, 0, err
		}
		rares[spec.Module] = r
	}
	for n := 0; ; n++ {
		full, lacks := true, false
		for module, r := range rares {
			full = full && len(traces[module]) >= opts.Traces
			lacks = lacks || len(r.actions)+len(r.alterations) > 0
		}
		if full && (!lacks || opts.Traces < enough || n >= furthest) {
			return traces, n, nil
		}
		if n > 20*opts.Traces+100 {
			return nil, 0, fmt.Errorf("%d worlds do not tell enough", n)
		}
		seed := opts.Base + uint64(n)
		k := sim.AbstractKnobs(seed)
		w := sim.Run(sim.Options{Seed: seed, Knobs: &k, Abstract: true})
		if w.Failed() {
			return nil, 0, fmt.Errorf("the world of seed %d fails: %v", seed, w.Violations[0])
		}
		for _, a := range w.Abstract {
			r, t := rares[a.Module], Trace{a.Name, a.Lines, a.Cut}
			if r == nil || len(a.Lines) < shortest {
				continue
			}
			if shows := r.shown(t); shows || len(traces[a.Module]) < opts.Traces {
				traces[a.Module] = append(traces[a.Module], t)
			}
		}
	}
}
