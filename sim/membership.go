package sim

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// asks says whether the hosts begin with empty disks and found their ensemble by asking each other.
// A State that is older than that, or a host without peers, is there from the beginning.
func (w *World) asks() bool {
	return w.k.Asks != 0 && w.k.Hosts > 1 && w.k.FoundingTerm == 0 && w.k.ZxidLead == 0 &&
		w.k.SequenceLead == 0
}

// spareHosts is how many hosts there are beside those that found the ensemble.
func (w *World) spareHosts() int64 {
	if !w.asks() {
		return 0
	}
	return w.k.Spares
}

// foundingVoters is how many hosts vote when the ensemble is founded. The others that found it are
// observers.
func (w *World) foundingVoters() int64 {
	if w.k.Voters > 0 && w.k.Voters < w.k.Hosts && w.asks() {
		return w.k.Voters
	}
	return max(w.k.Hosts, 1)
}

// server is a host's line in the file that all of them have.
func (h *host) server() core.Server {
	s, err := core.ParseServer(core.ServerID(h.id), fmt.Sprintf("host%d:2888:3888;2181", h.id))
	invariant.Check(err == nil, "a server's line cannot be read")
	return s
}

// file lists the servers that found the ensemble, and maybe others as observers.
func (w *World) file() (servers []core.Server) {
	if !w.asks() {
		return nil
	}
	for _, h := range w.hosts {
		s := h.server()
		if s.Observer = h.id > w.foundingVoters(); h.id <= w.k.Hosts || w.k.Listed != 0 {
			servers = append(servers, s)
		}
	}
	return servers
}

// known lists those servers and all that have been added since: whoever gives a server an empty
// disk names in its file where the ensemble is by now.
func (w *World) known() []core.Server {
	servers := w.file()
	if m := w.shadow.members; m != nil {
		for i := range m.Servers {
			servers = core.PutServer(servers, m.Servers[i])
		}
	}
	return servers
}

// identify takes in what a disk says of itself.
func (h *host) identify(rec *store.Recovered) {
	h.self = replication.Identity{Server: core.ServerID(h.id), Disk: core.DiskID(rec.DiskID),
		Level: h.follows}
	if rec.Checkpoint.Index > 0 {
		h.self.Cluster, h.self.RaftID = rec.Seat.Cluster, rec.Seat.RaftID
	}
}

// ask lets an empty disk find out what becomes of it. Until it has been admitted it makes itself
// known to the members of an ensemble again and again, for its leader hears of it by nothing else.
func (h *host) ask() {
	h.misled = false
	h.founder = replication.NewFounder(h.self, h.w.known(), false, h.life.id())
	h.askAgain()
}

func (h *host) askAgain() {
	h.after(h.life.between(200*millisecond, 600*millisecond), func() {
		for _, other := range h.w.hosts {
			if other == h {
				continue
			}
			l := h.w.peerLink(h, other)
			if s := &l.sides[l.index(h)]; s.met && !s.peer.Empty() {
				l.reset()
			}
		}
		h.askAgain()
	})
}

// decide does what the founder has decided.
func (h *host) decide() {
	w := h.w
	d, err := h.founder.Decide()
	if h.misled && (err == nil || errors.Is(err, replication.ErrTwoEnsembles)) {
		if d.Found {
			w.violate("founding", fmt.Sprintf("host %d founds beside another ensemble", h.id))
		}
		if err != nil || !d.Joins {
			return
		}
	}
	if err != nil {
		w.violate("founding", fmt.Sprintf("host %d: %v", h.id, err))
		return
	}
	if !d.Found && !d.Joins {
		return
	}
	state, conf, err := replication.NewFounded(d.Word)
	if err != nil {
		w.violate("founding", fmt.Sprintf("host %d: %v", h.id, err))
		return
	}
	h.boundary(faultCrashOpen)
	h.must(h.disk.disk().Sit(store.Seat{Cluster: d.Identity.Cluster, RaftID: d.Identity.RaftID}))
	h.boundary(faultCrashOpen)
	c := store.Founding(state)
	c.ConfState = conf
	h.must(store.FoundWith(h.disk.disk(), c))
	h.log.founded(c.Index)
	w.entered(h, &d)
	h.boundary(faultCrashOpen)
	h.must(h.disk.disk().Close())
	h.disk.crash(h.life, false, &w.count)
	h.end(false)
	w.clock.after(0, h.start)
}

