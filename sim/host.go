package sim

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"syscall"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// host is a machine with a disk, a clock and a process that is a server.
type host struct {
	w     *World
	id    int64
	disk  medium
	raft  rng // the jitter of its elections
	boots int
	life  rng // when it crashes, hangs, and what its clock does
	pace  rng // delays and sizes of its activities
	wall  int64
	drift int64 // per mille by which its clocks run too fast
	ran   int64 // milliseconds for which it ran before the world began, or lost power last
	epoch int   // counts starts; what an earlier process had to do does not happen any more

	self    replication.Identity // what its disk says
	follows uint32               // the feature level of its release
	founder *replication.Founder // not nil: its disk is empty
	misled  bool                 // and others have answered it than it should ask
	gone    bool                 // removed, for ever
	kept    core.DiskID          // a scenario's: the id of its disk, which is empty
	forgot  bool                 // its disk has less than it has acknowledged
	rotten  bool                 // its disk is damaged, and has not been opened since
	damaged int64                // when that came about last, before anything: -1

	up       bool
	dark     bool            // without power: nobody answers there
	haunts   bool            // what it has said comes late, if it ends now
	shut     bool            // no client reaches it
	full     bool            // there is no more room on its disk than that,
	low      int64           // and so much it shows; 0: plenty
	emptied  int64           // when there was room again
	looked   int64           // when the process saw how much there is
	slowDisk int64           // until then its disk is slow,
	slowPace int64           // and until then all that it does
	fated    int64           // until then it is heard no more once it commits something,
	will     string          // and is asked about that,
	fate     rng             // at such times
	crossed  int64           // boundaries passed
	crashAt  int64           // the one of them at which it crashes; 0: none
	crashOn  string          // the kind of boundary at which it crashes,
	crashIn  int             // the how manieth of these from now on; 0: none
	aims     int             // how often it was decided anew
	instant  int64           // the time of the last boundary,
	passed   map[counter]int // and how many of each kind there were then
	paused   bool
	pausedAt int64    // when the last pause ended
	held     []func() // what a paused process has to do
	stopping bool

	member  *replication.Member
	led     uint64 // the last term in which it has led
	ruled   int    // the epoch of the process that did
	stood   uint64 // the last term in which it has asked for votes
	conf    uint64 // the last entry that it was given which changes raft's configuration
	turn    replication.Turn
	spoiled int // of the messages in it
	work    replication.Work
	ticked  int64 // monotonic milliseconds at the last tick that was counted
	looped  bool  // a turn is under way
	waking  int64 // when it is to turn at the latest, if that is yet to come
	log     hostLog
	covered uint64 // the index of the last checkpoint on the disk, as the process knows,
	cutTo   uint64 // and of what it let go of its log
	seen    followed
	vigil   *vigil
	peak    int64 // by how much its wall clock was ahead of the world's at most,
	trough  int64 // and at least

	appends   []*replication.Append
	appending bool
	items     []replication.ApplyItem
	applying  bool
	report    replication.Report
	keeping   []func(done func()) // what the checkpoints' goroutine has to do
	busy      bool                // it does something
	marking   bool
	transfers *store.Transfers
	readAt    int64 // when the last piece asked for of a checkpoint is read
	swept     int64
	settings  core.Settings
	ledAt     int64 // when it knew of a leader last
	conns     map[core.ConnID]*serverConn
	nextConn  core.ConnID
	spare     []byte
}

// crashed is what a process panics with at the boundary where it crashes.
type crashed struct{}

func newHost(w *World, id int64) *host {
	purpose := "host/"
	if id > 1 {
		purpose = fmt.Sprintf("host %d/", id)
	}
	h := &host{w: w, id: id, life: newRNG(w.seed, purpose+"life"),
		raft: newRNG(w.luck, purpose+"raft"), pace: newRNG(w.luck, purpose+"pace"),
		wall: 1_700_000_000_000, disk: newDisk(w), drift: w.k.DriftPerMille,
		follows: core.MaxFeatureLevel, damaged: -1, trough: 1 << 62}
	if id > 1 {
		// Each clock goes wrong in its own way, within the same bounds.
		h.drift = h.life.between(-abs(w.k.DriftPerMille), abs(w.k.DriftPerMille))
		h.wall += h.life.between(-500, 500)
	}
	h.ran = newRNG(w.seed, purpose+"uptime").between(0, w.k.UptimeMs)
	h.wall -= h.ran
	return h
}

