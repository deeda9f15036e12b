package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// container is what libraries of locks do with the znodes that their locks are in: it is a
// container, which goes when nobody is left in it, and is made again by who comes to find it gone.
// Guests come and go in quick succession, so that a leader's look at it is often out of date when
// what was decided of it comes to be applied.
func (h *recipe) container() {
	const path = "/container"
	mine := fmt.Sprintf("%s/%d", path, h.c.id)
	found := ask(wire.OpCreateContainer, &wire.CreateRequest{Path: path, ACL: wire.OpenACL(),
		Flags: wire.FlagContainer})
	enter := []asked{h.create(mine, "", 0), h.read(wire.OpExists, path, false)}
	for {
		for range h.c.r.between(1, 12) {
			in := h.all(enter...)
			switch {
			case in[0].absent():
				h.do(found)
			case in[0].ok() && in[1].absent():
				h.c.w.violate("recipes", fmt.Sprintf("%v: %s is gone at zxid %#x, with %s in it",
					h.c, path, in[1].zxid, mine))
			case in[0].ok() || in[0].res.Err == linearizability.CodeNodeExists:
				h.do(h.remove(mine))
			}
			if h.c.r.chance(200) { // another one, of as little use, in the place of this one
				h.all(h.remove(path), found, h.create(mine, "", 0), h.remove(mine))
			}
		}
		h.think()
	}
}
