package sim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/linearizability"
)

// Trial is what came of a plan.
type Trial struct {
	// Judges are those who objected, by the place of their first objection.
	Judges []string
	// FailedAt is when what the first of them objects to was complete.
	FailedAt  map[string]int64
	Events    int64
	Virtual   int64
	Decisions []Decision
}

// Trial says what shrinking wants to know of a world.
func (r *Result) Trial() *Trial {
	t := &Trial{Events: r.Count("events"), Virtual: r.Virtual, Decisions: r.Decisions,
		FailedAt: map[string]int64{}}
	for i, v := range r.Violations {
		name := judgeOf(v)
		if slices.Contains(t.Judges, name) {
			continue
		}
		t.Judges = append(t.Judges, name)
		t.FailedAt[name], _ = r.FailedAt(i)
	}
	return t
}

// FailedAt says when all that violation i objects to had happened, and whether it is the world's
// own: such a one is seen when it happens and ends the world, and its line says only where in the
// history that was.
func (r *Result) FailedAt(i int) (at int64, own bool) {
	if i < r.own {
		return r.Virtual, true
	}
	if len(r.Violations[i].Lines) == 0 { // nobody knows, so all that happened may matter
		return r.Virtual, false
	}
	for _, no := range r.Violations[i].Lines {
		if n := no - 2; n >= 0 && n < len(r.History.Lines) {
			at = max(at, r.History.Lines[n].At)
		}
	}
	return at, false
}

// judgeOf tells failures apart: by their judge, and panics by what they say as well.
func judgeOf(v linearizability.Violation) string {
	if v.Judge != "panic" {
		return v.Judge
	}
	text, _, _ := strings.Cut(v.Text, "\n")
	return v.Judge + ": " + strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, text)
}

// Shrinker makes a failing world smaller, as long as it still fails in the same judge: it ends
// earlier, has fewer hosts, clients, requests and faults, calmer knobs and less idle time. What is
// left out is found by delta debugging, from whole kinds of decisions down to single requests.
type Shrinker struct {
	// Try runs worlds, as many at a time as Width says, and returns what came of each.
	Try   func(plans []*Plan) []*Trial
	Width int
	// Enough says that the time is up.
	Enough func() bool
	// Progress, if not nil, is told of each world that is smaller and fails.
	Progress func(tried int, p *Plan, t *Trial)

	judge string
	best  *Plan
	trial *Trial
	// sure is the last plan that is known not to fail for want of patience, and what came of it.
	sure      *Plan
	sureTrial *Trial
	back      int // how often it was gone back to

	tried int
	round int
	luck  uint64
	// enough are so few events that nothing is left to luck, most so many that nobody wants to read
	// of them, however few decisions there are. 0 is any number.
	enough, most int64
}

// Shrink returns the smallest world found, what came of it, and what came of the one to begin
// with. It returns that one itself if it does not fail.
func (s *Shrinker) Shrink(p *Plan) (small *Plan, after, before *Trial) {
	first := s.Try([]*Plan{p})[0]
	if len(first.Judges) == 0 || first.Decisions == nil {
		return p, first, first
	}
	s.judge, s.enough, s.most = first.Judges[0], first.Events/10, first.Events+first.Events/10
	s.adopt(s.begin(p, first), first)
	s.trim(true)
	s.sure, s.sureTrial = s.best, s.trial
	// Nearly all that happens in a world that is stuck is the wait for its end.
	if s.behindFaults() {
		s.first(s.patience(20*second), s.patience(60*second))
	}
	s.shorten()
	for better := true; better && !s.Enough(); {
		was := *s.trial
		size := s.best.Size()
		s.fewerHosts()
		s.decide(kindOf)
		if s.trial.Events > first.Events/2 && !s.leap() && s.raise() {
			s.leap()
		}
		back := s.back
		s.assure()
		s.decide(actorOf, stepOf, func(id string) string { return id })
		s.calm()
		s.closeGaps()
		s.shorten()
		s.assure()
		better = s.trial.Events < was.Events*9/10 || s.best.Size() < size*9/10 || s.round < 2 ||
			s.back > back && s.back < 4 // not for ever: the next may be slow again
		s.round++
	}
	s.hurry()
	s.trim(false)
	s.settle()
	s.best.Notes, s.best.MostEvents = nil, 0
	return s.best, s.trial, first
}

