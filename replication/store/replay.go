package store

import (
	"fmt"
	"slices"

	"go.etcd.io/raft/v3/raftpb"

	"github.com/vivariumdb/vivarium/internal/mutant"
)

// replay is what the records of a log amount to when they are read in order. Both disks judge
// their log with it.
type replay struct {
	hs hardState
	// last is the position of the last entry, or of what stands for it: the start of the log.
	last Position
	// acked is the index of last with the term in which the log was made to end there, as far as
	// the records show it for certain (ofOneTerm); zero if that was in a segment that has been
	// cut, or before a checkpoint came.
	acked Position
	// entries are those at keep and behind, and of those before it the last that fit into retain
	// bytes, without a gap. before is the position in front of the first (its term is 0 if it is
	// not known).
	entries []*raftpb.Entry
	before  Position
	keep    uint64
	retain  int64
	// old is how many bytes the entries before keep hold.
	old int64
}

// begin takes the base of the first segment.
func (r *replay) begin(hs hardState, last Position) {
	r.hs, r.last, r.before, r.acked = hs, last, last, Position{}
}

// apply takes the next batch, which must pass checkBatch.
func (r *replay) apply(hs hardState, start Position, entries []*raftpb.Entry) error {
	last, err := checkBatch(r.hs, r.last, hs, start, entries)
	if err != nil {
		return err
	}
	m := Mark{Term: r.hs.term, Acked: r.acked}
	m.take(hs, start.Index, len(entries) > 0, last)
	r.acked = m.Acked
	r.hs, r.last = hs, last
	if start.Index != 0 {
		r.drop(start)
	}
	if len(entries) == 0 {
		return nil
	}
	first := entries[0].GetIndex()
	if mutant.On("store-truncated-suffix-left") && last.Index > r.before.Index {
		entries = append(entries, r.behind(last.Index)...)
		r.last = position(entries[len(entries)-1])
	}
	r.truncate(first)
	r.entries = append(r.entries, entries...)
	r.old += r.bytesBefore(entries, r.keep)
	r.trim()
	return nil
}

// drop forgets all entries: the log goes on behind p.
func (r *replay) drop(p Position) { r.entries, r.before, r.old = nil, p, 0 }

// bytesBefore counts the bytes of the entries before index.
func (r *replay) bytesBefore(entries []*raftpb.Entry, index uint64) (n int64) {
	for _, e := range entries {
		if e.GetIndex() >= index {
			break
		}
		n += int64(len(e.GetData()))
	}
	return n
}

// truncate drops the entries from index first on.
func (r *replay) truncate(first uint64) {
	if first <= r.before.Index {
		r.drop(Position{Index: first - 1})
		return
	}
	left := r.entries[:first-1-r.before.Index]
	r.old -= r.bytesBefore(r.entries[len(left):], r.keep)
	r.entries = left
}

// behind returns the entries behind index.
func (r *replay) behind(index uint64) []*raftpb.Entry {
	return r.entries[min(uint64(len(r.entries)), index-r.before.Index):]
}

// trim drops the oldest entries that a checkpoint covers, all but retain bytes of them.
func (r *replay) trim() {
	n := 0
	for n < len(r.entries) && r.entries[n].GetIndex() < r.keep &&
		(r.retain == 0 || r.old > r.retain) {
		r.old -= int64(len(r.entries[n].GetData()))
		n++
	}
	if n > 0 {
		r.before = position(r.entries[n-1])
		r.entries = r.entries[n:]
	}
}

func position(e *raftpb.Entry) Position {
	return Position{Term: e.GetTerm(), Index: e.GetIndex()}
}

// checkBatch says what is wrong with a batch behind a log that ends at last, and where the log
// ends with it. It judges what is about to be written, and what was read back.
func checkBatch(
	was hardState, last Position, hs hardState, start Position, entries []*raftpb.Entry,
) (Position, error) {
	switch {
	case hs.term < was.term:
		return last, fmt.Errorf("term falls from %d to %d", was.term, hs.term)
	case hs.term == was.term && was.vote != 0 && hs.vote != was.vote:
		return last, fmt.Errorf("vote of term %d changes from %x to %x", hs.term, was.vote, hs.vote)
	}
	if start.Index != 0 {
		last = start
	}
	if start.Term > hs.term {
		return last, fmt.Errorf("the log starts at %v in term %d", start, hs.term)
	}
	for i, e := range entries {
		p := position(e)
		switch {
		case i == 0 && (p.Index == 0 || p.Index > last.Index+1):
			return last, fmt.Errorf("entry %v leaves a gap behind %v", p, last)
		case i == 0 && p.Index <= start.Index:
			return last, fmt.Errorf("entry %v lies before the start %v", p, start)
		case i > 0 && p.Index != last.Index+1:
			return last, fmt.Errorf("entry %v stands behind %v", p, last)
		case i > 0 && p.Term < last.Term, p.Term > hs.term:
			return last, fmt.Errorf("entry %v stands behind %v in term %d", p, last, hs.term)
		}
		last = p
	}
	if hs.commit > last.Index {
		return last, fmt.Errorf("commit %d lies behind the last entry %v", hs.commit, last)
	}
	return last, nil
}

