package store

import (
	"encoding/binary"

	"github.com/vivariumdb/vivarium/internal/varint"
	"go.etcd.io/raft/v3/raftpb"
)

const metaVersion = 1

// appendMeta encodes the header of a checkpoint.
func appendMeta(b []byte, m Meta) []byte {
	b = append(b, metaVersion)
	b = appendPosition(b, m.Position)
	b = binary.AppendUvarint(b, m.Generation)
	b = varint.AppendBool(b, m.Received)
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
	b = varint.AppendBool(b, c.GetAutoLeave())
	return varint.AppendSized(b, m.Header)
}

// decodeMeta reads what appendMeta wrote; it keeps nothing of b.
func decodeMeta(b []byte) (Meta, error) {
	d := decoder{varint.NewReader(b)}
	var m Meta
	if v := d.Byte(); v != metaVersion && !d.Bad() {
		return m, &VersionError{Found: uint64(v), Known: metaVersion}
	}
	m.Position = d.position()
	m.Generation = d.Uvarint()
	m.Received = d.Bool()
	d.Fill(m.Digest[:])
	voters, learners, outgoing, next := d.ids(), d.ids(), d.ids(), d.ids()
	auto := d.Bool()
	m.ConfState = &raftpb.ConfState{Voters: voters, Learners: learners,
		VotersOutgoing: outgoing, LearnersNext: next, AutoLeave: &auto}
	m.Header = append([]byte(nil), d.Sized()...)
	return m, d.end()
}

func (d *decoder) ids() []uint64 {
	n := d.Count(1)
	if n == 0 {
		return nil
	}
	ids := make([]uint64, n)
	for i := range ids {
		ids[i] = d.Uvarint()
	}
	return ids
}
