package replication

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// serving is whom a member serves, as the loop wants it (DESIGN section 5, "Without a leader").
// Apply makes it so in its turn. A member without peers always serves.
type serving struct {
	is    serve
	ledAt int64 // the last tick with a leader
}

// serve is what core.Local.SetServing takes.
type serve struct {
	to    core.Serving
	cause core.Cause
}

// serve judges whom this member serves now. For a while without a leader clients are kept: most
// often one is found, and they notice nothing. A turn counts as one tick at most, so that a
// process that was paused does not find that it has had no leader all the while.
func (r *replica) serve(work *Work) {
	s := &r.serving
	if r.lead != 0 {
		s.ledAt = r.ticks
	}
	want := r.whomToServe()
	if want != s.is {
		s.is = want
		work.Apply = append(work.Apply, ApplyItem{serve: &want})
		work.Notices = append(work.Notices, Notice{Kind: NoticeServing, Serving: want.to,
			Cause: want.cause})
	}
	work.Diverged = r.digests.diverged
}

func (r *replica) whomToServe() serve {
	if r.members.removed(r.cfg.RaftID) {
		return serve{core.ServingNobody, core.CauseRemoved}
	}
	if s := r.digests.whoDiffers(); s.to != core.ServingAll {
		return s
	}
	switch without := (r.ticks - r.serving.ledAt) * r.cfg.TickMs; {
	case r.alone:
		return serve{}
	case without < r.cfg.SyncLimitMs || mutant.On("replication-serves-without-leader"):
		return serve{}
	case r.cfg.ReadOnlyMode:
		return serve{core.ServingReadOnly, core.CauseNoLeader}
	}
	return serve{core.ServingNobody, core.CauseNoLeader}
}
