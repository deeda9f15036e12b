package core

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

func server(n int) Server {
	s, err := ParseServer(ServerID(n), fmt.Sprintf("h%d:1:2;9", n))
	if err != nil {
		panic(err)
	}
	return s
}

func diskOf(n int) DiskID { return DiskID{byte(n), 7} }

// wordOf founds an ensemble of n voters, whose raft ids are their server ids.
func wordOf(n int) *Word {
	w := &Word{Cluster: ClusterID{1}, Level: 1}
	for i := 1; i <= n; i++ {
		w.Servers = append(w.Servers, server(i))
		w.Members = append(w.Members, MemberInfo{RaftID: RaftID(i), Server: ServerID(i),
			Disk: diskOf(i), Role: RoleVoter, Level: MaxFeatureLevel})
	}
	return w
}

func newEnsemble(t testing.TB, n int) *machine {
	t.Helper()
	s, err := NewEnsemble(wordOf(n), 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, s: s, index: 1, term: 2, clock: 1000,
		flags: Flags{ExtendedTypes: true, Reconfig: true, SkipACL: true}}
	m.origin = m.register(1)
	return m
}

// house applies one command of the leader.
func (m *machine) house(c []byte) Outcome {
	m.t.Helper()
	return m.housekeep(m.term, c)
}

func (c *client) reconfig(q wire.ReconfigRequest) Outcome {
	c.m.t.Helper()
	return c.do(wire.OpReconfig, &q)
}

func joining(n int) wire.ReconfigRequest {
	s := server(n)
	return wire.ReconfigRequest{Joining: s.ID.String() + "=" + s.Text(), HasJoining: true,
		CurrentConfigID: wire.AnyVersion}
}

func leaving(list string) wire.ReconfigRequest {
	return wire.ReconfigRequest{Leaving: list, HasLeaving: true, CurrentConfigID: wire.AnyVersion}
}

func configOf(n int, version Zxid) string {
	return string(appendConfig(nil, wordOf(n).Servers, version))
}

