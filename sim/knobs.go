package sim

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Knobs are what a seed draws for its world before anything happens: every probability and every
// limit is drawn anew for each world, so that some worlds have what others lack. All are numbers,
// so that they can be printed, set from the command line and shrunk.
type Knobs struct {
	// The world.
	DurationMs      int64 // virtual milliseconds until the faults stop
	Hosts           int64 // voters of one ensemble, each on a host of its own
	Clients         int64 // raw ones
	ProtocolClients int64 // driven through client/protocol
	Recipes         int64 // of the same kind, each following a recipe
	Crowd           int64 // clients that come at once for a short while
	GarbageMs       int64 // mean time between connections that send garbage, 0: none
	RealStore       int64 // 1: the real store on a crashable memory file system

	// The member's configuration.
	ElectionTicks        int64
	MaxEntryBytes        int64
	CheckpointBytes      int64
	CheckpointItems      int64
	KeptLogBytes         int64
	IdleTicks            int64
	ContainerCheckMs     int64
	ContainerNeverUsedMs int64
	SoftUnsent           int64
	HardUnsent           int64
	MaxOutstanding       int64
	MaxOutstandingBytes  int64
	MaxQueued            int64
	MaxQueuedBytes       int64
	MaxInputBytes        int64
	MaxHeldBytes         int64
	MaxConnections       int64
	MaxBuffer            int64
	HandshakeMs          int64
	EnforceQuota         int64
	NoExtendedTypes      int64
	SkipACL              int64
	ReconfigEnabled      int64
	MinTimeoutMs         int64
	MaxTimeoutMs         int64

	// The pace of the host's activities, mean microseconds.
	LoopUs       int64
	AppendUs     int64
	SyncUs       int64
	ApplyUs      int64
	ApplyBudget  int64 // commands per call
	CheckpointUs int64
	FeedUs       int64
	FeedBudget   int64 // calls of Feed per event
	FeedBytes    int64 // most bytes read from a link at a time
	FlushUs      int64
	FlushBytes   int64 // most bytes written to a link at a time
	SlowSync     int64 // per mille of syncs that take half a second

	// Faults of the process and its clock; mean times between them, 0: none.
	CrashBoundaries int64 // boundaries passed
	CrashAim        int64 // per mille of starts that lead to a rare boundary
	CrashAt         int64 // the one boundary of the world at which it crashes, 0: none
	LosePower       int64 // per mille of crashes that take the whole host down
	KeepUnsynced    int64 // per mille of unsynced writes that survive it, whole or torn
	Foreign         int64 // per mille of starts that find entries of others in the log
	DiskErrors      int64 // per mille of starts that end in an error of the disk
	StopMs          int64 // orderly restarts
	DownMs          int64 // mean time that the process is down
	PauseMs         int64 // between pauses
	PauseLengthMs   int64
	ClockJumpMs     int64
	DriftPerMille   int64 // of the monotonic clock, may be negative
	UptimeMs        int64 // most that it shows more than the world's age

	// The network; mean times between faults of one link, 0: none.
	DelayUs             int64
	Window              int64
	SplitPerMille       int64
	SlowSegmentPerMille int64
	SmallWindowPerMille int64
	ResetMs             int64
	BlackMs             int64
	StallMs             int64

	// The founding State, and what is not the same everywhere.
	Upgrade      int64 // 1: all begin with an older release, if they ask
	Spares       int64 // hosts that do not belong to the ensemble at first, if it asks
	Listed       int64 // 1: the file names these hosts, as observers
	Asks         int64 // 1: hosts begin with empty disks, and ask each other
	FoundingTerm int64 // 0: 1
	ZxidLead     int64 // so many zxids before the low half overflows, in a far term; 0: new
	SequenceLead int64 // so many numbers before those below the root overflow; 0: new
	Uneven       int64 // 1: each member has limits of its own

	// The configuration of a member with peers.
	MaxLogBytes    int64
	MaxFlightBytes int64
	MaxIntakeBytes int64
	PieceBytes     int64
	StaggerMs      int64
	ResendTicks    int64
	SyncLimitMs    int64
	DigestEntries  int64
	LowDiskBytes   int64
	ReadOnlyMode   int64

	// Between the hosts; mean times between faults of one link, 0: none.
	PeerDelayUs      int64
	PeerOneInFlight  int64 // 1: a message leaves when the one before has arrived
	PeerSlowPerMille int64
	PeerSpoiled      int64 // per mille of messages behind which comes one that is none
	PeerLatePerMille int64 // of broken connections: what was on its way comes late
	PeerResetMs      int64
	PeerBlackMs      int64
	PeerStallMs      int64
	StrangerMs       int64 // somebody calls who has no business there

	// Faults of an ensemble; mean times between them, 0: none.
	KillMs        int64
	KillLeaderMs  int64
	KillManyMs    int64 // a majority at once
	PowerMs       int64
	PowerManyMs   int64
	PowerAllMs    int64
	StopLeaderMs  int64
	StopAllMs     int64
	LullMs        int64 // clients speak to a leader that is one no more, and then say nothing
	RollingMs     int64
	HauntMs       int64 // what a dead leader said comes late
	ReliveMs      int64 // what a process asked for before it died comes late
	FarMs         int64 // what a leader says to a host comes late, and that is asked
	PauseLeaderMs int64
	PauseManyMs   int64
	DozeMs        int64 // a process hangs, or a leader is cut off, while it is asked for syncs
	BehindMs      int64 // a host falls behind while it is asked
	Candidates    int64 // of 1000 that ask for votes, die before their own is on their disk
	Rest          int64 // 1: in the end a leader dies, and nobody asks for anything
	SlowDiskMs    int64
	SlowHostMs    int64
	FullDiskMs    int64
	FullLeaderMs  int64
	FullManyMs    int64
	FullDiskBytes int64 // that fit on it yet
	LowDiskMs     int64 // it shows little room
	LowLeaderMs   int64
	LowManyMs     int64
	WipeMs        int64 // a disk is lost,
	RotMs         int64 // or damaged
	CutHostMs     int64
	CutLeaderMs   int64
	CutHalvesMs   int64
	CutBridgeMs   int64
	CutRingMs     int64
	CutOneWayMs   int64
	DeafMs        int64
	DumbMs        int64
	SwizzleMs     int64
	CutClientsMs  int64
	CutLengthMs   int64

	// The clients, per mille of their steps unless said otherwise.
	ThinkUs         int64 // mean time between two steps
	Burst           int64 // most requests per step
	Pipeline        int64 // most requests without an answer
	Disconnect      int64
	Move            int64 // go to another server
	HasteMs         int64 // milliseconds after which a request is given up, and its server left
	Sticky          int64 // of clients: know one server only
	ReadOnlyClients int64 // of connects: a server without its ensemble will do
	DoubleConnect   int64 // connect again while the old connection is in use
	Abandon         int64 // forget the session
	Silence         int64 // say nothing for longer than the time-out
	Lazy            int64 // of the time-out: half of the clients ping only then, 0: none
	SlowRead        int64 // stop reading for a while
	CloseSession    int64
	WrongPassword   int64 // of connects
	FutureZxid      int64 // of connects
	BadRequest      int64 // of requests: damaged bodies
	ShortFrame      int64 // of bursts: a frame that holds no header
	UnknownOp       int64 // of requests
	RandomWatches   int64 // of setWatches: arbitrary lists
	SetWatches      int64 // of reconnects: set the watches again
	Roots           int64 // how many paths there are at the top
	Names           int64 // and below each
	DataBytes       int64
	BigData         int64 // per mille of data: some hundred kilobytes
	ManyConnections int64 // most connections per address, 0: no limit

	// What the clients ask for, as weights.
	WeightRegister   int64
	WeightTree       int64
	WeightSequence   int64
	WeightEphemeral  int64
	WeightMulti      int64
	WeightWatch      int64
	WeightPersistent int64
	WeightACL        int64
	WeightQuota      int64
	WeightTTL        int64
	WeightRead       int64
	WeightOdd        int64
	WeightWRW        int64 // pipelined write, read with a watch, write on one path
	WeightDeep       int64 // long paths
	WeightWide       int64 // many children
	WeightSyncRead   int64 // pipelined pairs of sync and read
	WeightFlood      int64 // hundreds of watches at once
	WeightConfig     int64 // the configuration, read and watched
	WeightOperator   int64 // and changed, if that is not refused
	MemberChanges    int64 // 1: servers join and leave
	Ghosts           int64 // 1: and such as never come
	ReconfigTicks    int64 // for which a leader waits for them
	RoleChanges      int64 // 1: voters become observers, and the other way round

	// What recipes are followed, as weights.
	WeightCounter  int64
	WeightBank     int64
	WeightQueue    int64
	WeightLock     int64
	WeightElection int64
	WeightBarrier  int64
	WeightGroup    int64

	Guests int64 // clients that come and go in a container
	Voters int64 // that found the ensemble, beside observers; 0: all hosts vote
}

