package replication

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// fill creates n znodes, each by an entry of its own.
func (d *driver) fill(n int) {
	c, _ := d.open(wire.ConnectRequest{TimeoutMs: 40000})
	for i := range n {
		d.feed(c, request(nil, int32(i+1), wire.OpCreate, create(fmt.Sprintf("/%d", i))))
		d.settle()
	}
}

// TestCheckpointByItems: a checkpoint begins when so many items have changed, however little log
// they made, and only then.
func TestCheckpointByItems(t *testing.T) {
	for _, test := range []struct {
		items, min, max int
	}{
		{items: 10, min: 9, max: 12}, // each holds 10 items, the root among them
		{items: 50, min: 1, max: 2},
		{items: 1000, min: 0, max: 0},
	} {
		d := newDriver(t, Config{CheckpointItems: test.items, IdleTicks: 1 << 40})
		d.fill(90)
		if n := len(d.checks); n < test.min || n > test.max {
			t.Errorf("90 znodes with CheckpointItems %d made %d checkpoints, want %d to %d",
				test.items, n, test.min, test.max)
		}
	}
}

// TestKeptLog: a member without peers forgets log that is applied, and goes on; one that may keep
// all of it does.
func TestKeptLog(t *testing.T) {
	for _, test := range []struct {
		kept  int64
		trims bool
	}{{500, true}, {1 << 20, false}} {
		d := newDriver(t, Config{KeptLogBytes: test.kept, IdleTicks: 1 << 40})
		first := d.member.replica.log.start.index
		d.fill(200)
		log := d.member.replica.log
		if trimmed := log.start.index > first; trimmed != test.trims {
			t.Errorf("KeptLogBytes %d: the log in memory begins at %d, in the beginning at %d",
				test.kept, log.start.index, first)
		}
		if test.trims && log.bytes > 2*test.kept {
			t.Errorf("KeptLogBytes %d: %d bytes are in memory", test.kept, log.bytes)
		}
		if len(d.checks) != 0 {
			t.Errorf("KeptLogBytes %d: %d checkpoints, want none", test.kept, len(d.checks))
		}
	}
}

// kept are the bytes of commands that a member keeps of its own stream, and what it has taken in
// as a leader, and how many entries are not committed.
func (h *host) kept() (own, taken, uncommitted int) {
	r := &h.member.replica
	for i := range r.outbox.chunks {
		own += len(r.outbox.chunks[i].commands)
	}
	return own, r.intake.bytes, int(r.last - r.commit)
}

// bounded are settings with which clients soon want too much.
func bounded() Config {
	return Config{MaxEntryBytes: 8_000, MaxIntakeBytes: 30_000, SyncLimitMs: 1 << 40,
		Settings: core.Settings{MaxOutstandingBytes: 100_000}}
}

// boundedAlone: however much clients want of a member without a leader, it keeps what its settings
// say.
func boundedAlone(w *world) {
	f := w.settle()
	list := w.visitors(f)
	for _, o := range w.hosts {
		if o != f {
			w.link(f.id, o.id).split(true)
		}
	}
	w.must(100, "no leader", func() bool { return f.member.Leader() == 0 })
	flood(list)
	w.run(3_000_000)
	if own, _, _ := f.kept(); own > 2*100_000 || own < 90_000 {
		w.violate("without a leader a member keeps %d bytes of its stream", own)
	}
	w.heal()
	w.must(200, "all is answered", w.flooded)
}

// boundedSlow: disks are slow, and little is committed. Members keep what their settings say, and
// send each other no more than is taken in.
func boundedSlow(w *world) {
	const share = 30_000/3 + 4_000 // and one message
	lead := w.settle()
	var list []*client
	for _, h := range w.hosts {
		list = append(list, w.visitors(h)...)
	}
	sent := 0
	for _, h := range w.hosts {
		h.syncUs = 3_000_000
		if h != lead {
			w.link(h.id, lead.id).lose = func(to int, data []byte) bool {
				if to == lead.id && peerKind(data[1]) == peerBatch {
					sent += len(data)
				}
				return false
			}
		}
	}
	flood(list)
	for range 100 {
		w.run(50_000)
		for _, h := range w.hosts {
			own, taken, uncommitted := h.kept()
			// The rest of a chunk that is applied in part stays until all of it is.
			if own > 2*100_000 || taken > 2*share || uncommitted > 3 {
				w.violate("member %d keeps %d bytes of its stream, %d that it has taken in, "+
					"and %d entries that are not committed", h.id, own, taken, uncommitted)
			}
		}
	}
	if limit := 2*(2*share+6*4_000) + 20_000; sent > limit {
		w.violate("%d bytes were sent to a leader that commits little, want at most %d", sent,
			limit)
	}
	for _, h := range w.hosts {
		h.syncUs = 0
	}
	w.must(400, "all is answered", w.flooded)
}

// visitors opens ten sessions.
func (w *world) visitors(h *host) (list []*client) {
	for range 10 {
		v := w.visit(h, false)
		w.must(20, "a session", func() bool { return v.ready })
		list = append(list, v)
	}
	return list
}

// flood lets clients want 100 writes of a kilobyte each.
func flood(list []*client) {
	for _, v := range list {
		q := create(fmt.Sprintf("/flood%d", v.n))
		b := request(nil, 1, wire.OpCreate, q)
		for i := range 99 {
			b = request(b, int32(i+2), wire.OpSetData, &wire.SetDataRequest{Path: q.Path,
				Data: make([]byte, 1000), Version: -1})
		}
		v.feed(b)
	}
}

// flooded says whether all those were answered.
func (w *world) flooded() bool {
	for _, c := range w.clients {
		if len(c.answers) < 101 {
			return false
		}
	}
	return true
}

// A follower that is silent on a connection that stays has no more wait for it than MaxFlightBytes,
// and one message that went beyond; it gets the rest when it speaks again. 256 messages might.
func TestFlightIsBounded(t *testing.T) {
	const most = 2000
	try(t, 1, 3, Config{MaxFlightBytes: most}, func(w *world) {
		lead := w.settle()
		c := w.session(lead)
		lag := w.followers()[0]
		l := w.link(lead.id, lag.id)
		l.sever(lag.id, true)
		for n := 2; n <= 200; n++ {
			c.write()
			w.must(20, "a write is acknowledged", func() bool { return c.acked == n })
		}
		waits, largest := 0, 0
		for _, d := range l.held[l.index(lag.id)] {
			m, err := decodePeer(d.data)
			if err != nil {
				t.Fatal(err)
			}
			size := 0
			for _, e := range m.raft.GetEntries() {
				size += len(e.GetData())
			}
			waits, largest = waits+size, max(largest, size)
		}
		if waits == 0 || waits > most+largest {
			t.Errorf("%d bytes of entries wait for a silent follower, want %d at most", waits,
				most+largest)
		}
		l.sever(lag.id, false)
		w.must(20, "who speaks again has all", func() bool {
			return lag.member.Local.State.Index() == lead.member.Local.State.Index()
		})
	})
}
