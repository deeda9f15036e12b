package replication

import (
	"errors"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"go.etcd.io/raft/v3"
	"go.etcd.io/raft/v3/raftpb"
)

// Config is how a member behaves. The zero value of each field works.
type Config struct {
	// RaftID is the identity that the log gave to this member. Zero means 1, the founder's.
	RaftID core.RaftID
	// Nonce tells this start of the process from all others: 16 unpredictable bytes.
	Nonce [16]byte
	// Settings are this server's own for its connections.
	Settings core.Settings

	// TickMs is the length of the replica's tick, in milliseconds. Zero means 50.
	TickMs int64
	// ElectionTicks is how many ticks without a leader a voter waits. Zero means 10.
	ElectionTicks int
	// MaxEntryBytes bounds the commands of one entry; what waits longer goes into the next.
	// Zero means 4 MiB. One command may be longer.
	MaxEntryBytes int
	// CheckpointBytes is how many bytes of log may grow behind the last checkpoint before
	// the next; a quarter of the State if that is more. Zero means 64 MiB.
	CheckpointBytes int64
	// CheckpointItems is how many znodes, sessions and ACL lists may change before the next
	// checkpoint: all of them are in memory while it is written. Zero means 131,072.
	CheckpointItems int
	// KeptLogBytes is how many bytes of log that is applied a member without peers keeps in
	// memory. It needs none; some save the work of dropping each entry. Zero means 8 MiB.
	KeptLogBytes int64
	// MaxLogBytes is how many bytes of log that its checkpoint covers a member with peers keeps,
	// on the disk and in memory, for those that are behind. Who is further behind gets a
	// checkpoint. A leader takes on nothing more while so much of its log is not applied, or
	// while its log behind a slow checkpoint is longer than this and two checkpoints'. Zero means
	// 256 MiB.
	MaxLogBytes int64
	// PieceBytes is how large the pieces are in which a checkpoint is sent to a peer; one piece
	// for each peer is under way at a time. Zero means 1 MiB.
	PieceBytes int
	// MaxFlightBytes bounds the entries that a leader sends to a peer which has not acknowledged
	// them: whoever is silent on a connection that stays would have 256 messages of any size wait
	// for it. One that would go beyond it is sent if nothing else is under way. Zero means 64 MiB.
	MaxFlightBytes int64
	// MaxIntakeBytes bounds what a leader takes in of its peers' streams and has not proposed
	// yet, an equal share for each; a stream at its end waits. Zero means 64 MiB.
	MaxIntakeBytes int
	// StaggerMs is how much later the next in line campaigns when the leader's process is
	// lost, a few round trips, and CampaignMs how long a campaign waits for an answer before
	// it is repeated. Milliseconds; zero means 20 and 5.
	StaggerMs, CampaignMs int64
	// ResendTicks is after how many ticks in which nothing of a follower's stream was applied
	// it is sent again. Zero means 20.
	ResendTicks int64
	// LowDiskBytes is how much free room makes a member's disk low: it does not lead if another
	// can, and while no quorum has more the State may not grow. Half as much again is needed to
	// be well. Zero means 256 MiB.
	LowDiskBytes int64
	// BadClockMs is how far a member's wall clock may be from the median before that is told.
	// Milliseconds; zero means 1,000.
	BadClockMs int64
	// DigestEntries is how many entries apart members compare their States. Zero means 64.
	DigestEntries uint64
	// SyncLimitMs is how long a member without a leader keeps its clients, syncLimit times
	// tickTime. Then it closes them. ReadOnlyMode lets it serve those meanwhile that take a
	// read-only server (readonlymode.enabled). Milliseconds; zero means 10,000.
	SyncLimitMs  int64
	ReadOnlyMode bool
	// IdleTicks is how many ticks without an entry make a member idle, so that it writes a
	// checkpoint of what little there is. Zero means 200.
	IdleTicks int64

	// ContainerCheckMs is how often empty containers and outlived TTL znodes are looked for
	// (znode.container.checkIntervalMs), in milliseconds. Zero means 60,000.
	ContainerCheckMs int64
	// ContainerMaxPerMinute bounds how many of them are deleted per check, which is one entry of
	// MaxEntryBytes at most. Zero means 10,000.
	ContainerMaxPerMinute int
	// ContainerNeverUsedMs deletes containers that never had a child after that many
	// milliseconds (znode.container.maxNeverUsedIntervalMs). Zero means never.
	ContainerNeverUsedMs int64

	// Servers are the lines server.N of this member's file. A leader makes voters and observers
	// of those that join; otherwise the log's configuration is the truth.
	Servers []core.Server
	// FeatureLevel is the highest that this release follows. Zero means core.MaxFeatureLevel; a
	// simulator names less for an older release.
	FeatureLevel uint32
	// ReconfigTicks is how many ticks a leader waits for a quorum of the configuration that a
	// client asked for before it gives that up. Zero means 100.
	ReconfigTicks int64

	// Record makes Apply report every command with its outcome, for a simulator's history.
	Record bool
}

