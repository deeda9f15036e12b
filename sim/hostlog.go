package sim

import (
	"fmt"
	"slices"

	"github.com/zeebo/xxh3"

	"github.com/vivariumdb/vivarium/replication"
)

// slot is what is known of one place of the log: every entry that any member ever had there, until
// one of them is committed.
type slot struct {
	committed bool
	term, sum uint64  // of the one that is
	within    uint64  // it was committed in this term or before
	entries   []*seen // of different terms
}

// seen is one entry, as the first member that had it had it.
type seen struct {
	term, sum uint64
	data      []byte // what the State gets of it
	host      *host  // who decided what is in it,
	decided   int64  // and when
	decision  decision
}

// sumOf tells entries of one term apart. Raft's own kinds have no business here but their number.
func sumOf[T ~int32](kind T, data []byte) uint64 { return xxh3.Hash(data) + uint64(kind) }

// hostLog is what the disk of a host holds, or will once what is under way is done: the terms of
// its entries. It is not told what the disk says; that is held against it.
//
// Invariant: terms[i] is of index base+1+i.
type hostLog struct {
	base  uint64
	terms []uint64
	// acked is the last index that the member was told to be durable, vote the last hard state.
	acked  uint64
	vote   [2]uint64 // term and vote
	told   uint64    // the last commit index given to the log,
	commit uint64    // and the one that is durable for certain
	firsts []uint64  // of the appends under way, the first index each replaces; 0: none
}

func (l *hostLog) last() uint64 { return l.base + uint64(len(l.terms)) }

// term returns the term of an entry, 0 if it is not there.
func (l *hostLog) term(index uint64) uint64 {
	if index <= l.base || index > l.last() {
		return 0
	}
	return l.terms[index-l.base-1]
}

// holds says whether an entry, and not another one in its place, is durable, as the member knows.
func (l *hostLog) holds(index, term uint64) bool {
	return l.acked >= index && (index <= l.base || l.term(index) == term)
}

func (l *hostLog) put(index, term uint64) {
	if index <= l.base {
		l.base, l.terms = index-1, nil
	}
	l.terms = append(l.terms[:index-l.base-1], term)
}

// founded notes where the log of an empty disk begins: the start that founded it may crash before
// it is told. If it is known that the disk held something, that is what it has lost.
func (l *hostLog) founded(index uint64) {
	if l.last() == 0 {
		l.base = index
	}
}

// acknowledge notes that appends are durable, and that their member will learn of it.
func (l *hostLog) acknowledge(group []*replication.Append) {
	l.firsts = l.firsts[len(group):]
	for _, a := range group {
		if n := len(a.Entries); n > 0 {
			l.acked = a.Entries[n-1].GetIndex()
		}
		if c := a.Install; c != nil && l.acked <= c.Index {
			l.acked = c.Index
		}
		if hs := a.HardState; hs != nil {
			l.vote = [2]uint64{hs.GetTerm(), hs.GetVote()}
			l.told = hs.GetCommit()
		}
		if len(a.Entries) > 0 { // a commit index alone costs no write, and rides on the next one
			l.commit = l.told
		}
	}
}

// given notes what a member has told its log to hold. What is in one place and of one term is the
// same everywhere.
func (s *shadow) given(h *host, appends []*replication.Append) {
	for _, a := range appends {
		first := uint64(0)
		if c := a.Install; c != nil {
			h.log.base, h.log.terms, first = c.Index, nil, 1
		}
		for i, e := range a.Entries {
			if i == 0 && first == 0 {
				first = e.GetIndex()
			}
			if e.GetType() != 0 {
				h.conf = e.GetIndex()
			}
			data, err := replication.StateEntry(e)
			s.must(h, err)
			s.note(h, e.GetIndex(), &seen{term: e.GetTerm(), data: data,
				sum: sumOf(e.GetType(), e.GetData())})
		}
		h.log.firsts = append(h.log.firsts, first)
	}
}

// must says that an entry of a host's log cannot be read.
func (s *shadow) must(h *host, err error) {
	if err != nil {
		s.w.violate("shadow", fmt.Sprintf("host %d: %v", h.id, err))
	}
}

// written is given for one entry of a foreign hand, which may stand where an append was lost.
func (s *shadow) written(h *host, index, term uint64, data []byte) {
	if index < uint64(len(s.slots)) {
		s.slots[index].entries = nil
	}
	s.note(h, index, &seen{term: term, data: data, sum: sumOf(int32(0), data)})
}

