package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vivariumdb/vivarium/wire"
)

// memberModel is the membership as the naive reader of DESIGN section 5 keeps it.
type memberModel struct {
	ids     map[[2]int]int // server, disk -> raft id
	role    map[int]string // by raft id
	level   map[int]int
	config  map[int]bool // servers
	target  map[int]bool // nil: none
	asker   int64
	version int64
	given   int // the highest raft id
	feature int
}

func newMemberModel(n int) *memberModel {
	m := &memberModel{ids: map[[2]int]int{}, role: map[int]string{}, level: map[int]int{},
		config: map[int]bool{}, version: 1 << 32, given: n, feature: 1}
	for i := 1; i <= n; i++ {
		m.ids[[2]int{i, i}], m.role[i], m.level[i], m.config[i] = i, "voter", 2, true
	}
	return m
}

func (m *memberModel) dump() string {
	var b strings.Builder
	for _, pair := range slices.SortedFunc(maps.Keys(m.ids), func(a, b [2]int) int {
		return m.ids[a] - m.ids[b]
	}) {
		id := m.ids[pair]
		fmt.Fprintf(&b, "%d=%d/%d %s %d\n", id, pair[0], pair[1], m.role[id], m.level[id])
	}
	fmt.Fprintf(&b, "%v %x %v %d", slices.Sorted(maps.Keys(m.config)), m.version,
		slices.Sorted(maps.Keys(m.target)), m.feature)
	return b.String()
}

func dumpMembers(s *State) string {
	var b strings.Builder
	m := s.members
	for _, e := range m.Members {
		fmt.Fprintf(&b, "%d=%d/%d %v %d\n", e.RaftID, e.Server, e.Disk[0], e.Role, e.Level)
	}
	ids := func(servers []Server) (list []int) {
		for i := range servers {
			list = append(list, int(servers[i].ID))
		}
		return list
	}
	var target []int
	if m.Target != nil {
		target = ids(m.Target.Servers)
	}
	fmt.Fprintf(&b, "%v %x %v %d", ids(m.Servers), uint64(m.Version), target, s.level)
	return b.String()
}

// memberProperty drives a State and the model with the same changes of members.
type memberProperty struct {
	m     *machine
	model *memberModel
	c     *client
	store *store
}

// TestMemberModel compares the membership with the model at each step; now and then it goes on
// with a State that was loaded from checkpoints.
func TestMemberModel(t *testing.T) {
	ended := 0
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 5).Draw(rt, "servers")
		p := &memberProperty{m: newEnsemble(t, n), model: newMemberModel(n), store: newStore()}
		p.c = p.m.connect()
		rt.Repeat(map[string]func(*rapid.T){
			"admit": p.admit, "configure": p.configure, "reconfig": p.reconfig,
			"giveUp": p.giveUp, "aim": p.aim, "raise": p.raise, "load": p.load, "": p.check,
		})
		if p.model.version > 1<<32 {
			ended++
		}
	})
	if ended == 0 {
		t.Error("no reconfig came to its end")
	}
}

func (p *memberProperty) admit(t *rapid.T) {
	server, disk := rapid.IntRange(1, 6).Draw(t, "server"), rapid.IntRange(1, 9).Draw(t, "disk")
	level := rapid.IntRange(1, 2).Draw(t, "level")
	p.m.house(AppendAdmit(nil, ServerID(server), DiskID{byte(disk), 7}, uint32(level)))
	m := p.model
	pair := [2]int{server, disk}
	if id, ok := m.ids[pair]; ok {
		if m.role[id] != "removed" {
			m.level[id] = level
		}
		return
	}
	if level < m.feature {
		return
	}
	for other, id := range m.ids {
		if other[0] == server && m.role[id] == "admitted" {
			m.role[id] = "removed"
		}
	}
	m.given++
	m.ids[pair], m.role[m.given], m.level[m.given] = m.given, "admitted", level
}

