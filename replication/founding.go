package replication

import (
	"errors"
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"go.etcd.io/raft/v3/raftpb"
)

// Founder decides what becomes of an empty disk (DESIGN section 5, "Founding"): it asks all voters
// of its file who they are. If any holds data, it joins that ensemble. If all are empty, the one
// with the lowest server id founds, and the others take its word. As long as some do not answer
// it waits; with Initialize a majority is enough.
//
// A founding makes all voters of the file voters of the ensemble. Those who have not answered get
// raft ids with disks that nobody has: they are dead voters whose servers come back with a new
// disk. So whatever two founders have heard, their ensembles have a voter in common that both
// need, and a disk belongs to one only.
type Founder struct {
	self       Identity
	servers    []core.Server
	initialize bool
	cluster    core.ClusterID
	heard      []Peer
}

// NewFounder begins with an empty disk. servers are the lines of its file, initialize says that
// there is ZooKeeper's file of that name, and cluster is 16 unpredictable bytes, the name of the
// ensemble if this member founds one.
func NewFounder(self Identity, servers []core.Server, initialize bool,
	cluster core.ClusterID) *Founder {
	return &Founder{self: self, servers: servers, initialize: initialize, cluster: cluster}
}

// Who is what this end says in handshakes.
func (f *Founder) Who() Who { return Who{Identity: f.self} }

// Heard takes in a handshake that is done. It holds as long as its connection: an answer of
// another time says nothing.
func (f *Founder) Heard(p Peer) {
	f.Lost(p.Server)
	f.heard = append(f.heard, p)
}

// Lost takes in that the connection to a server is gone.
func (f *Founder) Lost(server core.ServerID) {
	f.heard = slices.DeleteFunc(f.heard, func(p Peer) bool { return p.Server == server })
}

// Founding is what a Founder has decided. If neither Found nor Joins, it waits: for WaitFor to
// answer, or, if that is empty, for the word of another or to be admitted.
type Founding struct {
	// Found says that this member founds an ensemble with Word, Joins that it belongs to one that
	// was founded with it. It starts as RaftID with NewFounded(Word), once that, Identity and the
	// raft id are durable, and is a voter if raft's configuration says so.
	Found, Joins bool
	Identity     Identity
	Word         *core.Word
	WaitFor      []core.ServerID
}

// Decide says what is to be done as far as is known now.
func (f *Founder) Decide() (Founding, error) {
	var of core.ClusterID
	for _, p := range f.heard {
		if p.Empty() {
			continue
		}
		if of != (core.ClusterID{}) && of != p.Cluster {
			return Founding{}, ErrTwoEnsembles
		}
		of = p.Cluster
	}
	for _, p := range f.heard {
		if p.Empty() {
			continue
		}
		if p.Self == 0 {
			return Founding{}, nil // it has asked to be admitted
		}
		word, err := core.DecodeWord(p.Word)
		if err != nil {
			return Founding{}, err
		}
		id := f.self
		id.Cluster, id.RaftID = p.Cluster, p.Self
		return Founding{Joins: true, Identity: id, Word: word}, nil
	}
	voters, answered := 0, 0
	first := true
	var wait []core.ServerID
	for i := range f.servers {
		s := &f.servers[i]
		if s.Observer {
			continue
		}
		voters++
		switch {
		case s.ID == f.self.Server || f.answer(s.ID) != nil:
			answered++
			first = first && s.ID >= f.self.Server
		default:
			wait = append(wait, s.ID)
		}
	}
	self := findServer(f.servers, f.self.Server)
	enough := len(wait) == 0 || f.initialize && 2*answered > voters ||
		mutant.On("replication-second-founding") && 2*answered > voters
	switch {
	case !enough:
		return Founding{WaitFor: wait}, nil
	case self == nil || self.Observer || !first:
		return Founding{}, nil
	}
	word := f.word()
	id := f.self
	id.Cluster = f.cluster
	for _, m := range word.Members {
		if m.Server == id.Server {
			id.RaftID = m.RaftID
		}
	}
	return Founding{Found: true, Identity: id, Word: word}, nil
}

// ErrTwoEnsembles is a file whose servers belong to different ensembles.
var ErrTwoEnsembles = errors.New("the servers of the configuration belong to different ensembles")

// NewFounded makes the State and raft's configuration that an ensemble begins with. Whoever has
// the founder's word makes the same.
func NewFounded(w *core.Word) (*core.State, *raftpb.ConfState, error) {
	state, err := core.NewEnsemble(w, FoundingIndex, FoundingTerm)
	if err != nil {
		return nil, nil, fmt.Errorf("found ensemble: %w", err)
	}
	conf := &raftpb.ConfState{}
	for _, m := range w.Members {
		if m.Role == core.RoleVoter {
			conf.Voters = append(conf.Voters, uint64(m.RaftID))
		} else {
			conf.Learners = append(conf.Learners, uint64(m.RaftID))
		}
	}
	return state, conf, nil
}

func (f *Founder) answer(server core.ServerID) *Peer {
	for i := range f.heard {
		if f.heard[i].Server == server {
			return &f.heard[i]
		}
	}
	return nil
}

// word is what this member founds an ensemble with.
func (f *Founder) word() *core.Word {
	w := &core.Word{Cluster: f.cluster, Level: f.self.Level}
	for _, s := range f.servers {
		w.Servers = core.PutServer(w.Servers, s)
	}
	for _, s := range w.Servers {
		m := core.MemberInfo{Server: s.ID, Role: core.RoleVoter, Level: f.self.Level}
		switch p := f.answer(s.ID); {
		case s.ID == f.self.Server:
			m.Disk = f.self.Disk
		case p != nil:
			m.Disk, m.Level = p.Disk, p.Level
			w.Level = min(w.Level, p.Level)
		case s.Observer:
			continue // it joins when it comes
		}
		if s.Observer {
			m.Role = core.RoleLearner
		}
		m.RaftID = core.RaftID(len(w.Members) + 1)
		w.Members = append(w.Members, m)
	}
	return w
}
