package sim

// counter names something that is counted in a world.
type counter int

// The counters. Those whose name begins with "fault" are faults.
const (
	countEvents counter = iota
	countBoundaries
	countClients
	countFaults
	countFaultKinds
	countCalls
	countAcknowledged
	countReturns
	countWatchEvents
	countConnects
	countConnectionsLost
	countSessionsCreated
	countSessionsResumed
	countSessionsExpired
	countSessionsClosed
	countSessionsRefused
	countCommits
	countSkipped
	countEntries
	countAppends
	countMerged
	countCheckpoints
	countCuts
	countRestarts
	countMajorityRestarts
	countReaped
	countBackPressure
	countWords
	countCrowds
	countSticky
	countReadOnly
	countCounted
	countTransfers
	countConsumed
	countLocks
	countOffices
	countBarriers
	countMemberships
	countMostInFlight
	countUnanswered
	countNoGrowth
	countSequenceOver
	countLeaders
	countCheckpointsSent
	countPieces
	countInstalled
	countNotices
	countPeerMessages
	countPeerLost
	countPeerConnectionsLost
	countHandshakes
	countHandshakesRefused
	countFounded
	countJoined
	countRemoved
	countConfigurations
	countReconfigured
	countGivenUp
	countMeddled
	countDisksLost
	countCrashedBefore // and the following: by kind of boundary

	faultCrashAppend
	faultCrashSynced
	faultCrashAck
	faultCrashApply
	faultCrashCheckpoint
	faultCrashCut
	faultCrashMark
	faultCrashSend
	faultCrashFeed
	faultCrashLoop
	faultCrashOpen
	faultCrashInDisk
	faultCrashPeerSend
	faultCrashReceive
	faultCrashStage
	faultCrashSendCheckpoint
	faultCrashInstall
	faultPowerLost
	faultDisk
	faultRot
	faultUpgrade
	faultStranger
	faultWipe
	faultForgot
	faultForeign
	faultTruncated
	faultTornTail
	faultStop
	faultPause
	faultSlowSync
	faultClockBack
	faultClockForward
	faultClockYear
	faultReset
	faultHalfOpen
	faultStall
	faultSlowSegment
	faultSmallWindow
	faultPeerReset
	faultPeerHalfOpen
	faultPeerStall
	faultPeerSlow
	faultPeerLate
	faultKill
	faultPower
	faultKillMajority
	faultPowerMajority
	faultPowerAll
	faultRolling
	faultStopAll
	faultLull
	faultHaunt
	faultRevived
	faultPauseMajority
	faultSlowDisk
	faultSlowHost
	faultDiskFull
	faultDiskFullMajority
	faultDiskFullLeader
	faultNoRoom
	faultLowDisk
	faultLowDiskMajority
	faultLowDiskLeader
	faultKillLeader
	faultPauseLeader
	faultDoze
	faultIsolated
	faultFar
	faultInterrupted
	faultOutrun
	faultStranded
	faultFlap
	faultCandidate
	faultRest
	faultStopLeader
	faultCutLeader
	faultCutHost
	faultCutHalves
	faultCutBridge
	faultCutRing
	faultCutOneWay
	faultDeaf
	faultDumb
	faultSwizzle
	faultCutClients
	faultRefused
	faultDisconnect
	faultSpoiled
	faultMoved
	faultCrowdMoved
	faultHasty
	faultDoubleConnect
	faultAbandon
	faultSilence
	faultSlowRead
	faultWrongPassword
	faultFutureZxid
	faultBadRequest
	faultUnknownOp
	faultShortFrame
	faultBigData
	faultRandomWatches
	faultHalfway
	faultGarbageBytes
	faultGarbageLength
	faultGarbageHalf
	faultGarbageSilent
	faultGarbageWord
	faultGarbageHandshake
	faultGarbageCrowd
	faultOneByteFeed
	faultScribble
	counterCount
)

