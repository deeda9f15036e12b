package replication

import (
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// hurried are settings with which checkpoints are sent all the time: little log is kept, and each
// piece of a checkpoint holds a record or two.
func hurried(seed uint64) Config {
	rng := rand.New(rand.NewPCG(seed, 4))
	pick := func(from ...int64) int64 { return from[rng.IntN(len(from))] }
	return Config{MaxEntryBytes: int(pick(300, 2000)), CheckpointBytes: pick(500, 2000, 8000),
		MaxLogBytes: pick(1000, 3000), IdleTicks: 40, PieceBytes: int(pick(100, 300, 2000)),
		ResendTicks: pick(4, 20)}
}

// total adds up what the worlds of one test did.
type total struct{ jumps }

func (t *total) add(j *jumps) {
	t.transfers += j.transfers
	t.pieces += j.pieces
	t.installs += j.installs
	t.closed += j.closed
	t.dropped += j.dropped
	if t.crashes == nil {
		t.crashes = map[string]int{}
	}
	for name, n := range j.crashes {
		t.crashes[name] += n
	}
}

// jumpWorld is a world of random faults in which processes also die at the boundaries of sending
// and installing.
func jumpWorld(w *world) {
	crash := w.rng.Int64N(3)
	w.jumps.crash = func(*host, string) bool {
		return !w.calm && crash > 0 && w.rng.Int64N(6*crash) == 0
	}
	anyWorld(4)(w)
}

// TestJumps judges ensembles in which members fall behind what is kept of the log and get
// checkpoints, under random faults, with crashes at each boundary of sending and installing.
func TestJumps(t *testing.T) {
	var sum total
	for seed := *firstSeed; seed < *firstSeed+*seedCount; seed++ {
		n := []int{3, 3, 5}[seed%3]
		try(t, seed, n, hurried(seed), func(w *world) {
			jumpWorld(w)
			sum.add(&w.jumps)
		})
		if t.Failed() {
			return
		}
	}
	t.Logf("%+v", sum.jumps)
	if *seedCount < 50 {
		return
	}
	if sum.installs < int(*seedCount) || sum.closed == 0 {
		t.Errorf("%d checkpoints installed, %d connections closed in %d worlds", sum.installs,
			sum.closed, *seedCount)
	}
	for _, name := range boundaries {
		if sum.crashes[name] == 0 {
			t.Errorf("no process died at %q", name)
		}
	}
}

var jumpScenarios = []scenario{
	{name: "checkpoint installed under a serving member", cfg: lagging(), do: jumpServing},
	{name: "checkpoint installed over a backlog", cfg: lagging(), do: backlog},
	{name: "transfer interrupted at each boundary", cfg: lagging(), do: interrupted},
	{name: "checkpoint that comes too late", cfg: lagging(), do: lateCheckpoint},
	{name: "pieces out of order", cfg: lagging(), do: disorder},
	{name: "slow transfer", cfg: lagging(), do: slowTransfer},
	{name: "slow checkpoint", cfg: lagging(), do: slowCheckpoint},
}

// lagging are settings with which a member that is away for a moment needs a checkpoint.
func lagging() Config {
	return Config{CheckpointBytes: 1000, MaxLogBytes: 2000, MaxEntryBytes: 500, PieceBytes: 200,
		ResendTicks: 4}
}

// lag takes the connections of a follower away for a moment, in which so much happens that it
// needs a checkpoint. Clients that it has stay connected.
func (w *world) lag(f *host, busy *client) {
	for _, h := range w.hosts {
		if h != f {
			l := w.link(h.id, f.id)
			l.split(true)
			l.fail()
		}
	}
	last := f.member.replica.last
	for i := 0; busy.host.member.replica.log.start.index <= last; i++ {
		if i > 200 {
			w.violate("the log is not cut: the scenario shows nothing")
		}
		busy.write()
		w.run(3_000)
	}
	for _, h := range w.hosts {
		if h != f {
			w.link(h.id, f.id).split(false)
		}
	}
}

// caughtUp: a follower has got what it missed, by a checkpoint.
func (w *world) caughtUp(f *host, installs int) {
	w.must(100, "the one that lagged has caught up", func() bool {
		l := w.leader()
		return l != nil && f.up && w.jumps.installs >= installs &&
			f.member.Local.State.Index() == l.member.Local.State.Index()
	})
}

// jumpServing: a follower that serves clients misses what happens to their writes, and jumps. They
// are closed, come back and are answered, there as well.
func jumpServing(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	c, busy := w.session(f), w.session(lead)
	for range 3 {
		c.write()
	}
	w.run(700) // they are at the leader
	w.lag(f, busy)
	if c.conn == nil || c.conn.Over() {
		w.violate("the client was lost before: the scenario shows nothing")
	}
	w.caughtUp(f, 1)
	if w.jumps.closed == 0 {
		w.violate("no connection was closed")
	}
	w.must(40, "all is answered", w.served)
	later := w.session(f)
	later.write()
	w.must(20, "a client of the one that jumped is served", w.served)
	w.must(2, "nothing is kept that is applied", func() bool {
		o := &f.member.replica.outbox
		return o.acked+1 == o.end
	})
	w.run(300_000)
	w.converged()
}

// backlog: a follower that is slow to apply gets a checkpoint of what it has not applied yet, and
// is not led astray by what it still had to apply.
func backlog(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	busy, c := w.session(lead), w.session(f)
	w.run(300_000)
	if r := &f.member.replica; r.capturing || r.logBytes > 1000 {
		w.violate("the follower makes a checkpoint of its own: the scenario shows nothing")
	}
	f.jumping.applyUs = 3_000_000
	for range 10 {
		busy.write()
		w.run(2_000)
	}
	w.lag(f, busy)
	w.must(100, "a checkpoint is there", func() bool { return w.jumps.installs > 0 })
	if w.jumps.dropped == 0 {
		w.violate("nothing was left to be applied: the scenario shows nothing")
	}
	f.jumping.applyUs = 0
	w.caughtUp(f, 1)
	c.write()
	w.must(40, "all is answered", w.served)
	w.run(300_000)
	w.converged()
}

// interrupted: at each boundary, once for each, the process dies, its peer does, or what connects
// them breaks. The follower gets a checkpoint in the end.
func interrupted(w *world) {
	lead := w.settle()
	busy := w.session(lead)
	for _, name := range boundaries {
		for _, do := range []func(h, lead *host) bool{
			func(*host, *host) bool { return true },
			func(h, lead *host) bool { w.link(w.followers()[0].id, lead.id).fail(); return false },
			func(h, lead *host) bool {
				w.link(w.followers()[0].id, lead.id).split(true)
				w.after(400_000, func() { w.link(w.followers()[0].id, lead.id).split(false) })
				return false
			},
		} {
			w.must(40, "all are up", func() bool {
				return !slices.ContainsFunc(w.hosts, func(h *host) bool { return !h.up })
			})
			f := w.follower()
			w.must(40, "the busy client is connected", busy.idle)
			if busy.host == f {
				continue
			}
			done, installs := false, w.jumps.installs
			w.jumps.crash = func(h *host, boundary string) bool {
				if done || boundary != name {
					return false
				}
				done = true
				return do(h, w.leader())
			}
			w.lag(f, busy)
			w.must(100, "it is interrupted at "+name, func() bool { return done })
			w.caughtUp(f, installs)
		}
	}
	w.must(40, "all is answered", w.served)
	w.run(300_000)
	w.converged()
}

// follower waits until all is well, and returns one.
func (w *world) follower() *host {
	w.settle()
	return w.followers()[0]
}

// whole is a message with all of a member's checkpoint, as its leader would send it.
func (w *world) whole(h *host) *piece {
	lead := w.leader()
	d := &h.disk
	p := &piece{term: lead.member.Term(), transfer: 1 << 40, seq: 1, last: true,
		at: position{d.term, d.index}, of: &Checkpoint{Index: d.index, Term: d.term,
			ConfState: d.conf, Header: d.header}}
	for _, key := range slices.Sorted(maps.Keys(d.records)) {
		p.records = append(p.records, core.Record{Key: []byte(key), Value: d.records[key]})
	}
	return p
}

// sendPiece lets a follower receive p from its leader.
func (w *world) sendPiece(to *host, p *piece) {
	data, err := (&peerMessage{kind: peerPiece, piece: p}).appendTo(nil)
	if err != nil {
		w.violate("%v", err)
	}
	to.receive(w.leader().id, data)
}

// lateCheckpoint: a checkpoint that is whole when the log holds it already is not installed.
func lateCheckpoint(w *world) {
	f := w.follower()
	p := w.whole(f)
	busy := w.session(w.leader())
	for range 5 {
		busy.write()
		w.run(5_000)
	}
	w.sendPiece(f, p)
	w.run(200_000)
	if w.jumps.installs > 0 || f.member.replica.reception.from != 0 {
		w.violate("a checkpoint was installed that came too late, or is kept")
	}
	busy.write()
	w.must(20, "all is answered", w.served)
}

// disorder: a piece that does not follow the last one ends the transfer.
func disorder(w *world) {
	f := w.follower()
	refused := 0
	for _, spoil := range []func(*piece){
		func(p *piece) { p.seq = 3 },
		func(p *piece) { p.transfer++ },
		func(p *piece) { p.at.index++ },
		func(p *piece) { p.records = []core.Record{{Key: []byte{0}}} },
	} {
		first := w.whole(f)
		next := *first
		first.at.index += 100
		first.of.Index += 100
		first.last, next.of, next.seq, next.at = false, nil, 2, first.at
		at := len(first.records) / 2
		first.records, next.records = first.records[:at], next.records[at:]
		spoil(&next)
		w.sendPiece(f, first)
		w.run(20_000)
		if c := &f.member.replica.reception; c.seq != 1 || c.stage != nil {
			w.violate("the first piece was not taken: the scenario shows nothing")
		}
		w.sendPiece(f, &next)
		w.run(20_000)
		c := &f.member.replica.reception
		if c.from == 0 || c.seq == 1 && c.transfer != next.transfer {
			refused++
		}
		if len(f.jumping.stages) > 0 || w.jumps.installs > 0 {
			w.violate("a piece was staged that does not follow the last one")
		}
	}
	if refused != 4 {
		w.violate("%d of 4 pieces out of order were refused", refused)
	}
}

// slowTransfer: while a checkpoint is sent slowly, the log behind it is kept although there is
// too much of it, so that one transfer is enough.
func slowTransfer(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	busy := w.session(lead)
	w.lag(f, busy)
	w.must(20, "a transfer has begun", func() bool { return w.jumps.transfers > 0 })
	l := w.link(lead.id, f.id)
	l.sever(f.id, true)
	start := lead.member.replica.log.start.index
	for i := 0; lead.member.replica.log.bytes < 3500; i++ {
		if i > 300 {
			w.violate("the log is cut behind a checkpoint that is being sent")
		}
		busy.write()
		w.run(3_000)
	}
	l.sever(f.id, false)
	w.caughtUp(f, 1)
	if w.jumps.transfers != 1 || lead.member.replica.log.start.index < start {
		w.violate("%d transfers, one is enough", w.jumps.transfers)
	}
}

// slowCheckpoint: while the leader's disk does not get a checkpoint done, its log grows up to a
// bound; afterwards all goes on.
func slowCheckpoint(w *world) {
	lead := w.settle()
	busy := w.session(lead)
	lead.jumping.stuck = true
	for range 400 {
		if busy.written-busy.acked < 50 {
			busy.write()
		}
		w.run(3_000)
	}
	r := &lead.member.replica
	if most := r.cfg.MaxLogBytes + 2*r.cfg.CheckpointBytes + 2000; r.frozenBytes+r.logBytes > most {
		w.violate("%d bytes of log wait for a checkpoint, more than %d", r.frozenBytes+r.logBytes,
			most)
	}
	if busy.acked == busy.written {
		w.violate("the leader has taken all: the scenario shows nothing")
	}
	lead.jumping.stuck = false
	w.must(40, "all is answered", w.served)
}
