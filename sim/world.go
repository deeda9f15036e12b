package sim

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/netip"
	"runtime/debug"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/replication"
)

// Options say which world is run.
type Options struct {
	Seed uint64
	// Knobs replace those that the seed draws, if not nil.
	Knobs *Knobs
	// Trace, if not nil, gets one line for each thing that is traced.
	Trace io.Writer
	// Script, if not nil, drives the clients of a scenario in place of those that the knobs ask
	// for.
	Script func(*Stage)
}

// Result is what came of a world.
type Result struct {
	Seed    uint64
	Knobs   Knobs
	Trace   string // hash of everything that happened
	Counts  []Count
	Virtual int64 // microseconds that went by in the world
	// Violations are empty if all is well.
	Violations []linearizability.Violation
	// Judged is how much the judges looked at.
	Judged  linearizability.Report
	History *linearizability.History
}

// Failed says whether anything was found.
func (r *Result) Failed() bool { return len(r.Violations) > 0 }

// Count returns a counter by its name.
func (r *Result) Count(name string) int64 {
	for _, c := range r.Counts {
		if c.Name == name {
			return c.Value
		}
	}
	return 0
}

// World is one simulated world.
type World struct {
	seed    uint64
	drawn   Knobs // as they were at the beginning
	k       Knobs
	clock   clock
	count   counters
	trace   trace
	history linearizability.History
	shadow  *shadow
	host    *host
	net     *network
	faults  rng

	clients  []client
	nextConn int64
	nextID   int64
	term     uint64 // of the last leader line

	calm bool // the faults have stopped
	over bool // nothing more happens

	violations []linearizability.Violation
	lineBuf    []byte
	ledger     ledger
	inFlight   int64 // calls whose connection is open and that have no answer
}

// client is whoever speaks to the server.
type client interface {
	start()
	// finish asks it to come to an end, now that there are no more faults.
	finish()
	done() bool
	String() string
}

// superCredentials are those of the super user in every world.
const superCredentials = "super:admin"

// Run runs the world of a seed to its end and has it judged.
func Run(o Options) *Result {
	w := &World{seed: o.Seed, trace: newTrace(o.Trace), faults: newRNG(o.Seed, "faults")}
	if o.Knobs != nil {
		w.k = *o.Knobs
	} else {
		w.k = draw(o.Seed)
	}
	w.drawn = w.k
	entropy := rand.Reader
	rand.Reader = newRNG(o.Seed, "raft").reader()
	defer func() { rand.Reader = entropy }()
	w.history.Header = w.header()
	w.net = &network{clock: &w.clock, r: newRNG(o.Seed, "network"), k: &w.k, count: &w.count}
	w.shadow = newShadow(w)
	w.host = newHost(w)
	w.host.start()
	if o.Script != nil {
		o.Script(&Stage{w: w})
	} else {
		w.populate()
	}
	w.planFaults()
	w.clock.after(w.k.DurationMs*millisecond, w.quiesce)
	w.run()
	return w.judge()
}

func (w *World) header() linearizability.Header {
	return linearizability.Header{
		Name: "sim", Seed: w.seed, Config: []byte{},
		Super:   core.DigestID("", superCredentials),
		SkipACL: w.k.SkipACL != 0,
		// The host's clock drifts by so much, and a leader rounds to its ticks.
		DriftPerMille: max(w.k.DriftPerMille, 0) + 1,
		AnswerWithin:  answerWithin,
	}
}

const (
	// answerWithin is how long an answer may take once the faults have stopped.
	answerWithin = 40 * second
	// patience bounds the time from there to the end of the world.
	patience = 300 * second
)

// run lets happen what is due, until nothing is or the world is over.
func (w *World) run() {
	const most = 20_000_000 // events: far more than any world needs
	for n := 0; !w.over; n++ {
		e, ok := w.clock.next()
		if !ok {
			w.violate("liveness", "nothing is left to happen")
			return
		}
		if n > most {
			w.violate("liveness", "the world does not come to an end")
			return
		}
		w.count.add(countEvents)
		w.guard(e.run)
	}
}

// guard turns a panic of a client's or the world's own code into a violation.
func (w *World) guard(do func()) {
	defer func() {
		if r := recover(); r != nil {
			w.violate("panic", fmt.Sprintf("%v\n%s", r, debug.Stack()))
		}
	}()
	do()
}

// violate reports what must not be. The world ends with the first.
func (w *World) violate(judge, text string) {
	w.violations = append(w.violations, linearizability.Violation{Judge: judge, Text: text,
		Lines: []int{len(w.history.Lines) + 1}})
	w.stop()
}

func (w *World) stop() { w.over = true }