var counterNames = [counterCount]string{
	countEvents:              "events",
	countBoundaries:          "effect boundaries",
	countClients:             "clients",
	countFaults:              "faults",
	countFaultKinds:          "kinds of fault",
	countCalls:               "requests",
	countAcknowledged:        "acknowledged writes",
	countReturns:             "replies",
	countWatchEvents:         "watch events",
	countConnects:            "connects",
	countConnectionsLost:     "connections lost",
	countSessionsCreated:     "sessions created",
	countSessionsResumed:     "sessions resumed",
	countSessionsExpired:     "sessions expired",
	countSessionsClosed:      "sessions closed",
	countSessionsRefused:     "sessions refused",
	countCommits:             "commands committed",
	countSkipped:             "commands skipped",
	countEntries:             "entries",
	countAppends:             "appends",
	countMerged:              "appends merged",
	countCheckpoints:         "checkpoints",
	countCuts:                "cuts",
	countRestarts:            "restarts",
	countMajorityRestarts:    "restarts of most",
	countReaped:              "znodes reaped",
	countBackPressure:        "back-pressure",
	countWords:               "four-letter words",
	countCrowds:              "crowds",
	countSticky:              "clients of one server",
	countReadOnly:            "sessions read-only",
	countCounted:             "counter raised",
	countTransfers:           "money moved",
	countConsumed:            "items consumed",
	countLocks:               "locks taken",
	countOffices:             "terms of office",
	countBarriers:            "barriers passed",
	countMemberships:         "memberships seen",
	countMostInFlight:        "most in flight",
	countUnanswered:          "calls unanswered",
	countNoGrowth:            "entries without growth",
	countSequenceOver:        "sequence numbers below 0",
	countLeaders:             "changes of leader",
	countCheckpointsSent:     "checkpoints sent",
	countPieces:              "pieces staged",
	countInstalled:           "installed",
	countNotices:             "notices",
	countPeerMessages:        "peer messages",
	countPeerLost:            "peer messages lost",
	countPeerConnectionsLost: "peer connections lost",
	countHandshakes:          "handshakes",
	countHandshakesRefused:   "handshakes refused",
	countFounded:             "founded by asking",
	countJoined:              "disks that joined",
	countRemoved:             "members removed",
	countConfigurations:      "changes of members applied",
	countReconfigured:        "reconfigurations",
	countGivenUp:             "targets given up",
	countMeddled:             "changes that meet",
	countDisksLost:           "disks lost",
	countCrashedBefore:       "crashes",
	faultCrashAppend:         "fault: crash before an append",
	faultCrashSynced:         "fault: crash behind an append's sync",
	faultCrashAck:            "fault: crash before an acknowledgement reaches the loop",
	faultCrashApply:          "fault: crash around apply",
	faultCrashCheckpoint:     "fault: crash around a checkpoint",
	faultCrashCut:            "fault: crash around a cut",
	faultCrashMark:           "fault: crash around a mark",
	faultCrashSend:           "fault: crash around a reply",
	faultCrashFeed:           "fault: crash around a feed",
	faultCrashLoop:           "fault: crash around a turn of the loop",
	faultCrashOpen:           "fault: crash while starting",
	faultCrashInDisk:         "fault: crash within a disk's operation",
	faultCrashPeerSend:       "fault: crash around a message to a peer",
	faultCrashStage:          "fault: crash around a piece of a peer's checkpoint",
	faultCrashSendCheckpoint: "fault: crash before a checkpoint is read for a peer",
	faultCrashInstall:        "fault: crash around the installation of a checkpoint",
	faultCrashReceive:        "fault: crash before a peer's message is taken in",
	faultPowerLost:           "fault: power lost",
	faultDisk:                "fault: error of the disk",
	faultRot:                 "fault: durable data damaged",
	faultUpgrade:             "fault: release upgraded",
	faultStranger:            "fault: stranger calls",
	faultWipe:                "fault: disk wiped",
	faultForgot:              "fault: disk forgets its last promises",
	faultForeign:             "fault: foreign entries in the log",
	faultTruncated:           "fault: suffix of the log replaced",
	faultTornTail:            "fault: unsynced writes partly kept",
	faultStop:                "fault: orderly restart",
	faultPause:               "fault: process paused",
	faultSlowSync:            "fault: slow sync",
	faultClockBack:           "fault: clock set back",
	faultClockForward:        "fault: clock set forward",
	faultClockYear:           "fault: clock set by a year",
	faultReset:               "fault: link reset",
	faultHalfOpen:            "fault: link half-open",
	faultStall:               "fault: link stalled",
	faultSlowSegment:         "fault: slow segment",
	faultSmallWindow:         "fault: small receive window",
	faultPeerReset:           "fault: peer link reset",
	faultPeerHalfOpen:        "fault: peer link half-open",
	faultPeerStall:           "fault: peer link stalled",
	faultPeerSlow:            "fault: slow peer message",
	faultPeerLate:            "fault: peer message of an old connection",
	faultKill:                "fault: process killed",
	faultPower:               "fault: power of one host lost",
	faultKillMajority:        "fault: majority killed",
	faultPowerMajority:       "fault: power of a majority lost",
	faultPowerAll:            "fault: power of all hosts lost",
	faultRolling:             "fault: rolling restart",
	faultRevived:             "fault: host killed and back at once",
	faultHaunt:               "fault: leader killed, whose words come late",
	faultLull:                "fault: clients heard last by a deposed leader",
	faultStopAll:             "fault: all hosts stopped in good order at once",
	faultPauseMajority:       "fault: one of a majority paused",
	faultSlowDisk:            "fault: slow disk",
	faultSlowHost:            "fault: slow host",
	faultDiskFull:            "fault: disk filled",
	faultDiskFullMajority:    "fault: disk of one of a majority filled",
	faultDiskFullLeader:      "fault: disk of the leader filled",
	faultNoRoom:              "fault: no room on the disk",
	faultLowDisk:             "fault: disk low",
	faultLowDiskMajority:     "fault: disk of one of a majority low",
	faultLowDiskLeader:       "fault: disk of the leader low",
	faultKillLeader:          "fault: leader killed",
	faultPauseLeader:         "fault: leader paused",
	faultDoze:                "fault: paused while it is asked",
	faultIsolated:            "fault: leader cut off while it is asked",
	faultFar:                 "fault: far from the leader",
	faultInterrupted:         "fault: syncs interrupted",
	faultOutrun:              "fault: deaf while much is written",
	faultStranded:            "fault: leader cut off as it commits",
	faultFlap:                "fault: leader hears voters now and then",
	faultCandidate:           "fault: candidate killed with a slow disk",
	faultRest:                "fault: leader killed, and no client heard any more",
	faultStopLeader:          "fault: leader restarted in good order",
	faultCutLeader:           "fault: leader cut off",
	faultCutHost:             "fault: host cut off",
	faultCutHalves:           "fault: hosts cut in two",
	faultCutBridge:           "fault: all but a bridge cut",
	faultCutRing:             "fault: hosts cut to a ring",
	faultCutOneWay:           "fault: path cut one way",
	faultDeaf:                "fault: host hears nobody",
	faultDumb:                "fault: host is heard by nobody",
	faultSwizzle:             "fault: paths clogged and opened in any order",
	faultCutClients:          "fault: host cut off from its clients",
	faultRefused:             "fault: connection refused",
	faultDisconnect:          "fault: client disconnects",
	faultSpoiled:             "fault: message of a peer spoiled",
	faultMoved:               "fault: client moves on purpose",
	faultCrowdMoved:          "fault: client moves with its crowd",
	faultHasty:               "fault: client gives a request up",
	faultDoubleConnect:       "fault: client connects twice",
	faultAbandon:             "fault: client forgets its session",
	faultSilence:             "fault: client says nothing",
	faultSlowRead:            "fault: client does not read",
	faultWrongPassword:       "fault: wrong password",
	faultFutureZxid:          "fault: zxid from the future",
	faultBadRequest:          "fault: damaged request",
	faultUnknownOp:           "fault: unknown opcode",
	faultShortFrame:          "fault: frame without a header",
	faultBigData:             "fault: big data",
	faultRandomWatches:       "fault: arbitrary setWatches",
	faultHalfway:             "fault: client breaks off while it sets watches again",
	faultGarbageBytes:        "fault: random bytes",
	faultGarbageLength:       "fault: huge or negative length",
	faultGarbageHalf:         "fault: half a frame",
	faultGarbageSilent:       "fault: silent connection",
	faultGarbageWord:         "fault: four-letter word",
	faultGarbageHandshake:    "fault: damaged handshake",
	faultGarbageCrowd:        "fault: too many of one address",
	faultOneByteFeed:         "fault: one byte at a time",
	faultScribble:            "fault: fed bytes overwritten",
}

// CounterNames returns the names of Result.Counts, in their order.
func CounterNames() []string { return append([]string(nil), counterNames[:]...) }

func (c counter) String() string { return counterNames[c] }

// counters count what happened.
type counters [counterCount]int64

func (c *counters) add(what counter) { c[what]++ }

// Count is one counter of a world.
type Count struct {
	Name  string
	Value int64
}

// list returns all counters in their order.
func (c *counters) list() []Count {
	all := make([]Count, 0, counterCount)
	for i, v := range c {
		all = append(all, Count{counter(i).String(), v})
	}
	return all
}
