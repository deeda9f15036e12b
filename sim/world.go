package sim

import (
	"crypto/rand"
	"fmt"
	"io"
	"math"
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
	// Plan says what of the world is left, if not nil.
	Plan *Plan
	// Record asks for the decisions, Film for all that a picture of the world shows.
	Record, Film bool
	// Script, if not nil, drives the clients of a scenario in place of those that the knobs ask
	// for.
	Script func(*Stage)
	// Abstract asks for the world's behaviours in the words of the specification. The clients are
	// then others than the knobs say: those whose requests the specification speaks of.
	Abstract bool
}

// Result is what came of a world.
type Result struct {
	Seed    uint64
	Knobs   Knobs
	Trace   string // hash of everything that happened
	Counts  []Count
	Virtual int64 // microseconds that went by in the world
	// Meetings are all kinds of faults that befell hosts, with the states that these were in.
	Meetings []string
	// Violations are empty if all is well.
	Violations []linearizability.Violation
	// Judged is how much the judges looked at.
	Judged  linearizability.Report
	History *linearizability.History
	// Decisions are those that were made, if they were asked for.
	Decisions []Decision
	Film      *Film

	// Abstract is what was asked for with Options.Abstract.
	Abstract []Abstract

	own int // so many of the violations are the world's own
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
	seed      uint64
	drawn     Knobs // as they were at the beginning
	k         Knobs
	clock     clock
	count     counters
	meetings  map[meeting]int
	trace     trace
	history   linearizability.History
	shadow    *shadow
	abstract  *abstraction // nil: nobody wants it
	hosts     []*host      // by raft id, from 1 on
	peers     []*peerLink
	cluster   core.ClusterID        // that was founded by asking
	spoke     map[core.RaftID]int64 // a scenario's: when a member last spoke to a peer
	toldUs    int64                 // a scenario's: when peers learn of the end of a process
	peerLag   int64                 // the longest that a message took, or a new connection;
	calmLag   int64                 // the same of those that came after the faults had stopped
	calmAt    int64                 // when they had
	goneAt    int64                 // when all clients were done, too,
	goneZxid  core.Zxid             // and what was done by then
	net       *network
	faults    rng
	repeaters int
	doors     rng // to which host a client without a choice of its own is led

	clients  []client
	nextConn int64
	nextID   int64
	leaders  map[uint64]*host // by term

	scattered bool // no majority has run since one did last

	calm bool // the faults have stopped,
	// resting: but no client reaches any host yet.
	resting bool
	over    bool // nothing more happens
	short   bool // it was stopped before its end

	// What is left of it, and what is to be told of it.
	only      map[string]bool
	pins      map[int64][]pinned // crashes to come, by host, in the order of time
	placed    map[string]bool    // all of them
	gaps      gaps
	record    bool
	decisions []Decision
	film      *Film
	patience  int64            // of whoever waits for the end
	most      int64            // events, behind which it is over; 0: any number
	luck      uint64           // seed of all that is not decided
	dialled   map[string]int64 // connections so far, by who asked for them
	entropy   rng              // of the host whose turn it is, for raft

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
	w := &World{seed: o.Seed, trace: newTrace(o.Trace), faults: gatedRNG(o.Seed, "faults"),
		doors: newRNG(o.Seed, "doors"), leaders: map[uint64]*host{}, dialled: map[string]int64{},
		record: o.Record, luck: o.Seed, meetings: map[meeting]int{}, patience: patience}
	switch {
	case o.Knobs != nil:
		w.k = *o.Knobs
	case o.Plan != nil:
		w.k, _ = o.Plan.World() // who made the plan has looked
	default:
		w.k = draw(o.Seed)
	}
	w.follow(o.Plan)
	w.drawn = w.k
	if o.Abstract {
		w.abstract = newAbstraction(w)
	}
	reader := rand.Reader
	rand.Reader = entropy{w}
	defer func() { rand.Reader = reader }()
	if o.Film {
		w.film = newFilm(w)
	}
	w.net = &network{w: w, clock: &w.clock, k: &w.k, count: &w.count}
	w.shadow = newShadow(w)
	for id := int64(1); id <= max(w.k.Hosts, 1)+w.spareHosts(); id++ {
		w.hosts = append(w.hosts, newHost(w, id))
	}
	w.history.Header = w.header()
	w.connectPeers()
	w.planUpgrades()
	for _, h := range w.hosts {
		h.start()
	}
	if o.Script != nil {
		w.spoke = map[core.RaftID]int64{}
		w.faults.set(true) // what a script lets happen was decided by it
		o.Script(&Stage{w: w})
	} else {
		w.populate()
	}
	w.planFaults()
	w.clock.after(w.gaps.warp(w.k.DurationMs*millisecond), w.quiesce)
	w.run()
	return w.judge()
}

