package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/wire"
)

// Abstract is one behaviour of a world in the words of a module of the specification: what became
// of one session, one connection, one watch, or one disk.
type Abstract struct {
	Module string // Sessions, Delivery, Watches or Recovery
	Name   string
	Lines  []AbstractLine
	// Cut says why the behaviour was not told to its end, "" if it was: the module does not speak
	// of what came next.
	Cut string
}

// AbstractLine is one step. Its action is one of the module's, or the name of something that was
// seen there while the module takes no step.
type AbstractLine struct {
	At     int64 // microseconds since the beginning of the world
	Action string
	Fields []AbstractField
}

// AbstractField is a value that was seen in the world: a bool, a string, an int, a sorted []int,
// which is a set, or a Terms.
type AbstractField struct {
	Name  string
	Value any
}

// Terms are those of the entries of a log, from the first on.
type Terms []int

// abstraction tells what happens in a world as behaviours of the specification. It is nil in all
// worlds that nobody wants to hear it from; all its methods may be called then.
type abstraction struct {
	w          *World
	sessions   sessionTales
	deliveries deliveryTales
	watches    watchTales
	disks      diskTales
}

func newAbstraction(w *World) *abstraction {
	a := &abstraction{w: w}
	a.sessions, a.disks = newSessionTales(w), newDiskTales(w)
	a.deliveries, a.watches = newDeliveryTales(w), newWatchTales(w)
	return a
}

// all returns what was told.
func (a *abstraction) all() []Abstract {
	if a == nil {
		return nil
	}
	a.disks.settle()
	return slices.Concat(told(a.sessions.order), told(a.deliveries.order), told(a.watches.order),
		told(a.disks.tales))
}

// told are the behaviours of tales that have begun.
func told[T interface{ behaviour() (Abstract, bool) }](tales []T) (all []Abstract) {
	for _, t := range tales {
		if b, begun := t.behaviour(); begun {
			all = append(all, b)
		}
	}
	return all
}

// tale is a behaviour that is being told.
type tale struct {
	w      *World
	module string // of the specification
	name   string
	begun  bool
	lines  []*AbstractLine
	cut    string
	most   int // lines
}

// These are how many lines of one behaviour are told.
const (
	longestSessionTale  = 250
	longestDeliveryTale = 80
	longestWatchTale    = 120
	longestDiskTale     = 700
)

func newTale(w *World, module, what string, n, most int) tale {
	return tale{w: w, module: module, name: fmt.Sprintf("seed %d %s %d", w.seed, what, n),
		most: most}
}

// add tells a line; nil if nothing is told any more. Names and values follow each other.
func (t *tale) add(action string, fields ...any) *AbstractLine {
	if t.cut == "" && len(t.lines) >= t.most {
		t.end("is long enough")
	}
	if t.cut != "" {
		return nil
	}
	l := &AbstractLine{At: t.w.clock.now, Action: action}
	l.set(fields...)
	t.lines = append(t.lines, l)
	return l
}

func (l *AbstractLine) set(fields ...any) {
	for i := 0; i < len(fields); i += 2 {
		l.Fields = append(l.Fields, AbstractField{fields[i].(string), fields[i+1]})
	}
}

// queued takes what is queued for a client, and gives it to the driver; each sees a frame of it.
func (t *tale) queued(sc *serverConn, each func(h *wire.ReplyHeader, r *wire.Reader)) {
	b := sc.conn.Take(nil)
	sc.out = append(sc.out, b...)
	for len(b) > 0 {
		n, err := wire.FrameLength(b, 1<<30)
		if err != nil || n == 0 || n > len(b) {
			t.w.violate("protocol", "half a frame is queued for a client")
			return
		}
		r := wire.NewReader(b[wire.FrameHeaderLen:n])
		b = b[n:]
		var header wire.ReplyHeader
		header.Decode(&r)
		each(&header, &r)
	}
}

// end leaves the rest untold.
func (t *tale) end(why string) {
	if t.cut == "" {
		t.cut = why
	}
}

// behaviour is what was told, if anything was.
func (t *tale) behaviour() (_ Abstract, begun bool) {
	a := Abstract{Module: t.module, Name: t.name, Cut: t.cut}
	for _, l := range t.lines {
		if l.Action != "" {
			a.Lines = append(a.Lines, *l)
		}
	}
	return a, t.begun
}

