package server

import (
	"time"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// loopNews is something that happened elsewhere and that the loop has to take in.
type loopNews struct {
	stored       []*replication.Append
	applied      *replication.Applied
	checkpointed uint64
	freeBytes    int64                       // room on the disks, if it was looked at
	save         *save                       // somebody wants a checkpoint
	deadlines    chan []replication.Deadline // somebody wants to know; room for the answer
	alive        chan struct{}               // closed when it is taken in
}

// save is the wish for a checkpoint of index or later. done is closed when one counts.
type save struct {
	index uint64
	done  chan struct{}
}

// wakeLoop makes the loop turn. It never blocks.
func (s *Server) wakeLoop() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// loop is what the loop's goroutine keeps from turn to turn.
type loop struct {
	s     *Server
	turn  replication.Turn
	work  replication.Work
	news  []loopNews
	tick  time.Duration
	last  time.Time // up to when ticks are counted
	swept int64
	saved uint64 // index of the last checkpoint that counts
	saves []*save
	asks  []chan []replication.Deadline
}

// runLoop turns the replica until stop is closed.
func (s *Server) runLoop(stop <-chan struct{}) {
	l := &loop{s: s, last: time.Now(), swept: s.monoMs(),
		tick: time.Duration(s.member.Config().TickMs) * time.Millisecond}
	ticker := time.NewTicker(l.tick)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-s.kick:
		case <-s.loopWork.ready:
		case <-ticker.C:
		}
		l.step()
	}
}

// step is one turn.
func (l *loop) step() {
	s, turn := l.s, &l.turn
	l.countTicks()
	s.inbox.Lock()
	s.member.Local.Inbox.Take(&turn.Mail)
	s.inbox.Unlock()
	l.news, _ = s.loopWork.take(l.news)
	l.gather()
	turn.NowMs = s.now().UnixMilli()
	s.member.Step(turn, &l.work)
	s.logWork.put(l.work.Appends...)
	s.applyWork.put(l.work.Apply...)
	for _, n := range l.work.Notices {
		s.notice(n)
	}
	if l.work.Cut > 0 {
		s.checkWork.put(checkpointWork{cut: l.work.Cut})
	}
	l.answer()
	clear(turn.Stored)
	clear(turn.Applied)
	*turn = replication.Turn{Mail: turn.Mail, Stored: turn.Stored[:0],
		Applied: turn.Applied[:0]}
}

// notice passes on what an operator should know. The first of a good State of things says nothing
// that "serving" does not.
func (s *Server) notice(n replication.Notice) {
	if n.Low || n.OffsetMs != 0 {
		s.log.Warn(n.String())
		return
	}
	s.log.Info(n.String())
}

// sweepMs is how often connections are looked at of which nobody tells anything. It is a variable
// for tests of what must not wait for that.
var sweepMs int64 = 1000

func (l *loop) countTicks() {
	s := l.s
	n := int(time.Since(l.last) / l.tick)
	if n == 0 {
		return
	}
	l.turn.Ticks = n
	l.last = l.last.Add(time.Duration(n) * l.tick)
	s.touchWaiting()
	if now := s.monoMs(); now-l.swept >= sweepMs {
		l.swept = now
		s.sweep(now)
	}
}

// gather adds the news to the turn.
func (l *loop) gather() {
	turn := &l.turn
	for i := range l.news {
		n := &l.news[i]
		turn.Stored = append(turn.Stored, n.stored...)
		if n.applied != nil {
			turn.Applied = append(turn.Applied, *n.applied)
		}
		turn.Checkpointed = max(turn.Checkpointed, n.checkpointed)
		if n.freeBytes > 0 {
			turn.FreeBytes = n.freeBytes
		}
		if n.save != nil {
			turn.Checkpoint = true
			l.saves = append(l.saves, n.save)
		}
		if n.deadlines != nil {
			l.asks = append(l.asks, n.deadlines)
		}
		if n.alive != nil {
			close(n.alive)
		}
	}
}

// answer tells those who asked.
func (l *loop) answer() {
	l.saved = max(l.saved, l.turn.Checkpointed)
	left := l.saves[:0]
	for _, w := range l.saves {
		if w.index > l.saved {
			left = append(left, w)
			continue
		}
		close(w.done)
	}
	l.saves = left
	for _, ask := range l.asks {
		ask <- l.s.member.AppendDeadlines(nil)
	}
	l.asks = l.asks[:0]
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

// sweep ends connections that have had no session for too long, and counts anew what all hold.
func (s *Server) sweep(now int64) {
	local := s.member.Local
	s.state.Lock()
	local.Each(func(conn *core.Conn) {
		conn.Wrote(conn.Owner().(*connection).out.written.Load())
	})
	local.Sweep(now)
	touched, resumed := s.collect(local.TakeTouched(nil), nil)
	s.state.Unlock()
	if resumed {
		s.wakeLoop()
	}
	s.flushWork.put(touched...)
}

// deadlines asks the loop when sessions expire.
func (s *Server) deadlines() map[core.SessionID]int64 {
	ask := make(chan []replication.Deadline, 1)
	s.loopWork.put(loopNews{deadlines: ask})
	m := make(map[core.SessionID]int64)
	for _, d := range <-ask {
		m[d.Session] = d.InMs
	}
	return m
}
