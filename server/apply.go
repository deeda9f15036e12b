package server

import (
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// How long apply keeps readers out: for so many commands at most, and fewer if they take
// longer than applyTime.
const (
	leastCommands = 8
	mostCommands  = 256
	applyTime     = 200 * time.Microsecond
)

// runApply applies what is committed, in small steps under S, and hands out what came of it.
func (s *Server) runApply() {
	var items []replication.ApplyItem
	var report replication.Report
	var touched []*connection
	budget := mostCommands
	for {
		<-s.applyWork.ready
		var open bool
		if items, open = s.applyWork.take(items); !open {
			return
		}
		for first := true; first || report.More; first = false {
			now, resumed := s.monoMs(), false
			s.state.Lock()
			if first {
				s.member.Enqueue(items)
			}
			began := time.Now()
			s.member.Apply(now, budget, &report)
			touched, resumed = s.collect(report.Touched, touched[:0])
			s.state.Unlock()
			switch took := time.Since(began); {
			case took > applyTime:
				budget = max(leastCommands, budget/2)
			case took < applyTime/2:
				budget = min(mostCommands, 2*budget)
			}
			if resumed {
				s.wakeLoop()
			}
			s.flushWork.put(touched...)
			if !s.report(&report) {
				return
			}
		}
		clear(touched)
	}
}

// collect takes the output of the connections that apply touched, under S exclusive. It
// returns who is to be seen to, and whether there is new mail for the loop.
func (s *Server) collect(list []*core.Conn, touched []*connection) ([]*connection, bool) {
	local, resumed := s.member.Local, false
	for _, conn := range list {
		c := conn.Owner().(*connection)
		s.inbox.Lock()
		resumed = local.Resume(conn) || resumed
		s.inbox.Unlock()
		conn.Wrote(c.out.written.Load())
		c.out.push(conn, nil)
		if conn.Over() {
			c.over.Store(true)
		}
		touched = append(touched, c)
	}
	return touched, resumed
}

// report passes on what the loop and the checkpoint goroutine have to know. It returns false
// when nothing can go on.
func (s *Server) report(r *replication.Report) bool {
	if r.Err != nil {
		s.fail(r.Err)
		return false
	}
	s.digests.add(r.Digests)
	for _, path := range r.QuotaExceeded {
		s.quotaExceeded(path)
	}
	if r.Checkpoint != nil {
		s.checkWork.put(checkpointWork{write: r.Checkpoint})
	}
	if !r.Applied.Empty() {
		applied := r.Applied
		if applied.Own {
			s.nowServing()
		}
		s.loopWork.put(loopNews{applied: &applied})
	}
	return true
}

// nowServing is told when the member's own stream is open. Only apply changes the State, and
// this is apply's goroutine: it may look at it without S.
func (s *Server) nowServing() {
	s.servingOnce.Do(func() {
		state := s.member.Local.State
		close(s.serving) // before the line: who reads it and asks is answered
		s.log.Info("serving", "address", s.listener.Addr().String(),
			"znodes", state.NodeCount(), "sessions", state.SessionCount(),
			"zxid", state.LastZxid().String(), "replayed", s.replayed,
			"took", time.Since(s.started).Round(time.Millisecond).String())
	})
}

// quotaExceeded logs a soft quota that was passed, not more than once a second.
func (s *Server) quotaExceeded(path string) {
	now := s.monoMs()
	if s.quotaLogged != 0 && now-s.quotaLogged < 1000 {
		return
	}
	s.quotaLogged = now
	s.log.Warn("quota exceeded", "path", path)
}

// runFlush writes what apply left for other connections, as far as their sockets take it at
// once; a goroutine of its own waits for each of the others.
func (s *Server) runFlush() {
	var writers sync.WaitGroup
	defer writers.Wait()
	var list []*connection
	for {
		<-s.flushWork.ready
		var open bool
		if list, open = s.flushWork.take(list); !open {
			return
		}
		for _, c := range list {
			if c.tryFlush() {
				writers.Go(c.flush)
			}
			if c.over.Load() {
				c.kickOut()
			}
			c.nudge()
		}
	}
}
