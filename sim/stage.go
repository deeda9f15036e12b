package sim

import (
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// Stage is what a scenario has to play on: a world whose clients do as they are told until its
// faults stop, and then read everything back and close, as in any other.
type Stage struct{ w *World }

// Quiet returns knobs of a world in which nothing happens by itself: no faults, short delays and
// sizes without limits. It lasts durationMs.
func Quiet(durationMs int64) Knobs {
	return Knobs{DurationMs: durationMs, ElectionTicks: 10, CheckpointBytes: 1 << 20,
		IdleTicks: 200, ContainerCheckMs: 60000, HandshakeMs: 10000, MinTimeoutMs: 1000,
		MaxTimeoutMs: 1000, LoopUs: 20, AppendUs: 20, SyncUs: 100, ApplyUs: 20, ApplyBudget: 256,
		CheckpointUs: 1000, FeedUs: 20, FeedBudget: 64, FeedBytes: 1 << 16, FlushUs: 20,
		FlushBytes: 1 << 16, DownMs: 100, DelayUs: 200, Window: 1 << 18, ThinkUs: 10000, Burst: 1,
		Pipeline: 100, SetWatches: 1000, Roots: 1, Names: 1, DataBytes: 10, WeightRegister: 1}
}

// At lets something happen so many milliseconds after the beginning.
func (s *Stage) At(ms int64, do func()) {
	s.w.clock.after(ms*millisecond-s.w.clock.now, do)
}

// CrashAt lets the process crash at the nth boundary from now on that is of the named kind, a name
// of CounterNames. With power, the host goes down with it.
func (s *Stage) CrashAt(kind string, nth int, power bool) {
	s.w.hosts[0].crashOn, s.w.hosts[0].crashIn = kind, nth
	s.w.k.LosePower = 0
	if power {
		s.w.k.LosePower = 1000
	}
}

// JumpClock sets the host's wall clock on or back.
func (s *Stage) JumpClock(ms int64) { s.w.hosts[0].wall += ms }

// Actor is a client of a scenario.
type Actor struct{ c *rawClient }

// Actor lets in a client, which connects at once.
func (s *Stage) Actor() Actor {
	w := s.w
	w.nextID++
	c := newRawClient(w, w.nextID)
	c.manual, c.keep = true, true
	w.clients = append(w.clients, c)
	w.clock.after(0, c.start)
	return Actor{c}
}

// Send sends requests on the connection, which must be there.
func (a Actor) Send(requests ...Request) {
	for _, q := range requests {
		a.c.conn.request(q.op, q.body)
	}
}

// Disconnect closes the connection; the client comes back after about pauseMs.
func (a Actor) Disconnect(pauseMs int64) {
	a.c.pausing = true // so that it does not come back by itself
	a.c.conn.close()
	a.c.w.clock.after(pauseMs*millisecond, func() {
		a.c.pausing = false
		a.c.connect()
	})
}

// Deafen lets the client read nothing for a while, and not give up over it.
func (a Actor) Deafen(ms int64) { a.c.conn.deafen(a.c.w.clock.now + ms*millisecond) }

// Silence lets the client say nothing for a while, not even a ping.
func (a Actor) Silence(ms int64) { a.c.silent = a.c.w.clock.now + ms*millisecond }

// Session is the id of the client's session.
func (a Actor) Session() int64 { return a.c.session.id }

// Heard is one thing that a client was told.
type Heard struct {
	Event  linearizability.EventType // 0 for a reply
	Path   string                    // of the event, or of the request
	Zxid   int64
	Op     wire.OpCode
	Result *linearizability.Result
}

// Heard returns what the client was told so far, in order, without pings and handshakes.
func (a Actor) Heard() []Heard {
	var all []Heard
	for _, got := range a.c.seen {
		switch {
		case got.connect != nil || got.xid == wire.XidPing:
		case got.event != nil:
			all = append(all, Heard{Event: linearizability.EventType(got.event.Type),
				Path: got.event.Path, Zxid: got.zxid})
		default:
			h := Heard{Zxid: got.zxid, Op: got.op, Result: got.result}
			if got.request != nil {
				h.Path = got.request.Path
			}
			all = append(all, h)
		}
	}
	return all
}

// Request is one that a client of a scenario sends.
type Request = asked

// NewRequest encodes a request.
func NewRequest(op wire.OpCode, body interface{ AppendTo(b []byte) []byte }) Request {
	return ask(op, body)
}
