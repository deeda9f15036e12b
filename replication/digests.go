package replication

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// digests compares this member's State with those of the others, at the indexes that are
// multiples of Config.DigestEntries (DESIGN section 2). Each tells the leader its newest digests
// with its ticks, and the leader tells all the newest one that a majority has. Who has another
// one at that index has diverged: that is final, the driver stops it. While members differ and
// no majority is of one State, nobody serves: who is right can be judged when more have told.
type digests struct {
	own      []indexDigest // the newest, by index
	agreed   []indexDigest // what leaders said that a majority has, likewise
	diverged *Divergence
	disputed bool
	since    int64 // the tick at which a leader saw no majority first, 0 if there is none
}

// Divergence is a State that is not what a majority of the members has. Nothing that this member
// has on its disk may be trusted: the driver stops the process, keeps the data aside for a report,
// and lets the member rejoin as one that lost its disk.
type Divergence struct {
	Index       uint64 // behind which the State was looked at
	Own, Agreed [16]byte
}

// keptDigests is how many digests are kept to be compared, and toldDigests how many of them a
// follower tells with a tick: it may have applied much since the last.
const (
	keptDigests = 32
	toldDigests = 4
)

// insert adds d to a list by index, which keeps its newest.
func insert(list []indexDigest, d indexDigest) []indexDigest {
	i, found := slices.BinarySearchFunc(list, d.index,
		func(e indexDigest, index uint64) int { return cmp.Compare(e.index, index) })
	if found {
		list[i] = d
		return list
	}
	list = slices.Insert(list, i, d)
	if len(list) > keptDigests {
		list = slices.Delete(list, 0, len(list)-keptDigests)
	}
	return list
}

// applied takes in digests of this member's own State, and said what a majority has.
func (g *digests) applied(list []indexDigest) {
	for _, d := range list {
		g.own = insert(g.own, d)
	}
	g.compare()
}

func (g *digests) said(d indexDigest) {
	g.agreed = insert(g.agreed, d)
	g.compare()
}

// compare finds out whether this member has diverged.
func (g *digests) compare() {
	for _, want := range g.agreed {
		for _, have := range g.own {
			if have.index == want.index && have.digest != want.digest && g.diverged == nil &&
				!mutant.On("replication-digests-not-compared") {
				g.diverged = &Divergence{have.index, have.digest, want.digest}
			}
		}
	}
}

// newest are those to be told.
func (g *digests) newest() []indexDigest { return g.own[max(0, len(g.own)-toldDigests):] }

// toldDigest is a digest with whose it is: the place in clocks.voters, -1 for this member.
type toldDigest struct {
	indexDigest
	by int
}

// judgeDigests finds the newest digest that a majority of the voters has, as a leader. Whether
// there is none where enough have told is judged at the newest such place, and when it has been
// so for a while: a third may be about to tell.
func (r *replica) judgeDigests() (agreed indexDigest, ok bool) {
	var all []toldDigest
	for _, d := range r.digests.own {
		all = append(all, toldDigest{d, -1})
	}
	for i := range r.clocks.voters {
		for _, d := range r.clocks.voters[i].digests {
			all = append(all, toldDigest{d, i})
		}
	}
	slices.SortStableFunc(all, func(a, b toldDigest) int {
		return cmp.Or(cmp.Compare(b.index, a.index), bytes.Compare(a.digest[:], b.digest[:]))
	})
	for decided := false; len(all) > 0 && !ok; {
		n := 1
		for n < len(all) && all[n].index == all[0].index {
			n++
		}
		from := 0
		for i := 1; i <= n && !ok; i++ {
			if i == n || all[i].digest != all[from].digest {
				agreed, ok = all[from].indexDigest, r.clocks.tellers(all[from:i])
				from = i
			}
		}
		if !decided && (ok || r.clocks.tellers(all[:n])) {
			decided = true
			r.dispute(!ok)
		}
		all = all[n:]
	}
	return agreed, ok
}

// tellers says whether those who told are a majority of the voters.
func (c *clocks) tellers(list []toldDigest) bool {
	told := func(by int) bool {
		return slices.ContainsFunc(list, func(d toldDigest) bool { return d.by == by })
	}
	return c.majority(told(-1), func(v *voterClock) bool {
		return told(slices.IndexFunc(c.voters, func(o voterClock) bool { return o.id == v.id }))
	})
}

// dispute notes whether a leader sees members that differ without a majority. Only a majority
// ends it, not that nobody has told yet.
func (r *replica) dispute(now bool) {
	g := &r.digests
	switch {
	case !now:
		if g.disputed {
			r.clock.restart() // nobody could give a sign of life
		}
		g.since, g.disputed = 0, false
	case g.since == 0:
		g.since = r.ticks
	case r.ticks-g.since >= int64(r.cfg.ElectionTicks):
		g.disputed = !mutant.On("replication-dispute-served")
	}
}

// whoDiffers is whom to serve because of the digests; the zero value is all.
func (g *digests) whoDiffers() serve {
	switch {
	case g.diverged != nil:
		return serve{core.ServingNobody, core.CauseDiverged}
	case g.disputed:
		return serve{core.ServingNobody, core.CauseDisputed}
	}
	return serve{}
}