// alone says whether the world has one host only.
func (w *World) alone() bool { return len(w.hosts) == 1 }

func (w *World) header() linearizability.Header {
	drift := int64(0)
	for _, h := range w.hosts {
		drift = max(drift, h.drift)
	}
	zxid := int64(0)
	if s := w.shadow.state; s != nil {
		zxid = int64(s.LastZxid())
	}
	return linearizability.Header{
		Name: "sim", Seed: w.seed, Config: []byte{}, Members: len(w.hosts),
		Zxid:    zxid,
		Super:   core.DigestID("", superCredentials),
		SkipACL: w.k.SkipACL != 0, RootCreates: w.rootCreates(),
		// A host's clock drifts by so much, and a leader rounds to its ticks.
		DriftPerMille: drift + 1,
		AnswerWithin:  answerWithin,
		MinTimeoutMs:  int32(w.k.MinTimeoutMs), MaxTimeoutMs: int32(w.k.MaxTimeoutMs),
		NeverUsedMs: w.neverUsedMs(),
	}
}

// neverUsedMs is how long any leader lets a container stay that never had a child, at least.
func (w *World) neverUsedMs() int64 {
	least := int64(-1)
	for _, h := range w.hosts {
		if ms := h.own().ContainerNeverUsedMs; ms > 0 && (least < 0 || ms < least) {
			least = ms
		}
	}
	return least
}

const (
	// answerWithin is how long an answer may take once the faults have stopped.
	answerWithin = 40 * second
	// patience bounds the time from there to the end of the world.
	patience = 300 * second
)

