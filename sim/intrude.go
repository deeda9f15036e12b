package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/wire"
)

// intrude puts entries into the log of a process that is not running, as leaders of an ensemble
// may lawfully have: batches that were delayed until their stream has gone on, that stand behind
// a gap, or that are repeated; hellos of processes long dead; decisions of an earlier term. Apply
// has to skip every command in them. It says whether it did, and the disk is to be opened anew.
func (h *host) intrude(rec *store.Recovered) bool {
	w := h.w
	if rec.Checkpoint.Index == 0 || w.calm || !w.alone() || !h.life.chance(w.k.Foreign) ||
		w.selective() && !w.comes(fmt.Sprintf("log of %d#%d", h.id, h.boots), "foreign entries") {
		return false
	}
	last := rec.Checkpoint.Index + uint64(len(rec.Entries))
	term := max(rec.HardState.GetTerm(), rec.Checkpoint.Term)
	var b store.Batch
	if h.life.chance(300) {
		h.truncate(rec, last, term)
		return true
	}
	w.count.add(faultForeign)
	e := like(b.Entries)
	index := last + 1
	e.Index, e.Term, e.Data = &index, &term, h.foreignEntry(term)
	b.Entries = append(b.Entries, e)
	h.must(h.disk.disk().Append(b))
	w.shadow.written(h, b.Entries[0].GetIndex(), term, e.GetData())
	return true
}

// like returns a new value of the kind that a slice points to, whose type has no business here.
func like[T any]([]*T) *T { return new(T) }

// likeOne is like for one value.
func likeOne[T any](*T) *T { return new(T) }

func (h *host) must(err error) {
	if err != nil {
		h.failed(err)
	}
}

// foreignEntry is an entry whose commands must have no effect.
func (h *host) foreignEntry(term uint64) []byte {
	r, state := h.life, h.w.shadow.state
	stream := state.Stream(1)
	own := stream.Origin
	data := core.AppendEntryHeader(nil, state.Clock()+r.between(-1000, 10))
	if own.Registration < 2 {
		return h.foreignBatch(data, core.Origin{RaftID: 7, Registration: 3}, 1)
	}
	old := core.Registration(r.between(1, int64(own.Registration)-1))
	switch r.IntN(6) {
	case 0: // of an earlier start of this member
		own.Registration = old
		seq := stream.Seq + 1 // as if it went on where the stream of today stands
		if r.chance(300) {
			seq = uint64(r.between(1, 50))
		}
		return h.foreignBatch(data, own, seq)
	case 1: // behind a gap
		return h.foreignBatch(data, own, stream.Seq+1+uint64(r.between(100, 200)))
	case 2: // once more
		if stream.Seq >= 3 {
			return h.foreignBatch(data, own, stream.Seq-2)
		}
	case 3: // the hello of a dead process
		data = core.AppendBatchHeader(data, core.Origin{RaftID: 1}, 0, 1)
		return core.AppendHello(data, 1, r.id(), old)
	case 4: // a decision of an earlier term
		for _, s := range state.AppendSessions(nil) {
			data = core.AppendHousekeepingHeader(data, term-1, 1)
			return core.AppendExpire(data, s.ID, s.Generation)
		}
	}
	// A member that never said hello.
	return h.foreignBatch(data, core.Origin{RaftID: 7, Registration: 3}, 1)
}

// foreignBatch appends a batch of at most three commands.
func (h *host) foreignBatch(data []byte, origin core.Origin, seq uint64) []byte {
	r, sessions := h.life, h.w.shadow.state.AppendSessions(nil)
	n := r.between(1, 3)
	data = core.AppendBatchHeader(data, origin, seq, uint64(n))
	for range n {
		if len(sessions) == 0 || r.chance(300) {
			data = core.AppendCreateSession(data, core.CreateSession{TimeoutMs: 1000,
				PasswordHash: [32]byte{1}, Identities: []wire.ID{{Scheme: "ip", ID: "10.9.9.9"}}})
			continue
		}
		s := pick(r, sessions)
		q := wire.CreateRequest{Path: "/intruder", ACL: wire.OpenACL(),
			Flags: wire.FlagPersistentSequential}
		data = core.AppendRequest(data, s.ID, s.Generation, core.Flags{}, 1<<30, wire.OpCreate,
			q.AppendTo(nil))
	}
	return data
}

// truncate lets the log lose a suffix that was never committed, as under a new leader, and looks
// whether it stays lost.
func (h *host) truncate(rec *store.Recovered, last, term uint64) {
	w, disk := h.w, h.disk.disk()
	w.count.add(faultTruncated)
	var lost, kept store.Batch
	for i := range uint64(3) {
		e, index := like(lost.Entries), last+1+i
		e.Index, e.Term, e.Data = &index, &term, h.foreignEntry(term)
		lost.Entries = append(lost.Entries, e)
	}
	h.must(disk.Append(lost))
	next, index, commit := term+1, last+1, rec.HardState.GetCommit()
	hs := likeOne(rec.HardState)
	hs.Term, hs.Commit = &next, &commit
	e := like(kept.Entries)
	e.Index, e.Term, e.Data = &index, &next, h.foreignEntry(next)
	kept.HardState, kept.Entries = hs, append(kept.Entries, e)
	h.must(disk.Append(kept))
	w.shadow.written(h, index, next, e.GetData())
	h.disk.crash(h.life, false, &w.count)
	again, err := h.disk.open(h.options())
	if err != nil {
		w.violate("recovery", fmt.Sprintf("the disk cannot be opened again: %v", err))
		return
	}
	if end := again.Checkpoint.Index + uint64(len(again.Entries)); end != index {
		w.violate("durability", fmt.Sprintf("the log was cut off behind %d, "+
			"and ends at %d when it is opened again", index, end))
	}
}