// newDisk is an empty disk.
func newDisk(w *World) (m medium) {
	m = newStrict()
	if w.k.RealStore != 0 {
		m = newReal()
	}
	m.keep(w.k.KeepUnsynced)
	return m
}

func abs(v int64) int64 { return max(v, -v) }

// mono is a clock of the host that does not jump, in milliseconds, but begins anew with the host.
// It drifts.
func (h *host) mono() int64 {
	return 1000 + h.ran + h.w.clock.now/millisecond*(1000+h.drift)/1000
}

// reboot lets the monotonic clock begin anew, and the time of day go on.
func (h *host) reboot() {
	ran := h.mono() - 1000
	h.ran, h.wall = h.ran-ran, h.wall+ran
}

// wallMs is the host's idea of the time of day.
func (h *host) wallMs() int64 { return h.wall + h.mono() }

// after lets the process do something later, unless it has ended by then.
func (h *host) after(delay int64, do func()) {
	epoch := h.epoch
	h.w.clock.after(delay, func() {
		if h.epoch != epoch {
			return
		}
		if h.paused {
			h.held = append(h.held, do)
			return
		}
		h.run(do)
	})
}

// soon lets the process do something after a short time that the seed chooses.
func (h *host) soon(meanUs int64, do func()) {
	if h.slowPace > h.w.clock.now && !h.w.calm {
		meanUs = max(20*meanUs, 2000)
	}
	h.after(h.pace.spread(meanUs), do)
}

// run lets the process do something now. It may crash at any boundary.
func (h *host) run(do func()) {
	h.w.entropy = h.raft
	defer func() {
		switch r := recover(); r.(type) {
		case nil:
			if h.w.film != nil {
				h.film()
			}
		case crashed:
			h.crash(h.life.chance(h.w.k.LosePower))
		default:
			h.w.violate("panic", fmt.Sprintf("%v\n%s", r, debug.Stack()))
			h.crash(false)
		}
	}()
	do()
}

// crash ends the process at once, and with power the whole host.
func (h *host) crash(power bool) {
	w := h.w
	w.count.add(countCrashedBefore)
	w.trace.add(w.clock.now, traceHost, h.id, []byte("crash"))
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindCrash,
		Server: h.id})
	w.abstract.crashed(h)
	h.shelve()
	h.disk.crash(h.life, power, &w.count)
	h.end(power)
	w.clock.after(h.life.spread(w.k.DownMs*millisecond), h.start)
}

// end forgets the process.
func (h *host) end(power bool) {
	h.epoch++
	if h.dark = power; power {
		h.reboot()
	}
	h.up, h.paused, h.held, h.crashAt = false, false, nil, 0
	h.w.fell()
	for _, other := range h.w.hosts {
		if other != h {
			h.w.peerLink(h, other).orphan(other, power)
		}
	}
	for id := core.ConnID(1); id <= h.nextConn; id++ {
		if sc := h.conns[id]; sc != nil {
			sc.end.kill(power || h.life.chance(500))
		}
	}
	h.conns, h.member, h.founder = nil, nil, nil
	h.shade("paused", false, "")
	h.shade("stopping", false, "")
	h.shade("down", true, "the process does not run")
	if h.w.film != nil {
		h.abandon()
		h.film()
	}
}

// start lets a process begin on what is on the disk.
func (h *host) start() {
	if h.up || h.gone || h.w.over {
		return
	}
	h.epoch++
	h.boots++
	h.life.again(h.w.seed, 1, int(h.id), h.boots)
	h.vigil = newVigil()
	h.up, h.stopping, h.dark, h.waking = true, false, false, 0
	h.w.rose()
	h.turn, h.work, h.spoiled = replication.Turn{}, replication.Work{}, 0
	h.looped, h.appending, h.applying, h.busy, h.marking = false, false, false, false, false
	h.appends, h.items, h.keeping = nil, nil, nil
	h.report, h.looked = replication.Report{}, 0
	h.conns, h.nextConn = map[core.ConnID]*serverConn{}, 0
	h.planCrash()
	h.shade("down", false, "")
	h.run(h.open)
	for _, other := range h.w.hosts {
		if other != h {
			h.w.peerLink(h, other).try(h.life.spread(2 * millisecond))
		}
	}
}