func (c Config) withDefaults() Config {
	def := func(v *int64, d int64) {
		if *v == 0 {
			*v = d
		}
	}
	if c.RaftID == 0 {
		c.RaftID = 1
	}
	if c.ElectionTicks == 0 {
		c.ElectionTicks = 10
	}
	if c.MaxEntryBytes == 0 {
		c.MaxEntryBytes = 4 << 20
	}
	if c.ContainerMaxPerMinute == 0 {
		c.ContainerMaxPerMinute = 10000
	}
	def(&c.TickMs, 50)
	if c.CheckpointItems == 0 {
		c.CheckpointItems = 1 << 17
	}
	def(&c.CheckpointBytes, 64<<20)
	def(&c.KeptLogBytes, 8<<20)
	def(&c.MaxLogBytes, 256<<20)
	if c.PieceBytes == 0 {
		c.PieceBytes = 1 << 20
	}
	if c.MaxIntakeBytes == 0 {
		c.MaxIntakeBytes = 64 << 20
	}
	def(&c.MaxFlightBytes, 64<<20)
	def(&c.StaggerMs, 20)
	def(&c.CampaignMs, 5)
	def(&c.ResendTicks, 20)
	def(&c.SyncLimitMs, 10000)
	def(&c.LowDiskBytes, 256<<20)
	def(&c.BadClockMs, 1000)
	if c.DigestEntries == 0 {
		c.DigestEntries = 64
	}
	def(&c.IdleTicks, 200)
	def(&c.ReconfigTicks, 100)
	if c.FeatureLevel == 0 {
		c.FeatureLevel = core.MaxFeatureLevel
	}
	def(&c.ContainerCheckMs, 60000)
	if c.Settings.TouchMs == 0 {
		c.Settings.TouchMs = c.TickMs
	}
	return c
}

// Recovered is what a member's disk held.
type Recovered struct {
	// State is the checkpoint, loaded; its index is where Entries begin.
	State *core.State
	// Term is the term of the checkpoint's last entry.
	Term      uint64
	ConfState *raftpb.ConfState
	HardState *raftpb.HardState
	// Entries are those behind the checkpoint, and in an ensemble what the disk still holds
	// before it, without a gap.
	Entries []*raftpb.Entry
}

// Founding is the place in the log of the State that an ensemble begins with.
const (
	FoundingIndex = 1
	FoundingTerm  = 1
)

// Member is one whole server without its sockets, its disk and its clock. The package comment
// names its doors.
type Member struct {
	// Local is the door of the connections.
	Local *core.Local

	cfg     Config
	replica replica // the loop's
	applier applier // S exclusive
}

