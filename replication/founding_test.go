package replication

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3/raftpb"
)

// camp is a number of servers of which some are empty and some have been founded. It carries
// handshakes and lets empty ones decide.
type camp struct {
	file    []core.Server
	members map[core.ServerID]*camper
	fail    func(string)
}

type camper struct {
	up      bool
	founder *Founder // nil: it has data
	who     Who
	digest  [16]byte
}

func newCamp(n int, fail func(string)) *camp {
	c := &camp{members: map[core.ServerID]*camper{}, fail: fail}
	for i := 1; i <= n; i++ {
		c.file = append(c.file, server(i))
	}
	for i := 1; i <= n; i++ {
		c.members[core.ServerID(i)] = &camper{}
		c.wipe(i, false)
	}
	return c
}

// wipe gives a server an empty disk.
func (c *camp) wipe(n int, initialize bool) *camper {
	m := c.members[core.ServerID(n)]
	id := Identity{Server: core.ServerID(n), Disk: diskOf(n), Level: core.MaxFeatureLevel}
	id.Disk[4] = byte(len(c.members)) + m.who.Disk[4] + 1
	m.up, m.who = true, Who{Identity: id}
	m.founder = NewFounder(id, c.file, initialize, core.ClusterID{byte(n), id.Disk[4]})
	return m
}

// meet connects two servers. It returns what each end is told.
func (c *camp) meet(a, b int) (errA, errB error) {
	x, y := c.members[core.ServerID(a)], c.members[core.ServerID(b)]
	left, right := newEnd(x.who, core.ServerID(b)), newEnd(y.who, AnyServer)
	errA, errB = (&world{}).shake(left, right)
	if errA == nil && errB == nil {
		if x.founder != nil {
			x.founder.Heard(left.Peer())
		}
		if y.founder != nil {
			y.founder.Heard(right.Peer())
		}
	}
	return errA, errB
}

// decide lets an empty server decide, and returns what it did.
func (c *camp) decide(n int) string {
	m := c.members[core.ServerID(n)]
	if m.founder == nil {
		return "has data"
	}
	d, err := m.founder.Decide()
	switch {
	case err != nil:
		return err.Error()
	case len(d.WaitFor) > 0:
		return fmt.Sprint("waits for ", d.WaitFor)
	case !d.Found && !d.Joins:
		return "waits"
	}
	state, conf, err := NewFounded(d.Word)
	if err != nil {
		c.fail(err.Error())
		return ""
	}
	m.founder, m.digest = nil, state.Digest()
	m.who = Who{Identity: d.Identity, StateLevel: state.FeatureLevel(),
		Membership: state.Membership()}
	votes := slices.Contains(conf.GetVoters(), uint64(d.Identity.RaftID))
	return fmt.Sprintf("found %v, joins %v, as %d, votes %v", d.Found, d.Joins, d.Identity.RaftID,
		votes)
}

func (c *camp) all(pairs ...[2]int) {
	for _, p := range pairs {
		if c.members[core.ServerID(p[0])].up && c.members[core.ServerID(p[1])].up {
			c.meet(p[0], p[1])
		}
	}
}

func (c *camp) want(n int, want string) {
	if got := c.decide(n); got != want {
		c.fail(fmt.Sprintf("server %d: %s, want %s", n, got, want))
	}
}

// "If all answer and all are empty, the lowest server id founds."
func TestFounding(t *testing.T) {
	c := newCamp(3, func(text string) { t.Error(text) })
	c.want(2, "waits for [server.1 server.3]")
	c.all([2]int{1, 2})
	c.want(1, "waits for [server.3]")
	c.all([2]int{2, 3}, [2]int{1, 3})
	c.want(2, "waits")
	c.want(3, "waits")
	c.want(1, "found true, joins false, as 1, votes true")
	c.all([2]int{2, 1})
	c.want(2, "found false, joins true, as 2, votes true")
	c.all([2]int{3, 2}) // not the founder: anybody who has its word passes it on
	c.want(3, "found false, joins true, as 3, votes true")
	for n := core.ServerID(2); n <= 3; n++ {
		if c.members[n].digest != c.members[1].digest {
			t.Errorf("%v begins with another State than the founder", n)
		}
		if c.members[n].who.Cluster != c.members[1].who.Cluster {
			t.Errorf("%v belongs to another ensemble", n)
		}
	}
}