// options are those with which the disk is opened.
func (h *host) options() store.Options {
	o := store.Options{DataDir: "/data", LogDir: "/log", DiskID: h.life.id()}
	if h.kept != (core.DiskID{}) {
		o.DiskID = store.DiskID(h.kept)
	}
	if !h.w.alone() {
		o.RetainBytes = cmp.Or(h.w.k.MaxLogBytes, 1<<30)
	}
	return o
}

func (h *host) open() {
	w := h.w
	h.boundary(faultCrashOpen)
	w.trace.add(w.clock.now, traceHost, h.id, []byte("start"))
	rec, err := h.disk.open(h.options())
	if h.rotten && !h.passes(err) {
		return
	}
	if err == nil {
		h.identify(rec)
		if rec.Checkpoint.Index == 0 && rec.Empty && w.asks() {
			h.ask()
			return
		}
		w.abstract.opened(h, rec)
		h.boundary(faultCrashOpen)
		rec, err = h.prepare(rec)
	}
	var loaded replication.Recovered
	if err == nil && !w.over {
		h.boundary(faultCrashOpen)
		loaded, err = store.LoadMember(h.disk.disk(), rec)
	}
	if err == nil && !w.over {
		w.shadow.loaded(h, &loaded)
		h.covered, h.cutTo = rec.Checkpoint.Index, h.log.base
		w.abstract.restarted(h, rec)
		cfg := h.config(h.life.id())
		h.settings, h.ledAt = cfg.Settings, w.clock.now
		h.member, err = replication.New(cfg, loaded)
	}
	if err != nil {
		if errors.Is(err, syscall.ENOSPC) && h.full {
			h.failed(err)
		}
		w.violate("recovery", fmt.Sprintf("host %d: %v", h.id, err))
	}
	if w.over {
		return
	}
	if !w.calm && h.life.chance(w.k.DiskErrors) {
		f := store.Fault{Effect: pick(h.life, failing), After: h.life.IntN(30),
			Err: errInjected}
		if !w.selective() || w.comes(fmt.Sprintf("disk of %d#%d", h.id, h.boots),
			fmt.Sprintf("an error of the disk of host %d", h.id)) {
			h.disk.inject(f)
		}
	}
	h.transfers = store.NewTransfers(h.disk.disk())
	h.ticked, h.swept = h.mono(), h.mono()
	h.tick()
	h.wake()
}

// prepare founds an empty disk. What was founded, or put into the log, is read back like anything
// else.
func (h *host) prepare(rec *store.Recovered) (*store.Recovered, error) {
	w := h.w
	switch {
	case rec.Checkpoint.Index == 0 && !rec.Empty:
		return nil, errors.New("the disk is not empty and holds no checkpoint")
	case rec.Checkpoint.Index == 0:
		if err := h.found(); err != nil {
			return nil, err
		}
	default:
		w.count.add(countRestarts)
		w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindRestart,
			Server: h.id})
		if !h.intrude(rec) {
			return rec, nil
		}
	}
	h.boundary(faultCrashOpen)
	h.disk.crash(h.life, false, &w.count)
	again, err := h.disk.open(h.options())
	if err == nil {
		h.identify(again)
	}
	return again, err
}

// found makes the disk that of a member of an ensemble that nobody has written to.
func (h *host) found() error {
	var voters []core.RaftID
	for _, other := range h.w.hosts {
		voters = append(voters, core.RaftID(other.id))
	}
	err := h.disk.disk().Sit(store.Seat{Cluster: core.ClusterID{1}, RaftID: core.RaftID(h.id)})
	if err != nil {
		return err
	}
	founding := h.w.founding()
	err = store.FoundWith(h.disk.disk(), store.Founding(founding, voters...))
	if err == nil {
		h.log.founded(founding.Index())
	}
	return err
}

// tick counts the ticks that went by and does what is done at each.
func (h *host) tick() {
	if n := (h.mono() - h.ticked) / tickMs; n > 0 {
		h.turn.Ticks += int(n)
		h.ticked += n * tickMs
		h.member.Local.TouchWaiting()
		h.hearsWaiting()
		if h.mono()-h.swept >= 1000 {
			h.swept = h.mono()
			h.member.Local.Sweep(h.mono())
			h.judgeSwept()
			h.tend(h.member.Local.TakeTouched(nil))
		}
		h.mark()
		h.lookAtDisk()
		h.wake()
	}
	h.after(tickMs*millisecond+h.pace.spread(500), h.tick)
}

