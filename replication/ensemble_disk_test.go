package replication

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
	"go.etcd.io/raft/v3/raftpb"
)

var diskScenarios = []scenario{
	{name: "a disk forgets what it acknowledged", cfg: reconfigurable(),
		do: diskForgets(func(w *world) *host { return w.followers()[0] }, false)},
	{name: "a disk forgets and its process hangs", cfg: reconfigurable(),
		do: diskForgets(func(w *world) *host { return w.followers()[0] }, true)},
	{name: "a leader's disk forgets what it acknowledged", cfg: reconfigurable(),
		do: diskForgets(func(w *world) *host { return w.leader() }, false)},
	{name: "a candidate whose disk is slow", cfg: reconfigurable(), do: slowCandidate},
	{name: "a leader forgets that it led", cfg: reconfigurable(), do: ledAndForgot},
	{name: "a target needs a disk that is lost", cfg: reconfigurable(), do: targetNeedsLost},
	{name: "a target needs a process that is lost", cfg: reconfigurable(), do: targetNeedsDown},
	{name: "a removed member is needed", cfg: reconfigurable(), do: removedIsNeeded},
}

// diskForgets: a disk comes back without the last entries that its member had acknowledged. If it
// hangs, handshakes and messages of its leader come to it in one turn.
func diskForgets(who func(*world) *host, hangs bool) func(*world) {
	return func(w *world) {
		lead := w.settle()
		c := w.session(lead)
		for range 5 {
			c.write()
			w.run(20_000)
		}
		w.must(10, "all is answered", w.served)
		w.run(200_000)
		h := who(w)
		h.crash()
		n := len(h.disk.entries)
		h.disk.entries = h.disk.entries[:n-3]
		commit := h.disk.entries[n-4].GetIndex()
		h.disk.hs = &raftpb.HardState{Term: h.disk.hs.Term, Vote: h.disk.hs.Vote, Commit: &commit}
		h.start()
		if hangs {
			h.pause()
			w.run(200_000)
			h.resume()
		}
		w.must(20, "it is noticed", func() bool { return w.done["lost"] == 1 && h.gone })
		w.configured(fmt.Sprint(without([]int{1, 2, 3, 4}, h.id)))
		w.together()
	}
}

// slowCandidate: a candidate's disk is slow. It may lead by the votes of the others only when its
// own is on its disk: else it could end, forget that it led, and be elected in the same term
// again. And what comes behind must not tell the others that its disk is lost.
func slowCandidate(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	f.syncUs = 100_000
	lead.member.replica.transfer(core.RaftID(f.id))
	lead.wake()
	w.must(20, "it leads", func() bool { return f.member.Leading() })
	if r := &f.member.replica; r.stable < r.term {
		w.violate("member %d leads term %d, and its disk has term %d", f.id, r.term, r.stable)
	}
	f.syncUs = 1_000_000
	w.link(f.id, lead.id).fail()
	w.run(200_000)
	if n := w.done["lost"]; n > 0 {
		w.violate("%d disks are taken for lost", n)
	}
	f.syncUs = 0
	w.together()
}

// ledAndForgot: a candidate ends before its vote is on its disk, and after the others could have
// elected it and one of them could have taken in its first entry. The other one elects it when it
// comes back, in the same term if that is all it knows. One process leads in a term.
func ledAndForgot(w *world) {
	lead := w.settle()
	c := w.session(lead)
	f := w.followers()
	c.write()
	w.must(10, "it is served", w.served)
	w.run(200_000)
	f[0].syncUs = 2_000_000
	lead.member.replica.transfer(core.RaftID(f[0].id))
	lead.wake()
	w.until(200_000, func() bool { return f[0].member.Leading() })
	w.link(f[0].id, f[1].id).split(true)
	w.run(20_000)
	f[0].crash()
	f[0].syncUs = 0
	lead.crash() // it would not elect who has less than itself
	w.link(f[0].id, f[1].id).split(false)
	f[0].start()
	w.must(60, "one of the two leads", func() bool { return w.leader() != nil })
	lead.start()
	w.session(w.leader()).write()
	w.together()
}

// targetNeedsLost: a disk is lost, and its server is one of two voters that are left by a reconfig
// before anybody misses it. The ensemble may not go where it needs that disk.
func targetNeedsLost(w *world) {
	lead := w.settle()
	f := w.followers()
	c := w.session(lead)
	for _, h := range []*host{lead, f[1]} { // nobody is told: it has no power
		l := w.link(h.id, f[0].id)
		l.up = false
		l.epoch++
	}
	w.wipe(f[0])
	w.must(40, "the new disk is known", func() bool {
		return len(lead.member.Local.State.Membership().Members) == 4
	})
	answer := c.reconfig(nil, f[1].id)
	w.must(100, "it is answered", func() bool { return *answer != 1 })
	c.write()
	w.must(20, "it is served", w.served)
}

// targetNeedsDown: a process has just ended, and its server is one of two voters that would be left
// by a reconfig. The ensemble may not go where it needs that one.
func targetNeedsDown(w *world) {
	lead := w.settle()
	f := w.followers()
	c := w.session(lead)
	f[0].crash()
	w.run(5_000)
	answer := c.reconfig(nil, f[1].id)
	w.must(200, "it is given up", func() bool { return *answer == wire.CodeNewConfigNoQuorum })
	c.write()
	w.must(20, "it is served", w.served)
}

// removedIsNeeded: only the leader knows that a change has ended, and comes back without knowing it
// itself, for a commit index alone is not synced. One of the old voters is dead: only with the vote
// of who has left the others have a majority of them.
func removedIsNeeded(w *world) {
	lead := w.settle()
	f, dead := w.followers()[0], w.followers()[1]
	c := w.session(f)
	w.stranger(4, diskOf(4))
	w.must(40, "it is a learner", func() bool { return len(w.hosts) == 4 && w.hosts[3].up })
	w.run(200_000)
	dead.retire()
	f.jumping.stuck = true // nor has it a checkpoint that says so
	c.reconfig([]int{4}, lead.id)
	conf := func() *raftpb.ConfState { return f.member.replica.log.conf }
	w.must(40, "another leads in the joint phase", func() bool {
		return f.member.Leading() && joint(conf())
	})
	end := f.member.replica.members.waitFor // the entry that ends it
	w.link(f.id, 4).lose = func(to int, data []byte) bool {
		m, err := decodePeer(data)
		return err == nil && m.raft.GetCommit() >= end
	}
	w.must(40, "it has ended", func() bool { return !joint(conf()) })
	w.run(50_000) // who has left calls again
	f.crash()
	f.disk.hs.Commit = new(end - 1)
	w.link(f.id, 4).lose = nil
	f.start()
	w.configured(fmt.Sprint(without([]int{1, 2, 3, 4}, lead.id)))
}
