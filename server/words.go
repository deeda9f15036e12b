package server

import (
	"slices"
	"time"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/server/fourletter"
)

// answerWord answers a four-letter word and leaves the closing to the caller.
func (c *connection) answerWord() {
	s := c.server
	word, ok := fourletter.Parse([]byte(c.conn.Word()))
	if !ok {
		return
	}
	local := s.member.Local
	s.state.Lock()
	local.WordReceived(c.conn)
	s.state.Unlock()
	var answer []byte
	switch {
	case !s.whitelist.Allows(word):
		answer = append(answer, word.Refusal()...)
	case word.NeedsService() && (!s.isServing() || s.serves() == core.ServingNobody):
		answer = append(answer, word.NotServing()...)
	case word == fourletter.Stmk:
		answer = c.setTraceMask()
	default:
		answer = s.appendWord(nil, word, c)
	}
	c.out.add(answer)
	s.state.Lock()
	local.WordAnswered(c.conn)
	s.state.Unlock()
}

// isServing says whether clients are answered.
func (s *Server) isServing() bool {
	select {
	case <-s.serving:
		return true
	default:
		return false
	}
}

// serves says whom the member serves.
func (s *Server) serves() core.Serving {
	s.state.RLock()
	defer s.state.RUnlock()
	return s.member.Local.Serving()
}

// setTraceMask takes the eight bytes that follow stmk. They most often come with it. It does not
// park while they are awaited: the caller ends the connection, and who visits it would as well.
func (c *connection) setTraceMask() []byte {
	c.nc.SetReadDeadline(time.Now().Add(patience))
	for len(c.in)-c.used < 12 {
		if c.readOn() != nil {
			return nil
		}
	}
	mask, ok := fourletter.ParseTraceMask(c.in[c.used+4:])
	if !ok {
		return nil
	}
	c.server.counters.traceMask.Store(mask)
	return fourletter.AppendTraceMask(nil, mask)
}

// appendWord answers a word that is allowed and can be answered now.
func (s *Server) appendWord(b []byte, word fourletter.Word, asking *connection) []byte {
	local := s.member.Local
	switch word {
	case fourletter.Ruok:
		return append(b, fourletter.RuokAnswer...)
	case fourletter.Conf:
		return fourletter.AppendConf(b, s.wordConf())
	case fourletter.Cons:
		return fourletter.AppendCons(b, s.wordConns(asking))
	case fourletter.Crst:
		s.state.Lock()
		local.ResetConnStats()
		s.state.Unlock()
		return append(b, fourletter.CrstAnswer...)
	case fourletter.Srst:
		s.state.Lock()
		local.ResetTotals()
		s.state.Unlock()
		s.counters.reset()
		return append(b, fourletter.SrstAnswer...)
	case fourletter.Dirs:
		data, log := s.directorySizes()
		return fourletter.AppendDirs(b, data, log)
	case fourletter.Dump:
		return fourletter.AppendDump(b, s.wordSessions())
	case fourletter.Envi:
		return fourletter.AppendEnvi(b, s.wordEnvironment())
	case fourletter.Gtmk:
		return fourletter.AppendTraceMask(b, s.counters.traceMask.Load())
	case fourletter.Hash:
		return fourletter.AppendHash(b, s.digests.get())
	case fourletter.Isro:
		return fourletter.AppendIsro(b, s.serves() == core.ServingReadOnly)
	case fourletter.Mntr:
		return fourletter.AppendMntr(b, s.wordMetrics())
	case fourletter.Srvr:
		return fourletter.AppendSrvr(b, s.wordStats())
	case fourletter.Stat:
		return fourletter.AppendStat(b, s.wordStats(), s.wordConns(asking))
	case fourletter.Wchs, fourletter.Wchc, fourletter.Wchp:
		return s.appendWatches(b, word)
	}
	return b
}