// assure goes back to the last world of which it is known that it fails with all the patience that
// there is, if the best one does not. One that goes on for many times the events of the first world
// counts as failing: what is asked again and again in vain may take an hour to wait for.
func (s *Shrinker) assure() {
	if s.best.PatienceUs > 0 && s.best != s.sure {
		p := s.patience(0)
		p.MostEvents = max(2_000_000, 3*s.most)
		t := s.Try([]*Plan{p})[0]
		s.tried++
		if !slices.Contains(t.Judges, s.judge) && t.Events <= p.MostEvents {
			s.best, s.trial = s.sure, s.sureTrial
			s.back++
			return
		}
	}
	s.sure, s.sureTrial = s.best, s.trial
}

// begin names all that a world has decided, and bounds the worlds that are made of it: left to
// itself, one that does not come to rest may have many times the events, and take minutes.
func (s *Shrinker) begin(p *Plan, t *Trial) *Plan {
	next := *p
	next.Keep, next.MostEvents = t.Decisions, s.most
	if !p.Calm {
		k, err := p.World()
		if err != nil {
			return p
		}
		next.Calm = true
		next.Knobs = nil
		drawn := draw(p.Seed)
		for _, knob := range append(k.Settings(), drawn.Difference(k)...) {
			if !slices.Contains(next.Knobs, knob) {
				next.Knobs = append(next.Knobs, knob)
			}
		}
	}
	return &next
}

// fails says whether a trial failed as the first world did, and is no longer.
func (s *Shrinker) fails(t *Trial) bool {
	return t != nil && slices.Contains(t.Judges, s.judge) && (s.most == 0 || t.Events <= s.most)
}

// adopt makes a plan the best one. Decisions that were kept and have not come are forgotten.
func (s *Shrinker) adopt(p *Plan, t *Trial) {
	next := *p
	if t.Decisions != nil {
		next.Keep = t.Decisions
	}
	s.best, s.trial = &next, t
	if s.Progress != nil {
		s.Progress(s.tried, s.best, t)
	}
}

// first adopts the first of some plans that fails.
func (s *Shrinker) first(plans ...*Plan) bool {
	for len(plans) > 0 && !s.Enough() {
		n := min(max(s.Width, 1), len(plans))
		trials := s.Try(plans[:n])
		s.tried += n
		for i, t := range trials {
			if s.fails(t) {
				s.adopt(plans[i], t)
				return true
			}
		}
		plans = plans[n:]
	}
	return false
}

// with returns a change of the best plan.
func (s *Shrinker) with(change func(p *Plan)) *Plan {
	next := *s.best
	next.Knobs, next.Gaps = slices.Clone(next.Knobs), slices.Clone(next.Gaps)
	change(&next)
	return &next
}

// end returns the plan cut so long after its failure.
func (s *Shrinker) end(later int64) *Plan {
	return s.with(func(p *Plan) { p.EndUs = s.trial.FailedAt[s.judge] + later })
}

// trim ends the world soon after its failure. There is some time left at first, since a world with
// less in it may fail a little later.
func (s *Shrinker) trim(roomy bool) {
	at := s.trial.FailedAt[s.judge]
	if at == 0 {
		return
	}
	plans := []*Plan{s.end(1), s.end(100 * millisecond), s.end(second), s.end(5 * second)}
	if roomy {
		plans = []*Plan{s.end(2*second + at/10), s.end(10 * second)}
	}
	for i, p := range plans {
		if (s.best.EndUs == 0 || p.EndUs < s.best.EndUs) && s.first(plans[i]) {
			return
		}
	}
}

// shorten lets the faults of a world stop earlier that fails only behind their end, and others
// end earlier.
func (s *Shrinker) shorten() {
	for !s.Enough() {
		k, err := s.best.World()
		if err != nil {
			return
		}
		at := k.DurationMs
		if s.trial.FailedAt[s.judge] < gaps(s.best.Gaps).warp(at*millisecond) {
			s.trim(true)
			return
		}
		last := int64(0)
		for _, d := range s.best.Keep {
			last = max(last, gaps(s.best.Gaps).unwarp(d.At)/millisecond+1)
		}
		if !s.first(s.knob("DurationMs", min(at/2, last)), s.knob("DurationMs", at/2),
			s.knob("DurationMs", at*8/10)) || at < 50 {
			return
		}
	}
}

