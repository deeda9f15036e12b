package replication

import (
	"bytes"
	"cmp"
	"container/heap"
	"crypto/rand"
	"fmt"
	"maps"
	mathrand "math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
	"google.golang.org/protobuf/proto"
)

// world is an ensemble in one goroutine on a virtual clock: members with strict disks, a network
// that delays, holds back and breaks, clients that speak the protocol, and judges. All choices
// come from one seed.
type world struct {
	seed    uint64
	rng     *mathrand.Rand
	now     int64 // microseconds
	events  eventHeap
	serial  int64
	hosts   []*host
	links   map[[2]int]*link // the lower id first
	clients []*client
	cfg     Config
	rttUs   int64
	calm    bool
	judge   judge
	conns   core.ConnID
	jumps   jumps
	word    *core.Word     // that of the founder
	level   uint32         // the feature level that the ensemble begins with, if not the highest
	done    map[string]int // what has happened to the membership
	answers []func()
	next    int // the server id that was given last
}

// violation ends a world.
type violation struct{ text string }

func (w *world) violate(format string, args ...any) {
	panic(violation{fmt.Sprintf("seed %d, %d us: ", w.seed, w.now) + fmt.Sprintf(format, args...)})
}

type event struct {
	at, serial int64
	do         func()
}

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	return h[i].at < h[j].at || h[i].at == h[j].at && h[i].serial < h[j].serial
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	*h = old[:len(old)-1]
	return e
}

func (w *world) after(us int64, do func()) {
	w.serial++
	heap.Push(&w.events, event{w.now + max(us, 0), w.serial, do})
}

// run lets time go by.
func (w *world) run(us int64) {
	end := w.now + us
	for len(w.events) > 0 && w.events[0].at <= end {
		e := heap.Pop(&w.events).(event)
		w.now = e.at
		e.do()
	}
	w.now = end
}

// until runs until ok, and says whether that came to pass within us.
func (w *world) until(us int64, ok func() bool) bool {
	for end := w.now + us; w.now < end; w.run(200) {
		if ok() {
			return true
		}
	}
	return ok()
}

// spread is a time around mean.
func (w *world) spread(mean int64) int64 { return 1 + w.rng.Int64N(2*mean) }

type seededReader struct{ r *mathrand.Rand }

func (r seededReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(r.r.Uint32())
	}
	return len(p), nil
}

// inWorld runs do in a world of n members, and returns what it was a violation of. Raft draws its
// jitter from the package variable that is replaced meanwhile.
func inWorld(seed uint64, n int, cfg Config, do func(*world)) (err error) {
	w := &world{seed: seed, rng: mathrand.New(mathrand.NewPCG(seed, 1)), cfg: cfg, rttUs: 1000,
		links: map[[2]int]*link{}, judge: newJudge(), done: map[string]int{}}
	saved := rand.Reader
	rand.Reader = seededReader{mathrand.New(mathrand.NewPCG(seed, 2))}
	defer func() {
		rand.Reader = saved
		switch r := recover().(type) {
		case nil:
		case violation:
			err = fmt.Errorf("%s", r.text)
		default:
			err = fmt.Errorf("seed %d, %d us: panic: %v\n%s", seed, w.now, r, debug.Stack())
		}
	}()
	w.found(n)
	do(w)
	return nil
}

func (w *world) found(n int) {
	state := w.founding(n)
	conf := FoundingConf(raftIDsOf(w.word)...)
	first := foundingDisk(state, conf)
	for id := 1; id <= n; id++ {
		h := &host{w: w, id: id, wall: 1_700_000_000_000 + w.rng.Int64N(100)}
		h.disk = first
		h.disk.records = maps.Clone(first.records)
		h.server, h.disks = core.ServerID(id), diskOf(id)
		w.add(h)
	}
	for _, h := range w.hosts {
		h.start()
	}
}