// draw chooses the knobs of a seed.
func draw(seed uint64) Knobs {
	r := newRNG(seed, "knobs")
	some, log := r.some, r.log
	k := Knobs{
		DurationMs: r.between(40000, 70000), Clients: r.between(3, 9),
		ProtocolClients: r.between(0, 3), GarbageMs: some(500, 200, 3000),
		RealStore:     some(100, 1, 1),
		ElectionTicks: 10,
	}
	k.drawMember(r, some, log)
	k.drawHost(r, some, log)
	k.drawNetwork(r, some, log)
	k.drawClients(r, some, log)
	k.drawEnsemble(seed)
	k.drawMembers(seed)
	k.CheckpointItems, k.KeptLogBytes = some(200, 1, 50), some(500, 1, 5000)
	k.drawRecipes(some)
	k.drawRare(seed)
	k.drawBehind(seed)
	k.drawGuests(seed)
	k.drawVoters(seed)
	k.CrashAim = some(500, 50, 600)
	k.drawHabits(seed)
	k.fit()
	if k.Hosts == 1 { // has less to do
		k.DurationMs, k.ThinkUs = k.DurationMs/4, k.ThinkUs/4
	}
	return k
}

// fit keeps what is drawn such that what is begun comes to an end within the judges' patience.
func (k *Knobs) fit() {
	if k.PieceBytes > 0 {
		k.PieceBytes = max(k.PieceBytes, k.CheckpointUs/20)
	}
	if k.PieceBytes > 0 && k.MaxLogBytes > 0 && k.PeerDelayUs > 10*millisecond {
		// A checkpoint has to arrive before twice MaxLogBytes have been written behind it.
		k.PieceBytes = max(k.PieceBytes, 8000)
	}
	if k.MaxQueued > 0 && k.PeerDelayUs > 0 {
		// So many requests of a client are on their way to the leader and back at a time.
		k.Pipeline = min(k.Pipeline, max(k.MaxQueued*20*second/(4*k.PeerDelayUs), 1))
	}
}

