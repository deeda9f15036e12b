package sim

import (
	"slices"
	"strconv"
	"strings"
)

// rates are settings that say, per mille, how often something rare happens that is no decision.
var rates = strings.Fields(`SlowSync LosePower SplitPerMille SlowSegmentPerMille
	SmallWindowPerMille PeerSlowPerMille PeerSpoiled PeerLatePerMille WrongPassword FutureZxid
	ReadOnlyClients Sticky`)

// raise lets always happen what happens now and then. A world that fails because something rare
// met something else that is rare fails no more as soon as anything is left out of it: all that
// comes later is drawn anew. If one of the two is there all the time, other luck finds the other
// again. What the failure needs is what makes more worlds of a few fail than luck alone does.
func (s *Shrinker) raise() bool {
	const tries = 16
	_, _, most := s.chances(s.best, tries)
	if most >= tries/4 {
		return false // it can be left to luck
	}
	var best *Plan
	var trial *Trial
	most++ // a single one more may be luck
	for _, knob := range s.best.Knobs {
		name, value, _ := strings.Cut(knob, "=")
		if !slices.Contains(rates, name) {
			continue
		}
		if v, err := strconv.ParseInt(value, 10, 64); err != nil || v == 0 || v >= 500 {
			continue
		}
		raised := s.knob(name, 1000)
		plan, t, failed := s.chances(raised, tries)
		if failed == most {
			_, _, again := s.chances(raised, 2*tries)
			failed += again
		}
		if failed > most {
			best, trial, most = plan, t, failed
		}
	}
	if best != nil {
		s.adopt(best, trial)
	}
	return best != nil
}

// chances runs a plan with other luck, and says how often it failed, and one that did.
func (s *Shrinker) chances(p *Plan, tries int) (failing *Plan, trial *Trial, failed int) {
	for tries > 0 && !s.Enough() {
		var plans []*Plan
		for range min(max(s.Width, 1), tries) {
			s.luck++
			next := *p
			next.Luck = s.luck
			plans = append(plans, &next)
		}
		for i, t := range s.Try(plans) {
			if s.fails(t) {
				failed++
				failing, trial = plans[i], t
			}
		}
		s.tried += len(plans)
		tries -= len(plans)
	}
	return failing, trial, failed
}
