package sim

import (
	"fmt"
	"slices"
	"testing"
)

// oneByOne tries plans.
func oneByOne(try func(p *Plan) *Trial) func(plans []*Plan) []*Trial {
	return func(plans []*Plan) (trials []*Trial) {
		for _, p := range plans {
			trials = append(trials, try(p))
		}
		return trials
	}
}

// keeping is what comes of a plan in whose world nothing happens but decisions.
func keeping(p *Plan, all []Decision) *Trial {
	kept := p.Keep
	if kept == nil {
		kept = all
	}
	return &Trial{Events: int64(len(kept)), Decisions: kept, FailedAt: map[string]int64{}}
}

// has says whether a decision was made.
func has(t *Trial, id string) bool {
	return slices.ContainsFunc(t.Decisions, func(d Decision) bool { return d.ID == id })
}

// TestShrinkDecisions shrinks what never was a world: it fails as long as some decisions are kept.
func TestShrinkDecisions(t *testing.T) {
	needed := []string{"client 1#3.1.1", "client 4#40.1.2", "fault 3#2"}
	var all []Decision
	for client := range 5 {
		for step := range 50 {
			for item := range 3 {
				all = append(all, Decision{At: int64(step) * second,
					ID: fmt.Sprintf("client %d#%d.1.%d", client+1, step+1, item+1)})
			}
		}
	}
	all = append(all, Decision{ID: "fault 3#1"}, Decision{ID: "fault 3#2"})
	tried := 0
	s := Shrinker{Width: 2, Enough: func() bool { return false },
		Try: oneByOne(func(p *Plan) *Trial {
			tried++
			trial := keeping(p, all)
			if has(trial, needed[0]) && has(trial, needed[1]) && has(trial, needed[2]) {
				trial.Judges = []string{"test"}
			}
			return trial
		})}
	small, after, before := s.Shrink(&Plan{Seed: 7})
	if len(small.Keep) != len(needed) {
		t.Errorf("%d decisions are kept of %d: %v, want %v", len(small.Keep), len(all), small.Keep,
			needed)
	}
	if before.Events != int64(len(all)) || after.Events != int64(len(needed)) {
		t.Errorf("events %d before, %d after, want %d and %d", before.Events, after.Events,
			len(all), len(needed))
	}
	if tried > 400 {
		t.Errorf("%d worlds were tried", tried)
	}
}

// TestShrinkEndsAtFailure: whatever else there was no time for, a world ends where it fails.
func TestShrinkEndsAtFailure(t *testing.T) {
	tried := 0
	s := Shrinker{Enough: func() bool { return tried > 3 },
		Try: oneByOne(func(p *Plan) *Trial {
			tried++
			return &Trial{Judges: []string{"test"}, Events: 1000,
				Decisions: []Decision{{ID: "fault 3#1"}},
				FailedAt:  map[string]int64{"test": 7 * second}, Virtual: p.EndUs}
		})}
	if small, _, _ := s.Shrink(&Plan{Seed: 7}); small.EndUs != 7*second+1 {
		t.Errorf("the world ends at %d us, want right behind its failure at 7 s", small.EndUs)
	}
}

// TestShrinkBounds: no world goes on that has more events than are of use, and what is left has no
// such bound.
func TestShrinkBounds(t *testing.T) {
	tried := 0
	s := Shrinker{Enough: func() bool { return tried > 20 },
		Try: oneByOne(func(p *Plan) *Trial {
			if want := int64(1100); tried > 0 && p.MostEvents != want {
				t.Errorf("world %d may have %d events, want %d", tried, p.MostEvents, want)
			}
			tried++
			return &Trial{Judges: []string{"test"}, Events: 1000,
				Decisions: []Decision{{ID: "fault 3#1"}}, FailedAt: map[string]int64{}}
		})}
	if small, _, _ := s.Shrink(&Plan{Seed: 7}); small.MostEvents != 0 {
		t.Errorf("the world that is left ends behind %d events", small.MostEvents)
	}
	r := Run(Options{Seed: 3, Plan: &Plan{Seed: 3, MostEvents: 1000}})
	if n := r.Count("events"); n != 1001 || r.Failed() {
		t.Errorf("%d events, want 1 more than 1000; %v", n, r.Violations)
	}
}