// some is 0 in most worlds and a number between lo and hi in so many of a thousand.
func (r rng) some(perMille, lo, hi int64) int64 {
	v := r.between(lo, hi)
	if r.chance(perMille) {
		return v
	}
	return 0
}

// log draws from lo to hi so that each order of magnitude is as likely.
func (r rng) log(lo, hi int64) int64 {
	for hi/lo >= 2 && r.chance(500) {
		hi = max(lo, hi/4)
	}
	return r.between(lo, hi)
}

type drawSome func(perMille, lo, hi int64) int64
type drawLog func(lo, hi int64) int64

func (k *Knobs) drawMember(r rng, some drawSome, log drawLog) {
	k.MaxEntryBytes = some(400, 1, 4000)
	k.CheckpointBytes = log(1, 1<<18) * r.between(0, 2)
	if k.CheckpointBytes == 0 {
		k.CheckpointBytes = r.between(1, 2000) // every few entries
	}
	k.IdleTicks = r.between(5, 200)
	k.ContainerCheckMs = log(100, 10000)
	k.ContainerNeverUsedMs = some(300, 100, 4000)
	k.SoftUnsent = some(500, 1, 1000)
	k.HardUnsent = some(200, 4000, 40000)
	k.MaxOutstanding = some(300, 1, 40)
	k.MaxOutstandingBytes = some(200, 100, 4000)
	k.MaxQueued = some(300, 1, 20)
	k.MaxQueuedBytes = some(200, 1, 2000)
	k.MaxInputBytes, k.MaxHeldBytes = some(300, 1, 1<<20), some(300, 1, 1<<18)
	k.MaxConnections = some(100, 12, 40)
	k.MaxBuffer = some(200, 500, 4000)
	k.HandshakeMs = r.between(500, 10000)
	k.EnforceQuota = some(600, 1, 1)
	k.NoExtendedTypes = some(100, 1, 1)
	k.SkipACL = some(50, 1, 1)
	k.ReconfigEnabled = some(200, 1, 1)
	k.MinTimeoutMs = log(200, 2000)
	k.MaxTimeoutMs = k.MinTimeoutMs + log(100, 8000)
}

