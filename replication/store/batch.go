package store

import (
	"encoding/binary"
	"errors"

	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
)

// errFormat is bytes that passed their checksum and yet are not what we write.
var errFormat = errors.New("malformed payload")

// hardState is raftpb.HardState as plain values.
type hardState struct {
	term, vote, commit uint64
}

func plainHardState(hs *raftpb.HardState) hardState {
	return hardState{term: hs.GetTerm(), vote: hs.GetVote(), commit: hs.GetCommit()}
}

func (h hardState) proto() *raftpb.HardState {
	return &raftpb.HardState{Term: &h.term, Vote: &h.vote, Commit: &h.commit}
}

// appendBatch encodes the payload of a batch record: hard state, start (index 0: none), number of
// entries, index of the first, and per entry term, type, length and data.
func appendBatch(b []byte, hs hardState, start Position, entries []*raftpb.Entry) []byte {
	b = appendHardState(b, hs)
	b = appendPosition(b, start)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	if len(entries) == 0 {
		return b
	}
	b = binary.AppendUvarint(b, entries[0].GetIndex())
	for _, e := range entries {
		b = binary.AppendUvarint(b, e.GetTerm())
		b = append(b, byte(e.GetType()))
		b = varint.AppendSized(b, e.GetData())
	}
	return b
}

// maxBatch bounds from above what appendBatch writes.
func maxBatch(entries []*raftpb.Entry) int64 {
	n := int64(7 * binary.MaxVarintLen64)
	for _, e := range entries {
		n += 2*binary.MaxVarintLen64 + 1 + int64(len(e.GetData()))
	}
	return n
}

// decodeBatch reads what appendBatch wrote. Data of the entries are views of b.
func decodeBatch(b []byte) (hs hardState, start Position, entries []*raftpb.Entry, err error) {
	d := decoder{varint.NewReader(b)}
	hs, start = d.hardState(), d.position()
	if n := d.Count(3); n > 0 {
		entries = d.entries(n)
	}
	return hs, start, entries, d.end()
}

// entry is an entry with room for what its pointers point at: one allocation for many.
type entry struct {
	pb          raftpb.Entry
	term, index uint64
	kind        raftpb.EntryType
}

func (d *decoder) entries(n int) []*raftpb.Entry {
	slab := make([]entry, n)
	entries := make([]*raftpb.Entry, n)
	first := d.Uvarint()
	for i := range slab {
		e := &slab[i]
		e.index = first + uint64(i)
		e.term = d.Uvarint()
		e.kind = raftpb.EntryType(d.Byte())
		if e.kind != raftpb.EntryNormal && e.kind != raftpb.EntryConfChangeV2 {
			d.Fail() // nobody could apply it
		}
		e.pb.Term, e.pb.Index, e.pb.Type = &e.term, &e.index, &e.kind
		if data := d.Sized(); len(data) > 0 {
			e.pb.Data = data
		}
		entries[i] = &e.pb
	}
	return entries
}

func appendHardState(b []byte, hs hardState) []byte {
	b = binary.AppendUvarint(b, hs.term)
	b = binary.AppendUvarint(b, hs.vote)
	return binary.AppendUvarint(b, hs.commit)
}

func appendPosition(b []byte, p Position) []byte {
	b = binary.AppendUvarint(b, p.Term)
	return binary.AppendUvarint(b, p.Index)
}

// logVersion is the format of the records of a segment. A release that writes another one begins
// a new segment, whose base says so.
const logVersion = 1

// appendBase encodes the payload of the first record of a segment: the version, and what a reader
// needs to know that begins here because the segments before have been cut. Where the version
// stands does not change with it.
func appendBase(b []byte, id DiskID, hs hardState, last Position) []byte {
	b = binary.AppendUvarint(b, logVersion)
	b = append(b, id[:]...)
	b = appendHardState(b, hs)
	return appendPosition(b, last)
}

func decodeBase(b []byte) (id DiskID, hs hardState, last Position, err error) {
	d := decoder{varint.NewReader(b)}
	if v := d.Uvarint(); v != logVersion && !d.Bad() {
		return id, hs, last, &VersionError{Found: v, Known: logVersion}
	}
	d.Fill(id[:])
	hs, last = d.hardState(), d.position()
	return id, hs, last, d.end()
}

// decoder reads a payload.
type decoder struct{ varint.Reader }

func (d *decoder) hardState() hardState {
	return hardState{term: d.Uvarint(), vote: d.Uvarint(), commit: d.Uvarint()}
}

func (d *decoder) position() Position {
	return Position{Term: d.Uvarint(), Index: d.Uvarint()}
}

// end says whether all was read and all was well.
func (d *decoder) end() error {
	if !d.Done() {
		return errFormat
	}
	return nil
}
