package replication

import (
	"cmp"
	"crypto/rand"
	"maps"
	mathrand "math/rand/v2"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// script makes choices out of bytes; when they are used up all choices are 0.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// below is a choice of n.
func (s *script) below(n int) int { return int(s.byte()) % n }

// chance is true once in n.
func (s *script) chance(n int) bool { return s.below(n) == 0 }

// bench is an ensemble whose every step is chosen by a script: who turns its loop, what a disk
// has finished, which messages arrive, who crashes, what clients ask. There is no order between
// any two of these but the one that the driver of a member owes.
type bench struct {
	script
	t       failer
	cfg     Config
	word    *core.Word
	hosts   []*machine
	links   map[[2]int]*pipe
	clients []*asker
	conns   core.ConnID
	seen    witness
	spent   int // rounds
}

// FuzzMember drives the members of an ensemble with arbitrary legal inputs, and holds them after
// each step to what must always be so; in the end all works, and then they must come together.
//
//	go test -tags checked -run FuzzMember/name ./replication
func FuzzMember(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{0, 0, 0, 31, 0, 11, 31, 0, 11, 11, 0, 31, 0, 11, 12, 0, 0, 7, 1, 31, 0, 3, 10, 0,
		3, 31, 0, 11})
	f.Add([]byte{5, 0x3f, 0xff, 31, 0, 11, 31, 0, 11, 11, 0, 31, 0, 11, 25, 0, 5, 0, 0, 22, 0, 1,
		31, 0, 4, 23, 0, 0, 31, 0, 11, 10, 2, 0, 31, 0, 11, 16, 2, 31, 0, 11})
	f.Add([]byte{1, 0xff, 0x12, 31, 0, 11, 0, 0, 2, 0, 3, 0, 4, 5, 0, 4, 7, 0, 8, 0, 9, 0, 31, 0,
		3})
	for seed := range uint64(12) {
		f.Add(randomScript(seed)) // a fuzzer alone hardly makes them long
	}
	f.Fuzz(func(t *testing.T, data []byte) { drive(t, data) })
}

