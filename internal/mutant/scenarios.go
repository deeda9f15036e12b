package mutant

// The bugs that need what no world has: the tests of the package that they are in catch them.

var raftScenarios = []Mutant{
	{Name: "store-mark-of-merged-terms",
		Text: "what came with a new term counts as acknowledged in it"},
	// A process has to end between two syncs, the next one to give its vote again, and its log to
	// come up older than that, all in one term.
	{Name: "store-mark-left-behind",
		Text: "a start leaves the mark without a vote that the log has"},
	{Name: "replication-stream-without-window",
		Text: "a follower sends all that it has to a leader that commits nothing"},
	{Name: "replication-digests-not-compared",
		Text: "a member whose State differs does not notice"},
	{Name: "replication-proposed-in-transfer",
		Text: "a leader proposes while it hands leadership over"},
	{Name: "replication-split-vote-waits",
		Text: "two candidates who split the vote wait for an election time-out"},
	{Name: "replication-cut-beyond-stored", Known: "log compacted beyond a follower's need",
		Text: "log is cut that a member does not have yet"},
	{Name: "replication-log-behind-sent-cut",
		Text: "log is cut that the receiver of a checkpoint needs behind it"},
	{Name: "replication-no-brake",
		Text: "a leader goes on although its log grows behind a slow checkpoint"},
	{Name: "replication-piece-order-unchecked",
		Text: "a receiver stages any piece of a checkpoint, whatever it has"},
	{Name: "replication-stale-checkpoint-installed",
		Known: "stale snapshot installed over newer state",
		Text:  "a checkpoint is installed although raft's log holds more"},
	{Name: "replication-jump-keeps-clients",
		Text: "connections stay open while a received checkpoint takes the place of the State"},
}

var sessionsScenarios = []Mutant{
	{Name: "replication-serves-without-leader",
		Text: "a member without a leader keeps its clients for ever"},
	{Name: "replication-dispute-served",
		Text: "members serve although they differ and no majority is of one State"},
	{Name: "replication-decision-kept",
		Text: "a leader proposes later what it decided and could not propose then"},
	{Name: "replication-dispute-expires",
		Text: "sessions expire while nobody is served"},
	{Name: "replication-read-only-writes",
		Text: "a write of a read-only session is answered with ok"},
	{Name: "replication-read-only-stays",
		Text: "read-only sessions stay when there is a leader again"},
}

var membershipScenarios = []Mutant{
	{Name: "members-level-too-early",
		Text: "the feature level is raised before every member can follow"},
	{Name: "members-removed-batch-applied",
		Text: "a batch of a member that was removed is applied"},
	{Name: "replication-empty-disk-old-id", Known: "empty disk with the old id votes",
		Text: "an emptied disk goes on under the raft id that it had"},
	{Name: "replication-lost-disk-unnoticed",
		Text: "a member whose disk lost what it had acknowledged goes on"},
	{Name: "replication-checkpoint-before-learner",
		Text: "a new member is sent a checkpoint that does not know it"},
	{Name: "replication-target-forgotten",
		Text: "a new leader does not know the target that it finds"},
	{Name: "members-removed-attaches",
		Text: "who attaches to a member that was removed is told that it is done"},
	{Name: "replication-lost-disk-counts",
		Text: "a disk that was replaced counts in the quorum of a change"},
	{Name: "replication-removal-told-early",
		Text: "a removed member is sent home by one who may forget that it was"},
	{Name: "replication-lost-process-counts",
		Text: "a process that is lost counts in the quorum of a change"},
}

var limitsScenarios = []Mutant{
	{Name: "replication-bad-clock-unnamed",
		Text: "nobody is told of a clock that is far off"},
	{Name: "replication-grows-without-room",
		Text: "the State grows although no quorum has room"},
	{Name: "replication-low-leader-stays",
		Text: "a leader whose disk is nearly full leads on"},
}