// wake lets the loop turn soon.
func (h *host) wake() {
	if h.looped || h.member == nil {
		return
	}
	h.looped = true
	h.soon(h.w.k.LoopUs, h.loop)
}

// loop is one turn of the replica's loop.
func (h *host) loop() {
	h.looped = false
	h.boundary(faultCrashLoop)
	m := h.member
	m.Local.Inbox.Take(&h.turn.Mail)
	taken := len(h.vigil.heard)
	h.turn.NowMs, h.turn.MonoMs = h.wallMs(), h.mono()
	rest, ticks := h.w.abstract.one(h)
	ahead := h.turn.NowMs - h.w.clock.now/millisecond
	h.peak, h.trough = max(h.peak, ahead), min(h.trough, ahead)
	h.vigil.learned(h.turn.Applied)
	m.Step(&h.turn, &h.work)
	h.vigil.turn(h, &h.turn, taken, m.Leading())
	if m.Leader() != 0 {
		h.ledAt = h.w.clock.now
	}
	if h.heed(); h.member == nil {
		return
	}
	h.w.shadow.given(h, h.work.Appends)
	h.w.abstract.stepped(h, h.work.Appends)
	h.w.meddle(h, h.work.Appends)
	h.w.strand(h, h.work.Appends)
	h.w.doom(h, h.work.Appends)
	h.turn = replication.Turn{Mail: h.turn.Mail, Received: rest, Ticks: ticks}
	if len(rest) > 0 {
		h.wake()
	}
	h.w.leads(h)
	h.boundary(faultCrashLoop)
	if len(h.work.Appends) > 0 {
		h.appends = append(h.appends, h.work.Appends...)
		h.write()
	}
	if len(h.work.Apply) > 0 {
		h.items = append(h.items, h.work.Apply...)
		h.apply()
	}
	if index := h.work.Cut; index > 0 {
		h.cutTo = index
		h.keep(func(done func()) { h.cut(index, done) })
	}
	h.exchange()
	h.speak(h.work.Send, taken)
	if ms := h.work.WakeMs; ms > 0 && (h.waking <= h.w.clock.now ||
		h.waking > h.w.clock.now+ms*millisecond) {
		h.waking = h.w.clock.now + ms*millisecond
		h.after(ms*millisecond, h.wake)
	}
}

// write lets the log take what is queued, several appends as one batch.
func (h *host) write() {
	if h.appending || len(h.appends) == 0 {
		return
	}
	h.appending = true
	if a := h.appends[0]; a.Install != nil {
		h.appends = h.appends[1:]
		h.w.abstract.installs(h)
		h.keep(func(done func()) { h.install(a, done) })
		return
	}
	h.soon(h.w.k.AppendUs, func() {
		n := len(h.appends)
		if i := slices.IndexFunc(h.appends, installs); i > 0 {
			n = i
		}
		if n > 1 && h.pace.chance(300) && !h.w.abstract.whole() {
			n = int(h.pace.between(1, int64(n)))
		}
		batch, n := store.Join(h.appends[:n])
		group := h.appends[:n:n]
		h.appends = h.appends[n:]
		h.w.count.add(countAppends)
		h.w.count[countMerged] += int64(n - 1)
		h.w.trace.add(h.w.clock.now, traceAppend, h.id, encodeBatch(&batch))
		stored := h.appended(&batch)
		op := h.disk.append(batch)
		h.w.abstract.wrote(h, op, &batch)
		h.operate(op, faultCrashAppend, h.syncUs, func() {
			h.boundary(faultCrashSynced)
			h.soon(h.w.k.LoopUs, func() {
				h.boundary(faultCrashAck)
				h.turn.Stored = append(h.turn.Stored, group...)
				h.log.acknowledge(group)
				h.w.abstract.acknowledged(h, group)
				h.appending = false
				stored()
				h.wake()
				h.mark()
				h.write()
			})
		})
	})
}

// syncUs is how long the next effect of the log takes.
func (h *host) syncUs() int64 {
	if h.slowDisk > h.w.clock.now && !h.w.calm {
		return h.pace.between(10*millisecond, 100*millisecond)
	}
	if h.w.calm || !h.pace.chance(h.w.k.SlowSync) {
		return h.pace.spread(h.w.k.SyncUs / 2)
	}
	h.w.count.add(faultSlowSync)
	return 500 * millisecond
}