// founding returns the State that every disk begins with.
func (w *World) founding() *core.State {
	state := core.NewState()
	var out core.Outcome
	if err := state.Begin(replication.FoundingIndex, replication.FoundingTerm, nil); err != nil {
		invariant.Unreachable("founding: %v", err)
	}
	for state.Next(core.Origin{}, &out) {
		continue
	}
	return state
}

func (w *World) memberConfig(nonce [16]byte) replication.Config {
	k := &w.k
	return replication.Config{
		RaftID: 1, Nonce: nonce, Record: true,
		ElectionTicks: int(k.ElectionTicks), MaxEntryBytes: int(k.MaxEntryBytes),
		CheckpointBytes: k.CheckpointBytes, IdleTicks: k.IdleTicks,
		CheckpointItems: int(k.CheckpointItems), KeptLogBytes: k.KeptLogBytes,
		ContainerCheckMs: k.ContainerCheckMs, ContainerNeverUsedMs: k.ContainerNeverUsedMs,
		Settings: core.Settings{
			MinSessionTimeoutMs: int32(k.MinTimeoutMs), MaxSessionTimeoutMs: int32(k.MaxTimeoutMs),
			MaxBuffer: int(k.MaxBuffer), SkipACL: k.SkipACL != 0,
			EnforceQuota: k.EnforceQuota != 0, NoExtendedTypes: k.NoExtendedTypes != 0,
			ReconfigEnabled: k.ReconfigEnabled != 0,
			SuperDigest:     core.DigestID("", superCredentials),
			MaxOutstanding:  int(k.MaxOutstanding), MaxQueued: int(k.MaxQueued),
			MaxOutstandingBytes: int(k.MaxOutstandingBytes),
			MaxQueuedBytes:      int(k.MaxQueuedBytes),
			MaxInputBytes:       int(k.MaxInputBytes), MaxHeldBytes: int(k.MaxHeldBytes),
			MaxConnections: int(k.MaxConnections),
			SoftUnsent:     int(k.SoftUnsent), HardUnsent: int(k.HardUnsent),
			HandshakeMs: k.HandshakeMs, MaxConnectionsPerIP: int(k.ManyConnections),
		},
	}
}

// leads writes a line when the member has become leader. No two starts lead in one term.
func (w *World) leads(m *replication.Member) {
	if !m.Leading() || m.Term() == w.term && w.host.led {
		return
	}
	if m.Term() <= w.term {
		w.violate("term", fmt.Sprintf("a process leads in term %d, one before it led in term %d",
			m.Term(), w.term))
	}
	w.term, w.host.led = m.Term(), true
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindLeader, Server: 1,
		Index: w.term})
}

// dial connects a client to the host. The kernel of the host accepts it at once, the process when
// it comes to it.
func (w *World) dial(ip netip.Addr, opened func(*end), failed func()) {
	w.nextConn++
	l := w.net.link(w.nextConn)
	w.clock.after(l.server.in.delay, func() {
		if !w.host.up || w.host.stopping {
			w.count.add(faultRefused)
			w.clock.after(l.client.in.delay, failed)
			return
		}
		w.trace.add(w.clock.now, traceLink, l.id, []byte("open"))
		w.host.soon(w.k.FeedUs, func() { w.host.accept(&l.server, ip) })
		epoch := w.host.epoch
		l.server.gone = func(string) {}
		w.clock.after(l.client.in.delay, func() {
			if w.host.epoch != epoch && !l.client.over {
				// The process ended before it took the connection.
				l.client.over = true
				failed()
				return
			}
			opened(&l.client)
		})
	})
}

// planFaults lets the process hang, its clock jump, and its operator restart it.
func (w *World) planFaults() {
	w.repeat(w.k.PauseMs, func() {
		h := w.host
		if !h.up || h.paused {
			return
		}
		w.count.add(faultPause)
		w.trace.add(w.clock.now, traceHost, h.id, []byte("pause"))
		h.paused = true
		w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindPause,
			Server: h.id})
		epoch := h.epoch
		w.clock.after(w.faults.spread(w.k.PauseLengthMs*millisecond), func() {
			if h.epoch == epoch {
				h.resume()
			}
		})
	})
	w.repeat(w.k.ClockJumpMs, func() {
		const year = 365 * 24 * 3600 * 1000
		h := w.host
		switch w.faults.IntN(5) {
		case 0, 1:
			w.count.add(faultClockForward)
			h.wall += w.faults.spread(5000)
		case 2, 3:
			w.count.add(faultClockBack)
			h.wall -= w.faults.spread(5000)
		case 4:
			w.count.add(faultClockYear)
			h.wall += pick(w.faults, []int64{-year, year})
		}
	})
	w.repeat(w.k.StopMs, func() {
		if w.host.up && !w.host.paused && !w.host.stopping {
			w.count.add(faultStop)
			w.host.stopOrderly()
		}
	})
}