// randomScript is one as a fuzzer may begin with.
func randomScript(seed uint64) []byte {
	r := mathrand.New(mathrand.NewPCG(seed, 7))
	b := make([]byte, 200+r.IntN(1300))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// failer is what ends a run: a test, or what looks for known bugs.
type failer interface {
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
}

// drive does what a script says.
func drive(t failer, data []byte) {
	saved := rand.Reader // of which raft draws its jitter
	rand.Reader = seededReader{mathrand.New(mathrand.NewPCG(uint64(len(data)), 2))}
	defer func() { rand.Reader = saved }()
	b := newBench(t, data)
	for range maxSteps {
		if len(b.script) == 0 {
			break
		}
		b.step()
		b.check()
	}
	b.converge()
}

// maxSteps and maxRounds bound how long a script can be: a fuzzer takes ten seconds for a hang.
const (
	maxSteps  = 1000
	maxRounds = 800
)

func newBench(t failer, data []byte) *bench {
	b := &bench{t: t, script: data, links: map[[2]int]*pipe{}, seen: newWitness()}
	n := [...]int{3, 1, 2, 3, 3, 5}[b.below(6)]
	small, other := b.byte(), b.byte()
	pick := func(bit byte, yes, no int64) int64 {
		if small&bit != 0 {
			return yes
		}
		return no
	}
	b.cfg = Config{ElectionTicks: 4, StaggerMs: 20, Record: true,
		MaxEntryBytes:   int(pick(1, 60, 4<<20)),
		CheckpointBytes: pick(2, 200, 1<<30),
		MaxLogBytes:     pick(4, 300, 1<<30),
		PieceBytes:      int(pick(8, 150, 1<<20)),
		DigestEntries:   uint64(pick(16, 1, 8)),
		IdleTicks:       pick(32, 6, 200),
		CheckpointItems: int(pick(64, 3, 1<<17)),
		MaxIntakeBytes:  int(pick(128, 200, 1<<20)),
		ResendTicks:     4, ReconfigTicks: 20, SyncLimitMs: 2000, LowDiskBytes: 1000,
		ContainerCheckMs: 1000, ReadOnlyMode: other&1 != 0,
		Settings: core.Settings{SkipACL: true, MinSessionTimeoutMs: 500, ReconfigEnabled: true,
			MayStandAlone: other&4 != 0}}
	if other&2 != 0 {
		b.cfg.Settings.MaxOutstanding = 3
	}
	b.word = fuzzWord(n)
	state, err := core.NewEnsemble(b.word, FoundingIndex, FoundingTerm)
	if err != nil {
		t.Fatalf("%v", err)
	}
	first := foundingDisk(state, FoundingConf(raftIDsOf(b.word)...))
	for id := 1; id <= n; id++ {
		h := &machine{b: b, id: id, disk: first, wall: 1_700_000_000_000}
		h.disk.records = maps.Clone(first.records)
		b.hosts = append(b.hosts, h)
		for from := 1; from < id; from++ {
			b.links[[2]int{from, id}] = &pipe{b: b, ends: [2]int{from, id}}
		}
	}
	for _, h := range b.hosts {
		h.start()
	}
	return b
}

// step does one thing.
func (b *bench) step() {
	what := b.below(32)
	h := b.hosts[b.below(len(b.hosts))]
	if !h.up() && what < 16 {
		what = 16 + what&1
	}
	switch what {
	case 0, 1:
		h.loop()
	case 2:
		h.tick()
		h.loop()
	case 3, 4:
		h.store(1 + b.below(3))
	case 5, 6:
		h.apply(1 + b.below(20))
	case 7:
		h.checkpointed()
	case 8:
		h.stage()
	case 9:
		h.read()
	case 10:
		h.crash(b.below(4))
	case 11, 12, 13, 14:
		b.client(h)
	case 15:
		h.ask(b.below(10))
	case 16, 17:
		if !h.up() {
			h.start()
		}
	case 18, 19, 20, 21:
		b.pipe().deliver(b.below(2), 1+b.below(8))
	case 22:
		b.isolate(h, 6+b.below(30))
		b.pipe().fail(b.below(2))
	case 23:
		b.pipe().connect()
	case 24:
		b.pipe().late(b.below(2))
	case 25, 26:
		b.busy()
	case 27:
		b.overtake()
	default:
		b.rounds(1 + b.below(12))
	}
}

// busy lets a client that has a session do much.
func (b *bench) busy() {
	for _, c := range b.clients {
		if c.ready && c.host.up() {
			for range 2 + b.below(6) {
				b.client(c.host)
			}
			return
		}
	}
}

// overtake lets a client whose member applies nothing for a while read what another has written
// meanwhile.
func (b *bench) overtake() {
	if len(b.clients) < 2 {
		return
	}
	from := b.below(len(b.clients))
	c, of := b.clients[from], b.clients[(from+1)%len(b.clients)]
	if !c.ready || !of.ready || c.host == of.host {
		return
	}
	c.host.lazy = 4
	of.write()
	b.rounds(1 + b.below(3))
	if c.ready {
		c.ask(question{op: wire.OpSync}, &wire.PathRequest{Path: "/"})
		c.read(of, of.acked)
	}
}

// rounds lets time go by. Who is down comes up again before long, and so do connections.
func (b *bench) rounds(n int) {
	for i := range n {
		if b.spent++; b.spent > maxRounds {
			return
		}
		if i == 5 {
			for _, h := range b.hosts {
				if !h.up() {
					h.start()
				}
			}
			b.each((*pipe).connect)
		}
		b.round()
	}
}

// each does something with each pipe.
func (b *bench) each(do func(*pipe)) {
	for to := 2; to <= len(b.hosts); to++ {
		for from := 1; from < to; from++ {
			do(b.links[[2]int{from, to}])
		}
	}
}

// isolate cuts a member off from all others for some rounds.
func (b *bench) isolate(h *machine, rounds int) {
	for _, other := range b.hosts {
		if other != h {
			p := b.links[pair(h.id, other.id)]
			p.fail(0)
			p.cut = rounds
		}
	}
}

// pipe is a choice of two members, nil if there is but one.
func (b *bench) pipe() *pipe {
	if len(b.hosts) < 2 {
		return nil
	}
	to := 2 + b.below(len(b.hosts)-1)
	return b.links[[2]int{1 + b.below(to-1), to}]
}

// round lets time go by for a tick, in which all that runs does what it has to do.
func (b *bench) round() {
	for _, h := range b.hosts {
		if h.up() {
			h.tick()
		}
	}
	for range 3 {
		for _, h := range b.hosts {
			if h.up() {
				h.settle()
			}
		}
		b.each(func(p *pipe) {
			p.deliver(0, 1<<20)
			p.deliver(1, 1<<20)
		})
	}
	b.each(func(p *pipe) { p.cut = max(p.cut-1, 0) })
	for _, h := range b.hosts {
		h.lazy = max(h.lazy-1, 0)
	}
}

// converge lets all work, and demands that the members serve, and come to be equal.
func (b *bench) converge() {
	for i := range 600 {
		for _, h := range b.hosts {
			if !h.up() {
				h.start()
			}
			h.free, h.lazy = 1<<30, 0
		}
		b.each(func(p *pipe) {
			p.cut = 0
			p.connect()
		})
		b.round()
		b.check()
		if i%4 == 0 && b.together() {
			return
		}
	}
	for _, h := range b.hosts {
		r := &h.member.replica
		b.t.Logf("member %d: term %d, leads %v, leader %d, own %v, commit %d, last %d, applied %d",
			h.id, r.term, r.leading, r.lead, r.own, r.commit, r.last, r.applied)
	}
	b.t.Fatalf("the members do not come together")
}

// together says whether all are registered and equal, and have nothing more to do.
func (b *bench) together() bool {
	first := b.hosts[0].member
	for _, h := range b.hosts {
		r, s := &h.member.replica, h.member.Local.State
		if !r.own || r.lead == 0 || r.last != r.commit || r.commit != s.Index() ||
			s.Index() != first.Local.State.Index() || h.member.applier.begun ||
			r.outbox.acked+1 != r.outbox.end {
			return false
		}
	}
	for _, h := range b.hosts {
		if d := h.member.Local.State.Digest(); d != first.Local.State.Digest() {
			b.t.Fatalf("members 1 and %d differ at %d", h.id, first.Local.State.Index())
		}
	}
	for _, c := range b.clients {
		if c.conn != nil && len(c.asked) > 0 && c.ready {
			return false
		}
	}
	return true
}

// check holds all members to what must be so at any time.
func (b *bench) check() {
	for _, h := range b.hosts {
		if !h.up() {
			continue
		}
		r := &h.member.replica
		if r.commit > r.last || r.applied > r.commit || r.settled > r.applied ||
			r.log.start.index > max(r.settled, r.checkpointed) {
			b.t.Fatalf("member %d: log from %v to %d, commit %d, applied %d, raft's %d, "+
				"checkpoint %d", h.id, r.log.start, r.last, r.commit, r.applied, r.settled,
				r.checkpointed)
		}
		if o := &r.outbox; o.acked >= o.next || o.next > o.end {
			b.t.Fatalf("member %d: outbox %d %d %d", h.id, o.acked, o.next, o.end)
		}
		if r.leading {
			b.seen.leads(b.t, h)
		}
		b.seen.commits(h)
	}
}

// pair names the pipe between two members.
func pair(a, b int) [2]int { return [2]int{min(a, b), max(a, b)} }

// ask lets the driver ask for something that comes from outside.
func (h *machine) ask(what int) {
	switch what {
	case 0:
		h.turn.Checkpoint = true
	case 1:
		h.turn.HandOver = true
	case 2:
		h.free = 500 // nearly full
	case 3:
		h.free = 1 << 30
	case 4:
		h.wall += int64(h.b.byte()) * 1000
	case 5:
		h.wall -= int64(h.b.byte()) * 1000
	case 6:
		local := h.member.Local
		local.TouchWaiting()
		local.Sweep(h.mono)
		for _, conn := range local.TakeTouched(nil) {
			local.Resume(conn)
			conn.Owner().(*asker).touched(conn)
		}
	case 8, 9:
		h.lazy = 2 + h.b.below(10)
	case 7:
		h.turn.Ticks += 1 + h.b.below(30) // it was paused
		h.pass(int64(h.turn.Ticks) * 50)
	}
	h.turn.FreeBytes = cmp.Or(h.free, 1<<30)
}