// AbstractKnobs are those of a world whose behaviours are told: small, each step of apply by
// itself, and with nothing that the specification does not speak of.
func AbstractKnobs(seed uint64) Knobs {
	k, r := draw(seed), newRNG(seed, "abstract")
	k.DurationMs = r.between(6000, 15000)
	k.Clients, k.ProtocolClients, k.Recipes, k.Crowd, k.GarbageMs = r.between(1, 3), 0, 0, 0, 0
	k.ThinkUs, k.Burst = r.between(100000, 600000), r.between(1, 4)
	k.ApplyBudget, k.FeedBudget = 1, 1
	k.MaxTimeoutMs = k.MinTimeoutMs + r.between(100, 3000)
	for _, none := range []*int64{&k.DoubleConnect, &k.WrongPassword, &k.FutureZxid,
		&k.BadRequest, &k.UnknownOp, &k.ShortFrame, &k.Abandon, &k.FullDiskMs, &k.FullLeaderMs,
		&k.FullManyMs, &k.ReadOnlyClients, &k.RealStore, &k.StopMs, &k.StopLeaderMs,
		&k.RollingMs, &k.StopAllMs, &k.LullMs, &k.HauntMs, &k.ReliveMs, &k.FarMs, &k.FoundingTerm,
		&k.PeerSpoiled, &k.Foreign, &k.Asks, &k.WipeMs, &k.RotMs,
		&k.Spares, &k.Upgrade, &k.MemberChanges, &k.RoleChanges, &k.ReconfigEnabled,
		&k.WeightOperator, &k.Listed, &k.StrangerMs, &k.DozeMs, &k.BehindMs, &k.Rest, &k.Candidates,
		&k.Ghosts, &k.SetWatches, &k.RandomWatches, &k.Voters} {
		*none = 0
	}
	if r.chance(500) { // who was away gets a checkpoint
		k.MaxLogBytes, k.CheckpointBytes = r.between(300, 2000), r.between(1, 1000)
	}
	k.CrashBoundaries = min(k.CrashBoundaries, 5000)
	for _, f := range []struct {
		knob   *int64
		lo, hi int64
	}{{&k.Disconnect, 10, 80}, {&k.Move, 10, 80}, {&k.Silence, 0, 30}, {&k.CloseSession, 0, 15}} {
		*f.knob = r.between(f.lo, f.hi)
	}
	if r.chance(400) {
		loseDisks(&k, r)
	}
	return k
}

// toldClients lets in clients that write and read what the specification speaks of.
func (w *World) toldClients() {
	r := newRNG(w.seed, "populate")
	for range w.k.Clients {
		w.nextID++
		c := newRawClient(w, w.nextID)
		c.gen.told(c.id)
		w.clients = append(w.clients, c)
		w.clock.after(r.between(0, second), c.start)
	}
	for range 2 {
		w.nextID++
		c := newRawClient(w, w.nextID)
		c.watching = true
		c.gen.watches(c)
		w.clients = append(w.clients, c)
		w.clock.after(r.between(0, second), c.start)
	}
}

// told lets a client write, read and sync: one by one, and in pipelines in which a read stands
// between writes, or a write behind a read behind a sync.
func (g *generator) told(id int64) {
	n := 0
	write := func() asked {
		n++
		return g.create(fmt.Sprintf("/t%d-%d", id, n), wire.FlagEphemeral)
	}
	read := ask(wire.OpGetChildren, &wire.PathWatchRequest{Path: "/", Watch: true})
	sync := g.sync("/")
	g.kinds, g.weights = nil, []int64{4, 3, 1, 1, 2, 1}
	for _, list := range []func() []asked{
		func() []asked { return []asked{write()} },
		func() []asked { return []asked{read} },
		func() []asked { return []asked{sync} },
		func() []asked { return []asked{write(), read, write()} },
		func() []asked { return []asked{sync, read, write()} },
		func() []asked { return []asked{sync, read, write(), sync, write(), read} },
	} {
		g.kinds = append(g.kinds, func(*session) []asked { return list() })
	}
}

// watches lets a client watch one znode, and change it: one request after the other, and in
// pipelines. It sets a watch only if it has none and waits for none.
func (g *generator) watches(c *rawClient) {
	create := func() asked {
		return g.create(watchedPath, pick(g.r, []int32{0, 0, wire.FlagEphemeral}))
	}
	set := func() asked {
		return ask(wire.OpSetData, &wire.SetDataRequest{Path: watchedPath, Data: g.data(),
			Version: wire.AnyVersion})
	}
	remove := ask(wire.OpDelete, &wire.DeleteRequest{Path: watchedPath, Version: wire.AnyVersion})
	sync := g.sync(watchedPath)
	read := func(op wire.OpCode) asked {
		s := c.session
		watch := len(s.watches[watchData])+len(s.watches[watchExist]) == 0 && c.conn.waiting == 0
		return ask(op, &wire.PathWatchRequest{Path: watchedPath, Watch: watch})
	}
	g.kinds, g.weights = nil, []int64{6, 6, 2, 3, 2, 1, 2, 2}
	for _, list := range []func() []asked{
		func() []asked { return []asked{read(wire.OpExists)} },
		func() []asked { return []asked{read(wire.OpGetData)} },
		func() []asked { return []asked{create()} },
		func() []asked { return []asked{set()} },
		func() []asked { return []asked{remove} },
		func() []asked { return []asked{sync} },
		func() []asked { return []asked{set(), read(wire.OpExists), remove, create()} },
		func() []asked { return []asked{sync, read(wire.OpGetData), set()} },
	} {
		g.kinds = append(g.kinds, func(*session) []asked { return list() })
	}
}
