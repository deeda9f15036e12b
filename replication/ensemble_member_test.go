package replication

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

func diskOf(n int) core.DiskID { return core.DiskID{byte(n), byte(n >> 8), 1} }

func server(n int) core.Server {
	s, err := core.ParseServer(core.ServerID(n), fmt.Sprintf("h%d:1:2;9", n))
	if err != nil {
		panic(err)
	}
	return s
}

// founding is the State that the ensemble begins with.
func (w *world) founding(n int) *core.State {
	if w.level == 0 {
		w.level = core.MaxFeatureLevel
	}
	w.word = &core.Word{Cluster: core.ClusterID{7}, Level: w.level}
	for i := 1; i <= n; i++ {
		w.word.Servers = append(w.word.Servers, server(i))
		w.word.Members = append(w.word.Members, core.MemberInfo{RaftID: core.RaftID(i),
			Server: core.ServerID(i), Disk: diskOf(i), Role: core.RoleVoter, Level: w.level})
	}
	state, err := core.NewEnsemble(w.word, FoundingIndex, FoundingTerm)
	if err != nil {
		panic(err)
	}
	return state
}

// add puts a host into the world, with links to all others.
func (w *world) add(h *host) {
	w.hosts = append(w.hosts, h)
	for other := 1; other < h.id; other++ {
		w.links[[2]int{other, h.id}] = &link{w: w, ends: [2]int{other, h.id}}
	}
}

// refused lets both ends of a new connection say who they are, and says whether they accept each
// other. Who is told that it was removed ends; whose disk is lost comes back with another.
func (l *link) refused() bool {
	a, b := l.w.host(l.ends[0]), l.w.host(l.ends[1])
	left := newEnd(a.member.Who(a.identity()), b.server)
	right := newEnd(b.member.Who(b.identity()), AnyServer)
	errA, errB := l.w.shake(left, right)
	if errA == nil && errB == nil {
		a.greet(right.Peer(), left.Peer())
		b.greet(left.Peer(), right.Peer())
		return false
	}
	a.refusal(errA)
	b.refusal(errB)
	return true
}

func (h *host) identity() Identity {
	level := h.follows
	if level == 0 {
		level = core.MaxFeatureLevel
	}
	return Identity{Cluster: h.w.word.Cluster, Server: h.server, Disk: h.disks,
		RaftID: core.RaftID(h.id), Level: level}
}

// end is one of a handshake, whose driver knows nothing new until that is over.
type end struct {
	*Handshake
	who Who
}

func newEnd(who Who, called core.ServerID) end { return end{NewHandshake(who, called), who} }

// hear feeds what has come.
func (e end) hear(b []byte) error {
	if err := e.Feed(b); err != nil || !e.Heard() {
		return err
	}
	return e.Judge(e.who)
}

// shake carries what two machines say from one to the other, in pieces.
func (w *world) shake(a, b end) (errA, errB error) {
	for errA == nil || errB == nil {
		toB, toA := a.Take(), b.Take()
		if len(toA)+len(toB) == 0 {
			break
		}
		for ; len(toB) > 0 && errB == nil; toB = toB[min(len(toB), 7):] {
			errB = b.hear(toB[:min(len(toB), 7)])
		}
		for ; len(toA) > 0 && errA == nil; toA = toA[min(len(toA), 11):] {
			errA = a.hear(toA[:min(len(toA), 11)])
		}
	}
	return errA, errB
}

// greet hands whom a handshake was with to the member.
func (h *host) greet(self, p Peer) {
	if self.Server != h.server || p.Empty() && p.RaftID != 0 {
		h.w.violate("a handshake took member %d for %v", h.id, self)
	}
	h.turn.Applicants = append(h.turn.Applicants, Applicant{p.Server, p.Disk, p.Level,
		p.Acknowledged})
}

// refusal does what a driver does whose member is refused.
func (h *host) refusal(err error) {
	var r *Refusal
	if !errors.As(err, &r) || !r.Self {
		return
	}
	switch r.Reason {
	case ReasonRemoved:
		h.w.done["told"]++
		h.retire()
	case ReasonLeaving: // it calls again
	default:
		h.w.violate("member %d: %v", h.id, err)
	}
}