// New starts a member on what its disk held. It is not serving before its own registration
// is applied, which takes some turns of the loop.
func New(cfg Config, rec Recovered) (*Member, error) {
	cfg = cfg.withDefaults()
	if rec.State == nil || rec.HardState == nil || rec.ConfState == nil {
		return nil, errors.New("start member: the disk holds no checkpoint")
	}
	if err := rec.State.Follow(cfg.FeatureLevel); err != nil {
		return nil, fmt.Errorf("start member: %w", err)
	}
	m := &Member{cfg: cfg, Local: core.NewLocal(rec.State, cfg.Settings)}
	index := rec.State.Index()
	log := &memlog{hard: rec.HardState, conf: rec.ConfState, start: position{rec.Term, index},
		checkpoint: position{rec.Term, index}}
	if e := rec.Entries; len(e) > 0 && e[0].GetIndex() < index && !log.alone(uint64(cfg.RaftID)) {
		// A peer may need what this member's checkpoint covers.
		log.start = position{e[0].GetTerm(), e[0].GetIndex()}
		rec.Entries = e[1:]
	}
	log.append(rec.Entries)
	if commit := rec.HardState.GetCommit(); commit < index || commit > log.last() {
		return nil, fmt.Errorf("start member: the log begins behind %d and ends at %d, but %d is "+
			"committed", index, log.last(), commit)
	}
	m.applier = applier{state: rec.State, local: m.Local, cfg: &m.cfg, conf: rec.ConfState,
		term: rec.Term}
	if err := m.replica.start(&m.cfg, log, rec.State); err != nil {
		return nil, fmt.Errorf("start member: %w", err)
	}
	return m, nil
}

// Config returns the configuration with all defaults filled in.
func (m *Member) Config() Config { return m.cfg }

// Step is one turn of the replica's loop: it takes in what happened since the last and says
// what is to be done. turn.Mail is empty afterwards. work is overwritten; its slices are the
// caller's.
func (m *Member) Step(turn *Turn, work *Work) { m.replica.step(turn, work) }

// Leading says whether this member is leader as far as the loop knows.
func (m *Member) Leading() bool { return m.replica.leading }

// Term is the term that the loop is in.
func (m *Member) Term() uint64 { return m.replica.term }

// AppendDeadlines appends when the sessions expire, the soonest first. Only the loop may ask,
// and only a leader knows.
func (m *Member) AppendDeadlines(dst []Deadline) []Deadline {
	return m.replica.clock.deadlines(dst)
}

// Enqueue hands over what Step gave to apply. The caller holds S exclusively.
func (m *Member) Enqueue(items []ApplyItem) {
	m.applier.queue = append(m.applier.queue, items...)
}

// Apply applies at most max commands of what was enqueued. The caller holds S exclusively; it
// calls again while Report.More says so, and may give S to others in between.
func (m *Member) Apply(nowMs int64, max int, report *Report) {
	m.applier.apply(nowMs, max, report)
}

// Leader is the member that leads as far as the loop knows, 0 if it knows of none.
func (m *Member) Leader() core.RaftID { return m.replica.lead }

// FoundingConf is the membership of an ensemble that is founded with these voters.
func FoundingConf(ids ...core.RaftID) *raftpb.ConfState {
	c := &raftpb.ConfState{}
	for _, id := range ids {
		c.Voters = append(c.Voters, uint64(id))
	}
	return c
}

// raftLogger passes on raft's broken invariants, as panics, and nothing else: what raft has
// to tell is in the facts that Step reports.
type raftLogger struct{}

var _ raft.Logger = raftLogger{}

func (raftLogger) Debug(...any)            {}
func (raftLogger) Debugf(string, ...any)   {}
func (raftLogger) Error(...any)            {}
func (raftLogger) Errorf(string, ...any)   {}
func (raftLogger) Info(...any)             {}
func (raftLogger) Infof(string, ...any)    {}
func (raftLogger) Warning(...any)          {}
func (raftLogger) Warningf(string, ...any) {}

func (raftLogger) Fatal(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (raftLogger) Fatalf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }
func (raftLogger) Panic(v ...any)            { panic("raft: " + fmt.Sprint(v...)) }
func (raftLogger) Panicf(f string, v ...any) { panic("raft: " + fmt.Sprintf(f, v...)) }