// TestShrinkPatience: a world that is only slow is not taken for one that is stuck, and one that is
// busy in vain need not be waited for to its end.
func TestShrinkPatience(t *testing.T) {
	for _, busy := range []bool{false, true} {
		var all []Decision
		for step := range 64 {
			all = append(all, Decision{ID: fmt.Sprintf("client 1#%d", step+1)})
		}
		tried := 0
		s := Shrinker{Width: 2, Enough: func() bool { return tried > 2000 },
			Try: oneByOne(func(p *Plan) *Trial {
				tried++
				trial := keeping(p, all)
				trial.FailedAt["test"] = 1000 * second // behind all faults
				stuck := has(trial, "client 1#33")
				switch {
				case stuck && busy && p.PatienceUs == 0 && p.Keep != nil:
					trial.Events = p.MostEvents + 1
				case stuck, !busy && p.PatienceUs > 0:
					trial.Judges = []string{"test"}
				}
				return trial
			})}
		small, _, _ := s.Shrink(&Plan{Seed: 7})
		if len(small.Keep) != 1 || small.Keep[0].ID != "client 1#33" {
			t.Errorf("busy %v: %v is kept, want the step with which it is stuck", busy, small.Keep)
		}
		if tried > 400 {
			t.Errorf("%d worlds were tried", tried)
		}
	}
}

// TestShrinkKeepsGaps: gaps are not given up for having fewer of them.
func TestShrinkKeepsGaps(t *testing.T) {
	s := Shrinker{Enough: func() bool { return false },
		Try: oneByOne(func(p *Plan) *Trial {
			return &Trial{Judges: []string{"test"}, Events: 100, Decisions: p.Keep,
				FailedAt: map[string]int64{}}
		})}
	s.judge = "test"
	gap := Gap{20 * millisecond, 5 * second}
	// In the time that is left the decision comes as the gap begins.
	s.best = &Plan{Seed: 7, Gaps: []Gap{gap}, Keep: []Decision{{ID: "client 1#1",
		At: 20 * millisecond}}}
	s.trial = &Trial{Events: 100}
	if s.mergeGaps(); len(s.best.Gaps) != 1 {
		t.Errorf("gaps %v are left, want %v", s.best.Gaps, gap)
	}
}

// TestShrinkWorld shrinks worlds in which something is seen that is no failure, and replays what
// is left from its text.
func TestShrinkWorld(t *testing.T) {
	for _, c := range []struct {
		name string
		seed uint64
		seen func(r *Result) bool
		most int // decisions
	}{
		{"an event", 2, func(r *Result) bool { return r.Count("watch events") > 0 }, 8},
		{"a third leader", 1, func(r *Result) bool { return r.Count("changes of leader") > 2 }, 8},
		{"an expiry", 3, func(r *Result) bool { return r.Count("sessions expired") > 0 }, 8},
		{"nothing", 3, func(r *Result) bool { return false }, 0},
	} {
		tried := 0
		trial := func(p *Plan) *Trial {
			tried++
			r := Run(Options{Seed: p.Seed, Plan: p, Record: true})
			out := r.Trial()
			if c.seen(r) {
				out.Judges, out.FailedAt = []string{"test"}, map[string]int64{"test": r.Virtual}
			}
			return out
		}
		s := Shrinker{Enough: func() bool { return tried > 120 }, Try: oneByOne(trial)}
		small, after, before := s.Shrink(&Plan{Seed: c.seed})
		t.Logf("%s: %d decisions, %d of %d events, %d worlds", c.name, small.Size(), after.Events,
			before.Events, tried)
		if c.most == 0 {
			if small.Keep != nil || after != before {
				t.Errorf("%s: a world that does not fail was shrunk", c.name)
			}
			continue
		}
		if small.Size() > c.most || after.Events*10 > before.Events {
			t.Errorf("%s: %d decisions and %d of %d events are left, want %d and a tenth", c.name,
				small.Size(), after.Events, before.Events, c.most)
		}
		if again := trial(small); again.Events != after.Events || len(again.Judges) != 1 {
			t.Errorf("%s: %d events when it is replayed, %d before; judges %q", c.name,
				again.Events, after.Events, again.Judges)
		}
	}
}

