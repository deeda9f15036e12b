package core

import (
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// Jump lets the server go on with a State of a later index than its own, one that was received
// rather than reached by applying entries. Events and outcomes in between were never seen here,
// so every connection ends first: coming back with setWatches is the protocol's own answer. What
// the State's stream position covers is waited for no longer. Nothing of the old State is kept.
// It is an error if this release cannot follow the State's feature level. The caller holds S
// exclusively, and then tends to what TakeTouched returns.
func (l *Local) Jump(state *State) error {
	invariant.Check(state.Index() > l.State.Index(), "a server jumps to an earlier State")
	if err := state.Follow(l.State.follows); err != nil {
		return err
	}
	if !mutant.On("replication-jump-keeps-clients") {
		l.CloseAll(CauseServerJumped)
		invariant.Check(len(l.sessions) == 0, "a session is open across a jump")
		l.Each(func(c *Conn) { c.state = nil })
	}
	l.State, l.lists = state, lists{}
	if stream := state.Stream(l.self.RaftID); stream.Origin == l.self &&
		!mutant.On("replication-installed-stays-in-queue") {
		for l.pending.n > 0 && l.pending.first <= stream.Seq {
			l.pending.pop(l.pending.first)
		}
	}
	l.applying = true
	l.feedStarved()
	l.applying = false
	return nil
}
