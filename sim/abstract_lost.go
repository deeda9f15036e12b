package sim

import (
	"cmp"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// lostTale is what a tale of a disk has to remember of those that were lost.
type lostTale struct {
	lost bool // the disk is, and no other is in its place
	last bool // the last record of the log is damaged, and nobody has opened it since
	// aimed is what damages the next record to be acknowledged, nil if nothing is to.
	aimed *rng
	// shown is the number of the line at which a disk came up with less than it acknowledged, and
	// its peers are still to say so; 0: there is none.
	shown int
	left  int // entries that it had
	// stored is the commit index of the last record, and floor what the specification has of it
	// when that is damaged: the record before may know less.
	stored, floor int
	learner       bool
	// promoted is where a leader decided that a learner votes, if that holds; late says that the
	// learner was a little behind then.
	promoted *AbstractLine
	late     bool
}

// loseDisks lets the disks of a world that is told be wiped and damaged now and then.
func loseDisks(k *Knobs, r rng) {
	k.Hosts = max(k.Hosts, 3)
	k.DurationMs = r.between(10000, 20000)
	k.Asks, k.MaxLogBytes = 1, r.between(2000, 20000)
	k.WipeMs, k.RotMs = r.between(2000, 8000), r.between(500, 2000)
	k.DownMs = min(k.DownMs, 500)
}

// planToldLosses plans what takes disks away, in the words of the specification: they are wiped, or
// the log comes up shorter than it was.
func (w *World) planToldLosses() {
	w.repeat(w.k.WipeMs, func() {
		h := pick(w.faults, w.hosts)
		if w.strike(w.faults, h, h.wipe) {
			w.brings(faultWipe, h)
		}
	})
	w.repeat(w.k.RotMs, func() {
		h := pick(w.faults, w.hosts)
		aimed := w.fork()
		w.brings(faultRot, h)
		w.abstract.disks.of(h).aimed = &aimed
	})
}

// aim damages what has just been acknowledged, before the mark knows of it or after that.
func (t *diskTale) aim(h *host) {
	if t.aimed == nil {
		return
	}
	r := *t.aimed
	t.aimed = nil
	h.w.clock.after(r.between(millisecond, 80*millisecond), func() {
		if h.w.calm || h.gone {
			return
		}
		h.w.strike(r, h, h.forget)
	})
}

// elsewhere says whether a quorum has all that a host has acknowledged on other disks. Who forgets
// what its peers do not know of may elect a leader that lacks it, which nothing prevents.
func (w *World) elsewhere(h *host) bool {
	voters, good := 0, 0
	last := h.log.acked
	term := cmp.Or(h.log.term(last), w.shadow.slots[last].term)
	for i := range w.shadow.members.Members {
		e := &w.shadow.members.Members[i]
		if e.Role != core.RoleVoter {
			continue
		}
		voters++
		if o := w.byRaftID(e.RaftID); o != nil && o != h && !o.rotten &&
			o.log.holds(last, term) {
			good++
		}
	}
	return 2*good > voters
}

// forget damages the last record of the log of a process that ends without a word.
func (h *host) forget() {
	disk, ok := h.disk.(*strict)
	if !ok || !h.w.elsewhere(h) {
		return
	}
	if h.up {
		h.crash(false)
		disk = h.disk.(*strict)
	}
	if disk.mem.Rot(store.Rot{Log: true, Record: -1}) {
		h.w.meet(faultRot, h)
		h.rotten, h.damaged = true, h.w.clock.now
		h.w.abstract.disks.of(h).last = true
	}
}

// lost is told that a disk may not be trusted, or is not there any more, before it is replaced.
func (a *abstraction) lost(h *host, why string) {
	if a == nil {
		return
	}
	t := a.disks.of(h)
	if !t.begun || t.lost || t.cut != "" {
		return
	}
	last := t.last
	t.lost, t.last = true, false
	switch {
	case why == "a peer knows of more":
		t.refused(h)
	case why == "wiped", why == "damaged" && !last:
		// What is damaged in a way that anybody sees is as good as not there.
		t.stops()
		t.add("Wipe")
	case why == "damaged":
		t.stops()
		t.add("Damage", "known", false)
		t.add("Restart", "lost", true)
	default:
		t.end("it was lost since " + why)
	}
	if t.cut == "" {
		t.down, t.shown = false, 0
	}
}

// stops tells of the end of a process. One that came up with less than was acknowledged, and ended
// before anybody heard of it, is as good as never started.
func (t *diskTale) stops() {
	if t.shown == 0 {
		t.add("Crash")
		return
	}
	for _, l := range t.lines[t.shown-1:] {
		if !idle[l.Action] {
			t.end("it ends twice before the leader sees its disk")
			return
		}
	}
	t.lines = t.lines[:t.shown-1]
}

// came is told what was found on a disk that had been damaged and was opened all the same.
func (t *diskTale) came(rec *store.Recovered, log Terms) {
	if !t.last {
		return
	}
	t.last = false
	t.floor = min(max(t.stored, t.floor), len(log))
	if !isPrefix(log, t.log) {
		t.end("the log is older than it was, and not only shorter")
	}
	t.add("Damage", "known", true, "n", len(log), "term", int(rec.HardState.GetTerm()),
		"vote", t.whom(rec.HardState.GetVote()))
	if t.cut == "" && t.match > len(log) {
		t.shown, t.left = len(t.lines)+1, len(log)
	}
}

// idle are the steps of a member that do not involve anybody else.
var idle = map[string]bool{"": true, "Restart": true, "Apply": true, "BeginCheckpoint": true,
	"EndCheckpoint": true, "Cut": true, "WriteMark": true, "SyncMark": true}

// refused tells that a peer has said that the disk has lost something: in the specification the
// leader says so first of all.
func (t *diskTale) refused(h *host) {
	switch {
	case t.cut != "":
	case t.shown == 0:
		t.end("a peer knows of more, and not as the one who leads")
	default:
		for _, l := range t.lines[t.shown-1:] {
			if !idle[l.Action] {
				t.end("it takes part before the leader refuses its disk")
				return
			}
		}
		found := t.lines[t.shown-1]
		t.lines = t.lines[:t.shown-1]
		if l := t.add("RefusedByLeader"); l != nil {
			l.Fields = found.Fields
		}
	}
}

// partakes is told that a member hears of a term, or votes in it, while its disk shows less than
// was acknowledged: another leads than the one that knew of it, or that one was never reached.
func (t *diskTale) partakes(term int) {
	at := t.shown - 1
	if t.shown == 0 || t.cut != "" {
		return
	}
	switch {
	case term > t.eterm:
		rest := slices.Clone(t.lines[at:])
		t.lines = t.lines[:at]
		t.lead(term)
		t.lines = append(t.lines, rest...)
	case !t.known():
		t.unsay()
	}
	t.shown = 0
}

// known says whether who leads knows that the disk held more.
func (t *diskTale) known() bool {
	for _, h := range t.w.hosts {
		if h.member == nil || !h.member.Leading() {
			continue
		}
		for _, k := range h.member.Who(h.self).Known {
			if k.ID == t.host.raftID() && entryAt(k.Mark.Index) > t.left {
				return true
			}
		}
	}
	return false
}

// unsay takes back what was acknowledged and never heard of.
func (t *diskTale) unsay() {
	t.match = 0
	for _, l := range slices.Backward(t.lines[:t.shown-1]) {
		if l.Action == "ChangeLeader" || l.Action == "Rejoin" {
			return
		}
		if l.Action != "Acknowledge" {
			continue
		}
		if n := l.Fields[0].Value.(int); n <= t.left {
			t.match = n
			return
		}
		l.Action = ""
	}
}

// rejoins tells of an empty disk that was admitted.
func (t *diskTale) rejoins(rec *store.Recovered) {
	t.lostTale = lostTale{learner: true, aimed: t.aimed}
	t.down = false // by the end of the process that had the disk before
	t.term, t.vote, t.commit, t.log = int(rec.HardState.GetTerm()), 0, 0, Terms{}
	t.matched, t.match, t.applied, t.kept, t.written = 0, 0, 0, 0, 0
	t.sent, t.asking, t.spots = map[int]bool{}, map[int]bool{}, map[int]*AbstractLine{}
	t.taken = map[*replication.Append]int{}
	t.stuck, t.marking, t.installing, t.waits = nil, false, false, false
	t.add("Rejoin")
}

// promotes is told what a leader puts into its log: who has all the log may vote from then on.
func (a *abstraction) promotes(appends []*replication.Append) {
	for _, p := range appends {
		for _, e := range p.Entries {
			for _, id := range replication.Electors(e) {
				h := a.w.byRaftID(id)
				if h == nil {
					continue
				}
				if t := a.disks.of(h); t.learner && !t.lost {
					t.promoted, t.late = t.add(""), t.match < t.ecommit
				}
			}
		}
	}
}

// votes tells that a learner has become a voter.
func (t *diskTale) votes(h *host) {
	m := h.member.Local.State.Membership()
	if !t.learner || t.promoted == nil || m == nil || t.lost {
		return
	}
	if e := m.Member(h.raftID()); e != nil && e.Role == core.RoleVoter {
		t.promoted.Action = "Swap"
		t.learner, t.promoted = false, nil
	}
}
