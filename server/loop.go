package server

import (
	"time"

	"github.com/vivariumdb/vivarium/replication"
)

// loopNews is something that happened elsewhere and that the loop has to take in.
type loopNews struct {
	stored       []*replication.Append
	applied      *replication.Applied
	checkpointed uint64
	checkpoint   bool          // somebody wants one
	saved        chan struct{} // closed when that one counts
}

// wakeLoop makes the loop turn. It never blocks.
func (s *Server) wakeLoop() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// runLoop turns the replica until stop is closed.
func (s *Server) runLoop(stop <-chan struct{}) {
	tick := time.Duration(s.member.Config().TickMs) * time.Millisecond
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var turn replication.Turn
	var work replication.Work
	var news []loopNews
	var saved []chan struct{}
	last, swept := time.Now(), s.monoMs()
	for {
		select {
		case <-stop:
			return
		case <-s.kick:
		case <-s.loopWork.ready:
		case <-ticker.C:
		}
		turn.Ticks = int(time.Since(last) / tick)
		if turn.Ticks > 0 {
			last = last.Add(time.Duration(turn.Ticks) * tick)
			s.touchWaiting()
			if now := s.monoMs(); now-swept >= 1000 {
				swept = now
				s.sweep(now)
			}
		}
		s.inbox.Lock()
		s.member.Local.Inbox.Take(&turn.Mail)
		s.inbox.Unlock()
		news, _ = s.loopWork.take(news)
		saved = gather(&turn, news, saved)
		turn.NowMs = s.nowMs()
		s.member.Step(&turn, &work)
		s.logWork.put(work.Appends...)
		s.applyWork.put(work.Apply...)
		if turn.Checkpointed > 0 {
			for _, c := range saved {
				close(c)
			}
			saved = nil
		}
		if work.Cut > 0 {
			s.checkWork.put(checkpointWork{cut: work.Cut})
		}
		turn = replication.Turn{Mail: turn.Mail, Stored: turn.Stored[:0],
			Applied: turn.Applied[:0]}
	}
}

// gather adds news to a turn.
func gather(turn *replication.Turn, news []loopNews, saved []chan struct{}) []chan struct{} {
	for i := range news {
		n := &news[i]
		turn.Stored = append(turn.Stored, n.stored...)
		if n.applied != nil {
			turn.Applied = append(turn.Applied, *n.applied)
		}
		turn.Checkpointed = max(turn.Checkpointed, n.checkpointed)
		turn.Checkpoint = turn.Checkpoint || n.checkpoint
		if n.saved != nil {
			saved = append(saved, n.saved)
		}
	}
	return saved
}

// touchWaiting reports, once a tick, that the clients live whom the server itself does not
// read.
func (s *Server) touchWaiting() {
	s.state.RLock()
	s.inbox.Lock()
	s.member.Local.TouchWaiting()
	s.inbox.Unlock()
	s.state.RUnlock()
}

// sweep ends connections that have had no session for too long.
func (s *Server) sweep(now int64) {
	s.state.Lock()
	s.member.Local.Sweep(now)
	touched := s.collect(s.member.Local.TakeTouched(nil), nil)
	s.state.Unlock()
	s.flushWork.put(touched...)
}