// foundingDisk holds the State that an ensemble begins with, and nothing else.
func foundingDisk(state *core.State, conf *raftpb.ConfState) disk {
	state.Freeze()
	var capture core.Capture
	for !state.Capture(&capture, 1024) {
	}
	d := disk{records: map[string][]byte{}, conf: conf, term: FoundingTerm,
		hs: &raftpb.HardState{Term: new(uint64(FoundingTerm)),
			Commit: new(uint64(FoundingIndex))}}
	d.take(capture.Records, capture.Header, FoundingIndex, FoundingTerm)
	return d
}

// disk is durable: what is not synced never gets here.
type disk struct {
	conf *raftpb.ConfState
	hs   *raftpb.HardState
	// unsynced is the newest hard state: it may have a later commit index.
	unsynced *raftpb.HardState
	entries  []*raftpb.Entry
	records  map[string][]byte // of the checkpoint
	header   []byte
	index    uint64
	term     uint64
	// received says that the checkpoint came from a peer: the log need not reach it.
	received bool
}

func (d *disk) take(records []core.Record, header []byte, index, term uint64) {
	for _, r := range records {
		if r.Delete {
			delete(d.records, string(r.Key))
		} else {
			d.records[string(r.Key)] = bytes.Clone(r.Value)
		}
	}
	d.header, d.index, d.term, d.received = bytes.Clone(header), index, term, false
}

// append takes what is durable. A commit index alone is not worth a sync: it rides on the next
// append that is.
func (d *disk) append(a *Append) {
	if a.HardState != nil {
		d.unsynced = a.HardState
	}
	if hs := d.unsynced; hs != nil && (len(a.Entries) > 0 || a.Install != nil ||
		hs.GetTerm() != d.hs.GetTerm() || hs.GetVote() != d.hs.GetVote()) {
		d.hs = hs
	}
	if len(a.Entries) == 0 {
		return
	}
	first := a.Entries[0].GetIndex()
	n := 0
	for n < len(d.entries) && d.entries[n].GetIndex() < first {
		n++
	}
	d.entries = append(d.entries[:n:n], a.Entries...)
}

func (d *disk) load() (Recovered, error) {
	d.unsynced = nil
	loader := core.NewLoader()
	for _, key := range slices.Sorted(maps.Keys(d.records)) {
		if err := loader.Add([]byte(key), d.records[key]); err != nil {
			return Recovered{}, err
		}
	}
	state, err := loader.Finish(d.header)
	if err != nil {
		return Recovered{}, err
	}
	d.settle()
	commit := max(d.hs.GetCommit(), d.index)
	term := max(d.hs.GetTerm(), d.term)
	return Recovered{State: state, Term: d.term, ConfState: d.conf,
		HardState: &raftpb.HardState{Term: &term, Vote: d.hs.Vote, Commit: &commit},
		Entries:   slices.Clone(d.entries)}, nil
}

// link is between two members: what they say arrives in order while the connection lives.
type link struct {
	w     *world
	ends  [2]int
	up    bool
	epoch int
	last  [2]int64       // when the last message to ends[i] arrives
	held  [2][]*delivery // to ends[i], while the path is cut
	cut   [2]bool        // the path to ends[i]
	lose  func(to int, data []byte) bool
}

type delivery struct {
	epoch int
	data  []byte
}

func (w *world) link(a, b int) *link { return w.links[[2]int{min(a, b), max(a, b)}] }

func (l *link) index(id int) int {
	if l.ends[0] == id {
		return 0
	}
	return 1
}

func (l *link) other(id int) int { return l.ends[1-l.index(id)] }