// The founding State of an ensemble is the same for everybody who hears the founder's word.
func TestNewEnsemble(t *testing.T) {
	w, err := DecodeWord(wordOf(3).AppendTo(nil))
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewEnsemble(w, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := newEnsemble(t, 3).s
	if want := configOf(3, 1<<32); string(a.lookup(configPath).data) != want {
		t.Errorf("%s is %q, want %q", configPath, a.lookup(configPath).data, want)
	}
	fresh, _ := NewEnsemble(wordOf(3), 1, 1)
	if a.Digest() != fresh.Digest() || a.Digest() == b.Digest() {
		t.Errorf("digests of two founding States: %x, %x; with a stream more %x", a.Digest(),
			fresh.Digest(), b.Digest())
	}
	if got := a.lookup(configPath).stat(); got.Version != -1 || got.Mzxid != 1<<32 {
		t.Errorf("its Stat is %+v", got)
	}
	if a.Digest() != a.digestFromScratch() || a.FeatureLevel() != 1 || a.LastZxid() != 1<<32 {
		t.Errorf("the founding State is at level %d, %v", a.FeatureLevel(), a.LastZxid())
	}
}

func TestDecodeWordRefuses(t *testing.T) {
	whole := wordOf(3).AppendTo(nil)
	for n := range whole {
		if _, err := DecodeWord(whole[:n]); err == nil {
			t.Errorf("a word cut at %d is taken", n)
		}
	}
	for name, change := range map[string]func(*Word){
		"no members":        func(w *Word) { w.Members = nil },
		"an unknown server": func(w *Word) { w.Members[1].Server = 9 },
		"a server twice":    func(w *Word) { w.Members[1].Server = 1 },
		"ids out of order":  func(w *Word) { w.Members[1].RaftID = 7 },
		"a voting observer": func(w *Word) { w.Servers[1].Observer = true },
		"a learning voter":  func(w *Word) { w.Members[1].Role = RoleLearner },
		"cannot follow":     func(w *Word) { w.Members[1].Level = 0 },
		"later level":       func(w *Word) { w.Level = MaxFeatureLevel + 1 },
	} {
		w := wordOf(3)
		change(w)
		if _, err := DecodeWord(w.AppendTo(nil)); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	level := 1 + len(ClusterID{}) // where it stands: one byte
	long := binary.AppendUvarint(slices.Clone(whole[:level]), 1<<32|uint64(whole[level]))
	if _, err := DecodeWord(append(long, whole[level+1:]...)); err == nil {
		t.Error("a level of more than 32 bits: it is taken")
	}
}

// "a raft id is given by the log to a (server id, disk id) pair when it is admitted and never
// given again"
func TestAdmit(t *testing.T) { checkAdmit(t) }

func checkAdmit(t testing.TB) {
	m := newEnsemble(t, 3)
	admit := func(server, disk int) RaftID {
		t.Helper()
		m.house(AppendAdmit(nil, ServerID(server), diskOf(disk), MaxFeatureLevel))
		if e := m.s.members.Disk(ServerID(server), diskOf(disk)); e != nil {
			return e.RaftID
		}
		return 0
	}
	if got := admit(4, 4); got != 4 {
		t.Errorf("the fourth disk is member %d", got)
	}
	digest := m.s.Digest()
	if got := admit(4, 4); got != 4 || m.s.Digest() != digest {
		t.Errorf("admitted again it is member %d", got)
	}
	if got := admit(4, 5); got != 5 || m.s.members.Member(4).Role != RoleRemoved {
		t.Errorf("another disk is member %d, and the first %v", got, m.s.members.Member(4).Role)
	}
	if got := admit(2, 4); got != 6 || m.s.members.Member(2).Role != RoleVoter {
		t.Errorf("a new disk of a voter is member %d, and the voter %v", got,
			m.s.members.Member(2).Role)
	}
	m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 3, 6}, Ends: true}))
	if got := m.s.members.Member(2).Role; got != RoleRemoved {
		t.Errorf("the voter whose place was taken is %v", got)
	}
	if got := m.s.members.Version; got != foundingVersion {
		t.Errorf("a swap of disks wrote the configuration %v", got)
	}
	if got := admit(9, 9); got != 7 {
		t.Errorf("the next disk is member %d, want 7: 2 was removed, but never free", got)
	}
	out := m.house(AppendAdmit(nil, 8, diskOf(8), 0))
	if !out.Skipped || m.s.members.Disk(8, diskOf(8)) != nil {
		t.Errorf("one that cannot follow is admitted: %+v", out)
	}
	m.checkDigest()
}

// "a removed member's batches are ignored at apply"
func TestRemovedMembersStream(t *testing.T) { checkRemovedMembersStream(t) }

func checkRemovedMembersStream(t testing.TB) {
	m := newEnsemble(t, 3)
	two := m.register(2)
	c := m.connect()
	m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 3}, Ends: true}))
	out := m.entry(createAs(m, two, 1, c, "/a"))
	if d := diff([]string{"removed"}, reasons(out)); d != "" {
		t.Error(d)
	}
	if out := m.hello(2, [16]byte{5}, 0); !out.Skipped || out.Reason != ReasonRemoved {
		t.Errorf("hello of a removed member: %+v", out)
	}
	if out := m.hello(77, [16]byte{5}, 0); !out.Skipped || out.Reason != ReasonRemoved {
		t.Errorf("hello of nobody: %+v", out)
	}
	m.checkDigest()
}

// The order of the refusals is ZooKeeper's.
func TestReconfigRefused(t *testing.T) { checkReconfigRefused(t) }