func (s *shadow) note(h *host, index uint64, e *seen) {
	h.log.put(index, e.term)
	for uint64(len(s.slots)) <= index {
		s.slots = append(s.slots, slot{})
	}
	at := &s.slots[index]
	if at.committed && at.term == e.term {
		if at.sum != e.sum {
			s.differs(h, index, e.term)
		}
		return
	}
	for _, old := range at.entries {
		if old.term == e.term {
			if old.sum != e.sum {
				s.differs(h, index, e.term)
			}
			return
		}
	}
	if at.committed && s.w.alone() {
		s.w.violate("durability", fmt.Sprintf("entry %d of term %d is committed, and one of term "+
			"%d is written over it", index, at.term, e.term))
	}
	e.host, e.decided = h, s.w.clock.now
	if h.vigil.leads {
		e.decision = h.vigil.decides()
	}
	at.entries = append(at.entries, e)
}

func (s *shadow) differs(h *host, index, term uint64) {
	s.w.violate("shadow", fmt.Sprintf("host %d has another entry %d of term %d than others", h.id,
		index, term))
}

// choose says that the entry of a term, which a host applies, is the committed one of an index, and
// returns it.
func (s *shadow) choose(h *host, index, term uint64) *seen {
	if index >= uint64(len(s.slots)) {
		return nil
	}
	at := &s.slots[index]
	i := slices.IndexFunc(at.entries, func(e *seen) bool { return e.term == term })
	if i < 0 {
		return nil
	}
	e := at.entries[i]
	*at = slot{committed: true, term: e.term, sum: e.sum, within: h.member.Term()}
	return e
}

// installed judges the State that a member has taken from a peer.
func (s *shadow) installed(h *host) {
	state := h.member.Local.State
	h.seen = followed{index: state.Index()}
	s.compare(h, "installed", state)
	s.digestLine(h, state.Index(), state.Digest(), sourceLoaded)
}

// elected judges a new leader: all that was applied anywhere in its term or before is in its log.
// What a later term has committed is not its matter, even if it is of an earlier one: its votes may
// have reached it when that term had begun.
func (s *shadow) elected(h *host, term uint64) {
	index := s.state.Index()
	if s.begun {
		index++
	}
	for index > h.log.base && s.slots[index].within > term {
		index--
	}
	if index <= h.log.base {
		return
	}
	if have, want := h.log.term(index), s.slots[index].term; have != want {
		s.w.violate("durability", fmt.Sprintf("host %d leads in term %d and has an entry of term "+
			"%d at %d (its log ends at %d), one of term %d was applied", h.id, term,
			have, index, h.log.last(), want))
	}
}

// loaded judges what a restart found on its disk: the State of its index, every entry that was
// acknowledged or applied, term and vote.
func (s *shadow) loaded(h *host, rec *replication.Recovered) {
	old := h.log
	h.seen = followed{index: rec.State.Index()}
	s.compare(h, "loaded", rec.State)
	s.digestLine(h, rec.State.Index(), rec.State.Digest(), sourceLoaded)
	h.log = hostLog{base: rec.State.Index(), vote: [2]uint64{rec.HardState.GetTerm(),
		rec.HardState.GetVote()}, commit: rec.HardState.GetCommit()}
	if len(rec.Entries) > 0 {
		h.log.base = rec.Entries[0].GetIndex() - 1
	}
	for _, e := range rec.Entries {
		data, err := replication.StateEntry(e)
		s.must(h, err)
		s.note(h, e.GetIndex(), &seen{term: e.GetTerm(), data: data,
			sum: sumOf(e.GetType(), e.GetData())})
	}
	h.log.acked = h.log.last()
	if index := rec.HardState.GetCommit(); index <= s.state.Index() && index > h.log.base &&
		h.log.term(index) != s.slots[index].term {
		s.w.violate("durability", fmt.Sprintf("host %d has an entry of term %d at %d, which it "+
			"knows to be committed, others one of term %d", h.id, h.log.term(index), index,
			s.slots[index].term))
	}
	if old.acked > 0 {
		h.keeps(&old)
	}
}

// keeps holds what is on the disk of a host that starts against what was acknowledged there.
func (h *host) keeps(old *hostLog) {
	if old.vote[0] > h.log.vote[0] || old.vote[0] == h.log.vote[0] && old.vote[1] != 0 &&
		old.vote[1] != h.log.vote[1] {
		h.w.violate("durability", fmt.Sprintf("host %d has voted for raft id %d in term %d, "+
			"and knows of raft id %d in term %d after a restart", h.id, old.vote[1],
			old.vote[0], h.log.vote[1], h.log.vote[0]))
	}
	upto := old.acked
	for _, first := range old.firsts {
		if first > 0 {
			upto = min(upto, first-1)
		}
	}
	for index := max(h.log.base, old.base) + 1; index <= upto; index++ {
		if have, want := h.log.term(index), old.term(index); have != want {
			h.w.violate("durability", fmt.Sprintf("host %d has acknowledged entry %d of term %d, "+
				"and has one of term %d after a restart, its log ends at %d", h.id, index, want,
				have, h.log.last()))
			return
		}
	}
}
