package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
)

// installation is what the loop has to learn of a State that was received.
type installation struct {
	applied  Applied
	sessions []core.SessionInfo
}

// Install puts the State of a.Install, which is durable and has been read back, in the place of
// the one that is in use, and ends all connections: what happened in between was never seen here.
// What apply still had to do belonged to the old State and is dropped, or skipped if it is handed
// over later. The caller holds S exclusively, tends to report.Touched, and reports a as stored
// only now.
func (m *Member) Install(a *Append, state *core.State, report *Report) {
	ap := &m.applier
	invariant.Check(a.Install != nil && state.Index() == a.Install.Index,
		"a State is installed that is not the one accepted")
	invariant.Check(ap.capture == nil, "a checkpoint is installed while one is captured")
	*report = Report{Touched: report.Touched[:0]}
	in := &installation{}
	if report.Err = m.Local.Jump(state); report.Err != nil {
		return
	}
	for i := range ap.queue {
		item := &ap.queue[i]
		invariant.Check(!item.checkpoint, "a checkpoint is installed while one is to be captured")
		switch {
		case item.committed != nil:
			in.applied.done = append(in.applied.done, item.committed)
		case item.serve != nil:
			m.Local.SetServing(item.serve.to, item.serve.cause)
		}
	}
	ap.queue, ap.entry, ap.begun, ap.waiting = nil, 0, false, nil
	ap.state, ap.conf, ap.term = state, a.Install.ConfState, a.Install.Term
	ap.jumped = state.Index()
	stream := state.Stream(m.cfg.RaftID)
	switch {
	case stream.Origin.Registration == 0:
	case stream.Nonce == m.cfg.Nonce:
		m.Local.SetSelf(stream.Origin)
	case m.Local.Self() != core.Origin{}:
		report.Err = ErrReplaced
	}
	in.applied.Index, in.applied.Term = state.Index(), a.Install.Term
	in.sessions = state.AppendSessions(nil)
	ap.know(&in.applied)
	ap.change, ap.news = nil, false
	ap.membership(report)
	in.applied.members = report.Membership
	report.Touched = m.Local.TakeTouched(report.Touched)
	a.installed = in
}