// out says whether a host does not belong to the ensemble any more, or never again will.
func (h *host) out() bool { return h.gone || h.removed }

// retire ends a member for ever.
func (h *host) retire() {
	h.gone = true
	h.crash()
}

// membership does what a driver does when the membership has changed.
func (h *host) membership() {
	m := h.report.Membership
	if m == nil {
		return
	}
	for id := len(h.w.hosts) + 1; id < int(m.Next); id++ {
		e := m.Member(core.RaftID(id))
		h.w.add(&host{w: h.w, id: id, gone: true, server: e.Server, disks: e.Disk,
			wall: 1_700_000_000_000 + h.w.rng.Int64N(100)})
	}
	for i := range m.Members {
		if e := &m.Members[i]; e.Role == core.RoleRemoved && int(e.RaftID) != h.id {
			h.w.link(h.id, int(e.RaftID)).fail()
		}
	}
	if h.report.Removed {
		h.w.done["removed"]++
		h.removed = true
	}
}

// stranger is an empty disk of a server: it asks everybody until it is a member.
func (w *world) stranger(server int, disk core.DiskID) {
	f := NewFounder(Identity{Server: core.ServerID(server), Disk: disk,
		Level: core.MaxFeatureLevel}, w.word.Servers, false, core.ClusterID{9})
	if !w.ask(f) {
		w.after(w.spread(30_000), func() { w.stranger(server, disk) })
	}
}

// ask lets an empty disk ask everybody, and says whether it has become a member.
func (w *world) ask(f *Founder) bool {
	for _, h := range w.hosts {
		if !h.up || h.paused {
			continue
		}
		left := newEnd(f.Who(), h.server)
		right := newEnd(h.member.Who(h.identity()), AnyServer)
		if errA, errB := w.shake(left, right); errA != nil || errB != nil {
			if r := new(Refusal); errors.As(errA, &r) && r.Reason == ReasonLevel {
				continue
			} else if errA != nil && (r.Reason == ReasonLeaving || r.Reason == ReasonRemoved) {
				return true // it was removed before it has ever been there
			}
			w.violate("an empty disk: %v, %v", errA, errB)
		}
		f.Heard(left.Peer())
		h.greet(left.Peer(), right.Peer())
		h.wake()
	}
	d, err := f.Decide()
	switch {
	case err != nil || d.Found:
		w.violate("an empty disk founds, or %v", err)
	case d.Joins:
		w.enter(w.host(int(d.Identity.RaftID)), d.Word)
	}
	return d.Joins
}

// enter starts a new member with the founding State.
func (w *world) enter(h *host, word *core.Word) {
	if !h.gone {
		return
	}
	h.gone = false
	first, conf, err := NewFounded(word)
	if err != nil {
		w.violate("%v", err)
	}
	h.disk = foundingDisk(first, conf)
	h.start()
}

func raftIDsOf(word *core.Word) (ids []core.RaftID) {
	for _, m := range word.Members {
		ids = append(ids, m.RaftID)
	}
	return ids
}

// wipe takes a member's disk away and gives its server another.
func (w *world) wipe(h *host) {
	h.retire()
	disk := h.disks
	disk[2]++
	w.stranger(int(h.server), disk)
}

// reconfig asks for another configuration. The answer is the error's code, or 1 as long as there
// is none.
func (c *client) reconfig(joining []int, leaving ...int) *wire.ErrorCode {
	var list []core.Server
	for _, n := range joining {
		list = append(list, server(n))
	}
	return c.reconfigTo(list, leaving...)
}

func (c *client) reconfigTo(joining []core.Server, leaving ...int) *wire.ErrorCode {
	q := wire.ReconfigRequest{CurrentConfigID: wire.AnyVersion, HasJoining: true, HasLeaving: true}
	var list []string
	for _, s := range joining {
		list = append(list, s.ID.String()+"="+s.Text())
	}
	q.Joining = strings.Join(list, ",")
	q.Leaving = strings.Trim(strings.ReplaceAll(fmt.Sprint(leaving), " ", ","), "[]")
	answer := new(wire.ErrorCode(1))
	c.feed(c.ask(nil, wire.OpReconfig, &q, ask{done: func(code wire.ErrorCode, frame []byte) {
		*answer = code
	}}))
	return answer
}

