package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// Film is what happened in a world, for a picture of it. A world makes one only if it is asked to:
// in a sweep nothing of this is touched. Times are virtual microseconds, lanes are places in Lanes.
type Film struct {
	Lanes  []Lane  `json:"lanes"`
	Arrows []Arrow `json:"arrows"`
	Bars   []Bar   `json:"bars"`
	Bands  []Band  `json:"bands"`
	Points []Point `json:"points"`
	// States are those of the members, each when it has changed.
	States []State `json:"states"`

	now   *clock
	names map[string]int
	open  map[string]int
	last  map[int]State
}

// Lane is who something happens to.
type Lane struct {
	Kind string `json:"kind"` // member, disk, client
	Name string `json:"name"`
	No   int64  `json:"no"`
}

// Arrow is a message, or several that were sent together.
type Arrow struct {
	From int    `json:"from"`
	To   int    `json:"to"`
	Sent int64  `json:"sent"`
	Came int64  `json:"came"` // -1: never
	Kind string `json:"kind"` // raft, peer, beat, call, reply, event, ping
	What string `json:"what"`
	Line int    `json:"line,omitempty"` // of the history
}

// Bar is something that takes time on a lane: an operation of a disk.
type Bar struct {
	Lane int    `json:"lane"`
	From int64  `json:"from"`
	To   int64  `json:"to"` // -1: it never ended
	What string `json:"what"`
}

// Band is a fault that lasts.
type Band struct {
	Lane int    `json:"lane"`
	From int64  `json:"from"`
	To   int64  `json:"to"` // -1: to the end
	Kind string `json:"kind"`
	What string `json:"what"`
}

// Point is something that happens in a moment.
type Point struct {
	Lane int    `json:"lane"`
	At   int64  `json:"at"`
	Kind string `json:"kind"`
	What string `json:"what"`
}

// State is how a member stands.
type State struct {
	Lane int   `json:"lane"`
	At   int64 `json:"at"`
	// Mode is running, paused, stopping or down.
	Mode    string `json:"mode"`
	Role    string `json:"role"` // leader, follower, candidate (it knows no leader)
	Serving string `json:"serving"`
	// RaftID is the one that its disk has, and of such is Look's Leader; Leads is a member.
	RaftID uint64 `json:"raftID"`
	Leads  int64  `json:"leads"` // 0: nobody that it knows
	replication.Look
	Acknowledged uint64 `json:"acknowledged"` // the last entry that its disk has acknowledged
	Zxid         int64  `json:"zxid,string"`  // a number of JavaScript has 53 bits
	Znodes       int    `json:"znodes"`
	Sessions     int    `json:"sessions"`
	Ephemerals   int    `json:"ephemerals"`
	Connections  int    `json:"connections"`
	Outstanding  int    `json:"outstanding"` // requests without an answer
	Appends      int    `json:"appends"`     // waiting for the disk
}

func newFilm(w *World) *Film {
	f := &Film{now: &w.clock, names: map[string]int{}, open: map[string]int{},
		last: map[int]State{}}
	for _, kind := range []string{"member", "disk"} {
		for id := range max(w.k.Hosts, 1) + w.spareHosts() {
			f.lane(kind, id+1)
		}
	}
	return f
}

// lane returns the place of a lane.
func (f *Film) lane(kind string, no int64) int {
	name := fmt.Sprintf("%s %d", kind, no)
	at, ok := f.names[name]
	if !ok {
		at = len(f.Lanes)
		f.names[name] = at
		f.Lanes = append(f.Lanes, Lane{kind, name, no})
	}
	return at
}

// begin opens a band that end closes by its key.
func (f *Film) begin(key string, lane int, kind, what string) {
	if f == nil {
		return
	}
	if _, ok := f.open[key]; !ok {
		f.open[key] = len(f.Bands)
		f.Bands = append(f.Bands, Band{lane, f.now.now, -1, kind, what})
	}
}

func (f *Film) end(key string) {
	if f == nil {
		return
	}
	if at, ok := f.open[key]; ok {
		f.Bands[at].To = f.now.now
		delete(f.open, key)
	}
}

// point notes something that happens now.
func (f *Film) point(lane int, kind, what string) {
	f.Points = append(f.Points, Point{lane, f.now.now, kind, what})
}