// operate takes the effects of an operation one after the other, each after some time, with a
// boundary before and after each.
func (h *host) operate(op operation, kind counter, delay func() int64, done func()) {
	if op.Done() {
		done()
		return
	}
	h.after(delay(), func() {
		h.boundary(kind)
		effect := op.Next()
		if err := op.Do(); err != nil {
			h.w.abstract.fails(h, effect)
			h.failed(err)
			return
		}
		h.w.abstract.effect(h, effect)
		if !op.Done() {
			h.boundary(faultCrashInDisk)
		} else {
			h.boundary(kind)
		}
		h.operate(op, kind, delay, done)
	})
}

// failed stops the process after an error of the disk, which is final.
func (h *host) failed(err error) {
	switch {
	case errors.Is(err, errInjected):
		h.w.meet(faultDisk, h)
	case errors.Is(err, syscall.ENOSPC) && h.full:
		h.w.meet(faultNoRoom, h)
	default:
		h.w.violate("disk", err.Error())
	}
	panic(crashed{})
}

// failing are the effects that may fail.
var failing = []store.Effect{store.EffectLogWrite, store.EffectLogSync, store.EffectMarkWrite,
	store.EffectMarkSync, store.EffectCheckpointWrite, store.EffectCheckpointFlush,
	store.EffectCut}

var errInjected = errors.New("injected error")

// encodeBatch gives a batch a form that is the same in every run.
func encodeBatch(b *store.Batch) []byte {
	var out []byte
	if hs := b.HardState; hs != nil {
		out = binary.BigEndian.AppendUint64(out, hs.GetTerm())
		out = binary.BigEndian.AppendUint64(out, hs.GetVote())
		out = binary.BigEndian.AppendUint64(out, hs.GetCommit())
	}
	for _, e := range b.Entries {
		out = binary.BigEndian.AppendUint64(out, e.GetIndex())
		out = binary.BigEndian.AppendUint64(out, e.GetTerm())
		out = append(out, byte(e.GetType()))
		out = binary.BigEndian.AppendUint32(out, uint32(len(e.GetData())))
		out = append(out, e.GetData()...)
	}
	return out
}

// apply lets the State take what was committed, a bounded amount at a time.
func (h *host) apply() {
	if h.applying {
		return
	}
	h.applying = true
	h.soon(h.w.k.ApplyUs, func() {
		h.boundary(faultCrashApply)
		h.member.Enqueue(h.items)
		h.items = nil
		h.member.Apply(h.mono(), int(1+h.pace.Int64N(h.w.k.ApplyBudget)), &h.report)
		if h.report.Err != nil {
			h.w.violate("apply", h.report.Err.Error())
			h.w.stop()
			return
		}
		h.w.shadow.follow(h, &h.report)
		h.w.abstract.applied(h)
		if h.follow(h.report.Membership); h.gone {
			return
		}
		h.boundary(faultCrashApply)
		h.applying = false
		if !h.report.Applied.Empty() {
			h.turn.Applied = append(h.turn.Applied, h.report.Applied)
			h.wake()
		}
		if c := h.report.Checkpoint; c != nil {
			h.keep(func(done func()) { h.checkpoint(c, done) })
		}
		h.tend(h.report.Touched)
		if h.report.More || len(h.items) > 0 {
			h.apply()
		}
	})
}

// keep gives the checkpoints' goroutine something to do.
func (h *host) keep(do func(done func())) {
	h.keeping = append(h.keeping, do)
	if !h.busy {
		h.busy = true
		h.soon(h.w.k.CheckpointUs, h.nextKept)
	}
}

func (h *host) nextKept() {
	if len(h.keeping) == 0 {
		h.busy = false
		return
	}
	do := h.keeping[0]
	h.keeping = h.keeping[1:]
	do(func() { h.soon(h.w.k.CheckpointUs, h.nextKept) })
}

func (h *host) checkpointUs() int64 { return h.pace.spread(h.w.k.CheckpointUs) }

func (h *host) checkpoint(c *replication.Checkpoint, done func()) {
	w := h.w
	w.count.add(countCheckpoints)
	w.shadow.froze(h, c)
	w.abstract.captured(h, c.Index)
	sc := store.FromMember(c)
	w.trace.add(w.clock.now, traceCheckpoint, h.id<<48|int64(c.Index), encodeCheckpoint(&sc))
	written := h.bar("checkpoint at index %d, %d records", c.Index, len(sc.Records))
	h.operate(h.disk.checkpoint(sc), faultCrashCheckpoint, h.checkpointUs, func() {
		written()
		h.turn.Checkpointed, h.covered = c.Index, c.Index
		h.wake()
		done()
	})
}

