package replication

import (
	"errors"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3/raftpb"
)

// Report is what one call of Member.Apply has done.
type Report struct {
	// Touched are the connections whose driver has something to do: send output, feed again,
	// or close.
	Touched []*core.Conn
	// Applied is for the loop, unless it is empty.
	Applied Applied
	// Checkpoint, if not nil, is complete and is to be written.
	Checkpoint *Checkpoint
	// Digests are those of the State right after each write whose zxid is a multiple of
	// DigestInterval, for the word `hash`: two members can be compared by it.
	Digests []ZxidDigest
	// QuotaExceeded are paths that have more below them than their soft quota allows.
	QuotaExceeded []string
	// More says that there is work left.
	More bool
	// Commits are the commands applied, if Config.Record is set.
	Commits []Commit
	// Membership is not nil if it has changed: the driver keeps connections to all members but
	// the removed ones. Removed says that this member is one of those: its clients are closed,
	// and it serves nobody any more. It runs on until a peer says so too (ReasonRemoved), for it
	// may be the only one to know that the change has ended, and the others may need its vote.
	Membership *core.Membership
	Removed    bool
	// Err is a committed entry that cannot be applied: the process has to stop.
	Err error
}

// DigestInterval is ZooKeeper's.
const DigestInterval = 128

// ZxidDigest is the State's digest behind a write.
type ZxidDigest struct {
	Zxid   core.Zxid
	Digest [16]byte
}

// Empty says whether there is nothing in it for the loop.
func (a *Applied) Empty() bool {
	return a.Index == 0 && len(a.done) == 0 && len(a.Reap) == 0 && len(a.Facts) == 0
}

// Commit is one command with what became of it, for a history. Its slices are its own.
type Commit struct {
	Index   uint64
	Term    uint64
	ClockMs int64 // the State's time
	Command core.Command
	Outcome core.Outcome // without Body and Changes
}

// Checkpoint is the State at one place of the log: what changed since the last one.
type Checkpoint struct {
	Index     uint64
	Term      uint64
	ConfState *raftpb.ConfState
	Digest    [16]byte
	Header    []byte
	Records   []core.Record
}

// applier is the half of a member that changes the State. S exclusive guards all of it.
type applier struct {
	cfg   *Config
	state *core.State
	local *core.Local
	conf  *raftpb.ConfState
	term  uint64 // of the last entry applied
	// jumped is the index of the last State that was installed.
	jumped uint64

	queue   []ApplyItem
	entry   int                  // entries of the first item that are done
	begun   bool                 // the entry at that place is begun
	change  *raftpb.ConfChangeV2 // that entry is one
	news    bool                 // the membership has changed since the last report
	decoded core.Entry           // of that entry, for Record
	place   [2]int               // batch and command in decoded

	waiting []*confirmed // syncs whose index is not applied yet
	capture *core.Capture
	taken   Checkpoint // what the capture is a checkpoint of
	out     core.Outcome
}

// captureStep is how many items of a checkpoint are captured per call of Apply: some tens of
// microseconds under S (WRITEPATH section 2).
const captureStep = 256

func (a *applier) apply(nowMs int64, limit int, report *Report) {
	*report = Report{Touched: report.Touched[:0]}
	for limit > 0 && len(a.queue) > 0 && report.Err == nil {
		item := &a.queue[0]
		switch {
		case item.committed != nil:
			limit -= a.entries(item.committed, nowMs, limit, report)
			continue
		case item.sync != nil:
			a.waiting = append(a.waiting, item.sync)
			a.confirm(nowMs)
		case item.reapAt != 0:
			report.Applied.Reap = a.state.AppendReapable(report.Applied.Reap, item.reapAt,
				a.cfg.ContainerNeverUsedMs, a.cfg.ContainerMaxPerMinute, a.cfg.MaxEntryBytes)
		case item.checkpoint:
			a.freeze()
		case item.serve != nil:
			a.local.SetServing(item.serve.to, item.serve.cause)
		}
		a.next()
		limit--
	}
	if a.capture != nil && report.Err == nil {
		a.captureSome(report)
	}
	a.local.EndBatch()
	a.finish(report)
}

// next takes the first item off the queue.
func (a *applier) next() {
	a.queue[0] = ApplyItem{}
	a.queue = a.queue[1:]
	if len(a.queue) == 0 {
		a.queue = nil
	}
}

// entries applies at most limit commands of one apply message and returns how many it did, at
// least one.
func (a *applier) entries(m *raftpb.Message, nowMs int64, limit int, report *Report) int {
	n := 0
	for list := m.GetEntries(); a.entry < len(list); {
		e := list[a.entry]
		if e.GetIndex() <= a.jumped || !a.begun && mutant.On("raft-uncommitted-applied") &&
			e.GetIndex() <= a.state.Index() {
			a.entry++ // the State that was installed holds it
			continue
		}
		if !a.begun {
			if err := a.begin(e); err != nil {
				report.Err = err
				return n
			}
		}
		for a.state.Next(a.local.Self(), &a.out) {
			a.deliver(nowMs, report)
			if n++; n >= limit {
				return n
			}
		}
		if err := a.changed(e, report); err != nil {
			report.Err = err
			return n
		}
		a.begun = false
		a.entry++
		a.term = e.GetTerm()
		report.Applied.Index, report.Applied.Term = e.GetIndex(), a.term
		report.Applied.bytes += int64(len(e.GetData()))
		if e.GetIndex()%a.cfg.DigestEntries == 0 {
			report.Applied.digests = append(report.Applied.digests,
				indexDigest{e.GetIndex(), a.state.Digest()})
		}
		a.confirm(nowMs)
	}
	a.entry = 0
	report.Applied.done = append(report.Applied.done, m)
	a.next()
	return n + 1
}