func checkReconfigRefused(t testing.TB) {
	lone := newMachine(t)
	lone.flags.Reconfig = true
	if got := lone.connect().reconfig(joining(4)).Err; got != wire.CodeUnimplemented {
		t.Errorf("reconfig on a server of its own: %v", got)
	}
	bad := wire.ReconfigRequest{NewMembers: "x", HasNewMembers: true,
		CurrentConfigID: wire.AnyVersion}
	stale := joining(4)
	stale.CurrentConfigID = 5
	for _, test := range []struct {
		name   string
		flags  Flags
		target bool
		q      wire.ReconfigRequest
		want   wire.ErrorCode
	}{
		{"disabled", Flags{}, true, bad, wire.CodeReconfigDisabled},
		{"in progress", Flags{Reconfig: true}, true, bad, wire.CodeReconfigInProgress},
		{"version", Flags{Reconfig: true}, false, stale, wire.CodeBadVersion},
		{"syntax", Flags{Reconfig: true}, false, bad, wire.CodeBadArguments},
		{"one voter", Flags{Reconfig: true}, false, leaving("1,2"), wire.CodeBadArguments},
		{"one may", Flags{Reconfig: true, MayStandAlone: true}, false, leaving("1,2"),
			wire.CodeNoAuth},
		{"no voter", Flags{Reconfig: true, MayStandAlone: true}, false, leaving("1,2,3"),
			wire.CodeBadArguments},
		{"rights", Flags{Reconfig: true}, false, joining(4), wire.CodeNoAuth},
		{"granted", Flags{Reconfig: true, SkipACL: true}, false, joining(4), wire.CodeOk},
	} {
		m := newEnsemble(t, 3)
		c := m.connect()
		if test.target {
			m.flags = Flags{Reconfig: true, SkipACL: true}
			c.reconfig(joining(5))
		}
		m.flags = test.flags
		before := m.s.LastZxid()
		out := c.reconfig(test.q)
		if out.Err != test.want || out.Pending != (test.want == wire.CodeOk) {
			t.Errorf("%s: %v, pending %v, want %v", test.name, out.Err, out.Pending, test.want)
		}
		if took := m.s.LastZxid() > before; took == out.Pending {
			t.Errorf("%s: zxid %v behind %v", test.name, out.Zxid, before)
		}
	}
}

// "the entry that ends the joint phase writes /zookeeper/config and yields the outcome"
func TestReconfigEnds(t *testing.T) { checkReconfigEnds(t) }

func checkReconfigEnds(t testing.TB) {
	m := newEnsemble(t, 3)
	c := m.connect()
	out := c.reconfig(joining(4))
	target := m.s.members.Target
	if !out.Pending || target == nil || target.Index != m.index {
		t.Fatalf("reconfig: %+v, target %+v", out, target)
	}
	m.house(AppendAdmit(nil, 4, diskOf(4), MaxFeatureLevel))
	m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 2, 3},
		Learners: []RaftID{4}, Target: target.Index}))
	if m.s.members.Target == nil || m.data(configPath) != configOf(3, foundingVersion) {
		t.Errorf("a step towards the target ended it: %q", m.data(configPath))
	}
	end := m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 2, 3, 4}, Ends: true,
		Target: target.Index}))
	text := configOf(4, end.Zxid)
	if m.data(configPath) != text || m.s.members.Version != end.Zxid || m.s.members.Target != nil {
		t.Errorf("%s is %q, want %q", configPath, m.data(configPath), text)
	}
	if end.Late != target.Waiter || end.Late.Session != c.id || end.Late.Xid != 7 {
		t.Errorf("the outcome is %+v's, want %+v's", end.Late, target.Waiter)
	}
	var answer wire.GetDataResponse
	in := wire.NewReader(end.Body)
	if answer.Decode(&in); in.Err() != nil || string(answer.Data) != text ||
		answer.Stat.Mzxid != int64(end.Zxid) {
		t.Errorf("the answer is %q, %+v, %v", answer.Data, answer.Stat, in.Err())
	}
	if d := diff([]string{"NodeDataChanged " + configPath}, events(end)); d != "" {
		t.Error(d)
	}
	again := m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 2, 3, 4}, Ends: true,
		Target: target.Index}))
	if again.Late != (Waiter{}) || again.Zxid != 0 {
		t.Errorf("a target that ended ends again: %+v", again)
	}
	m.checkDigest()
}

