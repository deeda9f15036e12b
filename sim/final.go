package sim

import (
	"encoding/binary"
	"encoding/hex"

	"github.com/zeebo/xxh3"

	"github.com/vivariumdb/vivarium/linearizability"
)

// finalLines write down what all hosts hold in the end: the digest of the State, and one of the
// committed log as each of them has it.
func (w *World) finalLines() {
	for _, h := range w.hosts {
		state := h.member.Local.State
		w.shadow.digestLine(h, state.Index(), state.Digest(), linearizability.SourceFinal)
		w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindDigest,
			Server: h.id, Index: state.Index(), Text: linearizability.SourceLog,
			Digest: w.shadow.logDigest(h, state.Index())})
	}
}

// logDigest is a digest of the terms of all entries up to an index, as a host's log has them; what
// its checkpoint covers is taken from the others. An index and a term name an entry.
func (s *shadow) logDigest(h *host, upto uint64) string {
	terms := make([]byte, 0, 8*upto)
	for index := uint64(1); index <= upto; index++ {
		term := s.slots[index].term
		if index > h.log.base {
			term = h.log.term(index)
		}
		terms = binary.BigEndian.AppendUint64(terms, term)
	}
	sum := xxh3.Hash128(terms).Bytes()
	return hex.EncodeToString(sum[:])
}