// voting lists the voters of a host's configuration, "a & b" while a change is under way.
func (h *host) voting() string {
	conf := h.member.replica.log.conf
	slices.Sort(conf.Voters)
	if joint(conf) {
		slices.Sort(conf.VotersOutgoing)
		return fmt.Sprint(conf.GetVoters(), " & ", conf.GetVotersOutgoing())
	}
	return fmt.Sprint(conf.GetVoters())
}

// config is what a host's clients read.
func (h *host) config() (text string) {
	_ = h.member.Local.State.Walk(func(img core.Image) error {
		if img.Path == "/zookeeper/config" {
			text = string(img.Data)
		}
		return nil
	})
	return text
}

// configured waits until all members have that configuration.
func (w *world) configured(voters string) {
	w.must(100, "the voters are "+voters, func() bool {
		for _, h := range w.hosts {
			if !h.out() && (!h.up || h.voting() != voters) {
				return false
			}
		}
		return true
	})
}

// together waits until all have applied the same, and compares them.
func (w *world) together() {
	w.must(40, "all are equally far", func() bool {
		for _, h := range w.hosts {
			if !h.out() && (!h.up || h.member.Local.State.Index() != w.commit()) {
				return false
			}
		}
		return true
	})
	w.converged()
}

// commit is how far anybody's log is committed.
func (w *world) commit() (index uint64) {
	for _, h := range w.hosts {
		if h.up {
			index = max(index, h.member.replica.commit)
		}
	}
	return index
}

// reconfigurable is a world in which clients may change the membership, and log is kept for those
// that come.
func reconfigurable() Config {
	return Config{CheckpointBytes: 1 << 40, IdleTicks: 1 << 40, ReconfigTicks: 40,
		Settings: core.Settings{SkipACL: true, ReconfigEnabled: true, MayStandAlone: true}}
}

// filed is a world in which the files name a fourth server, and a fifth that only observes.
func filed() Config {
	cfg := reconfigurable()
	five := server(5)
	five.Observer = true
	cfg.Servers = []core.Server{server(1), server(2), server(3), server(4), five}
	return cfg
}

var memberScenarios = []scenario{
	{name: "a server joins", cfg: reconfigurable(), do: serverJoins},
	{name: "a server joins by a checkpoint", cfg: checkpointed(), do: joinsByCheckpoint},
	{name: "a server leaves", cfg: reconfigurable(), do: func(w *world) {
		w.settle()
		serverLeaves(w, w.followers()[0])
	}},
	{name: "the leader leaves", cfg: reconfigurable(), do: func(w *world) {
		serverLeaves(w, w.settle())
	}},
	{name: "a dead disk is swapped", cfg: reconfigurable(), do: diskSwapped},
	{name: "the leader's disk is swapped", cfg: reconfigurable(), do: func(w *world) {
		lead := w.settle()
		w.wipe(lead)
		w.configured(fmt.Sprint(without([]int{1, 2, 3, 4}, lead.id)))
	}},
	{name: "a new leader finds the target", cfg: reconfigurable(), do: targetFound},
	{name: "a new leader finds the joint phase", cfg: reconfigurable(), do: jointFound},
	{name: "nobody joins", cfg: reconfigurable(), do: nobodyJoins},
	{name: "one is left, and then more", cfg: reconfigurable(), do: oneIsLeft},
	{name: "the files name more", cfg: filed(), do: filesNameMore},
	{name: "all leave but the new ones", cfg: reconfigurable(), do: allReplaced},
	{name: "the leader hands over", cfg: reconfigurable(), do: handsOver},
	{name: "releases are upgraded one by one", cfg: reconfigurable(), do: upgraded},
	{name: "a learner's clock", cfg: reconfigurable(), do: learnersClock},
	{name: "who has no vote any more has the longer log", cfg: reconfigurable(), do: longerLog,
		n: 2},
	{name: "an observer leaves, and nobody writes", cfg: reconfigurable(), do: observerLeaves},
	{name: "a learner leaves while it is sent a checkpoint", cfg: checkpointed(), n: 1,
		do: leavesWhileSent},
	{name: "the only voter starts again", cfg: reconfigurable(), do: onlyVoterAgain, n: 1},
}