// appendWatches lists the watch table under S shared and W: a long list keeps nobody waiting
// who only reads or writes.
func (s *Server) appendWatches(b []byte, word fourletter.Word) []byte {
	table := s.member.Local.Watches
	s.state.RLock()
	s.watches.Lock()
	var counts fourletter.WatchCounts
	var rows []core.WatchRow
	if word == fourletter.Wchs {
		counts.Connections, counts.Paths, counts.Watches = table.Counts()
	} else {
		rows = table.Rows()
	}
	s.watches.Unlock()
	s.state.RUnlock()
	switch word {
	case fourletter.Wchs:
		return fourletter.AppendWchs(b, counts)
	case fourletter.Wchp:
		paths := make([]fourletter.PathSessions, len(rows))
		for i, row := range rows {
			paths[i].Path = row.Path
			for _, id := range row.Sessions {
				paths[i].Sessions = append(paths[i].Sessions, int64(id))
			}
		}
		return fourletter.AppendWchp(b, paths)
	}
	bySession := make(map[core.SessionID][]string)
	for _, row := range rows {
		for _, id := range row.Sessions {
			bySession[id] = append(bySession[id], row.Path)
		}
	}
	var sessions []fourletter.SessionPaths
	for _, id := range sortedKeys(bySession) {
		sessions = append(sessions,
			fourletter.SessionPaths{SessionID: int64(id), Paths: bySession[id]})
	}
	return fourletter.AppendWchc(b, sessions)
}

func sortedKeys[K core.SessionID | int64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// wordConns describes every connection.
func (s *Server) wordConns(asking *connection) []fourletter.Conn {
	began := s.now().UnixMilli() - s.monoMs() // the wall clock at zero of the other
	s.state.Lock()
	defer s.state.Unlock()
	conns := s.member.Local.Conns()
	list := make([]fourletter.Conn, len(conns))
	for i, conn := range conns {
		stats := conn.Stats()
		list[i] = fourletter.Conn{Remote: conn.Remote(), Queued: int64(conn.Queued()),
			Received: stats.Received, Sent: stats.Sent, SessionID: int64(conn.Session()),
			LastOp: "NA", Established: time.UnixMilli(began + conn.OpenedMs()),
			TimeoutMs: int64(conn.TimeoutMs()), LastCxid: int64(stats.LastCxid),
			LastZxid: int64(stats.LastZxid), LastResponseMs: stats.LastResponse,
			LastLatency: stats.LastLatency, MinLatency: stats.MinLatency,
			MaxLatency: stats.MaxLatency}
		one := &list[i]
		if stats.Requests > 0 {
			one.AvgLatency = stats.TotalLatency / stats.Requests
		}
		if name, ok := fourletter.LastOp(stats.LastOp); ok {
			one.LastOp = name
		}
		if c := conn.Owner().(*connection); c != asking {
			one.Interest = fourletter.InterestRead
			if c.out.pending() {
				one.Interest |= fourletter.InterestWrite
			}
		}
	}
	return list
}

// wordSessions says which sessions there are, when they expire, and what they own.
func (s *Server) wordSessions() *fourletter.Sessions {
	deadlines := s.deadlines()
	now, wall := s.monoMs(), s.now()
	answer := &fourletter.Sessions{}
	expiry, closing := make(map[int64][]int64), make(map[int64][]fourletter.ConnName)
	s.state.Lock()
	state, local := s.member.Local.State, s.member.Local
	for _, info := range state.AppendSessions(nil) {
		in := roundUp(deadlines[info.ID], s.cfg.TickTime.Milliseconds())
		expiry[in] = append(expiry[in], int64(info.ID))
		answer.Total++
		if info.Ephemerals > 0 {
			answer.Ephemerals = append(answer.Ephemerals, fourletter.SessionPaths{
				SessionID: int64(info.ID), Paths: state.AppendEphemerals(nil, info.ID)})
		}
	}
	for _, conn := range local.Conns() {
		in := int64(conn.TimeoutMs())
		if conn.Session() == 0 {
			in = s.cfg.HandshakeTimeout.Milliseconds()
		}
		in = roundUp(max(0, conn.TouchedMs()+in-now), s.cfg.HandshakeTimeout.Milliseconds())
		closing[in] = append(closing[in],
			fourletter.ConnName{Remote: conn.Remote(), SessionID: int64(conn.Session())})
		answer.Connections++
	}
	s.state.Unlock()
	for _, in := range sortedKeys(expiry) {
		answer.Expiry = append(answer.Expiry, fourletter.SessionsAt{At: after(wall, in),
			IDs: expiry[in]})
	}
	for _, in := range sortedKeys(closing) {
		answer.Closing = append(answer.Closing, fourletter.ConnsAt{At: after(wall, in),
			Conns: closing[in]})
	}
	return answer
}

func after(t time.Time, ms int64) time.Time { return t.Add(time.Duration(ms) * time.Millisecond) }

// roundUp is to the next multiple of step, as ZooKeeper puts what expires into buckets.
func roundUp(v, step int64) int64 {
	if step <= 0 {
		return v
	}
	return (v + step - 1) / step * step
}