// entered judges what an empty disk has become: there is one ensemble, founded once.
func (w *World) entered(h *host, d *replication.Founding) {
	w.trace.add(w.clock.now, traceHost, h.id, d.Identity.Cluster[:])
	switch {
	case d.Found && w.cluster != (core.ClusterID{}):
		w.violate("founding", fmt.Sprintf("host %d founds a second ensemble", h.id))
	case d.Found:
		w.cluster = d.Identity.Cluster
		state, _, err := replication.NewFounded(d.Word)
		invariant.Check(err == nil, "founded once, but not twice")
		w.shadow.found(state)
		w.history.Header.Zxid = int64(state.LastZxid())
		w.history.Header.Config = configOf(state)
		w.count.add(countFounded)
	case d.Identity.Cluster != w.cluster:
		w.violate("founding", fmt.Sprintf("host %d joins an ensemble that nobody founded", h.id))
	default:
		w.count.add(countJoined)
	}
}

// configOf is what /zookeeper/config holds.
func configOf(s *core.State) (text []byte) {
	_ = s.Walk(func(img core.Image) error { // which fails never
		if img.Path == "/zookeeper/config" {
			text = append(text, img.Data...)
		}
		return nil
	})
	return text
}

// side is one end of a connection between hosts.
type side struct {
	shake *replication.Handshake
	met   bool
	peer  replication.Peer
	// owed is a member whose connection is lost, as this end has not been told yet; 0: none.
	owed core.RaftID
}

// greet begins the handshake of one end, which has called the other or was called.
func (l *peerLink) greet(i int, calls bool) {
	h, called := l.hosts[i], replication.AnyServer
	if calls {
		called = core.ServerID(l.hosts[1-i].id)
	}
	if h.member == nil && h.founder == nil {
		return
	}
	l.sides[i].shake = replication.NewHandshake(h.who(), called)
	l.say(i)
}

// who is what the host says of itself in a handshake.
func (h *host) who() replication.Who {
	if h.member != nil {
		return h.member.Who(h.self)
	}
	return h.founder.Who()
}

// say sends what the handshake of one end has to say.
func (l *peerLink) say(i int) {
	b := l.sides[i].shake.Take()
	if len(b) == 0 {
		return
	}
	to := l.hosts[1-i]
	n := len(b)
	if l.r.chance(200) {
		n = int(l.r.between(1, int64(n)))
	}
	data := [][]byte{b[:n:n]}
	if n < len(b) {
		data = append(data, b[n:])
	}
	l.w.trace.add(l.w.clock.now, tracePeer, l.hosts[i].id<<8|to.id, b)
	l.push(1-i, &parcel{shake: true, epoch: l.epoch, process: to.epoch, sent: l.w.clock.now,
		data: data})
}

// hear feeds the handshake of one end.
func (l *peerLink) hear(i int, data [][]byte) {
	s, h := &l.sides[i], l.hosts[i]
	for _, b := range data {
		if s.shake == nil || s.met {
			return
		}
		err := s.shake.Feed(b)
		if err == nil && s.shake.Heard() {
			h.takeIn(s.shake.Peer().RaftID)
			if s.shake == nil || h.member == nil && h.founder == nil {
				return // for what it was told by that
			}
			err = s.shake.Judge(h.who())
		}
		l.say(i)
		if err != nil {
			l.refused(i, err)
			return
		}
		if s.shake.Done() {
			s.met, s.peer, s.owed = true, s.shake.Peer(), 0
			l.w.lags(l.w.clock.now - l.ended)
			h.meet(&s.peer)
		}
	}
}