// checkpointed is a world that keeps little log.
func checkpointed() Config {
	cfg := reconfigurable()
	cfg.CheckpointBytes, cfg.MaxLogBytes = 1<<10, 1<<10
	return cfg
}

// joinsByCheckpoint: the log that a new member lacks is gone, and the last checkpoint was written
// before it became a member.
func joinsByCheckpoint(w *world) {
	lead := w.settle()
	c := w.session(lead)
	w.must(200, "its log is cut", func() bool {
		c.write()
		return lead.member.replica.log.start.index > 10
	})
	w.run(2_500_000)
	w.stranger(4, diskOf(4))
	w.must(20, "it is there", func() bool { return len(w.hosts) == 4 && w.hosts[3].up })
	jumps := w.jumps.installs
	answer := c.reconfig([]int{4})
	w.configured("[1 2 3 4]")
	w.must(20, "it is answered", func() bool { return *answer == 0 })
	if w.jumps.installs == jumps {
		w.violate("no checkpoint was installed")
	}
	w.together()
}

func without(list []int, id int) []int {
	return slices.DeleteFunc(list, func(n int) bool { return n == id })
}

func serverJoins(w *world) {
	w.settle()
	c := w.session(w.followers()[0])
	w.stranger(4, diskOf(4))
	w.must(40, "it is a learner", func() bool { return len(w.hosts) == 4 && w.hosts[3].up })
	d := w.session(w.hosts[3])
	answer := c.reconfig([]int{4})
	c.write()
	w.configured("[1 2 3 4]")
	w.must(10, "everything is answered", w.served)
	if *answer != 0 {
		w.violate("the reconfig is answered with %v", *answer)
	}
	if text := w.hosts[3].config(); !strings.Contains(text, "\nserver.4=h4:1:2:participant;") {
		w.violate("/zookeeper/config is %q", text)
	}
	d.write()
	w.hosts[0].crash()
	w.hosts[1].pause()
	w.run(200_000)
	if got := w.leader(); got != nil && got.member.replica.commit > got.member.replica.applied+100 {
		w.violate("two of four commit")
	}
	w.hosts[1].resume()
	w.must(60, "three of four serve", func() bool { d.write(); return d.acked > 2 })
	w.hosts[0].start()
	w.run(3_000_000)
	w.together()
}

func serverLeaves(w *world, h *host) {
	c := w.session(w.hosts[h.id%3])
	d := w.session(h)
	answer := c.reconfig(nil, h.id)
	w.configured(fmt.Sprint(without([]int{1, 2, 3}, h.id)))
	w.must(20, "it is answered", func() bool { return *answer != 1 })
	if *answer != 0 {
		w.violate("the reconfig is answered with %v", *answer)
	}
	w.must(100, "the member ends", func() bool { return h.gone && !h.up })
	w.must(40, "its client goes on elsewhere", func() bool {
		return d.conn != nil && d.ready && d.host != h
	})
	d.write()
	w.must(20, "it is served", w.served)
	w.together()
}

func diskSwapped(w *world) {
	lead := w.settle()
	f := w.followers()
	c := w.session(lead)
	jointly := ""
	w.wipe(f[0])
	want := without([]int{1, 2, 3, 4}, f[0].id)
	w.must(100, "the new disk votes", func() bool {
		if l := w.leader(); l != nil && joint(l.member.replica.log.conf) {
			jointly = l.voting()
		}
		return w.leader() != nil && w.leader().voting() == fmt.Sprint(want)
	})
	if jointly != fmt.Sprint(want, " & [1 2 3]") {
		w.violate("the swap went through %q", jointly)
	}
	c.write()
	w.configured(fmt.Sprint(want))
	w.must(20, "everything is answered", w.served)
	if v := lead.member.Local.State.Membership().Version; v != 1<<32 {
		w.violate("a swap of disks wrote the configuration %v", v)
	}
	w.together()
}

