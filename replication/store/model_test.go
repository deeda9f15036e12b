package store

import (
	"fmt"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"go.etcd.io/raft/v3/raftpb"
	"pgregory.net/rapid"
)

// model is a disk as one would like to think of it: nothing is ever lost.
type model struct {
	hs      hardState // as given
	commit  uint64    // as written
	last    Position
	entries []plainEntry // all of them since start
	start   Position
	cut     uint64
	at      Position // checkpoint
	digest  byte
	records map[string]string
	staged  []Record
}

// op is one operation on a disk.
type op struct {
	name       string
	batch      *Batch
	checkpoint *Checkpoint
	stage      []Record
	cut        uint64
	markMs     int64
	restart    bool // of the process; run by the test's driver
}

func (o op) String() string { return o.name }

func (o op) run(d Disk) error {
	switch {
	case o.batch != nil:
		return d.Append(*o.batch)
	case o.checkpoint != nil:
		return d.WriteCheckpoint(*o.checkpoint)
	case o.stage != nil:
		return d.Stage(o.stage, true)
	case o.cut != 0:
		return d.Cut(o.cut)
	default:
		return d.Mark(o.markMs)
	}
}

// plan is run for a Memory.
func (o op) plan(m *Memory) *Plan {
	switch {
	case o.batch != nil:
		return m.PlanAppend(*o.batch)
	case o.checkpoint != nil:
		return m.PlanCheckpoint(*o.checkpoint)
	case o.stage != nil:
		return m.PlanStage(o.stage, true)
	case o.cut != 0:
		return m.PlanCut(o.cut)
	default:
		return m.PlanMark(o.markMs)
	}
}

// after returns the model with o done.
func (m model) after(o op) model {
	switch {
	case o.restart:
		m.hs.commit, m.staged = max(m.commit, m.at.Index), nil
		if m.last.Index < m.at.Index { // it ended between a received checkpoint and the log's start
			m.start, m.last, m.entries, m.commit = m.at, m.at, nil, m.at.Index
		}
	case o.batch != nil:
		return m.afterAppend(*o.batch)
	case o.checkpoint != nil:
		c := o.checkpoint
		m.at, m.digest = c.Position, c.Digest[0]
		m.records = maps.Clone(m.records)
		if c.Full || m.records == nil {
			m.records = map[string]string{}
		}
		records := c.Records
		if c.Full {
			records, m.staged = slices.Concat(m.staged, records), nil
		}
		for _, r := range records {
			if r.Delete {
				delete(m.records, string(r.Key))
			} else {
				m.records[string(r.Key)] = string(r.Value)
			}
		}
	case o.stage != nil:
		m.staged = o.stage
	case o.cut != 0:
		m.cut = max(m.cut, o.cut)
	}
	return m
}

func (m model) afterAppend(b Batch) model {
	writes := len(b.Entries) > 0 || b.Start.Index != 0
	if b.HardState != nil {
		hs := plainHardState(b.HardState)
		writes = writes || hs.term != m.hs.term || hs.vote != m.hs.vote
		m.hs = hs
	}
	if b.Start.Index != 0 {
		m.start, m.last, m.entries = b.Start, b.Start, nil
	}
	if n := len(b.Entries); n > 0 {
		keep := b.Entries[0].GetIndex() - 1 - m.start.Index
		m.entries = append(m.entries[:keep:keep], flat(b.Entries)...)
		m.last = position(b.Entries[n-1])
	}
	if writes {
		m.commit = m.hs.commit
	}
	return m
}

// snapshot is what can be seen of a disk after Open.
type snapshot struct {
	Term, Vote, Commit uint64
	Checkpoint         Position
	Digest             byte
	Entries            []plainEntry
	Records            map[string]string
	Retained           []plainEntry // before the checkpoint; judged by checkRetained
}

func (m model) snapshot() snapshot {
	s := snapshot{Term: m.hs.term, Vote: m.hs.vote, Commit: max(m.commit, m.at.Index),
		Checkpoint: m.at, Digest: m.digest, Records: m.records}
	for _, e := range m.entries {
		if e.Index > m.at.Index {
			s.Entries = append(s.Entries, e)
		}
	}
	if s.Records == nil {
		s.Records = map[string]string{}
	}
	return s
}