func (k *Knobs) drawHost(r rng, some drawSome, log drawLog) {
	k.LoopUs, k.AppendUs, k.SyncUs = log(1, 2000), log(1, 500), log(20, 20000)
	k.ApplyUs, k.ApplyBudget, k.CheckpointUs = log(1, 2000), log(1, 256), log(10, 200000)
	k.FeedUs, k.FeedBudget, k.FeedBytes = log(1, 2000), log(1, 64), log(1, 1<<16)
	k.FlushUs, k.FlushBytes = log(1, 2000), log(1, 1<<16)
	k.SlowSync = some(200, 1, 20)
	k.CrashBoundaries = some(600, 50, 8000)
	k.LosePower = r.between(0, 1000)
	k.KeepUnsynced = some(700, 100, 1000)
	k.Foreign = some(400, 100, 1000)
	k.DiskErrors = some(200, 100, 500)
	k.StopMs = some(200, 1000, 10000)
	k.DownMs = log(1, 3000)
	k.PauseMs, k.PauseLengthMs = some(300, 500, 10000), log(10, 5000)
	k.ClockJumpMs = some(400, 100, 5000)
	k.DriftPerMille = r.between(-50, 50)
}

func (k *Knobs) drawNetwork(r rng, some drawSome, log drawLog) {
	k.DelayUs, k.Window = log(50, 50000), log(256, 1<<18)
	k.SplitPerMille = some(700, 1, 500)
	k.SlowSegmentPerMille = some(300, 1, 50)
	k.SmallWindowPerMille = some(300, 1, 500)
	k.ResetMs = some(500, 500, 10000)
	k.BlackMs = some(300, 1000, 20000)
	k.StallMs = some(300, 200, 5000)
}

// drawMembers has a stream of its own.
func (k *Knobs) drawMembers(seed uint64) {
	if r := newRNG(seed, "members"); k.Hosts > 1 {
		k.Asks = r.some(800, 1, 1)
		k.WipeMs = r.some(400, k.DurationMs/8, k.DurationMs)
		k.RotMs = r.some(300, k.DurationMs/8, k.DurationMs)
		k.Spares, k.Upgrade = r.some(400, 1, 2), r.some(300, 1, 1)
		if r.chance(500) {
			k.ReconfigEnabled, k.WeightOperator = 1, r.between(20, 200)
			k.MemberChanges, k.RoleChanges = r.some(800, 1, 1), r.some(500, 1, 1)
		}
		k.Ghosts, k.ReconfigTicks = r.some(800, 1, 1), r.log(10, 100)
		k.Listed, k.StrangerMs = r.some(400, 1, 1), r.some(300, 300, 10000)
	}
}

