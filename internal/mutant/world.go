package mutant

// The bugs that simulated worlds must catch.

var raft = []Mutant{
	{Name: "store-ack-before-sync", Known: "acknowledge before fsync",
		Text: "a storage batch is answered before its fdatasync"},
	{Name: "store-term-vote-not-synced", Known: "vote or term not synced",
		Text: "a change of term or vote is answered before it is durable"},
	{Name: "store-torn-tail-as-data", Known: "torn tail taken as data",
		Text: "a torn record at the end of the log is taken as data"},
	{Name: "store-truncated-suffix-left", Known: "truncated suffix left on disk",
		Text: "a suffix cut off the log comes back after a restart"},
	{Name: "store-checkpoint-index-off", Known: "snapshot at the wrong index",
		Text: "a checkpoint names an index one too high"},
	{Name: "storage-checkpoint-without-sessions", Known: "checkpoint without sessions",
		Text: "a checkpoint leaves out the sessions"},
	{Name: "storage-checkpoint-parent-counters", Known: "checkpoint without parent counters",
		Text: "a checkpoint leaves out the counter of children created"},
	{Name: "stream-gap-applied", Known: "a gap in a stream applied",
		Text: "a batch behind a gap in its stream is applied"},
	{Name: "stream-stale-registration", Known: "a stale registration of an older boot accepted",
		Text: "a batch of a registration that was replaced is applied"},
	{Name: "replication-no-resend", Known: "dropped proposal never answered",
		Text: "a stream sends nothing again"},
	{Name: "replication-proposed-forgotten",
		Text: "a leader forgets what it has proposed of a stream"},
}

var tree = []Mutant{
	{Name: "tree-failing-write-no-zxid", Known: "a failing write takes no zxid on one path",
		Text: "a failing write takes no zxid"},
	{Name: "tree-pzxid-not-updated", Known: "pzxid not updated",
		Text: "deleting a child leaves its parent's pzxid alone"},
	{Name: "tree-sequence-reused-after-delete", Known: "sequence reused after deletion",
		Text: "the sequential suffix counts living children, so it repeats after a deletion"},
	{Name: "tree-multi-not-atomic", Known: "multi not atomic",
		Text: "the operations before a failing one of a multi stay applied"},
	{Name: "tree-ephemeral-children", Known: "ephemeral with children",
		Text: "an ephemeral znode accepts children"},
	{Name: "tree-multi-error-list", Known: "wrong multi error list",
		Text: "the operations behind a failing one of a multi report ok"},
}

var sessions = []Mutant{
	{Name: "sessions-stale-generation-applied",
		Known: "a command of an older generation from the same server applied",
		Text:  "a command of an older generation of its session is applied"},
	{Name: "sessions-attach-keeps-identities", Known: "attach keeps the old identities",
		Text: "an attach keeps the identities of the connection before"},
	{Name: "sessions-close-leaves-ephemerals", Known: "close leaves ephemerals",
		Text: "the end of a session leaves one ephemeral behind"},
	{Name: "sessions-backpressure-expires", Known: "back-pressure lets a session expire",
		Text: "a session whose connection is not read, for back-pressure, expires"},
}

var watches = []Mutant{
	{Name: "watches-deferred-read-after-batch",
		Known: "a deferred read run after the batch instead of between the commands",
		Text:  "a read behind a write is run after the whole batch, not before the next command"},
	{Name: "watches-event-after-reply", Known: "event after the reply that shows the change",
		Text: "an event is queued after the reply that shows its change"},
	{Name: "watches-setwatches-misses-delete", Known: "setWatches misses delete",
		Text: "setWatches does not notice a znode that was deleted meanwhile"},
	{Name: "watches-oneshot-twice", Known: "one-shot fires twice",
		Text: "a one-shot watch stays armed after it fired"},
	{Name: "watches-child-fires-on-data", Known: "child watch fires on data change",
		Text: "a child watch fires when the znode's data changes"},
	{Name: "watches-exists-not-fired", Known: "exists watch not fired at creation",
		Text: "a watch on an absent znode does not fire at its creation"},
	{Name: "watches-recursive-misses-deep", Known: "recursive watch misses a deep child",
		Text: "a recursive watch sees children but no deeper descendants"},
	{Name: "watches-armed-late", Known: "change between read and registration lost",
		Text: "the watch of a read is armed after the next command"},
}

var reads = []Mutant{
	{Name: "reads-own-write-not-seen", Known: "own write not seen",
		Text: "a read does not wait for the writes sent before it"},
	{Name: "reads-order-broken-on-error", Known: "reply order broken on the error path",
		Text: "the reply of a failing request overtakes those before it"},
	{Name: "reads-sync-not-waited", Known: "stale read after sync",
		Text: "a read does not wait for the sync sent before it"},
	{Name: "reads-header-zxid-later", Known: "a header's zxid taken later than the read",
		Text: "the header of a read's reply is written after a later change"},
	{Name: "replication-read-context-reused",
		Text: "a sync joins a round that was asked before it began"},
}

var client = []Mutant{}

var membership = []Mutant{}

var limits = []Mutant{}
