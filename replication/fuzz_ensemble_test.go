package replication

import (
	"maps"
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// machine is a machine on a bench: its disk, and what its process has under way while there is one.
type machine struct {
	b          *bench
	id         int
	disk       disk
	wall, mono int64
	free       int64
	lazy       int // rounds in which it applies nothing
	boots      byte

	member  *Member // nil: no process
	turn    Turn
	appends []*Append // not durable yet
	install int       // steps done of the install that is first in appends
	items   []ApplyItem
	report  Report
	capture *Checkpoint // to be written
	stages  []*Stage
	staged  map[string][]byte
	reads   []CheckpointRead
	views   map[uint64]*frozen
}

func (h *machine) up() bool { return h.member != nil }

func (h *machine) pass(ms int64) { h.wall += ms; h.mono += ms }

func (h *machine) start() {
	rec, err := h.disk.load()
	if err != nil {
		h.b.t.Fatalf("member %d cannot load its disk: %v", h.id, err)
	}
	cfg := h.b.cfg
	cfg.RaftID = core.RaftID(h.id)
	h.boots++
	cfg.Nonce = [16]byte{byte(h.id), h.boots}
	*h = machine{b: h.b, id: h.id, disk: h.disk, wall: h.wall, mono: h.mono, boots: h.boots,
		free: h.free, views: map[uint64]*frozen{}}
	if h.member, err = New(cfg, rec); err != nil {
		h.b.t.Fatalf("member %d cannot start: %v", h.id, err)
	}
}

// crash ends the process. Of what it was writing some may have become durable.
func (h *machine) crash(durable int) {
	for h.install == 0 && durable > 0 && len(h.appends) > 0 && h.appends[0].Install == nil {
		h.disk.append(h.appends[0])
		h.appends = h.appends[1:]
		durable--
	}
	if c := h.capture; c != nil && durable > 0 {
		h.write(c)
	}
	h.member = nil
	for _, c := range h.b.clients {
		if c.host == h {
			c.cut()
		}
	}
	for _, other := range h.b.hosts {
		if other != h {
			h.b.links[pair(h.id, other.id)].fail(2)
		}
	}
}

func (h *machine) tick() {
	h.pass(50)
	h.turn.Ticks++
}

// loop is one turn.
func (h *machine) loop() {
	m := h.member
	m.Local.Inbox.Take(&h.turn.Mail)
	h.turn.NowMs, h.turn.MonoMs = h.wall, h.mono
	var work Work
	m.Step(&h.turn, &work)
	h.turn = Turn{Mail: h.turn.Mail}
	switch {
	case len(work.Errs) > 0:
		h.b.t.Fatalf("member %d refuses: %v", h.id, work.Errs[0])
	case work.Diverged != nil:
		h.b.t.Fatalf("member %d: %+v", h.id, work.Diverged)
	case work.Lost != nil:
		h.b.t.Fatalf("member %d: %+v", h.id, work.Lost)
	}
	h.appends = append(h.appends, work.Appends...)
	h.items = append(h.items, work.Apply...)
	if work.Cut > 0 {
		h.disk.entries = slices.DeleteFunc(slices.Clone(h.disk.entries), upTo(work.Cut))
	}
	for _, out := range work.Send {
		if link := h.b.links[pair(h.id, int(out.To))]; link != nil {
			link.send(int(out.To), out.Data)
		}
	}
	h.stages = append(h.stages, work.Stage...)
	h.reads = append(h.reads, work.Read...)
}

// store finishes up to n appends.
func (h *machine) store(n int) {
	for ; n > 0 && len(h.appends) > 0; n-- {
		a := h.appends[0]
		if a.Install != nil {
			h.installSome(a)
			continue
		}
		h.disk.append(a)
		h.turn.Stored = append(h.turn.Stored, a)
		h.appends = h.appends[1:]
	}
}

// installSome does one of the steps that an append with a checkpoint takes.
func (h *machine) installSome(a *Append) {
	of, d, t := a.Install, &h.disk, h.b.t
	switch h.install++; h.install {
	case 1:
		if of.Index <= d.index {
			t.Fatalf("member %d installs %d over %d", h.id, of.Index, d.index)
		}
		d.records, h.staged = h.staged, nil
		d.take(nil, of.Header, of.Index, of.Term)
		d.received, d.conf = true, of.ConfState
	case 2:
		d.entries = nil
		d.append(a)
	case 3:
		rec, err := d.load()
		if err != nil {
			t.Fatalf("member %d cannot load what it received: %v", h.id, err)
		}
		h.member.Install(a, rec.State, &h.report)
		if h.report.Err != nil {
			t.Fatalf("member %d: %v", h.id, h.report.Err)
		}
		h.b.seen.state(t, h)
		h.touched()
		h.report.More = false
		h.turn.Stored = append(h.turn.Stored, a)
		h.appends, h.install = h.appends[1:], 0
	}
}

// apply applies up to n commands.
func (h *machine) apply(n int) {
	for _, item := range h.items {
		if item.committed != nil {
			h.b.seen.entries(h.b.t, h, item.committed.GetEntries())
		}
	}
	h.member.Enqueue(h.items)
	h.items = nil
	was := h.member.Local.State.Index()
	h.member.Apply(h.mono, n, &h.report)
	if h.report.Err != nil || h.report.Removed || h.member.Local.State.Index() < was {
		h.b.t.Fatalf("member %d: %v, removed %v, index %d behind %d", h.id, h.report.Err,
			h.report.Removed, h.member.Local.State.Index(), was)
	}
	h.b.seen.applied(h.b.t, h)
	if !h.report.Applied.Empty() {
		h.turn.Applied = append(h.turn.Applied, h.report.Applied)
	}
	if c := h.report.Checkpoint; c != nil {
		if h.capture != nil {
			h.b.t.Fatalf("member %d captures a checkpoint while one is written", h.id)
		}
		h.capture = c
	}
	h.touched()
}

func (h *machine) touched() {
	for _, conn := range h.report.Touched {
		h.member.Local.Resume(conn)
		conn.Owner().(*asker).touched(conn)
	}
}

// checkpointed finishes writing a checkpoint.
func (h *machine) checkpointed() {
	if c := h.capture; c != nil {
		h.write(c)
		h.turn.Checkpointed, h.capture = c.Index, nil
	}
}

func (h *machine) write(c *Checkpoint) {
	h.disk.take(c.Records, c.Header, c.Index, c.Term)
	h.disk.conf = c.ConfState
}

func (h *machine) stage() {
	if len(h.stages) == 0 {
		return
	}
	s := h.stages[0]
	h.stages = h.stages[1:]
	if s.Restart || h.staged == nil {
		h.staged = map[string][]byte{}
	}
	for _, r := range s.Records {
		h.staged[string(r.Key)] = r.Value
	}
	h.turn.Staged = append(h.turn.Staged, s)
}

func (h *machine) read() {
	if len(h.reads) == 0 {
		return
	}
	q := h.reads[0]
	h.reads = h.reads[1:]
	v := h.views[q.Transfer]
	switch {
	case q.Close:
		delete(h.views, q.Transfer)
		return
	case v == nil && q.From != nil:
		h.b.t.Fatalf("member %d reads on in a checkpoint that it has not begun", h.id)
	case v == nil:
		d := &h.disk
		v = &frozen{of: Checkpoint{Index: d.index, Term: d.term, ConfState: d.conf,
			Header: d.header}, keys: slices.Sorted(maps.Keys(d.records)),
			all: maps.Clone(d.records)}
		h.views[q.Transfer] = v
	}
	h.turn.Read = append(h.turn.Read, v.piece(q))
}

// settle does all that there is to do without the peers.
func (h *machine) settle() {
	for range 4 {
		h.loop()
		h.store(1 << 20)
		for h.lazy == 0 {
			if h.apply(1 << 20); !h.report.More {
				break
			}
		}
		h.checkpointed()
		h.stage()
		h.read()
	}
	h.loop()
}

// pipe is the connection between two members.
type pipe struct {
	b     *bench
	ends  [2]int
	up    bool
	queue [2][][]byte // to ends[i], in order
	old   [2][][]byte // of connections that are broken: it may yet arrive
	cut   int         // rounds in which it does not come up
}

func (p *pipe) host(i int) *machine { return p.b.hosts[p.ends[i]-1] }

func (p *pipe) send(to int, data []byte) {
	i := 0
	if p.ends[1] == to {
		i = 1
	}
	if p.up {
		p.queue[i] = append(p.queue[i], data)
	}
}

func (p *pipe) deliver(i, n int) {
	if p == nil || !p.host(i).up() {
		return
	}
	n = min(n, len(p.queue[i]))
	for _, data := range p.queue[i][:n] {
		p.host(i).receive(p.ends[1-i], data)
	}
	p.queue[i] = p.queue[i][n:]
}

func (h *machine) receive(from int, data []byte) {
	h.turn.Received = append(h.turn.Received, Received{core.RaftID(from), data})
}

// fail breaks the connection. What was under way is lost, or arrives later.
func (p *pipe) fail(how int) {
	if p == nil || !p.up {
		return
	}
	p.up = false
	for i := range p.ends {
		const most = 20
		if how == 1 {
			p.old[i] = append(p.old[i], p.queue[i][:min(most, len(p.queue[i]))]...)
		}
		p.queue[i] = nil
		if h := p.host(i); h.up() {
			h.turn.Lost = append(h.turn.Lost, core.RaftID(p.ends[1-i]))
		}
	}
}

// late lets a message of a broken connection arrive, out of its order.
func (p *pipe) late(i int) {
	if p == nil || len(p.old[i]) == 0 {
		return
	}
	n := p.b.below(len(p.old[i]))
	data := p.old[i][n]
	p.old[i] = slices.Delete(p.old[i], n, n+1)
	if p.host(i).up() {
		p.host(i).receive(p.ends[1-i], data)
	}
}

// connect lets both ends say who they are, and connects them.
func (p *pipe) connect() {
	if p == nil || p.cut > 0 {
		return
	}
	a, b := p.host(0), p.host(1)
	if p.up || !a.up() || !b.up() {
		return
	}
	who := func(h *machine) Who {
		return h.member.Who(Identity{Cluster: p.b.word.Cluster, Server: core.ServerID(h.id),
			Disk: diskOf(h.id), RaftID: core.RaftID(h.id), Level: core.MaxFeatureLevel})
	}
	left, right := newEnd(who(a), core.ServerID(b.id)), newEnd(who(b), AnyServer)
	errA, errB := (*world)(nil).shake(left, right)
	if errA != nil || errB != nil {
		p.b.t.Fatalf("members %v refuse each other: %v, %v", p.ends, errA, errB)
	}
	p.up = true
	for i, s := range []end{left, right} {
		peer := s.Peer()
		h := p.host(i)
		h.turn.Applicants = append(h.turn.Applicants, Applicant{peer.Server, peer.Disk, peer.Level,
			peer.Acknowledged})
		h.turn.Connected = append(h.turn.Connected, core.RaftID(p.ends[1-i]))
	}
}