// drawEnsemble has a stream of its own.
func (k *Knobs) drawEnsemble(seed uint64) {
	r := newRNG(seed, "ensemble")
	some, log := r.some, r.log
	k.FoundingTerm, k.ZxidLead = some(150, 2, 1<<30), some(150, 1, 500)
	k.Uneven = some(300, 1, 1)
	k.Hosts = []int64{1, 3, 5, 7}[r.weighted([]int64{15, 50, 25, 10})]
	if k.Hosts == 1 {
		return
	}
	k.CrashBoundaries *= 20
	k.MaxLogBytes, k.MaxIntakeBytes = some(500, 500, 20000), some(300, 1, 5000)
	k.PieceBytes, k.StaggerMs = some(700, 1, 2000), log(2, 60)
	k.ResendTicks, k.SyncLimitMs = some(500, 2, 40), log(300, 10000)
	k.DigestEntries = log(1, 64)
	k.PeerDelayUs = log(50, 30000)
	if k.PeerOneInFlight = some(100, 1, 1); k.PeerOneInFlight != 0 {
		k.PeerDelayUs = log(50, 2000) // or there is never time enough for all that is said
	}
	k.PeerSlowPerMille = some(300, 1, 50)
	k.PeerLatePerMille = some(500, 1, 1000)
	k.PeerResetMs = some(400, 500, 20000)
	k.PeerBlackMs = some(300, 1000, 30000)
	k.PeerStallMs = some(300, 200, 5000)
	k.FullDiskBytes, k.CutLengthMs = log(100, 1<<16), log(20, 8000)
	k.KillManyMs = some(700, k.DurationMs/4, k.DurationMs)
	k.KillLeaderMs = some(500, k.DurationMs/6, k.DurationMs)
	for _, f := range []*int64{&k.KillMs, &k.PowerMs, &k.PauseLeaderMs, &k.SlowDiskMs,
		&k.SlowHostMs, &k.FullDiskMs, &k.CutHostMs, &k.CutLeaderMs, &k.CutHalvesMs, &k.CutBridgeMs,
		&k.CutRingMs, &k.CutOneWayMs, &k.DeafMs, &k.DumbMs, &k.SwizzleMs, &k.CutClientsMs} {
		*f = some(200, k.DurationMs/8, k.DurationMs)
	}
	for _, f := range []*int64{&k.PowerManyMs, &k.PowerAllMs, &k.StopLeaderMs, &k.RollingMs,
		&k.PauseManyMs, &k.FullLeaderMs, &k.FullManyMs} {
		*f = some(120, k.DurationMs/4, k.DurationMs)
	}
}

// drawRare draws what comes to its limits in few worlds, from a stream of its own.
func (k *Knobs) drawRare(seed uint64) {
	r := newRNG(seed, "rare")
	if k.SequenceLead = r.some(100, 1, 60); k.SequenceLead > 0 {
		k.FoundingTerm = max(k.FoundingTerm, 2) // it is no new ensemble
		k.WeightSequence = max(k.WeightSequence, r.between(10, 60))
	}
	if k.Hosts == 1 {
		return
	}
	if k.ReadOnlyMode = r.some(400, 1, 1); k.ReadOnlyMode != 0 {
		// Of what it takes that a server is alone for long.
		k.SyncLimitMs = r.log(100, 1500)
		k.ReadOnlyClients = max(k.ReadOnlyClients, r.between(100, 700))
		k.CutHalvesMs, k.CutLengthMs = k.DurationMs/3, max(k.CutLengthMs, r.between(1000, 8000))
	}
	k.LowDiskBytes = r.log(1000, 1<<18)
	k.LowDiskMs = r.some(200, k.DurationMs/8, k.DurationMs)
	k.LowLeaderMs = r.some(150, k.DurationMs/6, k.DurationMs)
	k.LowManyMs = r.some(200, k.DurationMs/8, k.DurationMs)
	k.DozeMs = r.some(300, k.DurationMs/12, k.DurationMs/2)
}

