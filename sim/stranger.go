package sim

import (
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
)

// knock lets somebody call a host, or answer it, who has no business there: a process of another
// ensemble, one with a server's name, or what speaks another protocol. None of them may get
// further than the handshake, and the host goes on as if nobody had been there.
func (w *World) knock(h *host) {
	if !h.up || h.paused || h.member == nil && h.founder == nil {
		return
	}
	w.meet(faultStranger, h)
	r := newRNG(w.seed, fmt.Sprintf("stranger %d", w.count[faultStranger]))
	h.run(func() {
		if h.founder != nil && r.chance(300) {
			h.mislead(r)
			return
		}
		s := h.stranger(r)
		for range 2 {
			for _, b := range s.says {
				err := s.shake.Feed(b)
				if err == nil && s.shake.Heard() {
					err = s.shake.Judge(h.who())
				}
				if err != nil {
					h.refuse(&s, err)
					return
				}
			}
			s.says = s.insists
		}
		w.violate("peers", fmt.Sprintf("host %d does not refuse %s", h.id, s.what))
	})
}

// stranger is somebody who does not belong to the ensemble, and the end of the connection that the
// host has.
type stranger struct {
	what    string
	reason  replication.Reason // for which it is to be refused; none: it is not understood
	shake   *replication.Handshake
	other   *replication.Handshake // its own end, if it has a handshake to speak of
	who     replication.Who        // that it is there
	says    [][]byte
	insists [][]byte // what it says next
}

// stranger makes up one.
func (h *host) stranger(r rng) (s stranger) {
	who := replication.Who{Identity: replication.Identity{Server: 95, Disk: core.DiskID(r.id()),
		Level: core.MaxFeatureLevel}}
	called := replication.AnyServer
	own := h.who()
	kinds := 6
	if own.Membership != nil {
		kinds = 10
	}
	switch r.IntN(kinds) {
	case 0:
		s.what, s.reason, called = "another server than it called", replication.ReasonServer, 96
	case 1:
		s.what, s.reason = "its twin", replication.ReasonTwin
		who.Server = own.Server
	case 2:
		s.what, s.reason = "another version", replication.ReasonVersion
	case 3:
		s.what, s.says = "a huge greeting", [][]byte{{0xff, 0xff, 0xff, 0xff}}
	case 4:
		s.what, s.says = "half a greeting", [][]byte{{0, 0, 0, 2, 1, 7}}
	case 5:
		s.what = "a greeting of nobody's disk"
		who.Cluster = core.ClusterID(r.id())
	case 6:
		s.what, s.reason = "a member of another ensemble", replication.ReasonCluster
		who.Cluster, who.RaftID = core.ClusterID(r.id()), 1
	case 7:
		s.what, s.reason = "an old release", replication.ReasonLevel
		who.Level = 0
	case 8:
		s.what, s.reason = "a copy of a member without its disk", replication.ReasonIdentity
		who.Cluster, who.RaftID = own.Cluster, own.Membership.Members[0].RaftID
	case 9:
		s.what = "a bad verdict"
		s.insists = [][]byte{{0, 0, 0, 1, 0}}
	}
	s.shake, s.who = replication.NewHandshake(own, called), who
	if s.says == nil {
		s.other = replication.NewHandshake(who, replication.AnyServer)
		b := s.other.Take()
		if s.reason == replication.ReasonVersion {
			b[4]++
		}
		s.says = [][]byte{b[:len(b)/2], b[len(b)/2:]}
	}
	return s
}

// refuse judges for what a stranger is refused, and lets it hear that.
func (h *host) refuse(s *stranger, err error) {
	w := h.w
	w.count.add(countHandshakesRefused)
	w.trace.add(w.clock.now, traceHost, h.id, []byte(err.Error()))
	r := new(replication.Refusal)
	if understood := s.reason != replication.ReasonNone; errors.As(err, &r) != understood ||
		r.Reason != s.reason || r.Self {
		w.violate("peers", fmt.Sprintf("host %d refuses %s: %v, want %v", h.id, s.what, err,
			s.reason))
		return
	}
	if s.other == nil || s.reason == replication.ReasonNone {
		return
	}
	// Who thinks the same of the host says so first.
	err = s.other.Feed(s.shake.Take())
	if err == nil {
		err = s.other.Judge(s.who)
	}
	if !errors.As(err, &r) || r.Reason != s.reason {
		w.violate("peers", fmt.Sprintf("%s hears from host %d: %v, want %v", s.what, h.id, err,
			s.reason))
	}
}

// mislead lets members of other ensembles answer an empty disk, whose file is wrong: it does not
// join them, which nobody has admitted it to, and founds nothing while they are there.
func (h *host) mislead(r rng) {
	for i := range 1 + r.IntN(2) {
		h.founder.Heard(replication.Peer{Identity: replication.Identity{
			Cluster: core.ClusterID(r.id()), Server: core.ServerID(97 + i), RaftID: 1,
			Disk: core.DiskID(r.id()), Level: core.MaxFeatureLevel}})
	}
	h.misled = true
	h.decide()
	h.after(r.between(50, 2000)*millisecond, func() {
		if h.founder == nil || !h.misled {
			return
		}
		h.misled = false
		for i := range 2 {
			h.founder.Lost(core.ServerID(97 + i))
		}
		h.decide()
	})
}
