package replication

import (
	"bytes"
	"maps"
	"slices"

	"github.com/vivariumdb/vivarium/core"
)

// jumps counts what the checkpoints sent between members did in a world.
type jumps struct {
	transfers, pieces int // begun by a leader; asked for
	installs          int // of a checkpoint received whole
	closed            int // connections that a jump ended
	dropped           int // items that were still to be applied when one came
	crashes           map[string]int
	// crash, if not nil, says whether the process dies at a boundary.
	crash func(h *host, boundary string) bool
}

// jumping is what a host's process has of checkpoints under way: gone when it ends.
type jumping struct {
	views  map[uint64]*frozen
	reads  []CheckpointRead
	staged map[string][]byte
	stages []*Stage
	stuck  bool // no checkpoint counts
	// applyUs is how much longer each call of Apply takes than usual.
	applyUs int64
}

// frozen is a view of a checkpoint.
type frozen struct {
	of   Checkpoint
	keys []string
	all  map[string][]byte
}

// boundary is a place between two effects, at which the process may die.
func (h *host) boundary(name string) bool {
	j := &h.w.jumps
	if j.crash == nil || !j.crash(h, name) {
		return false
	}
	if j.crashes == nil {
		j.crashes = map[string]int{}
	}
	j.crashes[name]++
	h.crash()
	h.w.after(h.w.spread(20_000), func() {
		if !h.up {
			h.start()
		}
	})
	return true
}

// boundaries are the places at which a process may die that sends or receives a checkpoint.
var boundaries = []string{"read", "stage", "staged", "before checkpoint", "before log record",
	"before load", "before install", "before stored"}

// checkpoint writes one, unless the disk is stuck: then it is tried again later.
func (h *host) checkpoint(write func()) {
	h.after(h.w.spread(2000), func() {
		if h.jumping.stuck {
			h.checkpoint(write)
			return
		}
		write()
	})
}

// carry does what a turn asks for checkpoints that are sent or received.
func (h *host) carry(work *Work) {
	for _, q := range work.Read {
		h.jumping.reads = append(h.jumping.reads, q)
		h.after(h.w.spread(200), h.read)
	}
	for _, s := range work.Stage {
		h.jumping.stages = append(h.jumping.stages, s)
		h.after(h.w.spread(300), h.stage)
	}
}

func (h *host) read() {
	j := &h.jumping
	q := j.reads[0]
	j.reads = j.reads[1:]
	if q.Close {
		delete(j.views, q.Transfer)
		return
	}
	if h.boundary("read") {
		return
	}
	h.w.jumps.pieces++
	v := j.views[q.Transfer]
	if v == nil {
		if q.From != nil {
			h.w.violate("member %d reads on in a checkpoint that it has not begun", h.id)
		}
		h.w.jumps.transfers++
		d := &h.disk
		v = &frozen{of: Checkpoint{Index: d.index, Term: d.term, ConfState: d.conf,
			Header: d.header}, keys: slices.Sorted(maps.Keys(d.records)),
			all: maps.Clone(d.records)}
		if j.views == nil {
			j.views = map[uint64]*frozen{}
		}
		j.views[q.Transfer] = v
	}
	h.turn.Read = append(h.turn.Read, v.piece(q))
	h.wake()
}

// piece answers a read of a view.
func (v *frozen) piece(q CheckpointRead) CheckpointPiece {
	p := CheckpointPiece{Transfer: q.Transfer, From: q.From, Of: v.of}
	size := 0
	for _, key := range v.keys {
		if bytes.Compare([]byte(key), q.From) < 0 {
			continue
		}
		n := len(key) + len(v.all[key])
		if size > 0 && size+n > q.MaxBytes {
			p.More = true
			break
		}
		size += n
		p.Of.Records = append(p.Of.Records, core.Record{Key: []byte(key), Value: v.all[key]})
	}
	return p
}

func (h *host) stage() {
	j := &h.jumping
	if h.boundary("stage") {
		return
	}
	s := j.stages[0]
	j.stages = j.stages[1:]
	if s.Restart || j.staged == nil {
		j.staged = map[string][]byte{}
	}
	for _, r := range s.Records {
		j.staged[string(r.Key)] = r.Value
	}
	if h.boundary("staged") {
		return
	}
	h.turn.Staged = append(h.turn.Staged, s)
	h.wake()
}

// untilInstall returns the appends before the first with a checkpoint.
func untilInstall(appends []*Append) []*Append {
	i := slices.IndexFunc(appends, func(a *Append) bool { return a.Install != nil })
	if i < 0 {
		return appends
	}
	return appends[:i]
}

// install makes an append with a checkpoint durable, and its State that of the member.
func (h *host) install(a *Append) {
	h.appends = h.appends[1:]
	w, d := h.w, &h.disk
	h.after(w.spread(2000), func() {
		if h.boundary("before checkpoint") {
			return
		}
		of := a.Install
		if of.Index <= d.index {
			w.violate("member %d installs the checkpoint of %d over the one of %d", h.id, of.Index,
				d.index)
		}
		d.records, h.jumping.staged = h.jumping.staged, nil
		d.take(nil, of.Header, of.Index, of.Term)
		d.received, d.conf = true, of.ConfState
		if h.boundary("before log record") {
			return
		}
		h.after(w.spread(100), func() {
			d.entries = nil
			d.append(a)
			if h.boundary("before load") {
				return
			}
			h.after(w.spread(1000), func() { h.jump(a) })
		})
	})
}

func (h *host) jump(a *Append) {
	rec, err := h.disk.load()
	if err != nil {
		h.w.violate("member %d cannot load the checkpoint that it has received: %v", h.id, err)
	}
	if h.boundary("before install") {
		return
	}
	m := h.member
	if was := m.Local.State.Index(); rec.State.Index() <= was {
		h.w.violate("member %d jumps from %d back to %d", h.id, was, rec.State.Index())
	}
	conns := m.Local.Conns()
	h.w.jumps.dropped += len(m.applier.queue) + len(h.items)
	m.Install(a, rec.State, &h.report)
	if h.report.Err != nil {
		h.w.violate("member %d: %v", h.id, h.report.Err)
	}
	h.w.jumps.installs++
	h.w.judge.installed(h.w, h)
	for _, conn := range conns {
		if !conn.Over() {
			h.w.violate("member %d keeps a connection open while it jumps", h.id)
		}
		h.w.jumps.closed++
	}
	for _, conn := range h.report.Touched {
		conn.Owner().(*client).touched(conn)
	}
	h.report.More = false
	h.turn.Stored = append(h.turn.Stored, a)
	h.writing = false
	if h.boundary("before stored") {
		return
	}
	h.wake()
	h.write()
}

// settle lets a log that does not hold what a received checkpoint covers begin behind it.
func (d *disk) settle() {
	if !d.received {
		return
	}
	for _, e := range d.entries {
		if e.GetIndex() == d.index && e.GetTerm() == d.term {
			return
		}
	}
	if len(d.entries) > 0 && d.entries[0].GetIndex() == d.index+1 {
		return // the log has begun there
	}
	d.entries = nil
}

// installed: the State is the one that others have at that index.
func (j *judge) installed(w *world, h *host) {
	s := h.member.Local.State
	if old, ok := j.digests[s.Index()]; ok && old != s.Digest() {
		w.violate("member %d has received another State of %d", h.id, s.Index())
	}
	j.digests[s.Index()] = s.Digest()
}
