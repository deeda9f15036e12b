package replication

import (
	"bytes"
	"encoding/binary"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3"
)

// reads are the syncs that wait for a quorum to confirm that the leader still leads. Each
// question has a context of its own: (raft id, registration, counter), so that no answer to a
// former self is taken. A question is asked for all rounds that wait, again each tick and at
// each change of term, for raft drops it silently when there is no leader. An answer is good
// for every round that began before its question was asked, be it the last or one before: where
// a round trip takes longer than a tick, the last is never answered in time.
type reads struct {
	rounds    []readRound // in the order in which they began
	counter   uint64      // of the last question
	confirmed uint64      // the highest counter answered: those below are not awaited any more
	asked     bool        // every round has been asked for since the last tick and term
}

// readRound is the syncs of one turn.
type readRound struct {
	from  uint64 // the first question asked after it began
	conns []*core.Conn
}

// add begins a round.
func (q *reads) add(conns []*core.Conn) {
	from := q.counter + 1
	if mutant.On("replication-read-context-reused") && len(q.rounds) > 0 {
		from = q.rounds[0].from
	}
	q.rounds = append(q.rounds, readRound{from, append([]*core.Conn(nil), conns...)})
	q.asked = false
}

// ask starts a question, if one is due.
func (r *replica) askReads(work *Work) {
	q := &r.reads
	if len(q.rounds) == 0 || q.asked || !r.leading && r.lead == 0 ||
		r.leading && r.unproven(r.term) {
		return
	}
	q.asked = true
	q.counter++
	if r.leading && (mutant.On("reads-without-quorum") && r.appliedTerm == r.term ||
		mutant.On("reads-before-term-committed") && r.appliedTerm != r.term) ||
		!r.leading && mutant.On("reads-own-commit-index") {
		r.takeReadStates([]raft.ReadState{{Index: r.commit,
			RequestCtx: r.readContext(q.counter)}}, work)
		return
	}
	r.node.ReadIndex(r.readContext(q.counter))
	r.ready(work)
}

// answersReads says whether this member is asked for read indexes to some purpose. If it does not
// lead, raft would forward the question under the asker's name.
func (r *replica) answersReads() bool {
	status := r.node.BasicStatus()
	return status.RaftState == raft.StateLeader && !r.unproven(status.GetTerm())
}

// unproven says whether raft would take too low an index for read: the leader of that term is the
// only voter, and nothing of the term is applied. With several voters raft waits until something
// is committed in the term. But who votes alone is answered at once with what its disk knew to be
// committed, or what the leader before it has told, and more may have been acknowledged.
func (r *replica) unproven(term uint64) bool {
	conf := r.log.conf
	return len(conf.GetVoters()) == 1 && !joint(conf) && r.appliedTerm != term &&
		!mutant.On("reads-only-voter-unproven")
}

func (r *replica) readContext(n uint64) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 24), uint64(r.cfg.RaftID))
	b = binary.BigEndian.AppendUint64(b, uint64(r.registration))
	return binary.BigEndian.AppendUint64(b, n)
}

func (r *replica) takeReadStates(states []raft.ReadState, work *Work) {
	q := &r.reads
	for _, s := range states {
		if len(s.RequestCtx) != 24 {
			continue
		}
		n := binary.BigEndian.Uint64(s.RequestCtx[16:])
		if n <= q.confirmed || n > q.counter || !bytes.Equal(s.RequestCtx, r.readContext(n)) &&
			!mutant.On("reads-answer-to-former-self") {
			continue
		}
		q.confirmed = n
		done := 0
		for done < len(q.rounds) && q.rounds[done].from <= n {
			work.Apply = append(work.Apply, ApplyItem{
				sync: &confirmed{index: s.Index, conns: q.rounds[done].conns}})
			done++
		}
		left := copy(q.rounds, q.rounds[done:])
		clear(q.rounds[left:])
		q.rounds = q.rounds[:left]
	}
}
