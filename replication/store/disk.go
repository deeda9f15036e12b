package store

import (
	"cmp"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3/raftpb"
)

// Disk is the durable half of a member. The package comment says who may call what, and when.
type Disk interface {
	// Append makes one batch durable: one write and at most one sync (a change of term or vote
	// costs a second, the mark's; the end of a segment two more). A batch without entries, start,
	// term or vote change writes nothing; its commit index rides on the next one.
	Append(b Batch) error

	// Mark writes down the last acknowledged position if 256 KiB of log or some 50 ms have gone by
	// since it was last written. nowMs is any clock that does not run backwards.
	Mark(nowMs int64) error

	// Stage writes records of a checkpoint that is being received beside the one that counts.
	// With restart, what an earlier attempt left is dropped first. Nothing shows before a
	// WriteCheckpoint with Full.
	Stage(records []Record, restart bool) error

	// WriteCheckpoint adds changes to the last checkpoint, in one atomic step with the header, or
	// with Full replaces it by all that was staged and c.Records. It counts when the call returns.
	WriteCheckpoint(c Checkpoint) error

	// Cut says that the log up to and including index, which a counted checkpoint covers, may go.
	Cut(index uint64) error

	// Sit gives an empty disk its place in an ensemble.
	Sit(t Seat) error

	// View freezes the newest counted checkpoint for reading.
	View() (View, error)

	// Usage says how much room there is.
	Usage() (Usage, error)

	// Close writes the mark and gives everything back. It is idempotent.
	Close() error
}

// Position is a place in a raft log. Positions are ordered by term first: a new leader may
// lawfully shorten a log, and the shorter log is then the later one.
type Position struct {
	Term, Index uint64
}

// Compare orders positions by term, then by index.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Term, q.Term), cmp.Compare(p.Index, q.Index))
}

// String returns the position as term/index.
func (p Position) String() string {
	return fmt.Sprintf("%d/%d", p.Term, p.Index)
}

// DiskID names one disk of one member for as long as its data lives. It is drawn at random by the
// caller, and durable before the member says its first word to a peer.
type DiskID [16]byte

// String returns the id in hexadecimal digits.
func (d DiskID) String() string {
	return fmt.Sprintf("%x", d[:])
}

// Batch is one durable step of the log.
type Batch struct {
	// HardState replaces the one before; nil leaves it.
	HardState *raftpb.HardState
	// Start, if its index is not 0, empties the log and lets it begin behind this position: the
	// position of a checkpoint that came from a peer and has been written.
	Start Position
	// Entries follow each other. The first may be an index that the log holds already: it and
	// all behind it are then replaced.
	Entries []*raftpb.Entry
}

// Add appends a later step to b, as if both were written one after the other: entries that the
// later step replaces leave b. The first step is added to the zero Batch, which then has a slice
// of its own; those of the steps are only read.
func (b *Batch) Add(next Batch) {
	if next.HardState != nil &&
		(b.HardState == nil || !mutant.On("store-merge-keeps-older-state")) {
		b.HardState = next.HardState
	}
	if next.Start.Index != 0 {
		b.Start, b.Entries = next.Start, nil
	}
	if len(next.Entries) == 0 {
		return
	}
	first := next.Entries[0].GetIndex()
	for n := len(b.Entries); n > 0 && b.Entries[n-1].GetIndex() >= first; n-- {
		b.Entries = b.Entries[:n-1]
	}
	b.Entries = append(b.Entries, next.Entries...)
}

// Record is one key of a checkpoint. Keys and values are the core's and opaque here; their order
// is that of the bytes.
type Record = core.Record

// Meta says what a checkpoint is a checkpoint of.
type Meta struct {
	Position
	// ConfState is raft's membership at this position.
	ConfState *raftpb.ConfState
	// Digest is the digest of the whole State at this position.
	Digest [16]byte
	// Header is the core's own.
	Header []byte
	// Received says that it was written with Full: the log need not reach it.
	Received bool
	// Generation counts the Full ones.
	Generation uint64
}

// Checkpoint is what WriteCheckpoint makes durable. Received and Generation of Meta are not read.
type Checkpoint struct {
	Meta
	// Full says that Records (with what was staged) is everything rather than what changed.
	Full bool
	// Records are in the order of their keys, each key once.
	Records []Record
}

// View is one checkpoint, unaffected by later ones. It holds disk space back until it is closed.
type View interface {
	Meta() Meta
	// Records calls fn with each record from key `from` on, in the order of the keys, until fn
	// returns an error, which it returns.
	Records(from []byte, fn func(key, value []byte) error) error
	Close() error
}

// Usage is the room on the fuller of the file systems that the disk uses. Total is 0 if unknown.
type Usage struct {
	AvailBytes, TotalBytes uint64
}

// Mark is what a member has promised, as far as it was written down apart from the log.
type Mark struct {
	Term, Vote uint64
	// Acked is the index up to which the log was acknowledged, with the term in which it was: not
	// that of the entry there, which may be lower than one that a new leader replaced.
	Acked Position
}

// take takes in a durable record: the hard state, the start it gives to the log (0: none), whether
// it holds entries, and where the log ends.
func (m *Mark) take(hs hardState, start uint64, entries bool, last Position) {
	switch {
	case (start != 0 || entries) && ofOneTerm(m.Term, hs.term, last):
		m.Acked = Position{Term: hs.term, Index: last.Index}
	case start != 0: // what a checkpoint covers is committed: nobody replaces that
		m.Acked = Position{Term: hs.term, Index: start}
	}
	m.Term, m.Vote = hs.term, hs.vote
}

// ofOneTerm says whether the log, which ends at last since a record with the term now, cannot be
// shortened any more by the leader of that term. A record that brings the term may hold what the
// leader of the one before has sent, for one batch is made of all that waits; only an entry of the
// term itself shows whose the log's end is (tla/Recovery, guard mark-of-one-term).
func ofOneTerm(before, now uint64, last Position) bool {
	return before == now || last.Term == now || mutant.On("store-mark-of-merged-terms")
}

// Recovered is what Open found.
type Recovered struct {
	DiskID DiskID
	// Founded says that this Open gave the directory its disk id.
	Founded bool
	// Empty says that nothing was ever promised here: no term, no vote, no entry, no checkpoint.
	Empty bool
	// Seat is the disk's place in an ensemble, zero if Sit gave it none.
	Seat Seat
	// HardState is never nil. Its commit is at least the checkpoint's index, its term at least
	// the checkpoint's.
	HardState *raftpb.HardState
	// Checkpoint is the newest that counts; its index is 0 if there is none.
	Checkpoint Meta
	// Entries are those behind the checkpoint, and before it as many as Options.RetainBytes holds
	// of what was not cut: the last ones, without a gap.
	Entries []*raftpb.Entry
	Mark    Mark
	// Damage is what was found and lawfully dropped, for the operator to read.
	Damage []Damage
}

// Damage is a place that could not be read and did not have to be.
type Damage struct {
	File   string
	Offset int64
	What   string
}

// String returns the damage as one line.
func (d Damage) String() string {
	return fmt.Sprintf("%s: offset %d: %s", d.File, d.Offset, d.What)
}