// An answer counts as long as its connection: who has answered may have been founded since.
func TestFoundingForgetsTheLost(t *testing.T) {
	c := newCamp(3, func(text string) { t.Error(text) })
	c.all([2]int{1, 2}, [2]int{1, 3})
	c.members[1].founder.Lost(3)
	c.want(1, "waits for [server.3]")
}

// "two wiped members with the third down (no second founding)"
func twoWiped(fail func(string)) {
	c := newCamp(3, fail)
	c.all([2]int{1, 2}, [2]int{1, 3}, [2]int{2, 3})
	c.want(1, "found true, joins false, as 1, votes true")
	c.all([2]int{2, 1}, [2]int{3, 1})
	c.want(2, "found false, joins true, as 2, votes true")
	c.want(3, "found false, joins true, as 3, votes true")
	c.members[3].up = false
	c.wipe(1, false)
	c.wipe(2, false)
	c.all([2]int{1, 2}, [2]int{1, 3}, [2]int{2, 3})
	c.want(1, "waits for [server.3]")
	c.want(2, "waits for [server.3]")
	c.members[3].up = true
	c.all([2]int{1, 3}, [2]int{2, 3})
	c.want(1, "waits") // to be admitted as a new disk, for which the third alone is no quorum
	c.want(2, "waits")
}

func TestTwoWipedFoundNothing(t *testing.T) { twoWiped(func(text string) { t.Error(text) }) }

// "with `initialize` a majority is enough": and two majorities cannot both go on.
func TestInitialize(t *testing.T) {
	c := newCamp(5, func(text string) { t.Error(text) })
	for n := range c.members {
		c.wipe(int(n), true)
	}
	c.all([2]int{1, 2})
	c.want(1, "waits for [server.3 server.4 server.5]")
	c.all([2]int{1, 3}, [2]int{3, 4}, [2]int{4, 5}, [2]int{3, 5})
	c.want(4, "waits") // server 3 has a lower id
	c.want(1, "found true, joins false, as 1, votes true")
	// Whom it has heard of joins as the voter that it is; the others were given up.
	c.all([2]int{3, 1}, [2]int{5, 1})
	c.want(3, "found false, joins true, as 3, votes true")
	c.want(5, "waits")
	dead := c.members[1].who.Membership.Member(5)
	if dead.Role != core.RoleVoter || dead.Disk != (core.DiskID{}) {
		t.Errorf("member 5 is %+v, want a dead voter", dead)
	}
}

// In any order of meetings and decisions there is at most one ensemble that a majority of the file
// belongs to, and everybody in it begins with the same State.
func TestFoundingAnyOrder(t *testing.T) {
	founded := 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(seed, 4))
		n := 1 + rng.IntN(5)
		c := newCamp(n, func(text string) { t.Errorf("seed %d: %s", seed, text) })
		for i := 1; i <= n; i++ {
			c.wipe(i, rng.IntN(3) == 0)
		}
		for range 60 {
			a, b := 1+rng.IntN(n), 1+rng.IntN(n)
			if a != b && rng.IntN(4) > 0 {
				c.meet(a, b)
			}
			if f := c.members[core.ServerID(b)].founder; f != nil && rng.IntN(6) == 0 {
				f.Lost(core.ServerID(a))
			}
			c.decide(a)
		}
		of := map[core.ClusterID]int{}
		digests := map[core.ClusterID][16]byte{}
		for i := 1; i <= n; i++ {
			m := c.members[core.ServerID(i)]
			if m.founder != nil {
				continue
			}
			k := m.who.Cluster
			of[k]++
			if old, ok := digests[k]; ok && old != m.digest {
				t.Errorf("seed %d: two members of one ensemble begin differently", seed)
			}
			digests[k] = m.digest
		}
		serving := 0
		for _, voters := range of {
			if 2*voters > n {
				serving++
			}
		}
		if serving > 1 {
			t.Errorf("seed %d: %d ensembles have a quorum", seed, serving)
		}
		founded += serving
	}
	if founded < 100 {
		t.Errorf("only %d of 400 camps came to an ensemble", founded)
	}
}