// TestShrinkChaos shrinks what fails as a whole, and with anything left out only with luck.
func TestShrinkChaos(t *testing.T) {
	var all []Decision
	for client := range 20 {
		for step := range 50 {
			all = append(all, Decision{At: int64(step) * second,
				ID: fmt.Sprintf("client %d#%d", client+1, step+1)})
		}
	}
	all = append(all, Decision{ID: "fault 3#2"})
	tried := 0
	s := Shrinker{Enough: func() bool { return tried > 500 },
		Try: oneByOne(func(p *Plan) *Trial {
			tried++
			trial := keeping(p, all)
			kept := len(trial.Decisions)
			r := newRNG(p.Luck, fmt.Sprint(kept))
			if kept == len(all) || r.chance(50) && has(trial, "fault 3#2") {
				trial.Judges = []string{"test"}
			}
			return trial
		})}
	if small, after, _ := s.Shrink(&Plan{Seed: 7}); after.Events > 100 {
		t.Errorf("%d of %d decisions are left", len(small.Keep), len(all))
	}
}

// TestShrinkTempts: what may be left out with other luck only is left out with that.
func TestShrinkTempts(t *testing.T) {
	all := make([]Decision, 4)
	for step := range all {
		all[step].ID = fmt.Sprintf("client 1#%d", step+1)
	}
	s := Shrinker{Enough: func() bool { return false }, judge: "test", round: 1,
		Try: oneByOne(func(p *Plan) *Trial {
			trial := keeping(p, all)
			if len(trial.Decisions) == len(all) || p.Luck > 0 {
				trial.Judges = []string{"test"}
			}
			return trial
		})}
	s.best, s.trial = &Plan{Seed: 7, Keep: all}, keeping(&Plan{}, all)
	if s.decide(stepOf); len(s.best.Keep) != 0 || s.best.Luck == 0 {
		t.Errorf("%d decisions are kept with luck %d, want none, and any", len(s.best.Keep),
			s.best.Luck)
	}
}

// TestShrinkRaises: of what is rare, that is let happen always with which a failure is met again,
// unless luck alone meets it.
func TestShrinkRaises(t *testing.T) {
	was := []string{"SlowSync=3", "PeerSpoiled=16", "Sticky=100", "LosePower=0", "SyncUs=700"}
	for _, c := range []struct {
		name          string
		alone, raised int64 // per mille of the worlds that fail
		want          string
	}{
		{"one that matters", 0, 400, "PeerSpoiled=1000"},
		{"none that matters", 30, 30, "PeerSpoiled=16"},
		{"luck is enough", 500, 1000, "PeerSpoiled=16"},
	} {
		s := Shrinker{Width: 3, Enough: func() bool { return false }, judge: "test",
			Try: oneByOne(func(p *Plan) *Trial {
				trial := &Trial{Events: 100, FailedAt: map[string]int64{}}
				fails := c.alone
				if slices.Contains(p.Knobs, "PeerSpoiled=1000") {
					fails = c.raised
				}
				if r := newRNG(p.Luck, "raises"); r.chance(fails) {
					trial.Judges = []string{"test"}
				}
				return trial
			})}
		s.best, s.trial = &Plan{Seed: 7, Knobs: was}, &Trial{Events: 100}
		s.raise()
		want := slices.Clone(was)
		want[1] = c.want
		got := slices.Sorted(slices.Values(s.best.Knobs))
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("%s: knobs %v, want %v", c.name, got, want)
		}
	}
}