func (l *link) send(to int, data []byte) {
	i := l.index(to)
	if !l.up || l.lose != nil && l.lose(to, data) {
		return
	}
	d := &delivery{l.epoch, data}
	if l.cut[i] || len(l.held[i]) > 0 {
		l.held[i] = append(l.held[i], d)
		return
	}
	at := max(l.w.now+l.w.rttUs/2+l.w.spread(l.w.rttUs/20), l.last[i]+1)
	l.last[i] = at
	l.w.after(at-l.w.now, func() {
		if d.epoch != l.epoch {
			return
		}
		if l.cut[i] || len(l.held[i]) > 0 {
			l.held[i] = append(l.held[i], d)
			return
		}
		l.w.host(to).receive(l.other(to), d.data)
	})
}

// sever cuts or opens the path to one end. What was held arrives when it is open again.
func (l *link) sever(to int, cut bool) {
	i := l.index(to)
	l.cut[i] = cut
	if cut {
		return
	}
	held := l.held[i]
	l.held[i] = nil
	for _, d := range held {
		if d.epoch == l.epoch {
			l.send(to, d.data)
		}
	}
}

// split cuts or opens both directions.
func (l *link) split(cut bool) { l.sever(l.ends[0], cut); l.sever(l.ends[1], cut) }

// fail breaks the connection: all that is under way is lost.
func (l *link) fail() {
	l.epoch++
	l.held = [2][]*delivery{}
	if !l.up {
		return
	}
	l.up = false
	for _, id := range l.ends {
		other := core.RaftID(l.other(id))
		h := l.w.host(id)
		h.after(l.w.spread(150), func() {
			h.turn.Lost = append(h.turn.Lost, other)
			h.wake()
		})
	}
	l.w.after(5000+l.w.spread(20000), l.connect)
}

func (l *link) connect() {
	if l.up || !l.w.host(l.ends[0]).up || !l.w.host(l.ends[1]).up {
		return
	}
	if l.cut[0] || l.cut[1] || l.refused() {
		l.w.after(20000, l.connect)
		return
	}
	l.up = true
	l.epoch++
	for _, id := range l.ends {
		h, other := l.w.host(id), core.RaftID(l.other(id))
		h.turn.Connected = append(h.turn.Connected, other)
		h.wake()
	}
}

func (w *world) host(id int) *host { return w.hosts[id-1] }

// host is a machine with a disk, clocks, and a process that is a member.
type host struct {
	w        *world
	id       int
	disk     disk
	wall     int64
	epoch    int
	up       bool
	paused   bool
	held     []func()
	member   *Member
	turn     Turn
	looped   bool
	appends  []*Append
	writing  bool
	items    []ApplyItem
	applying bool
	report   Report
	ticked   int64
	swept    int64
	syncUs   int64
	waking   int64
	gone     bool // its disk is lost, or the member was removed and knows it
	removed  bool // as far as it has applied
	server   core.ServerID
	disks    core.DiskID
	follows  uint32 // the feature level of its release
	spoil    string // the next data of that znode is applied wrongly here
	spoiled  bool
	diverged *Divergence
	free     int64 // room on the disk; 0 is plenty
	notices  []Notice
	jumping  jumping
}

func (h *host) wallMs() int64 { return h.wall + h.w.now/1000 }
func (h *host) monoMs() int64 { return int64(h.id)*1_000_000 + h.w.now/1000 }

// after lets the process do something later, unless it has ended by then.
func (h *host) after(us int64, do func()) {
	epoch := h.epoch
	h.w.after(us, func() {
		switch {
		case h.epoch != epoch:
		case h.paused:
			h.held = append(h.held, do)
		default:
			do()
		}
	})
}

func (h *host) pause() { h.paused = true }

func (h *host) resume() {
	h.paused = false
	held := h.held
	h.held = nil
	for _, do := range held {
		h.after(0, do)
	}
}