func (a *applier) begin(e *raftpb.Entry) error {
	data := e.GetData()
	if e.GetType() != raftpb.EntryNormal {
		var err error
		if a.change, err = decodeChange(e); err != nil {
			return err
		}
		data = a.change.GetContext()
	}
	if err := a.state.Begin(e.GetIndex(), e.GetTerm(), data); err != nil {
		return err
	}
	a.begun = true
	if a.cfg.Record {
		a.decoded, a.place = core.Entry{}, [2]int{}
		if len(data) > 0 {
			var err error
			a.decoded, err = core.DecodeEntry(data)
			invariant.Check(err == nil, "an entry that Begin took cannot be decoded")
		}
	}
	return nil
}

// deliver takes one outcome to those who wait for it, and notes what the loop has to know.
func (a *applier) deliver(nowMs int64, report *Report) {
	out := &a.out
	if out.Kind == core.KindHello && !out.Skipped {
		a.registered(out, report)
	}
	if out.Skipped && out.Reason == core.ReasonGap && out.Origin == a.local.Self() {
		report.Applied.gap = true
	}
	a.local.Deliver(out, nowMs)
	if out.Zxid > 0 && out.Zxid%DigestInterval == 0 {
		report.Digests = append(report.Digests, ZxidDigest{out.Zxid, a.state.Digest()})
	}
	for i := range out.Facts {
		fact := out.Facts[i]
		fact.Path = strings.Clone(fact.Path)
		switch fact.Kind {
		case core.FactRegistered:
			continue
		case core.FactMembership:
			a.news = true
			continue
		case core.FactQuotaExceeded:
			report.QuotaExceeded = append(report.QuotaExceeded, fact.Path)
			continue
		}
		report.Applied.Facts = append(report.Applied.Facts, fact)
	}
	if a.cfg.Record {
		a.record(a.commit(), report)
	}
}

// registered learns that a hello was accepted: if it was this process's, its stream begins.
func (a *applier) registered(out *core.Outcome, report *Report) {
	for i := range out.Facts {
		fact := &out.Facts[i]
		switch {
		case fact.Kind != core.FactRegistered || fact.RaftID != a.cfg.RaftID:
		case fact.Nonce == a.cfg.Nonce:
			a.local.SetSelf(core.Origin{RaftID: fact.RaftID, Registration: fact.Registration})
		case a.local.Self() != core.Origin{}:
			report.Err = ErrReplaced
		}
	}
}

// ErrReplaced is the end of a process whose registration was replaced: another one runs under
// its raft id.
var ErrReplaced = errors.New("another process has registered under this member's raft id")

// commit describes the command that was just applied.
func (a *applier) commit() Commit {
	for a.place[1] == len(a.decoded.Batches[a.place[0]].Commands) {
		a.place[0], a.place[1] = a.place[0]+1, 0
	}
	c := Commit{Term: a.state.Term(), ClockMs: a.state.Clock(),
		Command: a.decoded.Batches[a.place[0]].Commands[a.place[1]], Outcome: a.out}
	a.place[1]++
	return c
}

func (a *applier) record(c Commit, report *Report) {
	c.Outcome.Body, c.Outcome.Changes = nil, nil
	c.Outcome.Facts = slices.Clone(c.Outcome.Facts)
	c.Index = a.queue[0].committed.GetEntries()[a.entry].GetIndex()
	report.Commits = append(report.Commits, c)
}

// confirm answers the syncs whose read index is applied.
func (a *applier) confirm(nowMs int64) {
	n := 0
	for n < len(a.waiting) && (a.waiting[n].index <= a.state.Index() ||
		mutant.On("reads-answered-one-entry-early") && a.waiting[n].index == a.state.Index()+1 ||
		mutant.On("reads-answered-before-applied")) {
		for _, c := range a.waiting[n].conns {
			a.local.SyncConfirmed(c, nowMs)
		}
		n++
	}
	if n > 0 {
		a.waiting = slices.Delete(a.waiting, 0, n)
	}
}

func (a *applier) freeze() {
	invariant.Check(a.capture == nil, "a checkpoint begun before the last was captured")
	a.state.Freeze()
	a.taken = Checkpoint{Index: a.state.Index(), Term: a.term, ConfState: a.conf,
		Digest: a.state.Digest()}
	a.capture = &core.Capture{}
}

func (a *applier) captureSome(report *Report) {
	if !a.state.Capture(a.capture, captureStep) {
		return
	}
	done := a.taken
	done.Records, done.Header = a.capture.Records, a.capture.Header
	report.Checkpoint = &done
	a.capture, a.taken = nil, Checkpoint{}
}

// finish fills in what the loop and the driver always want to know.
func (a *applier) finish(report *Report) {
	report.More = len(a.queue) > 0 || a.capture != nil
	if !report.Applied.Empty() {
		a.know(&report.Applied)
		if a.news && report.Applied.Index > 0 {
			a.membership(report)
		}
	}
	report.Touched = a.local.TakeTouched(report.Touched)
}

// know fills in what the loop always wants to know of the State.
func (a *applier) know(applied *Applied) {
	stream := a.state.Stream(a.cfg.RaftID)
	applied.Registration = stream.Origin.Registration
	applied.Own = stream.Origin == a.local.Self()
	applied.seq, applied.clockMs = stream.Seq, a.state.Clock()
	if len(everybody(a.conf)) > 1 {
		applied.streams = a.state.AppendStreams(nil)
	}
	applied.level = a.state.FeatureLevel()
	applied.stateBytes = a.state.DataSize()
	applied.changed = a.state.Changed()
}