func snapshotOf(d Disk, rec *Recovered) (snapshot, error) {
	records, err := readAll(d)
	behind := 0
	for behind < len(rec.Entries) && rec.Entries[behind].GetIndex() <= rec.Checkpoint.Index {
		behind++
	}
	return snapshot{Retained: flat(rec.Entries[:behind]),
		Term: rec.HardState.GetTerm(), Vote: rec.HardState.GetVote(),
		Commit: rec.HardState.GetCommit(), Checkpoint: rec.Checkpoint.Position,
		Digest: rec.Checkpoint.Digest[0], Entries: flat(rec.Entries[behind:]),
		Records: records}, err
}

// checkOneOf says how got differs from all of the models.
func checkOneOf(got snapshot, models ...model) error {
	var text string
	for i, m := range models {
		plain := got
		plain.Retained = nil
		diff := cmp.Diff(m.snapshot(), plain)
		if diff == "" {
			diff = m.checkRetained(got.Retained)
		}
		if diff == "" {
			return nil
		}
		text += fmt.Sprintf("candidate %d (-want +got):\n%s", i, diff)
	}
	return fmt.Errorf("disk holds something else:\n%s", text)
}

// drawOps draws a lawful sequence of operations.
func drawOps(t *rapid.T, most int) []op {
	g := &opDrawer{t: t}
	n := rapid.IntRange(1, most).Draw(t, "n")
	for range n {
		g.draw()
	}
	return g.ops
}

type opDrawer struct {
	t   *rapid.T
	m   model
	ops []op
	ms  int64
}

func (g *opDrawer) add(o op) {
	g.ops = append(g.ops, o)
	g.m = g.m.after(o)
}

func (g *opDrawer) number(name string, from, to uint64) uint64 {
	return rapid.Uint64Range(from, to).Draw(g.t, name)
}

func (g *opDrawer) draw() {
	kinds := []string{"append", "append", "append", "replace", "vote", "commit", "checkpoint",
		"install", "cut", "mark", "stage", "restart"}
	switch rapid.SampledFrom(kinds).Draw(g.t, "kind") {
	case "append":
		g.append(g.m.last.Index + 1)
	case "replace":
		if g.m.hs.commit < g.m.last.Index {
			g.m.hs.term++ // a new leader
			g.append(g.number("first", g.m.hs.commit+1, g.m.last.Index))
		}
	case "vote":
		g.vote()
	case "commit":
		hs := g.m.hs
		hs.commit = g.number("commit", hs.commit, g.m.last.Index)
		g.add(op{name: fmt.Sprintf("commit %d", hs.commit), batch: &Batch{HardState: hs.proto()}})
	case "checkpoint":
		g.checkpoint()
	case "install":
		g.install()
	case "cut":
		if g.m.at.Index > 0 {
			index := g.number("cut", 1, g.m.at.Index)
			g.add(op{name: fmt.Sprintf("cut %d", index), cut: index})
		}
	case "mark":
		g.ms += int64(g.number("ms", 0, 100))
		g.add(op{name: "mark", markMs: g.ms})
	case "restart":
		g.add(op{name: "restart", restart: true})
	case "stage":
		g.add(op{name: "stage", stage: []Record{{Key: []byte("staged"), Value: []byte("x")}}})
	}
}

func (g *opDrawer) append(first uint64) {
	hs := g.m.hs
	hs.term = max(hs.term, 1)
	if g.m.hs.term == 0 {
		hs.vote = 0
	}
	n := int(g.number("entries", 1, 4))
	size := int(g.number("size", 0, 600))
	b := &Batch{Entries: newEntries(hs.term, first, n, size)}
	hs.commit = g.number("commit", hs.commit, first+uint64(n)-1)
	b.HardState = hs.proto()
	g.add(op{name: fmt.Sprintf("append %d+%d of %d bytes, %+v", first, n, size, hs), batch: b})
}

func (g *opDrawer) vote() {
	hs := g.m.hs
	hs.term += g.number("term", 1, 2)
	hs.vote = g.number("vote", 0, 3)
	g.add(op{name: fmt.Sprintf("vote %+v", hs), batch: &Batch{HardState: hs.proto()}})
}

