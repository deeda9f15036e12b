package replication

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// reapScenarios are about what a leader decides by itself.
var reapScenarios = []scenario{
	{name: "a container gets a child when it is reaped", cfg: reaping(), do: childMeanwhile},
	{name: "containers are reaped under faults", cfg: reaping(), do: reapFaults},
	{name: "time to live with a leader's clock a year ahead", cfg: reaping(),
		do: func(w *world) { timeToLive(w, w.settle()) }},
	{name: "time to live with a follower's clock a year ahead", cfg: reaping(), do: func(w *world) {
		w.settle()
		timeToLive(w, w.followers()[0])
	}},
	{name: "a decision while leadership is handed over", cfg: brief(), do: lateDecision},
	{name: "much to reap", cfg: Config{ContainerCheckMs: 60, MaxEntryBytes: 2000}, do: muchToReap},
}

func reaping() Config { return Config{ContainerCheckMs: 60} }

// keeper has a container, and a child in it that comes and goes.
type keeper struct {
	w       *world
	v       *client
	xid     int32
	child   bool // as of what is committed
	reaped  int
	skipped int
}

func (w *world) keep(h *host) *keeper {
	k := &keeper{w: w, v: w.visit(h, false)}
	var at, seen [2]uint64 // index, and place in the entry
	epoch := 0
	w.judge.watch = func(h *host, c *Commit) {
		if h != w.hosts[0] {
			return
		}
		if at[1]++; h.epoch != epoch || at[0] != c.Index {
			at, epoch = [2]uint64{c.Index, 1}, h.epoch // it may have started anew
		}
		if slices.Compare(at[:], seen[:]) > 0 {
			seen = at
			k.committed(c)
		}
	}
	return k
}

// committed follows the container through the log.
func (k *keeper) committed(c *Commit) {
	ofChild := bytes.Contains(c.Command.Body, []byte("/q/x"))
	switch done := c.Outcome.Err == 0 && !c.Outcome.Skipped; {
	case c.Command.Kind == core.KindReap && c.Outcome.Skipped:
		k.skipped++
	case c.Command.Kind == core.KindReap:
		if k.reaped++; k.child {
			k.w.violate("a container was deleted that has a child")
		}
	case c.Command.Kind == core.KindRequest && done && ofChild:
		k.child = c.Command.Op == wire.OpCreate
	}
}

// turn makes the container anew if it is gone, and lets the child come and go.
func (k *keeper) turn() {
	if k.v.conn == nil {
		up := k.w.hosts[k.w.rng.IntN(len(k.w.hosts))]
		if up.up && !up.paused {
			k.v.session, k.v.password = 0, nil
			k.v.connect(up)
		}
		return
	}
	if !k.v.ready || k.v.host.paused {
		return
	}
	k.xid += 2
	if k.xid%4 == 0 {
		k.v.feed(request(nil, k.xid, wire.OpDelete,
			&wire.DeleteRequest{Path: "/q/x", Version: -1}))
		return
	}
	q := create("/q")
	q.Flags = wire.FlagContainer
	b := request(nil, k.xid, wire.OpCreateContainer, q)
	k.v.feed(request(b, k.xid+1, wire.OpCreate, create("/q/x")))
}

// childMeanwhile: the container is empty when the leader looks, and has a child again when its
// decision is applied.
func childMeanwhile(w *world) {
	w.settle()
	k := w.keep(w.followers()[0])
	for k.skipped < 3 || k.reaped < 3 {
		if w.now > 60_000_000 {
			w.violate("%d containers were reaped, %d spared: the scenario shows nothing",
				k.reaped, k.skipped)
		}
		k.turn()
		w.run(w.spread(1000))
	}
	w.run(1_000_000)
	w.converged()
}

// reapFaults: leaders are deposed, paused and crash while they decide.
func reapFaults(w *world) {
	w.settle()
	k := w.keep(w.followers()[0])
	var again func()
	again = func() {
		k.turn()
		w.after(w.spread(3000), again)
	}
	again()
	w.faults(4_000_000)
	w.heal()
	w.must(100, "containers are reaped again", func() bool { return k.reaped > 3 })
}