// settle lets a world end where it fails for which there was no time to be made small: a single
// trial or two, as what took longest is worst to look at.
func (s *Shrinker) settle() {
	if !s.Enough() {
		return
	}
	enough := s.Enough
	s.Enough = func() bool { return false }
	switch at := s.trial.FailedAt[s.judge]; {
	case s.behindFaults() && s.best.PatienceUs != 5*second:
		s.first(s.patience(5 * second))
	case at > 0 && (s.best.EndUs == 0 || s.best.EndUs > at+1):
		s.first(s.end(1), s.end(second))
	}
	s.Enough = enough
}

// hurry lets a world that does not come to an end give up earlier. It has done so with all the
// patience that there is.
func (s *Shrinker) hurry() {
	if s.behindFaults() {
		s.first(s.patience(5*second), s.patience(20*second), s.patience(60*second))
	}
}

// behindFaults says whether the best plan fails only when its faults have stopped.
func (s *Shrinker) behindFaults() bool {
	k, err := s.best.World()
	return err == nil &&
		s.trial.FailedAt[s.judge] >= gaps(s.best.Gaps).warp(k.DurationMs*millisecond)
}

// patience returns the best plan with another patience; 0 is all that there is.
func (s *Shrinker) patience(us int64) *Plan {
	return s.with(func(p *Plan) { p.PatienceUs, p.EndUs = us, 0 })
}

// knob returns the best plan with another value of a knob.
func (s *Shrinker) knob(name string, value int64) *Plan {
	return s.with(func(p *Plan) {
		p.Knobs = slices.DeleteFunc(p.Knobs,
			func(k string) bool { return strings.HasPrefix(k, name+"=") })
		p.Knobs = append(p.Knobs, fmt.Sprintf("%s=%d", name, value))
		if name == "DurationMs" {
			p.EndUs = 0
		}
	})
}

// fewerHosts makes the ensemble smaller.
func (s *Shrinker) fewerHosts() {
	k, err := s.best.World()
	if err != nil {
		return
	}
	var plans []*Plan
	for _, n := range []int64{1, 3, 5} {
		if n < k.Hosts {
			plans = append(plans, s.knob("Hosts", n))
		}
	}
	s.first(plans...)
}

// decide leaves out decisions: whole kinds of them, all of one actor, steps, requests, as levels
// say what belongs together.
func (s *Shrinker) decide(levels ...func(id string) string) {
	for _, level := range levels {
		s.remove(func() [][]string {
			var order []string
			groups := map[string][]string{}
			for _, d := range s.best.Keep {
				key := level(d.ID)
				if groups[key] == nil {
					order = append(order, key)
				}
				groups[key] = append(groups[key], d.ID)
			}
			units := make([][]string, len(order))
			for i, key := range order {
				units[i] = groups[key]
			}
			return units
		}, func(p *Plan, drop []string) {
			gone := map[string]bool{}
			for _, id := range drop {
				gone[id] = true
			}
			p.Keep = slices.DeleteFunc(slices.Clone(p.Keep),
				func(d Decision) bool { return gone[d.ID] })
		})
	}
}

func kindOf(id string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return -1
		}
		return r
	}, actorOf(id))
}

func actorOf(id string) string {
	name, _, _ := strings.Cut(id, "#")
	return name
}

func stepOf(id string) string {
	name, _, _ := strings.Cut(id, ".")
	return name
}

// calm gives knobs the values of a quiet world.
func (s *Shrinker) calm() {
	s.remove(func() [][]string {
		var units [][]string
		for _, k := range s.best.Knobs {
			if name, _, _ := strings.Cut(k, "="); slices.Contains(settings, name) {
				units = append(units, []string{k})
			}
		}
		return units
	}, func(p *Plan, drop []string) {
		p.Knobs = slices.DeleteFunc(slices.Clone(p.Knobs),
			func(k string) bool { return slices.Contains(drop, k) })
	})
}