// run lets happen what is due, until nothing is or the world is over.
func (w *World) run() {
	const endless = 20_000_000 // events: far more than any world needs
	for n := 0; !w.over; n++ {
		e, ok := w.clock.next()
		if !ok {
			w.violate("liveness", "nothing is left to happen")
			return
		}
		if n > endless {
			w.violate("liveness", "the world does not come to an end")
			return
		}
		w.count.add(countEvents)
		w.guard(e.run)
		if w.most > 0 && int64(n) >= w.most {
			w.short, w.over = true, true
		}
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

// founding returns the State that every disk begins with: of an ensemble that is new, or of one
// with many terms behind it, whose zxids are about to leave the low half.
func (w *World) founding() *core.State {
	term := uint64(max(w.k.FoundingTerm, replication.FoundingTerm))
	if w.k.ZxidLead == 0 && w.k.SequenceLead == 0 {
		state := core.NewState()
		var out core.Outcome
		if err := state.Begin(replication.FoundingIndex, term, nil); err != nil {
			invariant.Unreachable("founding: %v", err)
		}
		for state.Next(core.Origin{}, &out) {
			continue
		}
		return state
	}
	b := core.NewBuilder()
	err := core.NewState().Walk(func(img core.Image) error {
		if img.Path == "/" {
			img.Created = w.rootCreates()
		}
		return b.AddNode(img)
	})
	invariant.Check(err == nil, "the znodes of an empty state are refused")
	f := core.Founding{Index: replication.FoundingIndex, Term: term}
	if w.k.ZxidLead > 0 {
		f.LastZxid = core.Zxid(term+40)<<32 | core.Zxid(1<<32-w.k.ZxidLead)
	}
	state, err := b.Finish(f)
	invariant.Check(err == nil, "a state cannot be founded")
	return state
}

// rootCreates is how many children of the root were created before the world began: so many that
// their numbers are about to overflow, or none.
func (w *World) rootCreates() int32 {
	if w.k.SequenceLead == 0 {
		return 0
	}
	return int32(math.MaxInt32 - w.k.SequenceLead)
}

// own are the knobs of the host's member, which may have limits of its own.
func (h *host) own() Knobs {
	k := h.w.k
	if k.Uneven == 0 || h.id == 1 {
		return k
	}
	o, r := k, newRNG(h.w.seed, fmt.Sprintf("host %d/knobs", h.id))
	o.drawMember(r, r.some, r.log)
	o.ElectionTicks = r.between(8, 15)
	o.CheckpointItems, o.KeptLogBytes = r.some(200, 1, 50), r.some(500, 1, 5000)
	o.MaxBuffer, o.MaxConnections, o.SkipACL = k.MaxBuffer, k.MaxConnections, k.SkipACL
	o.ReconfigEnabled, o.MinTimeoutMs, o.MaxTimeoutMs = k.ReconfigEnabled, k.MinTimeoutMs,
		k.MaxTimeoutMs
	return o
}

func (h *host) config(nonce [16]byte) replication.Config {
	k := h.own()
	return replication.Config{
		RaftID: h.raftID(), Nonce: nonce, Record: true, Servers: h.w.file(),
		FeatureLevel: h.follows, TickMs: tickMs, ReconfigTicks: k.ReconfigTicks,
		ElectionTicks: int(k.ElectionTicks), MaxEntryBytes: int(k.MaxEntryBytes),
		CheckpointBytes: k.CheckpointBytes, IdleTicks: k.IdleTicks,
		CheckpointItems: int(k.CheckpointItems), KeptLogBytes: k.KeptLogBytes,
		MaxLogBytes: k.MaxLogBytes, MaxFlightBytes: k.MaxFlightBytes,
		MaxIntakeBytes: int(k.MaxIntakeBytes),
		PieceBytes:     int(k.PieceBytes), StaggerMs: k.StaggerMs, ResendTicks: k.ResendTicks,
		LowDiskBytes: k.LowDiskBytes, ReadOnlyMode: k.ReadOnlyMode != 0,
		SyncLimitMs: k.SyncLimitMs, DigestEntries: uint64(k.DigestEntries),
		ContainerCheckMs: k.ContainerCheckMs, ContainerNeverUsedMs: k.ContainerNeverUsedMs,
		Settings: core.Settings{
			ServerID:            uint8(h.id),
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

// leads writes a line when a member has become leader. No two processes lead in one term, be they
// of one host: the second would not know what the first has proposed. What was committed is in the
// log of who leads.
func (w *World) leads(h *host) {
	m := h.member
	if !m.Leading() || m.Term() == h.led && h.epoch == h.ruled {
		return
	}
	term := m.Term()
	if old := w.leaders[term]; old != nil {
		w.violate("term", fmt.Sprintf("host %d leads in term %d, in which another process of host "+
			"%d has led", h.id, term, old.id))
	}
	if term < h.led {
		w.violate("term", fmt.Sprintf("host %d leads in term %d, before it led in term %d", h.id,
			term, h.led))
	}
	w.leaders[term], h.led, h.ruled = h, term, h.epoch
	w.count.add(countLeaders)
	w.shadow.elected(h, term)
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindLeader,
		Server: h.id, Index: term})
}

// leader is the host that leads in the highest term, nil if none does.
func (w *World) leader() *host {
	var best *host
	for _, h := range w.hosts {
		if h.up && h.member != nil && h.member.Leading() &&
			(best == nil || h.member.Term() > best.member.Term()) {
			best = h
		}
	}
	return best
}

// hostCount is how many hosts there are; their ids are 1 and up.
func (w *World) hostCount() int64 { return int64(len(w.hosts)) }

// door is the host that a client comes to that has no choice of its own.
func (w *World) door() int64 {
	if w.alone() {
		return 1
	}
	return w.doors.between(1, w.hostCount())
}

// dialTo connects a client to a host. The kernel of the host accepts it at once, the process when
// it comes to it.
func (w *World) dialTo(id int64, who string, ip netip.Addr, opened func(*end), failed func()) {
	h := w.hosts[id-1]
	w.nextConn++
	w.dialled[who]++
	l := w.net.link(w.nextConn, fmt.Sprintf("link %d of %s", w.dialled[who], who))
	l.host = id
	if w.film != nil {
		l.film(who)
	}
	w.clock.after(l.server.in.delay, func() {
		if h.shut && !w.calm || w.resting {
			w.clock.after(second, failed) // in vain
			return
		}
		if !h.up || h.stopping || h.member == nil {
			w.count.add(faultRefused)
			w.clock.after(l.client.in.delay, failed)
			return
		}
		w.trace.add(w.clock.now, traceLink, l.id, []byte("open"))
		h.soon(w.k.FeedUs, func() { h.accept(&l.server, ip) })
		epoch := h.epoch
		l.server.gone = func(string) {}
		w.clock.after(l.client.in.delay, func() {
			if h.epoch != epoch && !l.client.over {
				// The process ended before it took the connection.
				l.client.over = true
				failed()
				return
			}
			opened(&l.client)
		})
	})
}

// expirySlackMs is by how much a session may be found silent too early: a leader rounds to its
// ticks, and of each time that it hung it counts a tick as silence. What other hosts have heard
// counts for the judges only in the end, and may reach the leader so much later then.
func (w *World) expirySlackMs() int64 {
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
	return tickMs*int64(2+most) + 2*w.calmLag/millisecond
}

// judge has the history judged and says what came of the world.
func (w *World) judge() *Result {
	w.guard(w.audit)
	w.sum()
	r := &Result{Seed: w.seed, Knobs: w.drawn, Trace: w.trace.sum(), Counts: w.count.list(),
		Meetings: listMeetings(w.meetings),
		Virtual:  w.clock.now, Violations: w.violations, History: &w.history,
		Decisions: leaves(w.decisions), own: len(w.violations), Film: w.film}
	r.Abstract = w.abstract.all()
	w.history.Header.ExpirySlackMs = w.expirySlackMs()
	w.guard(func() { r.Judged = *linearizability.Judge(&w.history) })
	r.Violations = append(w.violations, r.Judged.Violations...)
	return r
}