// timeToLive: with one clock a year ahead, whoever leads, a znode lives as long as it should.
func timeToLive(w *world, bad *host) {
	v := w.visit(w.followers()[0], false)
	w.must(20, "a session", func() bool { return v.ready })
	bad.wall += 365 * 86_400_000
	w.run(300_000)
	born := w.now
	v.feed(request(nil, 1, wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/ttl",
		ACL: wire.OpenACL(), Flags: wire.FlagTTL, TTLMs: 4000}))
	reaped := int64(0)
	w.judge.watch = func(_ *host, c *Commit) {
		if c.Command.Kind == core.KindReap && !c.Outcome.Skipped && reaped == 0 {
			reaped = w.now
		}
	}
	w.run(1_000_000)
	w.leader().crash()
	w.run(2_000_000)
	if reaped > 0 {
		w.violate("a znode that is to live 4 s died after %d us", reaped-born)
	}
	w.heal()
	w.must(80, "it dies at last", func() bool { return reaped > 0 })
	if reaped-born < 4_000_000 {
		w.violate("a znode that is to live 4 s died after %d us", reaped-born)
	}
}

// muchToReap: what has had its time fills more than one entry.
func muchToReap(w *world) {
	const containers = 10
	w.settle()
	v := w.visit(w.followers()[0], false)
	w.must(20, "a session", func() bool { return v.ready })
	paths, reaped := map[uint64]int{}, 0
	w.judge.watch = func(h *host, c *Commit) {
		if h != w.hosts[0] || c.Command.Kind != core.KindReap || c.Outcome.Skipped {
			return
		}
		reaped++
		if paths[c.Index] += len(c.Command.Path); paths[c.Index] > 2000 {
			w.violate("an entry reaps znodes with %d bytes of paths", paths[c.Index])
		}
	}
	below := "/" + strings.Repeat("n", 900)
	v.feed(request(nil, 1, wire.OpCreate, create(below)))
	for n := range int32(containers) {
		q := create(fmt.Sprint(below, "/", n))
		q.Flags = wire.FlagContainer
		b := request(nil, 10*n+2, wire.OpCreateContainer, q)
		b = request(b, 10*n+3, wire.OpCreate, create(q.Path+"/x"))
		v.feed(request(b, 10*n+4, wire.OpDelete, &wire.DeleteRequest{Path: q.Path + "/x",
			Version: -1}))
	}
	w.must(100, "all are reaped", func() bool { return reaped == containers })
}

// lateDecision: a session is silent too long while its leader may propose nothing, and speaks
// before it may again.
func lateDecision(w *world) {
	lead := w.settle()
	to := w.followers()[0]
	c := w.quiet(lead, 1000)
	w.run(100_000)
	c.live()
	w.run(990_000)
	w.link(lead.id, to.id).sever(to.id, true)
	lead.member.replica.transfer(core.RaftID(to.id))
	w.run(150_000)
	if !lead.member.replica.transferring() {
		w.violate("leadership is not being handed over: the scenario shows nothing")
	}
	for range 10 {
		c.live()
		w.run(200_000)
	}
	if w.judge.ended[sessionOf(c)] {
		w.violate("a session has expired that spoke before that was proposed")
	}
}

// attachRaces: clients come back to their sessions, on other members, just when these expire.
// Whoever is let in keeps session and ephemeral znode, and whoever is not has lost both.
func attachRaces(w *world) {
	w.settle()
	kept, gone := 0, 0
	for i := range 24 {
		v := w.guest(400)
		v.connect(w.hosts[i%3])
		w.must(20, "a session", func() bool { return v.ready })
		q := create(fmt.Sprint("/e", i))
		q.Flags = wire.FlagEphemeral
		v.feed(request(nil, 1, wire.OpCreate, q))
		w.must(20, "an answer", func() bool { return len(v.answers) == 2 })
		id := sessionOf(v)
		// The leader counts in ticks; its decision takes a round trip to be applied.
		w.run(400_000 + w.spread(60_000))
		if v.conn == nil {
			gone++
			continue
		}
		v.answers = nil
		v.connect(w.hosts[(i+1)%3])
		w.must(20, "an answer", func() bool { return len(v.answers) > 0 })
		if v.session == 0 {
			if gone++; !w.judge.ended[id] {
				w.violate("client %d is told that its session is gone, but it lives", v.n)
			}
			continue
		}
		kept++
		for i := 0; i < 10 && v.conn != nil; i++ {
			v.live()
			w.run(100_000)
		}
		if w.judge.ended[id] || v.conn == nil {
			w.violate("session %v of client %d ended, which had come back to it", id, v.n)
		}
		v.answers = nil
		v.feed(request(nil, 2, wire.OpGetData, &wire.PathWatchRequest{Path: q.Path}))
		v.saw("2 0 0")
	}
	if kept == 0 || gone == 0 {
		w.violate("%d sessions were kept and %d are gone: the scenario shows nothing", kept, gone)
	}
}