func TestGiveUp(t *testing.T) {
	m := newEnsemble(t, 3)
	c := m.connect()
	c.reconfig(joining(4))
	at := m.s.members.Target.Index
	if out := m.house(AppendGiveUp(nil, at+1, -13)); !out.Skipped || m.s.members.Target == nil {
		t.Errorf("another target given up: %+v", out)
	}
	out := m.house(AppendGiveUp(nil, at, wire.CodeNewConfigNoQuorum))
	if out.Err != wire.CodeNewConfigNoQuorum || out.Late.Session != c.id || out.Zxid == 0 ||
		m.s.members.Target != nil || m.data(configPath) != configOf(3, foundingVersion) {
		t.Errorf("given up: %+v", out)
	}
	if out := c.reconfig(joining(4)); !out.Pending {
		t.Errorf("after it was given up: %+v", out)
	}
}

// A voter that the leader's file names becomes part of the configuration, and nobody waits.
func TestAim(t *testing.T) {
	m := newEnsemble(t, 3)
	servers := wordOf(4).Servers
	if out := m.house(AppendAim(nil, 5, servers)); !out.Skipped {
		t.Errorf("a target in the place of another configuration: %+v", out)
	}
	m.house(AppendAim(nil, foundingVersion, servers))
	if out := m.house(AppendAim(nil, foundingVersion, servers)); !out.Skipped {
		t.Errorf("a second target: %+v", out)
	}
	m.house(AppendAdmit(nil, 4, diskOf(4), MaxFeatureLevel))
	out := m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 2, 3, 4}, Ends: true,
		Target: m.s.members.Target.Index}))
	if m.data(configPath) != configOf(4, out.Zxid) || out.Late != (Waiter{}) || out.Body != nil {
		t.Errorf("%s is %q, the outcome %+v", configPath, m.data(configPath), out)
	}
}

// "raised by an entry once every member can follow"
func TestRaise(t *testing.T) { checkRaise(t) }