// TestHandshakeRefuses: each way in which two do not fit.
func TestHandshakeRefuses(t *testing.T) {
	founded := func(n int) Who {
		c := newCamp(3, func(text string) { t.Error(text) })
		c.all([2]int{1, 2}, [2]int{1, 3})
		c.decide(1)
		c.all([2]int{2, 1}, [2]int{3, 1})
		c.decide(2)
		c.decide(3)
		return c.members[core.ServerID(n)].who
	}
	removed := founded(1)
	m := *removed.Membership
	m.Members = slices.Clone(m.Members)
	m.Members[1].Role = core.RoleRemoved
	removed.Membership = &m
	leaving := removed
	removed.Settled = true
	change := func(w Who, f func(*Who)) Who { f(&w); return w }
	knows := change(founded(1), func(w *Who) { w.Known = []KnownMark{{2, Mark{3, 40}}} })
	for _, test := range []struct {
		name   string
		a, b   Who // a calls b
		called core.ServerID
		want   string
	}{
		{"they fit", founded(1), founded(2), 2, ""},
		{"one knows the other", knows, founded(2), 2, ""},
		{"another server", founded(1), founded(3), 2, "server.3 is refused: it is another server"},
		{"itself", founded(1), founded(1), AnyServer,
			"server.1 is refused: it has the same server id"},
		{"another ensemble", founded(1), change(founded(2), func(w *Who) { w.Cluster[3]++ }), 2,
			"server.2 is refused: it belongs to another ensemble"},
		{"another raft id", founded(1), change(founded(2), func(w *Who) { w.RaftID = 3 }), 2,
			"server.2 is refused: the log gave its disk another identity"},
		{"another disk under a raft id", founded(1), change(founded(2),
			func(w *Who) { w.Disk[9]++ }), 2,
			"server.2 is refused: the log gave its disk another identity"},
		{"removed", founded(2), removed, 1, "server.1 refuses this member: it was removed"},
		{"about to be removed", founded(2), leaving, 1,
			"server.1 refuses this member: it is being removed"},
		{"cannot follow", founded(2), change(founded(1), func(w *Who) { w.StateLevel = 9 }), 1,
			"server.1 refuses this member: its release cannot follow"},
		{"emptied", Who{Identity: Identity{Server: 2, Disk: founded(2).Disk, Level: 2}}, knows, 1,
			"server.1 refuses this member: its disk has lost"},
		{"lags behind", founded(1), change(founded(2), func(w *Who) {
			w.Server, w.RaftID, w.Disk[9] = 9, 9, 9
		}), 9, ""},
	} {
		left, right := newEnd(test.a, test.called), newEnd(test.b, AnyServer)
		errA, errB := (&world{}).shake(left, right)
		got := ""
		if errA != nil {
			got = errA.Error()
		}
		if want := test.want; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", test.name, got, want)
		}
		if (errA == nil) != (errB == nil) {
			t.Errorf("%s: one end hears %v, the other %v", test.name, errA, errB)
		}
		if errA == nil && (!left.Done() || !right.Done()) {
			t.Errorf("%s: accepted and not done", test.name)
		}
		if got, want := right.Peer().Acknowledged, test.a.known(test.b.RaftID); errA == nil &&
			got != want {
			t.Errorf("%s: told that it has acknowledged %v, want %v", test.name, got, want)
		}
	}
}

