package sim

import (
	"fmt"
	"net/netip"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// This file judges how a process treats its connections, of which no answer speaks: whom it takes,
// whom it reads, and whom it closes. Clients come back whatever it does, so that nobody else would
// notice.

func (h *host) rude(format string, args ...any) {
	h.w.violate("manners", fmt.Sprintf("host %d %s", h.id, fmt.Sprintf(format, args...)))
}

// crowded says why a connection of an address would be one too many, if so many of them have come
// besides those that are there; core.CauseNone if it would not.
func (h *host) crowded(ip netip.Addr, come int) core.Cause {
	s, same := &h.settings, come
	for _, sc := range h.conns { //order-free: counts
		if sc.conn.Remote().Addr().Unmap() == ip.Unmap() {
			same++
		}
	}
	switch {
	case s.MaxConnections > 0 && len(h.conns)+come > s.MaxConnections:
		return core.CauseTooMany
	case s.MaxConnectionsPerIP > 0 && same > s.MaxConnectionsPerIP:
		return core.CauseTooManyOfIP
	}
	return core.CauseNone
}

// judgeTaken judges what became of a connection that came, before it counts.
func (h *host) judgeTaken(ip netip.Addr, cause core.Cause) {
	if want := h.crowded(ip, 1); cause != want {
		h.rude("takes a connection of %v with %q, want %q", ip, cause, want)
	}
}

// unreadable says why a connection may not be read now, "" if it may.
func (sc *serverConn) unreadable() string {
	s, c := &sc.h.settings, sc.conn
	switch {
	case s.SoftUnsent > 0 && c.Unsent() > s.SoftUnsent:
		return fmt.Sprintf("%d bytes are owed to it", c.Unsent())
	case s.MaxQueued > 0 && c.Queued() >= s.MaxQueued:
		return fmt.Sprintf("%d requests of it wait", c.Queued())
	}
	return ""
}

// judgeRead judges that n bytes of a connection were taken in, which was unreadable before.
func (sc *serverConn) judgeRead(n int, why string) {
	if n == 0 {
		return
	}
	if why != "" {
		sc.h.rude("reads %v although %s", sc.conn.ID(), why)
	}
	if most := sc.h.settings.MaxBuffer; most > 0 && n > most+4 {
		sc.h.rude("reads a frame of %d bytes, %d are allowed", n, most)
	}
}

// judgeOwed judges a connection that apply has done something to: who is owed too much is closed.
func (h *host) judgeOwed(c *core.Conn) {
	if most := h.settings.HardUnsent; most > 0 && !c.Over() && c.Unsent() > most {
		h.rude("keeps %v, to which %d bytes are owed", c.ID(), c.Unsent())
	}
}

// judgeSwept judges who is left after a sweep: nobody who has had no session for long.
func (h *host) judgeSwept() {
	now, local := h.mono(), h.member.Local
	const late = 2500 // sweeps are a second apart, and a connection may have been read just now
	for _, c := range local.Conns() {
		silent := now - c.TouchedMs()
		switch {
		case c.Over():
		case !c.Established() && now-c.OpenedMs() >= h.settings.HandshakeMs:
			h.rude("keeps %v, which has no session since %d ms", c.ID(), now-c.OpenedMs())
		case c.Session().IsReadOnly() && local.Serving() == core.ServingReadOnly &&
			silent > int64(c.TimeoutMs())+late && !h.conns[c.ID()].waiting:
			h.rude("keeps %v, which is silent for %d ms, its time-out is %d ms", c.ID(), silent,
				c.TimeoutMs())
		}
	}
}

// judgeEnd judges why the server ends a connection.
func (sc *serverConn) judgeEnd() {
	h, c := sc.h, sc.conn
	bad := ""
	switch c.Cause() {
	case core.CauseNone:
		bad = "there is none"
	case core.CauseSessionExpired, core.CauseClosedByClient:
		if _, lives := h.session(c); lives {
			bad = "its session lives"
		}
	case core.CauseSessionMoved:
		if s, lives := h.session(c); lives && s.Generation == c.Generation() {
			bad = "its session is here"
		}
	case core.CauseHandshakeTimeout:
		if open := h.mono() - c.OpenedMs(); open < h.settings.HandshakeMs {
			bad = fmt.Sprintf("it is open for %d ms", open)
		}
	case core.CauseSlowReader:
		if h.settings.HardUnsent == 0 && h.settings.MaxHeldBytes == 0 {
			bad = "nothing bounds what it is owed"
		}
	case core.CauseLeaderBack:
		if c.Established() && !c.Session().IsReadOnly() {
			bad = "it has a session of the log"
		}
	case core.CauseServerStopping:
		if !h.stopping {
			bad = "it does not stop"
		}
	}
	if bad != "" {
		h.rude("ends %v of %v since %q: %s", c.ID(), c.Session(), c.Cause(), bad)
	}
}

// session is what the host's State says of a connection's session.
func (h *host) session(c *core.Conn) (core.SessionInfo, bool) {
	for _, s := range h.member.Local.State.AppendSessions(nil) {
		if s.ID == c.Session() {
			return s, true
		}
	}
	return core.SessionInfo{}, false
}

// judgeServing judges that a process serves nobody, or read-only, since it has no leader: it has
// had none for as long as its clients are kept.
func (h *host) judgeServing(n *replication.Notice) {
	if n.Kind != replication.NoticeServing || n.Cause != core.CauseNoLeader {
		return
	}
	without := (h.w.clock.now - h.ledAt) / millisecond
	const slack = 2 * tickMs
	if least := h.own().SyncLimitMs; without*1060/1000+slack < least {
		h.rude("has no leader for %d ms and keeps its clients no more, which are to stay for %d ms",
			without, least)
	}
}

// judgeFlags judges the settings that travel with a request: they are its server's.
func (s *shadow) judgeFlags(batch *core.Batch, c *core.Command) {
	id := int64(batch.Origin.RaftID)
	if m := s.state.Membership(); m != nil {
		e := m.Member(batch.Origin.RaftID)
		if e == nil {
			return // removed meanwhile
		}
		id = int64(e.Server)
	}
	if id > int64(len(s.w.hosts)) {
		return
	}
	set := &s.w.hosts[id-1].settings
	want := core.Flags{SkipACL: set.SkipACL, EnforceQuota: set.EnforceQuota,
		ExtendedTypes: !set.NoExtendedTypes, Reconfig: set.ReconfigEnabled,
		MayStandAlone: set.MayStandAlone}
	if c.Flags != want {
		s.w.violate("shadow", fmt.Sprintf("index %d: host %d asks for %v with %+v, its settings "+
			"are %+v", s.index, id, c.Op, c.Flags, want))
	}
}