// repeat lets something happen again and again until the faults stop; meanMs 0 is never.
func (w *World) repeat(meanMs int64, do func()) {
	if meanMs == 0 {
		return
	}
	w.clock.after(w.faults.spread(meanMs*millisecond), func() {
		if w.calm {
			return
		}
		do()
		w.repeat(meanMs, do)
	})
}

// quiesce ends the faults.
func (w *World) quiesce() {
	w.calm = true
	for _, most := range []*int64{&w.k.FlushBytes, &w.k.FeedBytes} {
		*most = max(*most, 4096) // what little pieces it took was a fault, too
	}
	w.host.crashAt = 0
	if w.host.paused {
		w.host.resume()
	}
	w.net.heal()
	if !w.host.up {
		w.host.start()
	}
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindQuiesce})
	for _, c := range w.clients {
		c.finish()
	}
	w.await("the clients", patience, func() bool {
		for _, c := range w.clients {
			if !c.done() {
				return false
			}
		}
		return true
	}, w.expire)
}

// await lets next happen once ready says so; after limit it is a violation.
func (w *World) await(what string, limit int64, ready func() bool, next func()) {
	switch {
	case ready():
		next()
	case limit <= 0:
		w.violate("liveness", what+" do not come to an end: "+w.stuck())
	default:
		w.clock.after(50*millisecond, func() { w.await(what, limit-50*millisecond, ready, next) })
	}
}

func (w *World) stuck() string {
	text := fmt.Sprintf("host up %v paused %v;", w.host.up, w.host.paused)
	for _, c := range w.clients {
		if !c.done() {
			text += " " + c.String()
		}
	}
	if w.host.member == nil {
		return text
	}
	for _, c := range w.host.member.Local.Conns() {
		text += fmt.Sprintf("; %v session %v queued %d unsent %d cause %v", c.ID(), c.Session(),
			c.Queued(), c.Unsent(), c.Cause())
		if sc := w.host.conns[c.ID()]; sc != nil {
			text += fmt.Sprintf(" link %d in %d waiting %v closing %v gone %v", sc.end.link.id,
				len(sc.in), sc.waiting, sc.closing, sc.end.over)
		}
	}
	return text
}

// expire waits until the sessions that nobody closed have expired, and their ephemerals with
// them; then somebody looks at everything once more.
func (w *World) expire() {
	w.await("the sessions", patience, func() bool {
		return w.host.up && w.host.member != nil && w.host.member.Local.State.SessionCount() == 0
	}, func() {
		if n := w.host.member.Local.State.EphemeralCount(); n != 0 {
			w.violate("ephemerals", fmt.Sprintf("%d are left after the end of all sessions", n))
			return
		}
		auditor := newRawClient(w, int64(len(w.clients)+1))
		w.clients = append(w.clients, auditor)
		auditor.finishing = true
		auditor.start()
		w.await("the auditor", patience, auditor.done, w.restart)
	})
}

// restart stops the process in good order and lets it start once more, to see what it loads.
func (w *World) restart() {
	w.host.stopOrderly()
	w.await("the last restart", patience, func() bool {
		return w.host.up && !w.host.stopping && w.host.quiet() && w.host.member.Leading()
	}, func() {
		w.host.run(w.host.rot)
		w.stop()
	})
}

// expirySlackMs is by how much a session may be found silent too early: a leader rounds to its
// ticks, and of each time that it hung it counts a tick as silence.
func (w *World) expirySlackMs() int64 {
	const tickMs = 50
	window := 2 * w.k.MaxTimeoutMs * millisecond
	var pauses []int64
	most := 0
	for i := range w.history.Lines {
		l := &w.history.Lines[i]
		if l.Kind != linearizability.KindPause {
			continue
		}
		pauses = append(pauses, l.At)
		for pauses[0] < l.At-window {
			pauses = pauses[1:]
		}
		most = max(most, len(pauses))
	}
	return tickMs * int64(2+most)
}

// judge has the history judged and says what came of the world.
func (w *World) judge() *Result {
	w.guard(w.audit)
	r := &Result{Seed: w.seed, Knobs: w.drawn, Trace: w.trace.sum(), Counts: w.count.list(),
		Virtual: w.clock.now, Violations: w.violations, History: &w.history}
	w.history.Header.ExpirySlackMs = w.expirySlackMs()
	w.guard(func() { r.Judged = *linearizability.Judge(&w.history) })
	r.Violations = append(w.violations, r.Judged.Violations...)
	return r
}