// targetFound: a leader records a target and dies before it has brought it about.
func targetFound(w *world) {
	lead := w.settle()
	c := w.session(w.followers()[0])
	answer := c.reconfig([]int{4})
	w.must(10, "the target is recorded", func() bool {
		return c.host.member.Local.State.Membership().Target != nil
	})
	lead.crash()
	w.stranger(4, diskOf(4))
	w.must(60, "it is answered", func() bool { return *answer != 1 })
	if *answer != 0 {
		w.violate("the reconfig is answered with %v", *answer)
	}
	lead.start()
	w.configured("[1 2 3 4]")
}

// jointFound: a leader dies between the two entries of a change.
func jointFound(w *world) {
	lead := w.settle()
	c := w.session(w.followers()[0])
	w.stranger(4, diskOf(4))
	w.must(40, "it is a learner", func() bool { return len(w.hosts) == 4 && w.hosts[3].up })
	answer := c.reconfig([]int{4})
	w.must(20, "a change is under way", func() bool {
		return joint(c.host.member.replica.log.conf)
	})
	lead.crash()
	w.must(100, "it is answered", func() bool { return *answer != 1 })
	if *answer != 0 {
		w.violate("the reconfig is answered with %v", *answer)
	}
	lead.start()
	w.configured("[1 2 3 4]")
}

func nobodyJoins(w *world) {
	lead := w.settle()
	c, d := w.session(w.followers()[0]), w.session(lead)
	answer := c.reconfig([]int{9})
	w.run(100_000)
	second := d.reconfig(nil, 1)
	w.must(10, "another one is refused", func() bool { return *second != 1 })
	if *second != wire.CodeReconfigInProgress || *answer != 1 {
		w.violate("the second reconfig: %v, the first %v", *second, *answer)
	}
	c.write()
	w.must(60, "it is given up", func() bool { return *answer != 1 })
	if *answer != wire.CodeNewConfigNoQuorum {
		w.violate("the reconfig is answered with %v", *answer)
	}
	w.must(10, "what was sent behind it is answered", w.served)
	w.configured("[1 2 3]")
}

func oneIsLeft(w *world) {
	lead := w.settle()
	c := w.session(lead)
	var others []int
	for _, h := range w.followers() {
		others = append(others, h.id)
	}
	answer := c.reconfig(nil, others...)
	w.configured(fmt.Sprint([]int{lead.id}))
	w.must(20, "it is answered", func() bool { return *answer == 0 })
	if !lead.member.replica.alone {
		w.violate("the last member does not know that it is alone")
	}
	c.write()
	w.must(10, "it serves", w.served)
	lead.crash()
	lead.start()
	w.must(60, "it serves again", func() bool { return c.conn != nil && c.ready })
	w.stranger(4, diskOf(4))
	w.stranger(5, diskOf(5))
	w.must(60, "they are learners", func() bool {
		return len(w.hosts) == 5 && w.hosts[3].up && w.hosts[4].up
	})
	answer = c.reconfig([]int{4, 5})
	w.configured(fmt.Sprint([]int{lead.id, 4, 5}))
	w.must(20, "it is answered", func() bool { return *answer == 0 })
	lead.crash()
	w.must(100, "two of three serve", func() bool { return c.conn != nil && c.ready })
	lead.start()
	w.run(3_000_000)
	w.together()
}

func filesNameMore(w *world) {
	w.settle()
	w.stranger(4, diskOf(4))
	w.stranger(5, diskOf(5))
	w.configured("[1 2 3 4]")
	w.must(60, "the observer is in the configuration", func() bool {
		return len(w.leader().member.Local.State.Membership().Servers) == 5
	})
	w.must(20, "both are there", func() bool { return w.hosts[3].up && w.hosts[4].up })
	o := w.hosts[4]
	if o.server != 5 {
		o = w.hosts[3]
	}
	c := w.session(o)
	c.write()
	w.must(20, "an observer serves", w.served)
	o.wall += 1_000_000_000
	w.run(3_000_000)
	w.together()
}

