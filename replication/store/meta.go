package store

import (
	"encoding/binary"

	"go.etcd.io/raft/v3/raftpb"
)

const metaVersion = 1

// appendMeta encodes the header of a checkpoint.
func appendMeta(b []byte, m Meta) []byte {
	b = append(b, metaVersion)
	b = appendPosition(b, m.Position)
	b = binary.AppendUvarint(b, m.Generation)
	b = appendBool(b, m.Received)
	b = append(b, m.Digest[:]...)
	c := m.ConfState
	for _, ids := range [][]uint64{
		c.GetVoters(), c.GetLearners(), c.GetVotersOutgoing(), c.GetLearnersNext(),
	} {
		b = binary.AppendUvarint(b, uint64(len(ids)))
		for _, id := range ids {
			b = binary.AppendUvarint(b, id)
		}
	}
	b = appendBool(b, c.GetAutoLeave())
	b = binary.AppendUvarint(b, uint64(len(m.Header)))
	return append(b, m.Header...)
}

// decodeMeta reads what appendMeta wrote; it keeps nothing of b.
func decodeMeta(b []byte) (Meta, error) {
	d := decoder{b: b}
	var m Meta
	if v := d.byte(); v != metaVersion && !d.bad {
		return m, &VersionError{Found: uint64(v), Known: metaVersion}
	}
	m.Position = d.position()
	m.Generation = d.uvarint()
	m.Received = d.byte() != 0
	copy(m.Digest[:], d.take(len(m.Digest)))
	voters, learners, outgoing, next := d.ids(), d.ids(), d.ids(), d.ids()
	auto := d.byte() != 0
	m.ConfState = &raftpb.ConfState{Voters: voters, Learners: learners,
		VotersOutgoing: outgoing, LearnersNext: next, AutoLeave: &auto}
	m.Header = append([]byte(nil), d.bytes()...)
	return m, d.end()
}

func (d *decoder) ids() []uint64 {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = d.uvarint()
	}
	return ids
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
