package replication

import (
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/internal/mutant"
)

// tendCheckpoints goes on with checkpoints: this member's own, those that are sent to peers, and
// one that is received.
func (r *replica) tendCheckpoints(turn *Turn, work *Work) {
	if turn.Checkpointed > 0 {
		r.capturing, r.frozenBytes = false, 0
		r.checkpointed = turn.Checkpointed
		if term, err := r.log.Term(r.checkpointed); err == nil {
			r.log.checkpoint = position{term, r.checkpointed}
		}
	}
	for i := range turn.Read {
		r.takeRead(&turn.Read[i], work)
	}
	for _, s := range turn.Staged {
		r.takeStaged(s, work)
	}
	if !r.alone {
		r.tendShipments(turn)
		r.offerInstall(work)
	}
	r.cut(turn, work)
	r.trimLog()
}

// checkpoint begins a capture when enough log has grown, when nothing else happens, or when
// it is asked for; never while one that was received is about to take the place of all before.
func (r *replica) checkpoint(work *Work) {
	if r.capturing || r.reception.busy() {
		return
	}
	if r.log.wanted && r.logBytes > 0 {
		r.wantCapture, r.log.wanted = true, false
	}
	grown := r.logBytes >= r.checkpointBytes() || r.changed >= r.cfg.CheckpointItems
	idle := r.logBytes > 0 && r.ticks-r.lastEntry >= r.cfg.IdleTicks
	// Log was forgotten that the last one does not cover: there is none to send.
	short := !r.alone && r.log.start.index > r.log.checkpoint.index
	if !grown && !idle && !short && !r.wantCapture {
		return
	}
	r.capturing, r.wantCapture = true, false
	r.frozenBytes, r.logBytes, r.changed = r.logBytes, 0, 0
	work.Apply = append(work.Apply, ApplyItem{checkpoint: true})
}

// checkpointBytes is how much log makes a checkpoint.
func (r *replica) checkpointBytes() int64 { return max(r.cfg.CheckpointBytes, r.stateBytes/4) }

// braked says whether a leader takes on nothing more for now: the disk is slow to write a
// checkpoint, so that the log behind the last one grows, or apply is slow. It ends by itself, for
// as much log makes the next checkpoint begin.
func (r *replica) braked() bool {
	if mutant.On("replication-no-brake") {
		return false
	}
	most := r.cfg.MaxLogBytes
	return r.frozenBytes+r.logBytes > most+2*r.checkpointBytes() ||
		r.log.bytes > most && r.log.bytesBehind(r.applied, most) > most
}

// cut lets go of log that a checkpoint covers.
//
// In an ensemble what some member has not stored yet is kept, on the disk and in memory, so that
// one that was away for a moment goes on where it was; no more than Config.MaxLogBytes of it, so
// that one that stays away does not make all logs grow. Who is behind what is kept gets a
// checkpoint. The log behind one that is being sent is kept as well, or it would be of no use,
// until there is twice as much: then the transfer begins again with a newer one.
func (r *replica) cut(turn *Turn, work *Work) {
	if turn.Checkpointed == 0 && (r.alone || turn.Ticks == 0) ||
		mutant.On("storage-log-never-cut") {
		return
	}
	to := r.checkpointed
	if !r.alone {
		to = r.needless()
	}
	if r.alone || to > r.cutAt {
		r.log.cut(min(to, r.settled))
		work.Cut, r.cutAt = to, to
	}
}

// needless is the index up to which nobody needs the log.
func (r *replica) needless() uint64 {
	to := r.checkpointed
	if to >= r.stored && !mutant.On("replication-cut-beyond-stored") {
		// One more stays: a log that is read back begins with an entry, and raft wants to know
		// the term of the one before that it sends.
		to = max(r.stored, 1) - 1
	}
	most := r.cfg.MaxLogBytes
	if excess := r.log.excess(r.checkpointed, most); excess > to {
		sent := r.shipments.oldest(excess)
		if mutant.On("replication-log-behind-sent-cut") {
			sent = excess
		}
		to = max(to, sent, r.log.excess(r.checkpointed, 2*most))
	}
	invariant.Check(to <= r.checkpointed, "log is cut that no checkpoint covers")
	return to
}

// trimLog forgets log in memory only. A member without peers needs none that is applied. One with
// peers comes to this when a checkpoint takes long: until there is a newer one it has none to send.
func (r *replica) trimLog() {
	switch kept := r.cfg.KeptLogBytes; {
	case r.alone && r.log.bytes > 2*kept:
		r.log.trim(r.settled, kept)
	case !r.alone && r.log.bytes > 3*r.cfg.MaxLogBytes:
		r.log.trim(r.settled, 2*r.cfg.MaxLogBytes)
	}
}