func (g *opDrawer) checkpoint() {
	if g.m.hs.commit <= g.m.at.Index {
		return
	}
	index := g.number("index", g.m.at.Index+1, g.m.hs.commit)
	at := g.m.entries[index-1-g.m.start.Index].Position
	g.add(g.checkpointOp("checkpoint", at, g.records()))
}

func (g *opDrawer) checkpointOp(name string, at Position, records []Record) op {
	c := &Checkpoint{Meta: Meta{Position: at, ConfState: &raftpb.ConfState{Voters: []uint64{1, 2}}},
		Records: records}
	c.Digest[0] = byte(g.number("digest", 0, 255))
	return op{name: fmt.Sprintf("%s %v", name, at), checkpoint: c}
}

// records draws changes; now and then so many that they are ingested as a table.
func (g *opDrawer) records() []Record {
	var records []Record
	for key := range 12 {
		what := g.number("what", 0, 40)
		r := Record{Key: []byte{'k', byte(key)}}
		switch {
		case what < 3:
			r.Delete = true
		case what < 10:
			r.Value = fmt.Appendf(nil, "%d", what)
		case what == 10:
			r.Value = make([]byte, 9<<10)
		default:
			continue
		}
		records = append(records, r)
	}
	return records
}

// install is what follows a checkpoint from a peer.
func (g *opDrawer) install() {
	if g.m.hs.term == 0 {
		return
	}
	at := Position{Term: g.m.hs.term, Index: g.m.last.Index + g.number("ahead", 1, 5)}
	var records []Record
	for _, r := range g.records() {
		if !r.Delete {
			records = append(records, r)
		}
	}
	o := g.checkpointOp("install", at, records)
	o.checkpoint.Full = true
	g.add(o)
	hs := g.m.hs
	hs.commit = at.Index
	g.add(op{name: fmt.Sprintf("start %v", at), batch: &Batch{HardState: hs.proto(), Start: at}})
}

// retainOf chooses how many bytes before the checkpoint are read back after these operations:
// none, few, or all.
func retainOf(ops []op) int64 { return []int64{0, 700, 1 << 30}[len(ops)%3] }

// retaining are the test's options with RetainBytes.
func retaining(bytes int64) Options {
	o := testOptions()
	o.RetainBytes = bytes
	return o
}

// checkRetained says what is wrong with the entries that were read back from before the
// checkpoint: they are the last of those that were written, up to it, and nothing else.
func (m model) checkRetained(got []plainEntry) string {
	if len(got) == 0 {
		return ""
	}
	if m.last.Index < m.at.Index || got[len(got)-1].Index != m.at.Index {
		return fmt.Sprintf("retained entries end at %v, the checkpoint is of %v",
			got[len(got)-1].Position, m.at)
	}
	if got[0].Index <= m.start.Index {
		return fmt.Sprintf("%v is retained, the log starts at %v", got[0].Position, m.start)
	}
	return cmp.Diff(m.entries[got[0].Index-1-m.start.Index:m.at.Index-m.start.Index], got)
}

// checkAllRetained says whether everything that was not cut was read back: nothing else bounds it.
func (m model) checkAllRetained(got snapshot) error {
	if m.last.Index < m.at.Index {
		return nil // the log begins behind the checkpoint
	}
	want := m.at.Index - min(m.at.Index, max(m.cut, m.start.Index))
	if uint64(len(got.Retained)) < want {
		return fmt.Errorf("%d entries before the checkpoint of %v are read back, %d were not cut",
			len(got.Retained), m.at, want)
	}
	return nil
}

// checkRetention judges what a disk with retain returned.
func checkRetention(got snapshot, retain int64, done, next model) error {
	size := int64(0)
	for _, e := range got.Retained {
		size += int64(len(e.Data))
	}
	if size > retain {
		return fmt.Errorf("%d bytes before the checkpoint are read back, %d may be", size, retain)
	}
	if retain < 1<<30 {
		return nil
	}
	err := done.checkAllRetained(got)
	if err != nil {
		err = next.checkAllRetained(got)
	}
	return err
}