// settle compares the log with checkpoint and mark. It returns what a member goes on with, and
// whether the log on the disk still has to be told to begin behind the checkpoint. An error means
// that the log does not show what it must; the caller adds the place.
func (r *replay) settle(meta Meta, mark Mark) (restart bool, err error) {
	if err := r.checkVote(mark); err != nil {
		return false, err
	}
	c := meta.Position
	switch {
	case r.before.Index > c.Index:
		return false, fmt.Errorf("the log begins behind %v, the newest checkpoint is of %v",
			r.before, c)
	case r.last.Index < c.Index && !meta.Received:
		return false, fmt.Errorf("the log ends at %v, before the checkpoint of %v",
			r.last, c)
	case r.last.Index < c.Index:
		restart = true
	default:
		term, known := r.termAt(c.Index)
		if known && term != c.Term && !meta.Received {
			return false, fmt.Errorf("entry %d has term %d, in the checkpoint it has %d",
				c.Index, term, c.Term)
		}
		restart = known && term != c.Term
	}
	if restart {
		r.drop(c)
		r.last, r.acked = c, Position{}
	}
	r.keep = c.Index + 1
	r.old = r.bytesBefore(r.entries, r.keep)
	r.trim()
	shown := r.acked
	if shown == (Position{}) {
		shown = Position{Term: r.hs.term, Index: r.last.Index}
	}
	if shown.Compare(mark.Acked) < 0 {
		return false, fmt.Errorf("the log ends at %d in term %d, but %d was acknowledged in "+
			"term %d", shown.Index, shown.Term, mark.Acked.Index, mark.Acked.Term)
	}
	if r.hs.term < c.Term {
		if !restart {
			return false, fmt.Errorf("the log knows term %d, the checkpoint is of %v", r.hs.term, c)
		}
		r.hs.term, r.hs.vote = c.Term, 0
	}
	if !mutant.On("raft-commit-below-applied") {
		r.hs.commit = max(r.hs.commit, c.Index)
	}
	if r.hs.commit > r.last.Index {
		return false, fmt.Errorf("the log ends at %v, but %d was committed",
			r.last, r.hs.commit)
	}
	return restart, nil
}

func (r *replay) checkVote(mark Mark) error {
	switch {
	case r.hs.term < mark.Term:
		return fmt.Errorf("the log knows term %d, but term %d was promised",
			r.hs.term, mark.Term)
	case r.hs.term == mark.Term && mark.Vote != 0 && r.hs.vote != mark.Vote:
		return fmt.Errorf("the log's vote of term %d is %x, but %x was promised",
			r.hs.term, r.hs.vote, mark.Vote)
	}
	return nil
}

// termAt returns the term of the entry at index, if it is known.
func (r *replay) termAt(index uint64) (uint64, bool) {
	if index == r.before.Index {
		return r.before.Term, r.before.Term != 0
	}
	return r.entries[index-1-r.before.Index].GetTerm(), true
}

// ahead says whether the log knows a term or a vote that the mark does not: the process ended
// between the two. Raft tells a candidate again what it has stored, and stores nothing for that, so
// the mark has to know it before anything is answered.
func (r *replay) ahead(mark Mark) bool {
	return !unpromised() && !mutant.On("store-mark-left-behind") &&
		(r.hs.term != mark.Term || r.hs.vote != mark.Vote)
}

// promise is what the log goes on promising, given what the mark says.
func (r *replay) promise(mark Mark) Mark {
	m := Mark{Term: r.hs.term, Vote: r.hs.vote, Acked: r.acked}
	if r.acked == (Position{}) {
		m.Acked = mark.Acked // the next batch says more
	}
	return m
}

// recovered gathers the outcome.
func (r *replay) recovered(id DiskID, meta Meta, mark Mark) *Recovered {
	return &Recovered{
		DiskID: id,
		Empty: r.hs == hardState{} && r.last == Position{} && meta.Index == 0 &&
			mark == Mark{},
		HardState:  r.hs.proto(),
		Checkpoint: meta,
		Entries:    slices.Clone(r.entries), // lets go of what was trimmed
		Mark:       mark,
	}
}