// remove leaves out units of the best plan: runs of them, all at first, then shorter ones.
func (s *Shrinker) remove(units func() [][]string, drop func(p *Plan, ids []string)) {
	without := func(list [][]string) *Plan {
		return s.with(func(p *Plan) { drop(p, slices.Concat(list...)) })
	}
	for size := len(units()); size > 0 && !s.Enough(); size /= 2 {
		// From the end on: what comes last matters least to what came before.
		for to := len(units()); to > 0 && !s.Enough(); {
			all := units()
			to = min(to, len(all))
			var runs [][][]string
			var plans []*Plan
			for end := to; end > 0 && len(plans) < max(s.Width, 1); end -= size {
				runs = append(runs, all[max(end-size, 0):end])
				plans = append(plans, without(runs[len(runs)-1]))
			}
			bold := size*8 >= len(all)
			trials := s.Try(plans)
			s.tried += len(plans)
			var gone [][]string
			var which []int
			for i, t := range trials {
				if s.fails(t) {
					which = append(which, i)
					gone = append(gone, runs[i]...)
				}
			}
			to -= size * len(plans)
			switch {
			case len(which) == 0 && bold:
				s.tempt(plans)
				continue
			case len(which) == 0, len(which) > 1 && s.first(without(gone)):
				continue
			}
			s.adopt(plans[which[0]], trials[which[0]])
		}
	}
}

// tempt tries plans with other luck: what nobody has decided may be what they lacked.
func (s *Shrinker) tempt(plans []*Plan) {
	if s.round == 0 || s.trial.Events < s.enough && s.best.Size() < 20 {
		return
	}
	var again []*Plan
	for range 3 {
		for _, p := range plans {
			s.luck++
			next := *p
			next.Luck = s.luck
			again = append(again, &next)
		}
	}
	s.first(again...)
}

// closeGaps leaves out time in which nothing is decided.
func (s *Shrinker) closeGaps() {
	s.mergeGaps()
	defer s.mergeGaps()
	for _, margin := range margins {
		s.remove(func() [][]string {
			var units [][]string
			for _, g := range s.idle(margin, s.best.Gaps) {
				units = append(units, []string{fmt.Sprintf("%d %d", g.From, g.To)})
			}
			return units
		}, func(p *Plan, add []string) {
			for _, text := range add {
				var g Gap
				_, _ = fmt.Sscan(text, &g.From, &g.To) // as it was written above
				p.Gaps = append(p.Gaps, g)
			}
			slices.SortFunc(p.Gaps, func(a, b Gap) int { return cmp.Compare(a.From, b.From) })
		})
	}
}

// margins are how much of the time in which nothing is decided may be left.
var margins = []int64{20 * millisecond, 200 * millisecond, second}

// mergeGaps looks for gaps anew: those that were found one after the other have joints.
func (s *Shrinker) mergeGaps() {
	var plans []*Plan
	for _, margin := range margins {
		fresh := s.idle(margin, nil)
		if len(fresh) < len(s.best.Gaps) && total(fresh) > total(s.best.Gaps)*9/10 {
			plans = append(plans, s.with(func(p *Plan) { p.Gaps = fresh }))
		}
	}
	s.first(plans...)
}

// total is how much time gaps leave out.
func total(gaps []Gap) (us int64) {
	for _, g := range gaps {
		us += g.To - g.From
	}
	return us
}

// idle are the times in which nothing is decided, and which are not left out already.
func (s *Shrinker) idle(margin int64, old []Gap) []Gap {
	g := gaps(old)
	var times []int64
	for _, d := range s.best.Keep {
		times = append(times, gaps(s.best.Gaps).unwarp(d.At))
	}
	for _, gap := range g {
		times = append(times, gap.From, gap.To)
	}
	slices.Sort(times)
	var idle []Gap
	last := int64(0)
	for _, at := range times {
		if from, to := last+margin, at-min(margin, 20*millisecond); to-from >= 50*millisecond &&
			!slices.ContainsFunc(g, func(o Gap) bool { return o.From < to && from < o.To }) {
			idle = append(idle, Gap{from, to})
		}
		last = max(last, at)
	}
	return idle
}
