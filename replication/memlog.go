package replication

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// memlog is raft's view of the stable log, in memory: everything behind the last checkpoint, or
// less if there is no peer to whom it could be sent. The disk is never read while the member runs.
// Who is further behind than its start gets a checkpoint.
//
// Invariant: entries[i] has index start.Index+1+i.
type memlog struct {
	hard    *raftpb.HardState
	conf    *raftpb.ConfState
	confAt  uint64   // the entry that changed conf last, 0 if a checkpoint holds it
	wanted  bool     // a checkpoint is asked for that there is not yet
	start   position // of the last entry that is not here any more
	entries []*raftpb.Entry
	bytes   int64 // of the entries' data
	// checkpoint is the newest that counts: what Snapshot offers.
	checkpoint position
}

// position names an entry.
type position struct{ term, index uint64 }

func (p position) String() string { return fmt.Sprintf("%d/%d", p.term, p.index) }

func (m *memlog) last() uint64 { return m.start.index + uint64(len(m.entries)) }

// append takes entries that are durable now; they replace what they overlap.
func (m *memlog) append(entries []*raftpb.Entry) {
	if len(entries) == 0 {
		return
	}
	first := entries[0].GetIndex()
	invariant.Check(first <= m.last()+1, "stored entries leave a gap")
	if first <= m.start.index {
		skip := min(uint64(len(entries)), m.start.index+1-first)
		m.append(entries[skip:])
		return
	}
	for _, e := range m.entries[first-m.start.index-1:] {
		m.bytes -= int64(len(e.GetData()))
	}
	m.entries = append(m.entries[:first-m.start.index-1], entries...)
	for _, e := range entries {
		m.bytes += int64(len(e.GetData()))
	}
}

// cut forgets entries up to index.
func (m *memlog) cut(index uint64) {
	if index <= m.start.index {
		return
	}
	invariant.Check(index <= m.last(), "a checkpoint is ahead of the log")
	n := index - m.start.index
	for _, e := range m.entries[:n] {
		m.bytes -= int64(len(e.GetData()))
	}
	m.start = position{m.entries[n-1].GetTerm(), index}
	m.entries = append([]*raftpb.Entry(nil), m.entries[n:]...)
}

// trim forgets entries up to index at most, as long as more than kept bytes are there.
func (m *memlog) trim(index uint64, kept int64) {
	left, to := m.bytes, m.start.index
	for _, e := range m.entries {
		if to >= index || left <= kept {
			break
		}
		left -= int64(len(e.GetData()))
		to++
	}
	m.cut(to)
}

// excess is up to where entries have to go, up to index at most, so that no more than kept bytes
// are left; some more go, so that it does not happen with each entry.
func (m *memlog) excess(index uint64, kept int64) uint64 {
	to := min(m.start.index, index)
	if m.bytes <= kept {
		return to
	}
	left := m.bytes
	for _, e := range m.entries {
		if to >= index || left <= kept-kept/4 {
			break
		}
		left -= int64(len(e.GetData()))
		to++
	}
	return to
}

// bytesBehind counts the bytes behind index, and stops when there are more than most.
func (m *memlog) bytesBehind(index uint64, most int64) (n int64) {
	for i := len(m.entries) - 1; i >= 0 && n <= most && m.entries[i].GetIndex() > index; i-- {
		n += int64(len(m.entries[i].GetData()))
	}
	return n
}

// changes says whether there are changes of members behind index from, up to index to.
func (m *memlog) changes(from, to uint64) bool {
	return from < to && to <= m.last() && from >= m.start.index &&
		slices.ContainsFunc(m.entries[from-m.start.index:to-m.start.index],
			func(e *raftpb.Entry) bool { return e.GetType() != raftpb.EntryNormal })
}

// restart empties the log: a checkpoint that was received counts, and the log goes on behind it.
func (m *memlog) restart(at position, conf *raftpb.ConfState) {
	invariant.Check(at.index > m.start.index, "a log goes on behind a checkpoint that it had left")
	m.start, m.entries, m.bytes, m.conf, m.checkpoint = at, nil, 0, conf, at
}

// alone says whether id is the only member.
func (m *memlog) alone(id uint64) bool {
	c := m.conf
	return len(c.GetVoters()) == 1 && c.GetVoters()[0] == id && len(c.GetLearners()) == 0 &&
		len(c.GetVotersOutgoing()) == 0 && len(c.GetLearnersNext()) == 0
}

// InitialState, Entries, Term, LastIndex, FirstIndex and Snapshot implement raft.Storage.
func (m *memlog) InitialState() (*raftpb.HardState, *raftpb.ConfState, error) {
	return m.hard, m.conf, nil
}

func (m *memlog) Entries(lo, hi, maxSize uint64) ([]*raftpb.Entry, error) {
	switch {
	case lo <= m.start.index:
		return nil, raft.ErrCompacted
	case hi > m.last()+1:
		return nil, raft.ErrUnavailable
	}
	all := m.entries[lo-m.start.index-1 : hi-m.start.index-1]
	size := uint64(0)
	for i, e := range all {
		size += uint64(len(e.GetData())) + 16
		if i > 0 && size > maxSize {
			return all[:i:i], nil
		}
	}
	return all[:len(all):len(all)], nil
}

func (m *memlog) Term(i uint64) (uint64, error) {
	switch {
	case i < m.start.index:
		return 0, raft.ErrCompacted
	case i == m.start.index:
		return m.start.term, nil
	case i > m.last():
		return 0, raft.ErrUnavailable
	}
	return m.entries[i-m.start.index-1].GetTerm(), nil
}

func (m *memlog) LastIndex() (uint64, error)  { return m.last(), nil }
func (m *memlog) FirstIndex() (uint64, error) { return m.start.index + 1, nil }
