package mutant

// The bugs that worlds can have, and that not every one of five sweeps has shown.

var raftRare = []Mutant{
	{Name: "stream-early-batch-accepted",
		Text: "a leader takes in streams before it has applied what is of former terms"},
}

var readsRare = []Mutant{
	{Name: "reads-asked-once",
		Text: "a read index that was asked for in vain is not asked for again"},
	{Name: "reads-only-voter-unproven",
		Text: "an only voter answers a sync before anything of its term is applied"},
}

var membershipRare = []Mutant{
	{Name: "membership-refusal-says-nothing",
		Text: "who refuses to vote does not say what is committed"},
}

var limitsRare = []Mutant{
	{Name: "limits-stamp-ahead-by-uptime",
		Text: "the first stamp of a process is ahead by what its monotonic clock shows"},
}