// takeIn takes in all that older connections with a member have brought: who is judged is told what
// it has acknowledged, and that must be all.
func (h *host) takeIn(id core.RaftID) {
	for h.member != nil && slices.ContainsFunc(h.turn.Received,
		func(r replication.Received) bool { return r.From == id }) {
		h.loop()
	}
}

// meet takes in with whom a handshake was.
func (h *host) meet(p *replication.Peer) {
	h.w.count.add(countHandshakes)
	if h.member == nil {
		h.founder.Heard(*p)
		h.decide()
		return
	}
	h.turn.Applicants = append(h.turn.Applicants, replication.Applicant{Server: p.Server,
		Disk: p.Disk, Level: p.Level, Acknowledged: p.Acknowledged})
	if p.RaftID != 0 {
		h.turn.Connected = append(h.turn.Connected, p.RaftID)
	}
	h.wake()
}

// part takes in that the connection to a host is gone, or refused.
func (h *host) part(other *host, id core.RaftID) {
	switch {
	case h.founder != nil:
		h.founder.Lost(core.ServerID(other.id))
		h.decide()
	case h.member != nil && id != 0:
		h.turn.Lost = append(h.turn.Lost, id)
		h.turn.Connected = slices.DeleteFunc(h.turn.Connected,
			func(c core.RaftID) bool { return c == id })
		h.wake()
	}
}

// refused ends a connection on which one end has refused the other.
func (l *peerLink) refused(i int, err error) {
	w, h := l.w, l.hosts[i]
	r := new(replication.Refusal)
	if !errors.As(err, &r) {
		w.violate("peers", fmt.Sprintf("host %d: %v", h.id, err))
		return
	}
	w.count.add(countHandshakesRefused)
	w.trace.add(w.clock.now, traceHost, h.id, []byte(err.Error()))
	if !r.Self {
		epoch := l.epoch // the other one is to hear of it first
		w.clock.after(3*l.way[1-i].delay+10*millisecond, func() {
			if l.epoch == epoch {
				l.reset()
			}
		})
		return
	}
	switch r.Reason {
	case replication.ReasonRemoved:
		h.retire()
	case replication.ReasonLost:
		h.lose("its disk id was in use before")
	default:
		l.reset()
		if r.Reason != replication.ReasonLevel && r.Reason != replication.ReasonLeaving {
			w.violate("peers", fmt.Sprintf("host %d: %v", h.id, err))
		}
	}
}

// retire ends a member that was removed, for ever. Somebody gives its server an empty disk later.
func (h *host) retire() {
	w := h.w
	w.count.add(countRemoved)
	h.gone = true
	h.crash(false)
	w.clock.after(h.life.spread(5*second), func() {
		h.gone = false
		h.lose("removed")
		h.start()
	})
}

// follow takes in that the membership has changed: who was removed is to hear of it.
func (h *host) follow(m *core.Membership) {
	if m == nil {
		return
	}
	h.w.count.add(countConfigurations)
	for i := range m.Members {
		e := &m.Members[i]
		if e.Role != core.RoleRemoved || e.RaftID == h.raftID() {
			continue
		}
		if o := h.w.byRaftID(e.RaftID); o != nil {
			if l := h.w.peerLink(h, o); l.sides[l.index(h)].met {
				l.reset()
			}
		}
	}
}

// lose ends a process whose disk may not be trusted: it comes back with another one, empty, as
// another member.
func (h *host) lose(why string) {
	w := h.w
	w.count.add(countDisksLost)
	w.abstract.lost(h, why)
	w.trace.add(w.clock.now, traceHost, h.id, []byte(why))
	w.history.Add(linearizability.Line{At: w.clock.now, Kind: linearizability.KindCrash,
		Server: h.id})
	if h.up {
		h.shelve()
		h.disk.crash(h.life, false, &w.count)
		h.end(false)
		w.clock.after(h.life.spread(w.k.DownMs*millisecond), h.start)
	}
	h.disk = newDisk(w)
	h.log, h.seen, h.self = hostLog{}, followed{}, replication.Identity{}
	h.forgot, h.rotten, h.kept = false, false, core.DiskID{}
	h.empty()
}