// drawBehind draws how often a host falls behind for a moment, and whether the hosts have rest in
// the end, from streams of their own.
func (k *Knobs) drawBehind(seed uint64) {
	r := newRNG(seed, "behind")
	if k.BigData == 0 {
		k.BigData = newRNG(seed, "big data").some(100, 1, 20)
	}
	if k.Hosts == 1 {
		return
	}
	k.MaxFlightBytes = newRNG(seed, "flight").some(400, 10_000, 200_000)
	k.Rest = newRNG(seed, "rest knob").some(300, 1, 1)
	k.Candidates = newRNG(seed, "candidates").some(300, 50, 400)
	k.LullMs = newRNG(seed, "lull").some(250, k.DurationMs/20, k.DurationMs/4)
	k.FarMs = newRNG(seed, "far").some(250, k.DurationMs/30, k.DurationMs/6)
	k.ReliveMs = newRNG(seed, "relive").some(200, k.DurationMs/24, k.DurationMs/8)
	k.HauntMs = newRNG(seed, "haunt").some(200, k.DurationMs/12, k.DurationMs/3)
	k.StopAllMs = newRNG(seed, "stop all").some(150, k.DurationMs/8, k.DurationMs)
	if !r.chance(400) {
		return
	}
	k.BehindMs = r.log(k.DurationMs/20, k.DurationMs/3)
	if r.chance(400) { // who is behind gets a checkpoint
		k.MaxLogBytes, k.CheckpointBytes = r.between(6000, 20000), r.between(1, 5000)
		// Of some entries of five kilobytes: else one that is sent is never of use any more.
		k.CheckpointUs = min(k.CheckpointUs, 20*millisecond)
	}
}

// drawGuests draws how many clients use a container, from a stream of its own. It is looked at
// often, or they would never be met.
func (k *Knobs) drawGuests(seed uint64) {
	if k.Guests = newRNG(seed, "guests").some(200, 1, 3); k.Guests > 0 {
		k.ContainerCheckMs = min(k.ContainerCheckMs, 1000)
	}
}

// drawHabits draws for how long hosts have run, and how seldom clients say that they live, from
// streams of their own.
func (k *Knobs) drawHabits(seed uint64) {
	if r := newRNG(seed, "uptime"); r.chance(700) {
		k.UptimeMs = r.log(1, 400*24*3600*1000)
	}
	k.Lazy = newRNG(seed, "lazy").some(250, 500, 950)
}

// drawVoters lets few hosts vote, from a stream of its own: who votes alone, or with one other,
// knows of fewer what was committed. Those who observe ask for their ensemble, as all do there.
func (k *Knobs) drawVoters(seed uint64) {
	if k.Hosts > 1 && k.FoundingTerm == 0 && k.ZxidLead == 0 && k.SequenceLead == 0 {
		if k.Voters = newRNG(seed, "voters").some(150, 1, 2); k.Voters > 0 {
			k.Asks = 1
		}
	}
}