func encodeCheckpoint(c *store.Checkpoint) []byte {
	out := append(bytes.Clone(c.Header), c.Digest[:]...)
	for _, r := range c.Records {
		out = binary.BigEndian.AppendUint32(out, uint32(len(r.Key)))
		out = append(out, r.Key...)
		if r.Delete {
			out = append(out, 0xff)
			continue
		}
		out = binary.BigEndian.AppendUint32(out, uint32(len(r.Value)))
		out = append(out, r.Value...)
	}
	return out
}

func (h *host) cut(index uint64, done func()) {
	h.w.count.add(countCuts)
	h.w.trace.add(h.w.clock.now, traceCut, h.id<<48|int64(index), nil)
	cut := h.bar("cut the log behind %d", index)
	h.operate(h.disk.cut(index), faultCrashCut, h.checkpointUs, func() {
		cut()
		done()
	})
}

// mark writes down what was acknowledged, if it is time.
func (h *host) mark() {
	if h.marking {
		return
	}
	op := h.disk.mark(h.mono())
	if op.Done() {
		return
	}
	h.marking = true
	marked := h.bar("mark")
	h.operate(op, faultCrashMark, h.syncUs, func() {
		h.marking = false
		marked()
	})
}

// quiet says whether the process has nothing to do but to wait.
func (h *host) quiet() bool {
	return h.up && !h.looped && !h.appending && !h.applying && !h.busy && !h.marking &&
		len(h.appends) == 0
}

// resume lets a paused process go on with what it had to do meanwhile.
func (h *host) resume() {
	h.paused, h.pausedAt = false, h.w.clock.now
	h.shade("paused", false, "")
	h.w.history.Add(linearizability.Line{At: h.w.clock.now, Kind: linearizability.KindResume,
		Server: h.id})
	h.w.trace.add(h.w.clock.now, traceHost, h.id, []byte("resume"))
	held := h.held
	h.held = nil
	for _, do := range held {
		h.after(0, do)
	}
}

// stopOrderly is what an operator does: no new work, replies out, state saved, and a new start.
func (h *host) stopOrderly() {
	h.stopping = true
	h.shade("stopping", true, "stops in good order")
	h.w.trace.add(h.w.clock.now, traceHost, h.id, []byte("stop"))
	h.run(func() {
		h.member.Local.Drain()
		h.drain(100)
	})
}

// drain waits until every request that was taken is answered, and then has the State saved.
func (h *host) drain(patience int) {
	h.after(20*millisecond, func() {
		if patience > 0 && !h.answered() {
			h.drain(patience - 1)
			return
		}
		h.turn.Checkpoint = true
		h.wake()
		h.leave(100)
	})
}

// rot damages the disk of a process that has stopped in good order, which must not be passed over
// when it is opened again.
func (h *host) rot() {
	if h.appending || h.busy || h.marking || len(h.appends) > 0 {
		return // what is under way may lawfully be lost
	}
	h.shelve()
	h.must(h.disk.disk().Close())
	h.disk.crash(h.life, false, &h.w.count)
	what := h.disk.rot(h.life)
	if what == "" {
		return
	}
	h.w.count.add(faultRot)
	if _, err := h.disk.open(h.options()); !errors.Is(err, store.ErrDiskLost) {
		h.w.violate("durability", fmt.Sprintf("damage to %s is passed over: %v", what, err))
	}
}

// answered says whether all replies are on their way to the clients.
func (h *host) answered() bool {
	for _, sc := range h.conns { //order-free: all or none
		if len(sc.out) > 0 || sc.conn.HasOutput() {
			return false
		}
	}
	return h.member.Local.Answered()
}

// leave waits until the process has nothing more to do, and ends it.
func (h *host) leave(patience int) {
	h.after(20*millisecond, func() {
		if patience > 0 && !h.quiet() {
			h.leave(patience - 1)
			return
		}
		h.member.Local.CloseAll(core.CauseServerStopping)
		h.shelve()
		h.boundary(faultCrashOpen)
		if err := h.disk.disk().Close(); err != nil {
			h.failed(err)
		}
		h.disk.crash(h.life, false, &h.w.count)
		h.end(false)
		h.w.clock.after(h.life.spread(h.w.k.DownMs*millisecond/10), h.start)
	})
}
