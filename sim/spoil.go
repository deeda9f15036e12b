package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// spoil gives a process, behind a message of a peer, one that is none: of a format or a kind that
// nobody knows, with nothing in it, or with something behind its end. Each is refused, and changes
// nothing.
func (h *host) spoil(from core.RaftID, good []byte) {
	w := h.w
	if w.calm || !h.pace.chance(w.k.PeerSpoiled) || len(good) < 2 {
		return
	}
	bad := slices.Clone(good)
	switch h.pace.IntN(4) {
	case 0:
		bad[0] += 77
	case 1:
		bad[1] = 200
	case 2:
		bad = bad[:h.pace.IntN(2)]
	case 3:
		bad = append(bad, 0)
	}
	w.count.add(faultSpoiled)
	h.spoiled++
	h.turn.Received = append(h.turn.Received, replication.Received{From: from, Data: bad})
}

// refused judges what was refused in a turn of the loop: what was spoiled, and nothing else.
func (h *host) refused(errs []*replication.PeerError) {
	if len(errs) != h.spoiled {
		h.w.violate("peers", fmt.Sprintf("host %d refuses %d messages, %d were spoiled: %v", h.id,
			len(errs), h.spoiled, errs))
	}
	h.spoiled = 0
}