func checkRaise(t testing.TB) {
	w := wordOf(3)
	w.Members[1].Level = 1
	s, err := NewEnsemble(w, 1, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{t: t, s: s, index: 1, term: 2, clock: 1000}
	m.origin = m.register(1)
	noGrowth := AppendNoGrowthHeader(nil, 1)
	if err := s.Begin(m.index+1, m.term, noGrowth); err == nil {
		t.Error("an entry of level 2 is taken at level 1")
	}
	if out := m.house(AppendRaise(nil, 2)); !out.Skipped || s.FeatureLevel() != 1 {
		t.Errorf("raised before member 2 can follow: %+v", out)
	}
	m.house(AppendAdmit(nil, 2, diskOf(2), 2))
	if err := s.Follow(1); err != nil {
		t.Error(err)
	}
	e := append(AppendHousekeepingHeader(m.header(), m.term, 1), AppendRaise(nil, 2)...)
	if err := s.Begin(m.index+1, m.term, e); err == nil || !strings.Contains(err.Error(), "level") {
		t.Errorf("a release that cannot follow: Begin = %v", err)
	}
	if err := s.Follow(2); err != nil {
		t.Error(err)
	}
	if out := m.house(AppendRaise(nil, 2)); out.Skipped || s.FeatureLevel() != 2 {
		t.Errorf("raised when all can: %+v, level %d", out, s.FeatureLevel())
	}
	if err := s.Follow(1); err == nil {
		t.Error("level 1 follows a State of level 2")
	}
	m.entry(noGrowth)
}

// "apply answers create and growing setData with an error, the rest goes on"
func TestNoGrowth(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/a", "1234", 0))
	must(t, c.create("/b", "", 0))
	create := wire.CreateRequest{Path: "/c", ACL: wire.OpenACL()}
	set := func(data string) []byte {
		q := wire.SetDataRequest{Path: "/a", Data: []byte(data), Version: -1}
		return q.AppendTo(nil)
	}
	del := wire.DeleteRequest{Path: "/b", Version: -1}
	for _, test := range []struct {
		op   wire.OpCode
		body []byte
		want wire.ErrorCode
	}{
		{wire.OpCreate, create.AppendTo(nil), wire.CodeQuotaExceeded},
		{wire.OpSetData, set("12345"), wire.CodeQuotaExceeded},
		{wire.OpSetData, set("4321"), wire.CodeOk},
		{wire.OpSetData, set("1"), wire.CodeOk},
		{wire.OpSetData, set("12"), wire.CodeQuotaExceeded},
		{wire.OpDelete, del.AppendTo(nil), wire.CodeOk},
	} {
		m.clock++
		m.seq++
		e := AppendBatchHeader(AppendNoGrowthHeader(nil, m.clock), m.origin, m.seq, 1)
		e = AppendRequest(e, c.id, c.generation, m.flags, 1, test.op, test.body)
		if whole, err := DecodeEntry(e); err != nil || !whole.NoGrowth {
			t.Errorf("DecodeEntry = %+v, %v", whole, err)
		}
		if got := m.entry(e)[0].Err; got != test.want {
			t.Errorf("%v %q: %v, want %v", test.op, test.body, got, test.want)
		}
	}
	must(t, c.create("/c", "", 0))
}

// A reconfig is answered by the end of the change, in its turn; what its client sends behind it
// has no effect before.
func TestReconfigIsAnsweredInItsTurn(t *testing.T) {
	for _, end := range []string{"done", "given up"} {
		d := newDesk(t, Settings{ReconfigEnabled: true, SkipACL: true})
		s, err := NewEnsemble(wordOf(3), d.index, 1)
		if err != nil {
			t.Fatal(err)
		}
		d.l = NewLocal(s, d.l.Settings)
		hello := AppendBatchHeader(AppendEntryHeader(nil, d.now), Origin{RaftID: 1}, 0, 1)
		d.apply(AppendHello(hello, 1, [16]byte{1}, 0))
		d.l.SetSelf(s.Stream(1).Origin)
		c := d.client()
		d.create(c, 1, "/a", 0)
		q := joining(4)
		d.send(c, 2, wire.OpReconfig, &q)
		d.create(c, 3, "/b", 0)
		d.read(c, 4, wire.OpExists, "/b", false)
		d.send(c, 5, wire.OpSync, &wire.PathRequest{Path: "/"})
		d.create(c, 6, "/c", 0)
		d.commit()
		d.want(c, end+": while the change is under way", "1 0\n")
		if s.lookup("/b") != nil {
			t.Errorf("%s: a write behind the reconfig was applied before its end", end)
		}
		house := AppendHousekeepingHeader(AppendEntryHeader(nil, d.now), 1, 1)
		index := s.Membership().Target.Index
		if end == "done" {
			d.apply(AppendConfigure(house, &MemberCommand{Voters: []RaftID{1, 2, 3}, Ends: true,
				Target: index}))
			if got := string(c.Take(nil)); !strings.Contains(got, configOf(4, s.LastZxid())) {
				t.Errorf("the answer is %q", got)
			}
		} else {
			d.apply(AppendGiveUp(house, index, wire.CodeNewConfigNoQuorum))
			d.want(c, end, "2 -13\n")
		}
		d.commit()
		d.want(c, end+", and the rest", "3 0\n4 0\n5 0\n6 0\n")
	}
}

// newMemberDesk is the desk of member 1 of three.
func newMemberDesk(t testing.TB) *desk {
	d := newDesk(t, Settings{})
	s, err := NewEnsemble(wordOf(3), d.index, 1)
	if err != nil {
		t.Fatal(err)
	}
	d.l = NewLocal(s, d.l.Settings)
	hello := AppendBatchHeader(AppendEntryHeader(nil, d.now), Origin{RaftID: 1}, 0, 1)
	d.apply(AppendHello(hello, 1, [16]byte{1}, 0))
	d.l.SetSelf(s.Stream(1).Origin)
	return d
}

// removeMember lets the others go on without member 1.
func (d *desk) removeMember() {
	house := AppendHousekeepingHeader(AppendEntryHeader(nil, d.now), 1, 1)
	d.apply(AppendConfigure(house, &MemberCommand{Voters: []RaftID{2, 3}, Ends: true}))
}

// What a removed member has sent is ignored: who attaches there is not told that it is done.
func TestRemovedMemberAttachesNobody(t *testing.T) { checkRemovedMemberAttachesNobody(t) }

func checkRemovedMemberAttachesNobody(t testing.TB) {
	d := newMemberDesk(t)
	old := d.client()
	again := d.connect(wire.ConnectRequest{TimeoutMs: 10000, SessionID: int64(old.Session()),
		Password: old.password})
	d.removeMember()
	d.commit()
	if b := again.Take(nil); len(b) > 0 || again.Cause() != CauseRemoved {
		t.Errorf("a client that attaches to a removed member is told %x, and closed: %v", b,
			again.Cause())
	}
	if old.Over() {
		t.Errorf("an attach that is ignored closes another connection: %v", old.Cause())
	}
}

// A write that comes behind the removal of its member ends its connection for what it is: nobody
// has attached to its session.
func TestRemovedMemberSaysWhy(t *testing.T) {
	d := newMemberDesk(t)
	c := d.client()
	d.create(c, 1, "/a", 0)
	d.removeMember()
	d.commit()
	if c.Cause() != CauseRemoved {
		t.Errorf("a client of a removed member is closed: %v", c.Cause())
	}
}

func TestMembershipSurvivesACheckpoint(t *testing.T) {
	m := newEnsemble(t, 3)
	c := m.connect()
	m.house(AppendAdmit(nil, 4, diskOf(4), MaxFeatureLevel))
	c.reconfig(joining(4))
	d := newStore()
	d.checkpoint(m.s)
	s := d.mustLoad(t)
	if got := diff(m.s.members, s.members); got != "" {
		t.Error(got)
	}
	if s.Digest() != m.s.Digest() {
		t.Errorf("digests differ: %x, %x", m.s.Digest(), s.Digest())
	}
	if !slices.Equal(s.appendHeader(nil), m.s.appendHeader(nil)) {
		t.Error("headers differ")
	}
}

// What a reconfig has brought into the State can be read back from a checkpoint, whatever host
// names it consists of.
func TestEveryConfigurationCanBeReadBack(t *testing.T) {
	for _, host := range []string{"h", "[::1]", "[\vh]", "[h\u00a0]", "[\f]", "h\u2028", "\u0085h",
		"[:]", "h\x00", "\xff"} {
		m := newEnsemble(t, 3)
		out := m.connect().reconfig(wire.ReconfigRequest{CurrentConfigID: wire.AnyVersion,
			Joining: "server.2=" + host + ":1:2;" + host + ":9", HasJoining: true})
		for step, what := range []string{"is to be brought about", "is in force"} {
			if step == 1 && out.Pending {
				m.house(AppendConfigure(nil, &MemberCommand{Voters: []RaftID{1, 2, 3}, Ends: true,
					Target: m.s.Membership().Target.Index}))
			}
			l := NewLoader()
			header, err := m.s.Dump(func(r Record) error { return l.Add(r.Key, r.Value) })
			if err != nil {
				t.Fatal(err)
			}
			if _, err := l.Finish(header); err != nil {
				t.Errorf("host %q, %v, pending %v, %s: %v", host, out.Err, out.Pending, what, err)
			}
		}
	}
}

// Space in a host is refused, and read to the letter from a State that took it once.
func TestServersWithSpace(t *testing.T) {
	for _, host := range []string{"\v", "\fh", "h\u00a0", "h\u2028h", "\u0085h"} {
		given, text := "["+host+"]:1:2;["+host+"]:9", host+":1:2:participant;"+host+":9"
		if s, err := ParseServer(5, given); err == nil {
			t.Errorf("ParseServer(%q) = %+v, want an error", given, s)
		}
		if s, err := readServer(5, text); err != nil || s.Text() != text {
			t.Errorf("readServer(%q) gives %q, %v", text, s.Text(), err)
		}
	}
}