// TestHandshakeMalformed: no input makes it panic, and what is behind it stays.
func TestHandshakeMalformed(t *testing.T) {
	who := Who{Identity: Identity{Server: 1, Disk: diskOf(1), Level: 1}}
	good := NewHandshake(Who{Identity: Identity{Server: 2, Disk: diskOf(2), Level: 1}},
		AnyServer).Take()
	for i := range good {
		for _, flip := range []byte{1, 0x80, 0xff} {
			b := slices.Clone(good)
			b[i] ^= flip
			_ = newEnd(who, 2).hear(b)
			_ = newEnd(who, 2).hear(b[:i])
		}
	}
	if err := newEnd(who, 2).hear([]byte{0xff, 0, 0, 0}); err == nil {
		t.Error("a frame of any length is waited for")
	}
	version := slices.Clone(good)
	version[4] = 9
	var r *Refusal
	err := newEnd(who, 2).hear(version)
	if !errors.As(err, &r) || r.Reason != ReasonVersion {
		t.Errorf("another version: %v", err)
	}
	// A reason is one byte: 256 must not be taken for none.
	wide := append(slices.Clone(good), 0, 0, 0, 5, 0x80, 2, 0, 0, 0)
	if h := newEnd(who, 2); h.hear(wide) == nil || h.Done() {
		t.Error("a refusal for a reason that is no byte is taken for consent")
	}
	h := newEnd(who, 2)
	verdict := []byte{0, 0, 0, 4, 0, 0, 0, 0}
	if err := h.hear(append(append(slices.Clone(good), verdict...), "rest"...)); err != nil ||
		!h.Done() || string(h.Rest()) != "rest" {
		t.Errorf("a whole handshake: %v, done %v, rest %q", err, h.Done(), h.Rest())
	}
}

// TestVerdictIsOfItsMoment: what a member has acknowledged while its handshake went on is in what
// it is told.
func TestVerdictIsOfItsMoment(t *testing.T) {
	cluster := core.ClusterID{1}
	who := func(n int) Who {
		return Who{Identity: Identity{Cluster: cluster, Server: core.ServerID(n), Disk: diskOf(n),
			RaftID: core.RaftID(n), Level: 1}}
	}
	left, right := newEnd(who(1), 2), newEnd(who(2), AnyServer)
	left.who.Known = []KnownMark{{2, Mark{5, 20}}}
	if errA, errB := (*world)(nil).shake(left, right); errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if got, want := right.Peer().Acknowledged, (Mark{5, 20}); got != want {
		t.Errorf("told that it has acknowledged %v, want %v", got, want)
	}
}

// emptied: a member that has spoken comes back without its data, under its old disk id.
func emptied(fail func(string)) {
	c := newCamp(3, fail)
	c.all([2]int{1, 2}, [2]int{1, 3})
	c.decide(1)
	c.all([2]int{2, 1})
	c.decide(2)
	disk := c.members[2].who.Disk
	c.members[1].who.Known = []KnownMark{{2, Mark{2, 7}}}
	m := c.wipe(2, false)
	m.who.Disk = disk
	m.founder.self.Disk = disk
	if _, err := c.meet(1, 2); err == nil {
		fail("an emptied disk is taken for what it was")
	}
}

func TestEmptiedDiskIsRefused(t *testing.T) { emptied(func(text string) { t.Error(text) }) }

// Only what shows that the sender's disk has it is what the sender has acknowledged.
func TestAcknowledged(t *testing.T) {
	r := &replica{}
	at := func(kind raftpb.MessageType, term, index uint64, reject bool) *raftpb.Message {
		return &raftpb.Message{Type: kind.Enum(), From: new(uint64(2)), Term: &term, Index: &index,
			Reject: &reject}
	}
	for _, test := range []struct {
		m    *raftpb.Message
		want string
	}{
		{at(raftpb.MsgPreVoteResp, 9, 0, false), "0/0"}, // of a term to come
		{at(raftpb.MsgVote, 1, 90, false), "1/0"},       // its log is no acknowledgement
		{at(raftpb.MsgVoteResp, 2, 0, false), "2/0"},
		{at(raftpb.MsgAppResp, 2, 40, false), "2/40"},
		{at(raftpb.MsgAppResp, 2, 90, true), "2/40"},
		{at(raftpb.MsgAppResp, 2, 30, false), "2/40"}, // late
		{at(raftpb.MsgVoteResp, 3, 0, true), "3/0"},
		{at(raftpb.MsgAppResp, 3, 35, false), "3/35"}, // a new leader has shortened it
		{at(raftpb.MsgHeartbeatResp, 7, 0, false), "3/35"},
		{at(raftpb.MsgApp, 4, 40, false), "4/0"}, // who leads has voted for itself
		{at(raftpb.MsgHeartbeat, 5, 0, false), "5/0"},
	} {
		r.acknowledged(test.m)
		w := Who{Known: r.known}
		if got := w.known(2).String(); got != test.want {
			t.Errorf("after %v: %v, want %v", test.m.GetType(), got, test.want)
		}
	}
}
