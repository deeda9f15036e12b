package replication

import (
	"cmp"
	"flag"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// faults lets things happen to the ensemble for some time: crashes, pauses, broken connections,
// cut and deaf paths.
func (w *world) faults(us int64) {
	for end := w.now + us; w.now < end; {
		w.run(20_000 + w.spread(150_000))
		h := w.hosts[w.rng.IntN(len(w.hosts))]
		if w.rng.IntN(3) == 0 {
			if l := w.leader(); l != nil {
				h = l
			}
		}
		other := w.hosts[(h.id+w.rng.IntN(len(w.hosts)-1))%len(w.hosts)]
		l := w.link(h.id, other.id)
		switch w.rng.IntN(6) {
		case 0:
			h.crash()
			w.after(w.spread(200_000), func() {
				if !h.up && !h.gone {
					h.start()
				}
			})
		case 1:
			if h.up && !h.paused {
				h.pause()
				epoch := h.epoch
				w.after(w.spread(400_000), func() {
					if h.epoch == epoch {
						h.resume()
					}
				})
			}
		case 2:
			l.fail()
		case 3:
			l.split(true)
			w.after(w.spread(300_000), func() { l.split(false) })
		case 4:
			l.sever(h.id, true)
			w.after(w.spread(300_000), func() { l.sever(h.id, false) })
		case 5:
			for _, o := range w.hosts {
				if o != h {
					l := w.link(h.id, o.id)
					l.split(true)
					w.after(w.spread(300_000), func() { l.split(false) })
				}
			}
		}
	}
}

// heal ends all faults.
func (w *world) heal() {
	w.calm = true
	for _, h := range w.hosts {
		if h.paused {
			h.resume()
		}
		if !h.up && !h.gone {
			h.start()
		}
	}
	for _, l := range w.links {
		l.split(false)
		w.after(1, l.connect)
	}
}

// served says whether all that the clients have asked for is answered.
func (w *world) served() bool {
	for _, c := range w.clients {
		if !c.idle() {
			return false
		}
	}
	return true
}

// anyWorld is a world of random faults, whose clients must all be served at its end.
func anyWorld(seconds int64) func(*world) {
	return func(w *world) {
		w.settle()
		for i := range 4 {
			c := w.join(w.hosts[i%len(w.hosts)], 8000)
			c.work(20_000)
		}
		silent := w.join(w.leader(), 4000)
		w.must(40, "all have their znode", func() bool {
			return !slices.ContainsFunc(w.clients, func(c *client) bool { return c.acked == 0 })
		})
		silent.silent = true
		w.faults(seconds * 1_000_000)
		w.heal()
		// A client may have tens of syncs before its writes, each a round trip of its own.
		ticks := 80 + 3*w.rttUs/1000
		if !w.until(ticks*50_000, w.served) {
			w.violate("not everything is answered %d ticks after all is well", ticks)
		}
		w.run(5_000_000)
		for _, c := range w.clients {
			if !c.silent && c.acked != c.written && c.lost == 0 {
				w.violate("client %d: %d of %d are acknowledged", c.n, c.acked, c.written)
			}
		}
		if silent.session != 0 && !w.until(5_000_000, func() bool {
			return w.judge.ended[sessionOf(silent)]
		}) {
			w.violate("a session that was silent for long has not expired")
		}
		w.converged()
	}
}

// converged: at the end all members hold the same.
func (w *world) converged() {
	var first *host
	for _, h := range w.hosts {
		switch {
		case h.out():
			continue
		case first == nil:
			first = h
		}
		s, f := h.member.Local.State, first.member.Local.State
		if s.Index() != f.Index() || s.Digest() != f.Digest() {
			w.violate("member %d is at %d, member %d at %d, or they differ", h.id, s.Index(),
				first.id, f.Index())
		}
	}
}

func small() Config {
	return Config{CheckpointBytes: 8 << 10, IdleTicks: 40, MaxEntryBytes: 2000}
}

// swarm draws a world's settings: every seed has its own.
func swarm(seed uint64) (members int, rttUs int64, cfg Config) {
	rng := rand.New(rand.NewPCG(seed, 3))
	pick := func(from ...int64) int64 { return from[rng.IntN(len(from))] }
	cfg = small()
	cfg.MaxEntryBytes = int(pick(300, 2000, 4<<20))
	cfg.MaxIntakeBytes = int(pick(600, 3000, 64<<20))
	cfg.CheckpointBytes = pick(4<<10, 32<<10, 1<<20)
	cfg.SyncLimitMs = pick(100, 500, 10_000)
	cfg.DigestEntries = uint64(pick(1, 5, 64))
	members, rttUs = int(pick(3, 3, 3, 5, 5, 7)), pick(200, 1000, 1000, 5000, 60_000)
	if rttUs > 50_000 {
		// A round trip longer than a tick; a few commands in each would be lawful, and slow.
		cfg.MaxEntryBytes, cfg.MaxIntakeBytes = 4000, 64<<20
	}
	return members, rttUs, cfg
}

var (
	firstSeed = flag.Uint64("from", 0, "TestEnsemble: the first seed")
	seedCount = flag.Uint64("ensembles", 100, "TestEnsemble: how many seeds")
)

// TestEnsemble judges ensembles of three to seven members under random faults.
func TestEnsemble(t *testing.T) {
	for seed := *firstSeed; seed < *firstSeed+*seedCount; seed++ {
		n, rttUs, cfg := swarm(seed)
		try(t, seed, n, cfg, func(w *world) {
			w.rttUs = rttUs
			anyWorld(4)(w)
		})
		if t.Failed() {
			return
		}
	}
}

// scenario is a world in which one thing happens for certain.
type scenario struct {
	name string
	cfg  Config
	do   func(*world)
	n    int // members; 0 means 3
}

func (s *scenario) try(t *testing.T, seed uint64) { try(t, seed, cmp.Or(s.n, 3), s.cfg, s.do) }

var scenarios = slices.Concat(streamScenarios, jumpScenarios, memberScenarios, diskScenarios,
	servingScenarios, reapScenarios)

var streamScenarios = []scenario{
	{name: "same leader again", cfg: Config{ResendTicks: 1 << 40}, do: sameLeader},
	{name: "gap", cfg: Config{ResendTicks: 1 << 40}, do: gap},
	{name: "last message lost", do: lastLost},
	{name: "delayed hello", do: delayedHello},
	{name: "paused leader", do: pausedLeader},
	{name: "leader's clock a year ahead", do: func(w *world) { badClock(w, true) }},
	{name: "follower's clock a year ahead", do: func(w *world) { badClock(w, false) }},
	{name: "leader cut off for a while", cfg: Config{ElectionTicks: 20,
		Settings: core.Settings{MinSessionTimeoutMs: 400}}, do: cutOff},
	{name: "member away while others write checkpoints", cfg: small(), do: away},
	{name: "silent and touched sessions", do: silence},
}

func TestScenarios(t *testing.T) {
	for _, s := range scenarios {
		t.Run(s.name, func(t *testing.T) {
			for seed := range uint64(8) {
				s.try(t, seed)
			}
		})
	}
}

// followers are all but the leader.
func (w *world) followers() []*host {
	var list []*host
	for _, h := range w.hosts {
		if h != w.leader() {
			list = append(list, h)
		}
	}
	return list
}

// must waits until ok, which has to come to pass within so many ticks.
func (w *world) must(ticks int64, what string, ok func() bool) {
	if !w.until(ticks*50_000, ok) {
		w.violate("after %d ticks not yet: %s", ticks, what)
	}
}

// session opens a client and waits until its first write is answered.
func (w *world) session(h *host) *client {
	c := w.join(h, 6000)
	w.must(20, "a new client is served", func() bool { return c.acked == 1 })
	return c
}

// sameLeader: a leader takes in a follower's command, and loses it with its power before it is
// on any disk. When it leads again the command is sent again.
func sameLeader(w *world) {
	lead := w.settle()
	f := w.followers()
	c := w.session(f[0])
	lead.syncUs = 1_000_000
	for _, h := range f {
		w.link(lead.id, h.id).sever(h.id, true)
	}
	c.write()
	w.run(5_000)
	f[0].pause()
	f[1].pause()
	lead.syncUs = 0
	lead.crash()
	lead.start()
	for _, h := range f {
		w.link(lead.id, h.id).split(false)
	}
	w.run(30_000)
	f[1].resume()
	again := int64(0)
	w.must(100, "the same leader leads again", func() bool {
		if lead.member.Leader() == 0 && w.now > again {
			again = w.now + 20_000 // an answer needs time
			_ = lead.member.replica.node.Campaign()
			lead.wake()
		}
		return lead.member.Leading()
	})
	f[0].resume()
	w.must(10, "its command is applied", w.served)
}

// gap: a message is lost between others of a stream.
func gap(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	c := w.session(f)
	lost := 0
	w.link(lead.id, f.id).lose = func(to int, data []byte) bool {
		if to != lead.id || peerKind(data[1]) != peerBatch || lost > 0 {
			return false
		}
		lost++
		return true
	}
	c.write()
	w.must(4, "a batch is lost", func() bool { return lost == 1 })
	for range 10 {
		c.write()
		w.run(300)
	}
	w.must(4, "what was lost is sent again", w.served)
}

// lastLost: nothing comes behind the message that is lost.
func lastLost(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	c := w.session(f)
	lost := 0
	w.link(lead.id, f.id).lose = func(to int, data []byte) bool {
		lost++
		return to == lead.id && peerKind(data[1]) == peerBatch && lost < 3
	}
	c.write()
	w.must(30, "what was lost is sent again", w.served)
}

// delayedHello: a process dies, and its hello arrives when the next one has begun.
func delayedHello(w *world) {
	lead := w.settle()
	f := w.followers()[0]
	var hello []byte
	w.link(lead.id, f.id).lose = func(to int, data []byte) bool {
		if to != lead.id || peerKind(data[1]) != peerHello || hello != nil {
			return false
		}
		hello = data
		return true
	}
	f.crash()
	f.start()
	w.must(20, "a hello is sent", func() bool { return hello != nil })
	f.crash()
	f.start()
	if w.seed%2 == 0 {
		w.run(100_000)
	} else {
		w.run(w.spread(3000))
	}
	lead.receive(f.id, hello)
	c := w.session(w.followers()[1])
	w.must(60, "the living process is registered", func() bool { return f.member.replica.own })
	registration := f.member.replica.registration
	lead.receive(f.id, hello)
	c.write()
	w.session(f)
	if got := f.member.replica.registration; got != registration {
		w.violate("a dead process's hello has changed the registration from %v to %v",
			registration, got)
	}
}

// pausedLeader: a leader sleeps while another is elected, and is asked for a synced read when it
// wakes up.
func pausedLeader(w *world) {
	lead := w.settle()
	reader, writer := w.session(lead), w.session(w.followers()[0])
	lead.pause()
	writer.write()
	w.must(60, "another leads", func() bool { l := w.leader(); return l != lead && w.idle(writer) })
	lead.paused = false
	reader.read(writer)
	lead.paused = true
	lead.resume()
	w.must(40, "the read is answered", w.served)
	// The same with no change of leader: a sync while others are under way.
	lead = w.leader()
	for i := range 40 {
		writer.write()
		w.run(int64(i * 37))
		reader.read(writer)
		w.run(w.spread(400))
	}
	w.must(10, "all is answered", w.served)
}

func (w *world) idle(c *client) bool { return c.idle() }

// badClock: one clock is a year ahead, the leader's or a follower's.
func badClock(w *world, leader bool) {
	lead := w.settle()
	c := w.session(w.followers()[0])
	bad := lead
	if !leader {
		bad = w.followers()[1]
	}
	bad.wall += 365 * 86_400_000
	for range 40 {
		c.write()
		w.run(20_000)
	}
	bad.crash()
	bad.start()
	w.run(1_500_000)
	w.must(60, "all is answered", w.served)
	bad.pause()
	w.run(1_500_000)
	bad.resume()
	w.settle()
	w.session(w.leader()).write()
	w.run(500_000)
	want := 1_700_000_000_000 + w.now/1000 - 2000
	if got := w.leader().member.Local.State.Clock(); got < want {
		w.violate("the State's time has stood still for %d ms", want-got)
	}
}

// cutOff: the leader hears nobody for longer than a session lives, and leads all the while.
func cutOff(w *world) {
	lead := w.settle()
	f := w.followers()
	w.join(f[0], 400)
	w.join(f[1], 400)
	w.run(400_000)
	term := lead.member.Term()
	w.run(w.spread(500_000))
	for _, h := range f {
		w.link(lead.id, h.id).split(true)
	}
	w.run(750_000)
	for _, h := range f {
		w.link(lead.id, h.id).split(false)
	}
	w.run(2_000_000)
	if term != w.leader().member.Term() && w.seed == 0 {
		w.violate("the leader has not led all the while: the scenario shows nothing")
	}
}

// away: one member is down while the others write checkpoints and start anew.
func away(w *world) {
	w.settle()
	f := w.followers()[0]
	f.crash()
	w.must(100, "another is found", func() bool { return w.leader() != nil })
	c := w.session(w.leader())
	for range 300 {
		c.write()
		w.run(5_000)
	}
	w.must(20, "all is answered", w.served)
	c.silent = true
	for _, h := range w.hosts {
		if h != f {
			if h.disk.index <= FoundingIndex {
				w.violate("no checkpoint was written: the scenario shows nothing")
			}
			h.crash()
			h.start()
		}
	}
	f.start()
	w.settle()
	w.must(60, "the one that was away catches up", func() bool {
		return f.member.Local.State.Index() == w.leader().member.Local.State.Index()
	})
	w.run(300_000)
	w.converged()
	if n := w.jumps.transfers; n > 0 {
		w.violate("%d checkpoints were sent, although all that was missed is in the log", n)
	}
}

// silence: a session without a sign of life expires, all others live, wherever they are.
func silence(w *world) {
	w.settle()
	var gone *client
	for _, h := range w.hosts {
		w.join(h, 4000)
		gone = w.join(h, 4000)
	}
	w.run(300_000)
	gone.silent = true
	w.run(9_000_000)
	if !w.judge.ended[sessionOf(gone)] {
		w.violate("a silent session has not expired")
	}
}

// TestFailover: the leader's process dies with its connections, and all others learn of it in the
// same tick. In at least 95 of 100 seeds they serve again within ten round trips.
func TestFailover(t *testing.T) {
	const rtts = 10
	for _, test := range []struct {
		seeds uint64
		n     int
		rttUs int64
		cfg   Config
	}{
		{100, 3, 2000, Config{}},
		{100, 5, 2000, Config{}},
		{20, 3, 500, Config{}},
		{20, 3, 10_000, Config{}},
		{20, 3, 60_000, Config{StaggerMs: 150, CampaignMs: 80}}, // as settings for far apart
	} {
		var slow []int64
		for seed := range test.seeds {
			try(t, seed, test.n, test.cfg, func(w *world) {
				w.rttUs = test.rttUs
				if took := outage(w); took > rtts*w.rttUs {
					slow = append(slow, took/w.rttUs)
				}
			})
		}
		t.Logf("%d members, %d us: %d of %d seeds took longer than %d round trips: %v", test.n,
			test.rttUs, len(slow), test.seeds, rtts, slow)
		if most := test.seeds / 20; len(slow) > int(most) {
			t.Errorf("%d members, %d us: %d seeds took longer than %d round trips, want at most %d",
				test.n, test.rttUs, len(slow), rtts, most)
		}
	}
}

// With disks that are slow a failover takes some syncs, not some election time-outs: nobody
// campaigns while votes are on their way to a disk.
func TestFailoverOfSlowDisks(t *testing.T) {
	const seeds, syncs = 40, 12
	for _, syncUs := range []int64{10_000, 30_000, 100_000} {
		var slow []int64
		for seed := range uint64(seeds) {
			try(t, seed, 3, Config{}, func(w *world) {
				w.rttUs = 1000
				for _, h := range w.hosts {
					h.syncUs = syncUs
				}
				if took := outage(w); took > syncs*syncUs {
					slow = append(slow, took/syncUs)
				}
			})
		}
		if len(slow) > seeds/20 {
			t.Errorf("syncs of %d us: %d of %d seeds took longer than %d syncs: %v", syncUs,
				len(slow), seeds, syncs, slow)
		}
	}
}

// outage crashes a busy leader, and returns how long nobody was served.
func outage(w *world) int64 {
	w.settle()
	var list []*client
	for _, h := range w.followers() {
		c := w.session(h)
		list = append(list, c)
		var busy func()
		busy = func() {
			c.write() // no syncs: each is a round trip of its own, and writes may wait for them
			w.after(w.spread(3000), busy)
		}
		busy()
	}
	w.run(200_000 + w.spread(50_000))
	w.leader().crash()
	begin := w.now
	last := make([]int, len(list))
	for i, c := range list {
		c.write()
		last[i] = c.written
	}
	w.must(100, "service after the leader's end", func() bool {
		for i, c := range list {
			if c.acked < last[i] {
				return false
			}
		}
		return true
	})
	return w.now - begin
}
