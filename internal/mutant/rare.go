package mutant

// The bugs that worlds can have, and that five sweeps have not shown, or only one of them: from 15
// worlds for the youngest, which stand last in their lists, to some hundreds.

var raftRare = []Mutant{
	{Name: "stream-delayed-hello-accepted", Known: "a delayed hello of a dead process",
		Text: "a hello counts though the registration that it replaces is not the current one"},
	{Name: "stream-early-batch-accepted",
		Text: "a leader takes in streams before it has applied what is of former terms"},
}

var sessionsRare = []Mutant{
	{Name: "sessions-former-term-is-contact",
		Text: "what a process said in a former term, and comes late, counts as contact with it"},
	{Name: "replication-touches-confirmed-early",
		Text: "a leader that was deposed confirms that it heard signs of life"},
	{Name: "replication-own-touches-forgotten",
		Text: "a leader that was deposed does not tell the next one which of its clients live"},
}

var readsRare = []Mutant{
	{Name: "reads-answer-to-former-self", Known: "a ReadIndex answer to a former self",
		Text: "an answer to a sync of a process before this one is taken"},
	{Name: "reads-sync-behind-overtaken",
		Text: "a write's outcome answers syncs that were sent behind it"},
	{Name: "reads-asked-once",
		Text: "a read index that was asked for in vain is not asked for again"},
	{Name: "reads-overtaken-sync-answers-next",
		Text: "the confirmation of a sync that a write has answered answers the next one"},
	{Name: "reads-only-voter-unproven",
		Text: "an only voter answers a sync before anything of its term is applied"},
}

var membershipRare = []Mutant{
	{Name: "membership-any-end-is-targets",
		Text: "the end of any joint phase counts as that of the target"},
	{Name: "membership-refusal-says-nothing",
		Text: "who refuses to vote does not say what is committed"},
}

var limitsRare = []Mutant{
	{Name: "limits-stamp-ahead-by-uptime",
		Text: "the first stamp of a process is ahead by what its monotonic clock shows"},
}