func allReplaced(w *world) {
	w.settle()
	for n := 4; n <= 6; n++ {
		w.stranger(n, diskOf(n))
	}
	w.must(80, "they are learners", func() bool {
		return len(w.hosts) == 6 && w.hosts[3].up && w.hosts[4].up && w.hosts[5].up
	})
	c := w.session(w.hosts[3])
	answer := c.reconfig([]int{4, 5, 6}, 1, 2, 3)
	w.configured("[4 5 6]")
	w.must(40, "it is answered", func() bool { return *answer == 0 })
	c.write()
	w.must(40, "it is served", w.served)
	w.together()
}

func handsOver(w *world) {
	lead := w.settle()
	c := w.session(lead)
	lead.turn.HandOver = true
	lead.wake()
	c.write()
	w.must(5, "another leads", func() bool { return w.leader() != lead && !lead.member.Leading() })
	w.must(10, "what was under way is answered", w.served)
}

// upgraded: the feature level is raised when the last member follows it, and not before.
func upgraded(w *world) {
	w.settle()
	for _, h := range w.hosts {
		h.crash()
		h.follows = 1
	}
	w.level = 1
	for _, h := range w.hosts {
		h.disk = foundingDisk(w.founding(3), FoundingConf(1, 2, 3))
	}
	w.judge = newJudge()
	for _, h := range w.hosts {
		h.start()
	}
	w.settle()
	c := w.session(w.hosts[0])
	for n, h := range w.hosts {
		w.run(1_000_000)
		for _, o := range w.hosts {
			if l := o.member.Local.State.FeatureLevel(); l != 1 {
				w.violate("member %d is at level %d when %d of 3 follow it", o.id, l, n)
			}
		}
		h.crash()
		h.follows = 2
		h.start()
		w.settle()
		w.must(60, "it serves", func() bool { return c.conn != nil && c.ready })
	}
	w.must(40, "the level is raised", func() bool {
		for _, h := range w.hosts {
			if h.member.Local.State.FeatureLevel() != 2 {
				return false
			}
		}
		return true
	})
}

// learnersClock: a leader that hears only learners is in contact with nobody.
func learnersClock(w *world) {
	w.settle()
	w.stranger(4, diskOf(4))
	w.stranger(5, diskOf(5))
	w.stranger(6, diskOf(6))
	w.must(80, "they are learners", func() bool {
		return len(w.hosts) == 6 && w.hosts[3].up && w.hosts[4].up && w.hosts[5].up
	})
	w.run(500_000)
	lead := w.leader()
	for _, h := range w.hosts[:3] {
		if h != lead {
			w.link(h.id, lead.id).split(true)
		}
	}
	w.run(300_000)
	if lead.member.replica.leading && lead.member.replica.clocks.fresh(lead.member.replica.ticks) {
		w.violate("a leader takes learners for a quorum")
	}
}

// onlyVoterAgain: an ensemble's only voter acknowledges a write that no learner has heard of, and
// ends before its disk knows that this is committed. When it leads again, and its disk is slow to
// take the first entry of its term, a learner is asked for a synced read.
func onlyVoterAgain(w *world) {
	lead := w.settle()
	c := w.session(lead)
	w.stranger(2, diskOf(2))
	w.must(40, "there is a learner", func() bool { return len(w.hosts) == 2 && w.hosts[1].up })
	f := w.hosts[1]
	d := w.session(f)
	w.link(lead.id, f.id).split(true)
	c.write()
	w.must(10, "a write is acknowledged", func() bool { return c.acked == 2 })
	c.silent = true
	lead.crash()
	w.link(lead.id, f.id).split(false)
	d.read(c)
	lead.syncUs = 100_000
	lead.start()
	w.must(60, "the read is answered", d.idle)
}

