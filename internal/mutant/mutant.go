// Package mutant names the known bugs that the simulator, or the oracle, must catch.
//
// A mutant is a place in the code that asks On(name) and, if told so, does the wrong thing:
//
//	if !mutant.On("tree-failing-write-no-zxid") {
//		s.zxid = next
//	}
//
// Without the build tag `mutants` On is false at compile time: the wrong branch is not in the
// binary. With it, one mutant at a time is chosen by Select before anything else starts; from
// then on the choice is only read, which is why this package needs no lock and why the sans-IO
// packages may import it. Every name stands in the table below; internal/tidy checks that no code
// asks for another one.
package mutant

// A Mutant is one known bug.
type Mutant struct {
	// Name starts with the list it belongs to: tree, sessions, storage, stream, store, watches
	// or reads, or oracle for what fuzz/oracle must find instead of the simulator, or
	// replication and members for what the harness of ensembles and core's own tests must find.
	Name string
	// Text says in one sentence what goes wrong.
	Text string
}

// List returns all mutants, in the order of their table.
func List() []Mutant {
	return []Mutant{
		{"tree-failing-write-no-zxid", "a failing write takes no zxid"},
		{"tree-pzxid-not-updated", "deleting a child leaves its parent's pzxid alone"},
		{"tree-sequence-reused-after-delete",
			"the sequential suffix counts living children, so it repeats after a deletion"},
		{"tree-multi-not-atomic", "the operations before a failing one of a multi stay applied"},
		{"tree-ephemeral-children", "an ephemeral znode accepts children"},
		{"tree-multi-error-list", "the operations behind a failing one of a multi report ok"},

		{"sessions-stale-generation-applied",
			"a command of an older generation of its session is applied"},
		{"sessions-attach-keeps-identities",
			"an attach keeps the identities of the connection before"},
		{"sessions-close-leaves-ephemerals", "the end of a session leaves one ephemeral behind"},
		{"sessions-backpressure-expires",
			"a session whose connection is not read, for back-pressure, expires"},

		{"storage-checkpoint-without-sessions", "a checkpoint leaves out the sessions"},
		{"storage-checkpoint-parent-counters",
			"a checkpoint leaves out the counter of children created"},

		{"stream-gap-applied", "a batch behind a gap in its stream is applied"},
		{"stream-stale-registration", "a batch of a registration that was replaced is applied"},

		{"members-raft-id-again",
			"a raft id is given to another disk once its member is removed"},
		{"members-removed-batch-applied", "a batch of a member that was removed is applied"},
		{"members-level-too-early", "the feature level is raised before every member can follow"},
		{"members-config-not-written", "the end of a change does not write /zookeeper/config"},
		{"members-two-targets", "a reconfig takes the place of one that is under way"},

		{"store-ack-before-sync", "a storage batch is answered before its fdatasync"},
		{"store-torn-tail-as-data", "a torn record at the end of the log is taken as data"},
		{"store-truncated-suffix-left", "a suffix cut off the log comes back after a restart"},
		{"store-checkpoint-index-off", "a checkpoint names an index one too high"},
		{"store-mark-of-merged-terms", "what came with a new term counts as acknowledged in it"},
		{"store-term-vote-not-synced", "a change of term or vote is answered before it is durable"},

		{"watches-deferred-read-after-batch",
			"a read behind a write is run after the whole batch, not before the next command"},
		{"watches-event-after-reply", "an event is queued after the reply that shows its change"},
		{"watches-setwatches-misses-delete",
			"setWatches does not notice a znode that was deleted meanwhile"},
		{"watches-oneshot-twice", "a one-shot watch stays armed after it fired"},
		{"watches-child-fires-on-data", "a child watch fires when the znode's data changes"},
		{"watches-exists-not-fired", "a watch on an absent znode does not fire at its creation"},
		{"watches-recursive-misses-deep",
			"a recursive watch sees children but no deeper descendants"},
		{"watches-armed-late", "the watch of a read is armed after the next command"},

		{"reads-own-write-not-seen", "a read does not wait for the writes sent before it"},
		{"reads-order-broken-on-error", "the reply of a failing request overtakes those before it"},
		{"reads-sync-not-waited", "a read does not wait for the sync sent before it"},
		{"reads-header-zxid-later", "the header of a read's reply is written after a later change"},

		{"replication-no-resend", "a stream sends nothing again"},
		{"replication-stream-without-window",
			"a follower sends all that it has to a leader that commits nothing"},
		{"replication-proposed-forgotten", "a leader forgets what it has proposed of a stream"},
		{"replication-commands-no-life", "a leader takes no command for a sign of life"},
		{"replication-touches-dropped", "a leader ignores the signs of life that others report"},
		{"replication-touches-sent-once",
			"signs of life that went with a broken connection are not told again"},
		{"replication-touches-confirmed-early",
			"a leader that was deposed confirms that it heard signs of life"},
		{"replication-own-touches-forgotten",
			"a leader that was deposed does not tell the next one which of its clients live"},
		{"replication-read-context-reused",
			"a sync joins a round that was asked before it began"},
		{"replication-serves-without-leader",
			"a member without a leader keeps its clients for ever"},
		{"replication-digests-not-compared", "a member whose State differs does not notice"},
		{"replication-dispute-served",
			"members serve although they differ and no majority is of one State"},
		{"replication-bad-clock-unnamed", "nobody is told of a clock that is far off"},
		{"replication-grows-without-room", "the State grows although no quorum has room"},
		{"replication-low-leader-stays", "a leader whose disk is nearly full leads on"},
		{"replication-proposed-in-transfer",
			"a leader proposes while it hands leadership over"},
		{"replication-decision-kept",
			"a leader proposes later what it decided and could not propose then"},
		{"replication-reap-not-looked-again", "a container is deleted that got a child meanwhile"},
		{"replication-expiry-of-any-generation",
			"a session expires although its client has come back meanwhile"},
		{"replication-dispute-expires", "sessions expire while nobody is served"},
		{"replication-split-vote-waits",
			"two candidates who split the vote wait for an election time-out"},
		{"replication-read-only-writes", "a write of a read-only session is answered with ok"},
		{"replication-read-only-stays", "read-only sessions stay when there is a leader again"},
		{"replication-stamp-own-clock", "a leader stamps entries with its own clock"},
		{"replication-clock-without-quorum",
			"sessions grow old while the leader hears no quorum"},
		{"replication-conf-change-twice", "a change of members reaches raft twice"},
		{"replication-target-forgotten", "a new leader does not know the target that it finds"},
		{"replication-lost-disk-unnoticed",
			"a member whose disk lost what it had acknowledged goes on"},
		{"replication-empty-disk-old-id",
			"an emptied disk goes on under the raft id that it had"},
		{"replication-second-founding", "some empty members found without asking the others"},
		{"replication-checkpoint-before-learner",
			"a new member is sent a checkpoint that does not know it"},
		{"replication-learner-clocks-count", "learners count in the quorum of clocks"},
		{"replication-cut-beyond-stored", "log is cut that a member does not have yet"},
		{"replication-log-behind-sent-cut",
			"log is cut that the receiver of a checkpoint needs behind it"},
		{"replication-no-brake",
			"a leader goes on although its log grows behind a slow checkpoint"},
		{"replication-piece-order-unchecked",
			"a receiver stages any piece of a checkpoint, whatever it has"},
		{"replication-stale-checkpoint-installed",
			"a checkpoint is installed although raft's log holds more"},
		{"replication-snapshot-wrong-index", "raft is told a checkpoint's index one too high"},
		{"replication-installed-log-not-restarted",
			"the log does not begin behind a checkpoint that was installed"},
		{"replication-installed-stays-in-queue",
			"commands that an installed checkpoint covers stay in the queue"},
		{"replication-jump-keeps-clients",
			"connections stay open while a received checkpoint takes the place of the State"},

		{"oracle-cversion", "a znode's cversion does not count deleted children"},
		{"oracle-pzxid", "creating a child leaves its parent's pzxid alone"},
		{"oracle-error-precedence", "a delete reports NotEmpty before BadVersion"},
		{"oracle-event-order", "the parent's event of a create comes before the znode's"},
		{"oracle-acl-mask", "getACL shows the hashes of digests to those without ADMIN"},
		{"oracle-sequence-suffix", "the sequential suffix counts deletions as well"},
		{"oracle-multi-list", "the operations behind a failing one of a multi report its error"},
		{"oracle-setwatches-child", "setWatches judges a child watch by the znode's mzxid"},
		{"oracle-ttl-bound", "the longest time to live is refused"},
		{"oracle-ping-zxid", "the answer to a ping names no zxid"},
	}
}

// known reports whether name is in the table.
func known(name string) bool {
	for _, m := range List() {
		if m.Name == name {
			return true
		}
	}
	return false
}
