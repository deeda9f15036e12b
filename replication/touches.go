package replication

import (
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// touches are the signs of life of this server's clients that no leader is known to have taken
// into account. A report goes with each tick; what was in it is forgotten only when the leader
// has shown that it heard it while it led, and is told again whenever it may have been lost.
// Otherwise a client that spoke only while its server could not report it would be silent for
// two parts of a time-out that the leader adds up (tla/SessionsExpiry, guard report-kept).
//
// Each session counts once in fresh and once in each report, so sessions and mostReports bound
// what is kept, however long there is no leader.
type touches struct {
	fresh   []core.SessionID // not reported (again) yet
	settled int              // as many of fresh as are sorted, each once
	reports []touchReport    // reported, in their order
	number  uint64           // of this process's last tick
}

type touchReport struct {
	number uint64 // of the tick that it went with
	ids    []core.SessionID
}

// mostReports is how many reports may be under way before all of them are told again.
const mostReports = 32

func (t *touches) add(ids []core.SessionID) {
	t.fresh = append(t.fresh, ids...)
	if len(t.fresh) > 2*t.settled+256 {
		t.settle()
	}
}

func (t *touches) settle() {
	slices.Sort(t.fresh)
	t.fresh = slices.Compact(t.fresh)
	t.settled = len(t.fresh)
}

// report counts the next tick and returns what is to be told with it. The ids are not to be
// written into.
func (t *touches) report() (ids []core.SessionID) {
	if len(t.reports) >= mostReports {
		t.rewind()
	}
	t.number++
	if len(t.fresh) == 0 {
		return nil
	}
	t.settle()
	ids = t.fresh
	t.reports = append(t.reports, touchReport{t.number, ids})
	t.fresh, t.settled = nil, 0
	return ids
}

// heard forgets what went with ticks up to that number.
func (t *touches) heard(number uint64) {
	n := 0
	for n < len(t.reports) && t.reports[n].number <= number {
		n++
	}
	t.reports = slices.Delete(t.reports, 0, n)
}

// rewind makes everything be told again that was not heard.
func (t *touches) rewind() {
	for _, r := range t.reports {
		t.fresh = append(t.fresh, r.ids...)
	}
	t.reports = nil
	t.settle()
}

// forget drops everything: who begins to lead gives each session a whole time-out.
func (t *touches) forget() { t.fresh, t.settled, t.reports = nil, 0, nil }