func (h *host) start() {
	rec, err := h.disk.load()
	if err != nil {
		h.w.violate("member %d cannot load its disk: %v", h.id, err)
	}
	cfg := h.w.cfg
	cfg.RaftID, cfg.Record = core.RaftID(h.id), true
	cfg.FeatureLevel = h.follows
	for i := range cfg.Nonce {
		cfg.Nonce[i] = byte(h.w.rng.Uint32())
	}
	h.epoch++
	h.up, h.paused, h.held = true, false, nil
	h.turn, h.appends, h.items = Turn{}, nil, nil
	h.looped, h.writing, h.applying, h.waking, h.ticked = false, false, false, 0, h.w.now
	h.report, h.jumping = Report{}, jumping{}
	if h.member, err = New(cfg, rec); err != nil {
		h.w.violate("member %d cannot start: %v", h.id, err)
	}
	for other := 1; other <= len(h.w.hosts); other++ {
		if other != h.id {
			h.w.after(h.w.spread(1000), h.w.link(h.id, other).connect)
		}
	}
	h.tick()
	h.wake()
}

func (h *host) crash() {
	if !h.up {
		return
	}
	h.epoch++
	h.up, h.paused, h.held = false, false, nil
	for _, c := range h.w.clients {
		if c.host == h && c.conn != nil {
			c.cut()
		}
	}
	h.member, h.spoiled = nil, false
	for other := 1; other <= len(h.w.hosts); other++ {
		if other != h.id {
			h.w.link(h.id, other).fail()
		}
	}
}

func (h *host) receive(from int, data []byte) {
	if !h.up {
		return
	}
	h.turn.Received = append(h.turn.Received, Received{core.RaftID(from), data})
	if !h.paused {
		h.wake()
	}
}

func (h *host) tick() {
	tickUs := h.member.Config().TickMs * 1000
	if n := (h.w.now - h.ticked) / tickUs; n > 0 {
		h.turn.Ticks += int(n)
		h.ticked += n * tickUs
		h.wake()
	}
	h.after(tickUs+h.w.rng.Int64N(500), h.tick)
}

func (h *host) wake() {
	if !h.up || h.looped {
		return
	}
	h.looped = true
	h.after(h.w.spread(30), h.loop)
}

func (h *host) loop() {
	h.looped = false
	m, w := h.member, h.w
	if h.turn.Ticks > 0 {
		h.tend()
	}
	m.Local.Inbox.Take(&h.turn.Mail)
	h.turn.NowMs, h.turn.MonoMs = h.wallMs(), h.monoMs()
	h.turn.FreeBytes = cmp.Or(h.free, 1<<40)
	var work Work
	m.Step(&h.turn, &work)
	h.turn = Turn{Mail: h.turn.Mail}
	if len(work.Errs) > 0 {
		w.violate("member %d refuses: %v", h.id, work.Errs[0])
	}
	if m.Leading() {
		w.judge.leads(w, h)
	}
	h.notices = append(h.notices, work.Notices...)
	if work.Diverged != nil {
		h.diverged = work.Diverged
		h.after(0, h.crash) // its last words go out
	}
	if work.Lost != nil {
		w.done["lost"]++
		w.wipe(h)
		return
	}
	for _, out := range work.Send {
		w.link(h.id, int(out.To)).send(int(out.To), out.Data)
	}
	h.carry(&work)
	h.appends = append(h.appends, work.Appends...)
	h.write()
	h.items = append(h.items, work.Apply...)
	h.apply()
	if index := work.Cut; index > 0 {
		n := 0
		for n < len(h.disk.entries) && h.disk.entries[n].GetIndex() <= index {
			n++
		}
		h.disk.entries = slices.Clone(h.disk.entries[n:])
	}
	if work.WakeMs > 0 && h.waking <= w.now {
		h.waking = w.now + work.WakeMs*1000
		h.after(work.WakeMs*1000, h.wake)
	}
}

// tend is what a driver owes its connections, each tick and each second.
func (h *host) tend() {
	local := h.member.Local
	local.TouchWaiting()
	if h.w.now-h.swept < 1_000_000 {
		return
	}
	h.swept = h.w.now
	local.Sweep(h.monoMs())
	for _, conn := range local.TakeTouched(nil) {
		local.Resume(conn)
		conn.Owner().(*client).touched(conn)
	}
}

