package server

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// applyBudget bounds how long apply keeps readers out: some 200 us.
const applyBudget = 256

// runApply applies what is committed, in small steps under S, and hands out what came of it.
func (s *Server) runApply() {
	var items []replication.ApplyItem
	var report replication.Report
	var touched []*connection
	for {
		<-s.applyWork.ready
		var open bool
		if items, open = s.applyWork.take(items); !open {
			return
		}
		for first := true; first || report.More; first = false {
			now := s.monoMs()
			s.state.Lock()
			if first {
				s.member.Enqueue(items)
			}
			s.member.Apply(now, applyBudget, &report)
			touched = s.collect(report.Touched, touched[:0])
			s.state.Unlock()
			s.flushWork.put(touched...)
			if !s.report(&report) {
				return
			}
		}
	}
}

// collect takes the output of the connections that apply touched, under S exclusive, and
// returns who is to be seen to.
func (s *Server) collect(list []*core.Conn, touched []*connection) []*connection {
	local := s.member.Local
	for _, conn := range list {
		c := s.conns[conn]
		if c == nil {
			continue
		}
		s.inbox.Lock()
		resumed := local.Resume(conn)
		s.inbox.Unlock()
		if resumed {
			s.wakeLoop()
		}
		conn.Wrote(c.out.written.Load())
		c.out.push(conn)
		if conn.Cause() != core.CauseNone {
			c.over.Store(true)
		}
		touched = append(touched, c)
	}
	return touched
}

// report passes on what the loop and the checkpoint goroutine have to know. It returns false
// when nothing can go on.
func (s *Server) report(r *replication.Report) bool {
	if r.Err != nil {
		s.fail(r.Err)
		return false
	}
	if r.Checkpoint != nil {
		s.checkWork.put(checkpointWork{write: r.Checkpoint})
	}
	if !r.Applied.Empty() {
		applied := r.Applied
		if applied.Own {
			s.servingOK.Do(s.nowServing)
		}
		s.loopWork.put(loopNews{applied: &applied})
	}
	return true
}

// nowServing is the first time that the member's own stream is open.
func (s *Server) nowServing() {
	s.log.Info("serving", "address", s.listener.Addr().String())
	close(s.serving)
}

// runFlush writes what apply left for other connections, as far as their sockets take it at
// once; a goroutine of its own waits for the others.
func (s *Server) runFlush() {
	var list []*connection
	for {
		<-s.flushWork.ready
		var open bool
		if list, open = s.flushWork.take(list); !open {
			return
		}
		for _, c := range list {
			if c.tryFlush() {
				s.feeders.Go(c.flush)
			}
			if c.over.Load() {
				c.kickOut()
			}
			c.nudge()
		}
	}
}
