package sim

import (
	"fmt"
	"strings"

	"github.com/vivariumdb/vivarium/core"
)

// idle waits until an ensemble of which nobody wants anything has done what it does by itself, and
// then leaves its log alone: what has outlived its time is gone, and nothing is proposed any more.
func (w *World) idle(next func()) {
	const rest = 1500 * millisecond // what is decided again and again is so each second
	index, since := uint64(0), w.clock.now
	w.await("the log to rest", w.patience, func() bool {
		if at := w.shadow.state.Index(); at != index {
			index, since = at, w.clock.now
		}
		return w.clock.now-since >= rest && len(overdue(w.shadow.state)) == 0
	}, func() { w.await("the logs to be cut", w.patience, w.allCut, next) })
}

// allCut says whether no member keeps log for nothing: of what a checkpoint covers and everybody
// has, only one entry stays, and of one without peers none.
func (w *World) allCut() bool {
	spare := uint64(1)
	if w.alone() {
		spare = 0
	}
	members := w.shadow.members
	if members != nil {
		for i := range members.Members {
			if h := w.byRaftID(members.Members[i].RaftID); h == nil || !h.up {
				return true // nobody can know what it has
			}
		}
	}
	for _, h := range w.hosts {
		if h.gone || members != nil && members.Member(h.raftID()) == nil {
			continue
		}
		if h.up && h.member != nil && h.cutTo+spare < h.covered {
			return false
		}
	}
	return true
}

// overdue lists the containers and TTL znodes that nobody needs any more. It knows nothing of how
// a State finds them.
func overdue(s *core.State) []string {
	used := map[string]bool{}
	var due []string
	var all []core.Image
	_ = s.Walk(func(img core.Image) error { // which fails never
		used[img.Path[:strings.LastIndexByte(img.Path, '/')]] = true
		all = append(all, img)
		return nil
	})
	const ttlMark, ttlBits = 0xff, 40
	for i := range all {
		img := &all[i]
		owner := uint64(img.Owner)
		ttl := int64(owner & (1<<ttlBits - 1))
		switch {
		case used[img.Path] || img.Path == "/":
		case owner == 1<<63 && img.Created > 0:
			due = append(due, img.Path)
		case owner>>56 == ttlMark && s.Clock()-img.Mtime > ttl:
			due = append(due, fmt.Sprintf("%s after %d ms", img.Path, s.Clock()-img.Mtime))
		}
	}
	return due
}

// judgeOutlived: a session that nobody closed ends soon when its time is over. Once the faults have
// stopped and all clients are gone there is nothing to be heard of it any more, and nothing that
// keeps its leader from deciding: 281 in 250 worlds were 127 ms late at most.
func (s *shadow) judgeOutlived(c *core.Command) {
	w, e := s.w, s.from
	if w.goneAt == 0 || e.decided == 0 {
		return
	}
	from := max(w.goneAt, e.decision.since, s.attached[c.Session])
	timeout := int64(s.timeouts[c.Session])
	late := (e.decided-from)/millisecond - timeout
	if slackMs := 1000 + timeout/10; late > slackMs {
		w.violate("sessions", fmt.Sprintf("host %d lets %v expire %d ms after its time-out of %d "+
			"ms, though nobody could be heard any more", e.host.id, c.Session, late, timeout))
	}
}