func (h *host) write() {
	if h.writing || len(h.appends) == 0 {
		return
	}
	h.writing = true
	group := h.appends
	if group = untilInstall(group); len(group) == 0 {
		h.install(h.appends[0])
		return
	}
	h.appends = h.appends[len(group):]
	h.after(20+h.w.spread(50+h.syncUs), func() {
		for _, a := range group {
			h.disk.append(a)
		}
		h.turn.Stored = append(h.turn.Stored, group...)
		h.writing = false
		h.wake()
		h.write()
	})
}

func (h *host) apply() {
	if h.applying || len(h.items) == 0 && !h.report.More {
		return
	}
	h.applying = true
	h.after(h.w.spread(20)+h.jumping.applyUs, func() {
		for _, item := range h.items {
			if item.committed != nil {
				h.w.judge.committed(h.w, item.committed.GetEntries())
			}
		}
		h.spoilOne()
		h.member.Enqueue(h.items)
		h.items = nil
		h.member.Apply(h.monoMs(), int(1+h.w.rng.Int64N(30)), &h.report)
		if h.report.Err != nil {
			h.w.violate("member %d: %v", h.id, h.report.Err)
		}
		if !h.spoiled {
			h.w.judge.applied(h.w, h)
			if h.membership(); !h.up {
				return
			}
		}
		h.applying = false
		if !h.report.Applied.Empty() {
			h.turn.Applied = append(h.turn.Applied, h.report.Applied)
			h.wake()
		}
		if c := h.report.Checkpoint; c != nil {
			h.checkpoint(func() {
				h.disk.take(c.Records, c.Header, c.Index, c.Term)
				h.disk.conf = c.ConfState
				h.turn.Checkpointed = c.Index
				h.wake()
			})
		}
		for _, conn := range h.report.Touched {
			h.member.Local.Resume(conn)
			conn.Owner().(*client).touched(conn)
		}
		if h.member.Local.Inbox.Waiting() {
			h.wake()
		}
		h.apply()
	})
}

// spoilOne changes one byte on its way to the State, as bad memory would.
func (h *host) spoilOne() {
	for i := range h.items {
		if h.spoil == "" || h.items[i].committed == nil {
			continue
		}
		for n, e := range h.items[i].committed.GetEntries() {
			at := bytes.Index(e.GetData(), []byte(h.spoil))
			if at < 0 {
				continue
			}
			m := proto.Clone(h.items[i].committed).(*raftpb.Message)
			m.GetEntries()[n].GetData()[at+len(h.spoil)+4] ^= 1
			h.items[i].committed = m
			h.spoil, h.spoiled = "", true
			break
		}
	}
}

// leader is the one that leads in the highest term, nil if none does.
func (w *world) leader() *host {
	var best *host
	for _, h := range w.hosts {
		if h.up && h.member.Leading() && (best == nil || h.member.Term() > best.member.Term()) {
			best = h
		}
	}
	return best
}

// settle waits until somebody leads and all processes are registered.
func (w *world) settle() *host {
	ok := w.until(5_000_000, func() bool {
		for _, h := range w.hosts {
			if h.up && (!h.member.replica.own || h.member.Leader() == 0) {
				return false
			}
		}
		return w.leader() != nil
	})
	if !ok {
		w.violate("nobody leads, or not all processes are registered")
	}
	return w.leader()
}

// try runs a world and fails the test for what it finds.
func try(t *testing.T, seed uint64, n int, cfg Config, do func(*world)) {
	t.Helper()
	if err := inWorld(seed, n, cfg, do); err != nil {
		t.Errorf("%v\nagain: go test -tags checked ./replication -run '%s$' -from %d -ensembles 1",
			err, t.Name(), seed)
	}
}