// configure moves raft to any configuration, perhaps as the end of the target.
func (p *memberProperty) configure(t *rapid.T) {
	m := p.model
	c := MemberCommand{Ends: rapid.Bool().Draw(t, "ends")}
	if target := p.m.s.members.Target; target != nil && rapid.Bool().Draw(t, "reached") {
		c.Target = target.Index
	}
	for id := 1; id <= m.given; id++ {
		was := m.role[id]
		if was == "removed" {
			continue
		}
		switch to := rapid.SampledFrom([]string{"voter", "learner", "none"}).Draw(t, "role"); {
		case to == "voter" || id == 1:
			m.role[id] = "voter"
			c.Voters = append(c.Voters, RaftID(id))
		case to == "learner":
			m.role[id] = "learner"
			c.Learners = append(c.Learners, RaftID(id))
		case was != "admitted":
			m.role[id] = "removed"
		}
	}
	out := p.m.house(AppendConfigure(nil, &c))
	if !c.Ends || c.Target == 0 {
		if out.Zxid != 0 || out.Late != (Waiter{}) {
			t.Fatalf("a step ended something: %+v", out)
		}
		return
	}
	m.config, m.target = m.target, nil
	if int64(out.Late.Session) != m.asker {
		t.Fatalf("the outcome is that of session %v, want %x", out.Late.Session, m.asker)
	}
	m.version = int64(out.Zxid)
}

func (p *memberProperty) reconfig(t *rapid.T) {
	m := p.model
	n := rapid.IntRange(1, 6).Draw(t, "server")
	q := joining(n)
	want := maps.Clone(m.config)
	want[n] = true
	if rapid.Bool().Draw(t, "leaving") {
		q = leaving(fmt.Sprint(n))
		delete(want, n)
	}
	out := p.c.reconfig(q)
	code := wire.CodeOk
	switch {
	case m.target != nil:
		code = wire.CodeReconfigInProgress
	case len(want) < 2:
		code = wire.CodeBadArguments
	default:
		m.target, m.asker = want, int64(p.c.id)
	}
	if out.Err != code || out.Pending != (code == wire.CodeOk) {
		t.Fatalf("reconfig to %v: %v, want %v", want, out.Err, code)
	}
}

func (p *memberProperty) aim(t *rapid.T) {
	m := p.model
	n := rapid.IntRange(1, 6).Draw(t, "server")
	want := maps.Clone(m.config)
	want[n] = true
	out := p.m.house(AppendAim(nil, Zxid(m.version), PutServer(p.m.s.members.Servers, server(n))))
	if out.Skipped != (m.target != nil) {
		t.Fatalf("aim with the target %v: %+v", m.target, out)
	}
	if m.target == nil {
		m.target, m.asker = want, 0
	}
}

func (p *memberProperty) giveUp(t *rapid.T) {
	at := uint64(1)
	if target := p.m.s.members.Target; target != nil {
		at = target.Index
	}
	out := p.m.house(AppendGiveUp(nil, at, wire.CodeNewConfigNoQuorum))
	if out.Skipped != (p.model.target == nil) {
		t.Fatalf("give up with the target %v: %+v", p.model.target, out)
	}
	p.model.target = nil
}

func (p *memberProperty) raise(t *rapid.T) {
	level := rapid.IntRange(1, 2).Draw(t, "to")
	p.m.house(AppendRaise(nil, uint32(level)))
	for _, id := range p.model.ids {
		if p.model.role[id] != "removed" && p.model.level[id] < level {
			return
		}
	}
	p.model.feature = max(p.model.feature, level)
}

func (p *memberProperty) load(t *rapid.T) {
	p.store.checkpoint(p.m.s)
	s, err := p.store.load()
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest() != p.m.s.Digest() {
		t.Fatalf("digest of the loaded State is %x, want %x", s.Digest(), p.m.s.Digest())
	}
	p.m.s = s
}

func (p *memberProperty) check(t *rapid.T) {
	if d := diff(p.model.dump(), dumpMembers(p.m.s)); d != "" {
		t.Fatalf("State and model differ:\n%s", d)
	}
	m := p.m.s.members
	want := string(appendConfig(nil, m.Servers, m.Version))
	if got := p.m.data(configPath); got != want {
		t.Fatalf("%s is %q, want %q", configPath, got, want)
	}
	p.m.checkDigest()
}