// longerLog: a leader takes the other's vote, which is the first to know, and to have more log. The
// leader ends, and does not know any more that it is the only voter: it needs a vote of the other,
// to whom its log is too short.
func longerLog(w *world) {
	w.settle()
	c := w.session(w.leader())
	for try := range 40 {
		lead, f := w.leader(), w.followers()[0]
		c := w.clients[len(w.clients)-1]
		lead.syncUs = 3000
		crashed := false
		w.judge.watch = func(h *host, commit *Commit) {
			m := commit.Command.Member
			if h != f || m == nil || !m.Ends || len(m.Voters) > 1 || crashed {
				return
			}
			entries := lead.disk.entries
			if f.member.replica.last > entries[len(entries)-1].GetIndex() &&
				lead.disk.hs.GetCommit() < commit.Index {
				crashed = true
				w.after(0, lead.crash)
			}
		}
		observer := server(f.id)
		observer.Observer = true
		answer := c.reconfigTo([]core.Server{observer})
		w.must(60, "it has no vote any more", func() bool {
			if !crashed && *answer == 1 {
				c.write()
			}
			return crashed || *answer == 0 && len(f.member.replica.log.conf.GetVoters()) == 1 &&
				!joint(f.member.replica.log.conf)
		})
		if crashed {
			lead.syncUs = 0
			w.run(100_000)
			lead.start()
			w.must(100, "the only voter leads", lead.member.Leading)
			w.must(60, "everything is answered", w.served)
			w.together()
			return
		}
		answer = c.reconfig([]int{f.id})
		w.must(60, "it votes again", func() bool { return *answer == 0 })
		w.must(60, fmt.Sprint("attempt ", try, " is over"), w.served)
	}
	w.violate("the other never had more log: the scenario shows nothing, %d", c.acked)
}

// observerLeaves: those who stay close their connections to an observer before it has heard that
// it leaves. It has to be told soon, for its clients are cut off, and no entry comes that would
// make the last change of members certain.
func observerLeaves(w *world) {
	w.settle()
	c := w.session(w.followers()[0])
	w.stranger(4, diskOf(4))
	w.must(40, "there is a learner", func() bool { return len(w.hosts) == 4 && w.hosts[3].up })
	f, observer := w.hosts[3], server(4)
	observer.Observer = true
	answer := c.reconfigTo([]core.Server{observer})
	w.must(40, "it is an observer", func() bool { return *answer == 0 })
	for _, h := range w.hosts[:3] {
		w.link(h.id, f.id).sever(f.id, true)
	}
	answer = c.reconfig(nil, 4)
	w.must(40, "it has left", func() bool { return *answer == 0 })
	for _, h := range w.hosts[:3] {
		w.link(h.id, f.id).sever(f.id, false)
	}
	w.must(20, "it is told", func() bool { return f.gone })
}

// leavesWhileSent: a member is left alone in the midst of sending a checkpoint to an observer. The
// view of the checkpoint does not stay open.
func leavesWhileSent(w *world) {
	lead := w.settle()
	c := w.session(lead)
	w.stranger(2, diskOf(2))
	w.must(40, "there is a learner", func() bool { return len(w.hosts) == 2 && w.hosts[1].up })
	f, observer := w.hosts[1], server(2)
	observer.Observer = true
	answer := c.reconfigTo([]core.Server{observer})
	w.must(40, "it is an observer", func() bool { return *answer == 0 })
	f.crash()
	behind := lead.member.replica.log.last()
	w.must(200, "the log that it lacks is cut", func() bool {
		c.write()
		return lead.member.replica.log.start.index > behind
	})
	f.start()
	w.must(60, "it is sent a checkpoint", func() bool { return len(lead.jumping.views) > 0 })
	w.link(lead.id, f.id).sever(f.id, true)
	answer = c.reconfig(nil, 2)
	w.must(40, "it has left", func() bool { return *answer == 0 && lead.member.replica.alone })
	w.run(500_000)
	if n := len(lead.jumping.views); n > 0 {
		w.violate("%d views of checkpoints stay open", n)
	}
}
