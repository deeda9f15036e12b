package mutant

// The bugs that are found by comparing with a real ZooKeeper.

var oracle = []Mutant{
	{Name: "oracle-cversion",
		Text: "a znode's cversion does not count deleted children"},
	{Name: "oracle-pzxid",
		Text: "creating a child leaves its parent's pzxid alone"},
	{Name: "oracle-error-precedence",
		Text: "a delete reports NotEmpty before BadVersion"},
	{Name: "oracle-event-order",
		Text: "the parent's event of a create comes before the znode's"},
	{Name: "oracle-acl-mask",
		Text: "getACL shows the hashes of digests to those without ADMIN"},
	{Name: "oracle-sequence-suffix",
		Text: "the sequential suffix counts deletions as well"},
	{Name: "oracle-multi-list",
		Text: "the operations behind a failing one of a multi report its error"},
	{Name: "oracle-setwatches-child",
		Text: "setWatches judges a child watch by the znode's mzxid"},
	{Name: "oracle-ttl-bound",
		Text: "the longest time to live is refused"},
	{Name: "oracle-ping-zxid",
		Text: "the answer to a ping names no zxid"},
}
