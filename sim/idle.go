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
	for i := range all {
		img := &all[i]
		if used[img.Path] || img.Path == "/" {
			continue
		}
		if since, ok := needless(img, 0); ok && since <= s.Clock() {
			due = append(due, img.Path)
		}
	}
	return due
}

// needless says from when on a childless znode is of no use, in ms of the service's clock, if there
// is such a time. A container that had a child is so since it has none, of which an image knows no
// more than that it was not written since.
func needless(img *core.Image, neverUsedMs int64) (since int64, ok bool) {
	const ttlMark, ttlBits, container = 0xff, 40, 1 << 63
	switch owner := uint64(img.Owner); {
	case owner == container && img.Created > 0:
		return img.Mtime, true
	case owner == container:
		return img.Mtime + neverUsedMs + 1, neverUsedMs > 0
	case owner>>56 == ttlMark:
		return img.Mtime + int64(owner&(1<<ttlBits-1)) + 1, true
	}
	return 0, false
}

// finds is what leaders found when they looked for what is of no use, in bytes of paths: in the
// last entry that removes any, and in the one before.
type finds struct {
	index                 uint64
	before, last, longest int64
}

func (f *finds) notes(index uint64, commands []core.Command) {
	if f.index == index {
		return
	}
	*f = finds{index: index, before: f.last}
	for i := range commands {
		if n := int64(len(commands[i].Path)); commands[i].Kind == core.KindReap {
			f.last, f.longest = f.last+n, max(f.longest, n)
		}
	}
}

// cut says whether a leader that removes most bytes of paths at a time may have left some for the
// last entry in the one before.
func (f *finds) cut(most int64) bool { return most > 0 && f.before+f.longest > most }

// reaped returns the znode that the next command is to remove, once all clients are gone: nil if
// that removes none.
func (s *shadow) reaped() *core.Image {
	if s.batch == len(s.entry.Batches) {
		return nil
	}
	c := &s.entry.Batches[s.batch].Commands[s.command]
	if c.Kind != core.KindReap {
		return nil
	}
	if s.finds.notes(s.index, s.entry.Batches[s.batch].Commands); s.w.goneAt == 0 {
		return nil
	}
	var found *core.Image
	_ = s.state.Walk(func(img core.Image) error { // which fails never
		if img.Path == string(c.Path) {
			found = &img
		}
		return nil
	})
	return found
}

// judgeReap: a znode that is of no use is gone when its leader looks the next time. Once the faults
// have stopped and all clients are gone nothing keeps it from looking: of 95 in 400 worlds none was
// later than that, but where it finds more than it may remove at once (seed 430002420 of fa4f3fb).
// The service's time may stand, while most clocks are behind, and go on at once when others vote:
// the time counts that each clock has shown (seed 1000179 of fa4f3fb without that).
func (s *shadow) judgeReap(img *core.Image) {
	w, e := s.w, s.from
	if img == nil || s.out.Skipped || e.decided == 0 || img.Pzxid > w.goneZxid {
		return // or it had a child until lately
	}
	k := e.host.own()
	if s.finds.cut(k.MaxEntryBytes) {
		return
	}
	since, ok := needless(img, k.ContainerNeverUsedMs)
	late := min(s.entry.StampMs-since, (e.decided-max(w.goneAt, e.decision.since))/millisecond)
	for _, h := range w.hosts {
		late = min(late, h.wallMs()-(w.clock.now-e.decided)/millisecond-since)
	}
	if slackMs := 500 + k.ContainerCheckMs/10; ok && late > k.ContainerCheckMs+slackMs {
		w.violate("reaping", fmt.Sprintf("host %d removes %s %d ms after its time, it looks each "+
			"%d ms", e.host.id, img.Path, late, k.ContainerCheckMs))
	}
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