func (k *Knobs) drawClients(r rng, some drawSome, log drawLog) {
	k.ThinkUs, k.Burst, k.Pipeline = log(300000, 8000000), log(1, 20), log(1, 200)
	k.Disconnect = some(500, 1, 40)
	k.DoubleConnect = some(400, 1, 40)
	k.Abandon = some(400, 1, 20)
	k.Silence = some(400, 1, 20)
	k.SlowRead = some(500, 1, 60)
	k.CloseSession = some(500, 1, 20)
	k.WrongPassword, k.FutureZxid = some(300, 1, 100), some(300, 1, 100)
	k.BadRequest, k.UnknownOp = some(300, 1, 20), some(300, 1, 10)
	k.ShortFrame = some(200, 1, 10)
	k.RandomWatches, k.SetWatches = some(300, 1, 300), r.between(500, 1000)
	k.Roots, k.Names = r.between(1, 4), r.between(1, 4)
	k.DataBytes = log(1, 2000)
	k.BigData = some(60, 1, 40)
	k.ManyConnections = some(200, 2, 8)
	if r.chance(15) {
		k.Burst, k.Pipeline = r.between(100, 500), 4000 // queues that never run empty
		k.MaxEntryBytes, k.ThinkUs = 0, r.between(2, 10)*second
		k.CheckpointUs = min(k.CheckpointUs, 20*millisecond) // or they never end, too
	}
	for _, w := range []*int64{&k.WeightRegister, &k.WeightTree, &k.WeightSequence,
		&k.WeightEphemeral, &k.WeightMulti, &k.WeightWatch, &k.WeightPersistent, &k.WeightACL,
		&k.WeightQuota, &k.WeightTTL, &k.WeightRead, &k.WeightOdd, &k.WeightWRW} {
		*w = some(750, 1, 100)
	}
}

// drawRecipes chooses few recipes for several clients, who would not meet otherwise, and what is
// asked for in bulk, which is rare.
func (k *Knobs) drawRecipes(some drawSome) {
	k.Recipes, k.Crowd = some(600, 2, 5), some(50, 50, 300)
	if k.MaxEntryBytes > 0 {
		// A few commands an entry, and a crowd's sessions expire before all of them are there:
		// it tries again for ever.
		k.MaxEntryBytes = max(k.MaxEntryBytes, 10*k.Crowd)
	}
	for _, w := range []*int64{&k.WeightDeep, &k.WeightWide, &k.WeightFlood} {
		*w = some(300, 1, 20)
	}
	k.Move, k.HasteMs = some(600, 1, 60), some(300, 50, 2000)
	k.Sticky, k.ReadOnlyClients = some(500, 100, 400), some(700, 50, 500)
	k.WeightSyncRead, k.WeightConfig = some(500, 1, 60), some(500, 1, 20)
	k.WeightOperator, k.PeerSpoiled = some(300, 1, 20), some(300, 1, 20)
	for _, w := range []*int64{&k.WeightCounter, &k.WeightBank, &k.WeightQueue, &k.WeightLock,
		&k.WeightElection, &k.WeightBarrier, &k.WeightGroup} {
		*w = some(250, 1, 100)
	}
}

// String shows all knobs that are not 0.
func (k Knobs) String() string {
	var b strings.Builder
	k.each(func(name string, v *int64) {
		if *v != 0 {
			fmt.Fprintf(&b, " %s=%d", name, *v)
		}
	})
	return strings.TrimSpace(b.String())
}

// each calls fn with every knob, in the order of the fields.
func (k *Knobs) each(fn func(name string, v *int64)) {
	v := reflect.ValueOf(k).Elem()
	for i := range v.NumField() {
		fn(v.Type().Field(i).Name, v.Field(i).Addr().Interface().(*int64))
	}
}

// Set changes one knob: Name=number.
func (k *Knobs) Set(assignment string) error {
	name, text, ok := strings.Cut(assignment, "=")
	value, err := strconv.ParseInt(text, 10, 64)
	if !ok || err != nil {
		return fmt.Errorf("set knob %q: write Name=number", assignment)
	}
	found := false
	k.each(func(n string, v *int64) {
		if n == name {
			*v, found = value, true
		}
	})
	if !found {
		return fmt.Errorf("set knob %q: there is no knob %s", assignment, name)
	}
	return nil
}
