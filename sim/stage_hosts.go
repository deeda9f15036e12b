package sim

import (
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
)

// Ensemble is Quiet for several hosts, between which a message takes at most half a millisecond.
func Ensemble(hosts, durationMs int64) Knobs {
	k := Quiet(durationMs)
	k.Hosts, k.PeerDelayUs = hosts, 500
	return k
}

// Leader is the host that leads at the moment, 0 if none does.
func (s *Stage) Leader() int64 {
	if h := s.w.leader(); h != nil {
		return h.id
	}
	return 0
}

// Others are all hosts but one.
func (s *Stage) Others(host int64) []int64 {
	var ids []int64
	for _, h := range s.w.hosts {
		if h.id != host {
			ids = append(ids, h.id)
		}
	}
	return ids
}

// NowUs is the time since the beginning in microseconds.
func (s *Stage) NowUs() int64 { return s.w.clock.now }

// Kill ends the process of a host at once. All its peers are told toldUs later, in one moment.
func (s *Stage) Kill(host, toldUs int64) {
	s.w.toldUs = toldUs
	s.w.hosts[host-1].crash(false)
	s.w.toldUs = 0
}

// Pause lets a process hang for so long.
func (s *Stage) Pause(host, ms int64) {
	h := s.w.hosts[host-1]
	h.pause()
	s.w.clock.after(ms*millisecond, func() {
		if h.paused {
			h.resume()
		}
	})
}

// Cut lets no message pass between a host and its peers for so long. What is said meanwhile is
// lost.
func (s *Stage) Cut(host, ms int64) {
	paths := s.w.around(s.w.hosts[host-1])
	for _, p := range paths {
		s.w.peerLink(p.from, p.to).cut(p.to, true)
	}
	s.w.clock.after(ms*millisecond, func() {
		for _, p := range paths {
			s.w.peerLink(p.from, p.to).reset()
			s.w.mend(p)
		}
	})
}

// JumpClockOf sets the wall clock of a host on or back.
func (s *Stage) JumpClockOf(host, ms int64) { s.w.hosts[host-1].wall += ms }

// Fill leaves so many bytes of room on the disk of a host, for so long.
func (s *Stage) Fill(host int64, bytes uint64, ms int64) {
	h := s.w.hosts[host-1]
	h.full = h.disk.room(bytes)
	s.w.clock.after(ms*millisecond, h.empty)
}

// ActorAt lets in a client that knows no other host.
func (s *Stage) ActorAt(host int64) Actor {
	a := s.Actor()
	a.c.servers = servers{order: []int64{host}}
	return a
}

// Move lets a client go to another host, after about pauseMs.
func (a Actor) Move(host, pauseMs int64) {
	a.c.servers = servers{order: []int64{host}}
	a.Disconnect(pauseMs)
}

// Connected says whether the client has a connection on which it is served.
func (a Actor) Connected() bool { return a.c.conn != nil && a.c.conn.open }

// Committed is when a write of the client was first known to be committed, 0 if it was not.
func (a Actor) Committed(path string) int64 {
	if a.c == nil {
		return 0 // the world ended before there was a client
	}
	for i := range a.c.w.history.Lines {
		l := &a.c.w.history.Lines[i]
		if l.Kind == linearizability.KindReturn && l.Client == a.c.id && l.Result != nil &&
			l.Result.Err == linearizability.CodeOk && l.Result.Path == path {
			return l.At
		}
	}
	return 0
}

// Wipe takes the disk of a host away, whatever that costs. It comes back with an empty one after
// about DownMs.
func (s *Stage) Wipe(host int64) { s.w.hosts[host-1].lose("wiped") }

// Empty is Wipe, but the new disk has the id of the old one.
func (s *Stage) Empty(host int64) {
	h := s.w.hosts[host-1]
	id := h.self.Disk
	s.Wipe(host)
	h.kept, h.forgot = id, true
}

// Spoke says until when anybody has spoken to peers under a raft id, in microseconds.
func (s *Stage) Spoke(id int64) int64 { return s.w.spoke[core.RaftID(id)] }

// Down keeps a host down for so long.
func (s *Stage) Down(host, ms int64) {
	h := s.w.hosts[host-1]
	h.gone = true
	if h.up {
		h.crash(true)
	}
	s.w.clock.after(ms*millisecond, func() {
		h.gone = false
		h.start()
	})
}

// Member says under which raft id a host is a member, and whether its process is one; 0 is none.
func (s *Stage) Member(host int64) (id int64, runs bool) {
	h := s.w.hosts[host-1]
	return int64(h.raftID()), h.member != nil
}

// Upgrade gives a host the new release, with which its next process begins. All have the older one
// in a world whose Knobs.Upgrade is 2.
func (s *Stage) Upgrade(host int64) { s.w.hosts[host-1].upgrade() }

// Level is the feature level of the ensemble, and the highest that there is.
func (s *Stage) Level() (level, highest uint32) {
	return s.w.shadow.state.FeatureLevel(), core.MaxFeatureLevel
}

// Lower lets the disk of a host show so many bytes of room, for so long.
func (s *Stage) Lower(host, bytes, ms int64) {
	h := s.w.hosts[host-1]
	h.low = bytes
	s.w.clock.after(ms*millisecond, h.empty)
}
