package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// heed takes in what a turn of the loop has to tell.
func (h *host) heed() {
	w := h.w
	h.refused(h.work.Errs)
	if d := h.work.Diverged; d != nil {
		w.violate("digest", fmt.Sprintf("host %d says that its State differs: %+v", h.id, *d))
	}
	if l := h.work.Lost; l != nil {
		if !h.forgot {
			w.violate("disks", fmt.Sprintf("host %d takes its disk for lost: it has %v and has "+
				"acknowledged %v", h.id, l.Has, l.Acknowledged))
		}
		h.lose("a peer knows of more")
		return
	}
	for _, n := range h.work.Notices {
		h.judgeServing(&n)
		w.count.add(countNotices)
		w.trace.add(w.clock.now, traceHost, h.id, []byte(n.String()))
		if f := w.film; f != nil {
			f.point(f.lane("member", h.id), "notice", n.String())
		}
	}
}

// exchange does what a turn of the loop asks for with checkpoints of peers.
func (h *host) exchange() {
	w := h.w
	for _, q := range h.work.Read {
		if q.From == nil && !q.Close {
			w.count.add(countCheckpointsSent)
			h.aim(faultCrashSendCheckpoint, 3)
		}
		h.readAt = max(h.readAt, w.clock.now+h.checkpointUs())
		h.after(h.readAt-w.clock.now, func() { h.readPiece(q) })
	}
	for _, s := range h.work.Stage {
		if s.Restart {
			h.aim([]counter{faultCrashInstall, faultCrashStage}[h.aims%2], 4)
		}
		h.keep(func(done func()) {
			w.count.add(countPieces)
			h.operate(h.disk.stage(s), faultCrashStage, h.checkpointUs, func() {
				h.turn.Staged = append(h.turn.Staged, s)
				h.wake()
				done()
			})
		})
	}
}

func (h *host) readPiece(q replication.CheckpointRead) {
	h.boundary(faultCrashSendCheckpoint)
	p, err := h.transfers.Read(q)
	if err != nil {
		h.failed(err)
	}
	if p != nil {
		h.turn.Read = append(h.turn.Read, *p)
		h.wake()
	}
}

// shelve ends the transfers of a process that ends.
func (h *host) shelve() {
	if h.transfers != nil {
		if err := h.transfers.Close(); err != nil {
			h.w.violate("disk", err.Error())
		}
		h.transfers = nil
	}
}

func installs(a *replication.Append) bool { return a.Install != nil }

// install puts the checkpoint of a peer in the place of the State: on the disk, then in the
// member, with a boundary between any two steps.
func (h *host) install(a *replication.Append, done func()) {
	w := h.w
	c, b := store.InstallCheckpoint(a), store.InstallBatch(a)
	w.trace.add(w.clock.now, traceCheckpoint, h.id<<48|int64(c.Index), encodeCheckpoint(&c))
	installed := h.bar("install the checkpoint of index %d", c.Index)
	h.operate(h.disk.checkpoint(c), faultCrashInstall, h.checkpointUs, func() {
		h.boundary(faultCrashInstall)
		op := h.disk.append(b)
		w.abstract.wrote(h, op, &b)
		h.operate(op, faultCrashInstall, h.syncUs, func() {
			h.boundary(faultCrashInstall)
			state, err := store.LoadState(h.disk.disk())
			if err != nil {
				h.failed(err)
			}
			h.after(h.checkpointUs(), func() {
				h.boundary(faultCrashInstall)
				w.count.add(countInstalled)
				installed()
				h.member.Install(a, state, &h.report)
				if h.report.Err != nil {
					w.violate("install", h.report.Err.Error())
					return
				}
				w.abstract.jumping(h)
				w.shadow.installed(h)
				w.abstract.jumps(h)
				w.abstract.applied(h)
				if h.follow(h.report.Membership); h.gone {
					return
				}
				if !h.report.Applied.Empty() {
					h.turn.Applied = append(h.turn.Applied, h.report.Applied)
				}
				h.turn.Stored = append(h.turn.Stored, a)
				h.log.acknowledge([]*replication.Append{a})
				w.abstract.acknowledged(h, []*replication.Append{a})
				h.appending = false
				h.tend(h.report.Touched)
				h.wake()
				done()
				h.write()
			})
		})
	})
}
