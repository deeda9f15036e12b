package sim

import (
	"slices"
	"strings"
)

// leap looks for a far smaller world with the same failure where leaving out little by little
// finds none. What hangs on chaotic timing fails in one of many worlds, whatever is left out: a few
// of the clients are kept, with all faults, and with other luck each time. Such worlds are quick.
func (s *Shrinker) leap() (leapt bool) {
	const most = 150
	r := newRNG(s.best.Seed, "leap")
	share := int64(250) // per mille of the clients
	for tried := 0; tried < most && !s.Enough() && s.trial.Events > s.enough; {
		var plans []*Plan
		for range max(s.Width, 1) {
			plans = append(plans, s.some(r, share))
		}
		tried += len(plans)
		was := s.trial.Events
		switch fails := s.first(plans...); {
		case fails && s.trial.Events < was*3/4:
			tried, share, leapt = 0, 500, true
		case fails:
			return leapt
		case tried > most/2:
			share = 500
		}
	}
	return leapt
}

// some returns the best plan with only a share of what comes to a world of its own accord, and with
// other luck.
func (s *Shrinker) some(r rng, share int64) *Plan {
	kept := map[string]bool{}
	s.luck++
	return s.with(func(p *Plan) {
		p.Luck = s.luck
		p.Keep = slices.DeleteFunc(slices.Clone(p.Keep), func(d Decision) bool {
			who := actorOf(d.ID)
			if !strings.HasPrefix(who, "client ") && !strings.HasPrefix(who, "crowd") {
				return false
			}
			who, _, _ = strings.Cut(who, "/")
			keep, drawn := kept[who]
			if !drawn {
				keep = r.chance(share)
				kept[who] = keep
			}
			return !keep
		})
	})
}