// film notes how the host stands, if that has changed.
func (h *host) film() {
	f := h.w.film
	lane := f.lane("member", h.id)
	s := State{Lane: lane, Mode: "down"}
	if m := h.member; h.up && m != nil {
		s.Mode, s.Role = "running", "follower"
		switch {
		case h.paused:
			s.Mode = "paused"
		case h.stopping:
			s.Mode = "stopping"
		}
		local := m.Local
		s.Look, s.Serving = m.Look(), local.Serving().String()
		switch {
		case s.Leading:
			s.Role = "leader"
		case s.Leader == 0:
			s.Role = "candidate"
		}
		s.RaftID, s.Leads = uint64(h.raftID()), h.w.numberOf(core.RaftID(s.Leader))
		s.Acknowledged, s.Zxid = h.log.acked, int64(local.State.LastZxid())
		s.Znodes, s.Sessions = local.State.NodeCount(), local.State.SessionCount()
		s.Ephemerals, s.Connections = local.State.EphemeralCount(), local.ConnCount()
		s.Outstanding, s.Appends = local.Outstanding(), len(h.appends)
	}
	if f.last[lane] == s {
		return
	}
	f.last[lane] = s
	s.At = f.now.now
	f.States = append(f.States, s)
}

// numberOf is the host whose disk has a raft id; 0 if none has.
func (w *World) numberOf(id core.RaftID) int64 {
	if h := w.byRaftID(id); h != nil && id != 0 {
		return h.id
	}
	return 0
}

// bar notes that the disk begins something, and returns what notes its end.
func (h *host) bar(format string, args ...any) (done func()) {
	f := h.w.film
	if f == nil {
		return func() {}
	}
	at := len(f.Bars)
	f.Bars = append(f.Bars, Bar{f.lane("disk", h.id), f.now.now, -1, fmt.Sprintf(format, args...)})
	return func() { f.Bars[at].To = f.now.now }
}

// darken shows that a way is cut, or no more.
func (l *peerLink) darken(i int, cut bool) {
	f := l.w.film
	if f == nil {
		return
	}
	to, from := l.hosts[i], l.hosts[1-i]
	key := fmt.Sprintf("cut %d %d", from.id, to.id)
	if !cut {
		f.end(key)
		return
	}
	f.begin(key, f.lane("member", to.id), "cut", fmt.Sprintf("hears nothing of member %d", from.id))
}

// hush shows that a connection is half-open, or no more.
func (l *peerLink) hush(yes bool) {
	f := l.w.film
	if f == nil {
		return
	}
	for i, h := range l.hosts {
		key := fmt.Sprintf("%s hush %d", l.name, i)
		if !yes {
			f.end(key)
			continue
		}
		f.begin(key, f.lane("member", h.id), "cut",
			fmt.Sprintf("half-open connection with member %d", l.hosts[1-i].id))
	}
}

// shade shows that something is wrong with the host, or no more.
func (h *host) shade(kind string, yes bool, what string) {
	f := h.w.film
	if f == nil {
		return
	}
	key := fmt.Sprintf("%s %d", kind, h.id)
	if yes {
		f.begin(key, f.lane("member", h.id), kind, what)
	} else {
		f.end(key)
	}
}

// abandon ends what the disk was doing when its process ended.
func (h *host) abandon() {
	f := h.w.film
	lane := f.lane("disk", h.id)
	for i := range f.Bars {
		if b := &f.Bars[i]; b.Lane == lane && b.To < 0 {
			b.To = f.now.now
			b.What += " (its process ended)"
		}
	}
}

// appended notes a batch that the log is given.
func (h *host) appended(b *store.Batch) (done func()) {
	if h.w.film == nil {
		return func() {}
	}
	text := "append"
	if hs := b.HardState; hs != nil {
		text += fmt.Sprintf(" term %d vote for raft id %d commit %d", hs.GetTerm(), hs.GetVote(),
			hs.GetCommit())
	}
	if n := len(b.Entries); n > 0 {
		text += fmt.Sprintf(" entries %d to %d", b.Entries[0].GetIndex(),
			b.Entries[n-1].GetIndex())
	}
	return h.bar("%s", text)
}
