package config

import "math"

const storageText = "The log is a row of recycled segment files, checkpoints follow the bytes of " +
	"log that were written, and what a checkpoint covers is cut off by itself: there are no " +
	"snapshots to count, to roll or to purge."

const (
	whyByBytes  = "checkpoints follow the bytes of log written since the last one"
	whySegments = "the log's segments have a fixed size and are recycled"
	whyNoPurge  = "nothing piles up: a checkpoint replaces the one before, and the log behind it " +
		"is cut off"
	whyNoSnaps = "there are no snapshot files"
)

func storageKeys() []Key {
	row := func(name string, kind Kind, unit, def, why, meaning string, fine ...string) Key {
		k := Key{Name: name, Place: Anywhere, Kind: kind, Unit: unit, Default: def, Fine: fine,
			Status: NoEffect, Why: why, Meaning: meaning}
		switch kind {
		case KindInt:
			k.Min, k.Max = math.MinInt64, math.MaxInt64
		case KindEnum:
			k.Enum = []string{"", "gz", "snappy"}
		default:
		}
		return k
	}
	return []Key{
		{Name: "forceSync", Place: Anywhere, Kind: KindYesNo, Default: "yes",
			Meaning: "no: writes are acknowledged before they are on the disk, and a power " +
				"failure loses them. Unsafe.",
			set: func(c *Config, v value) { c.NoSync = !v.yes }},
		{Name: "fsync.warningthresholdms", Aliases: []string{"fsync.warningthresholdms"},
			Place: Anywhere, Kind: KindInt, Unit: "ms", Min: 1, Max: maxMs, Default: "1000",
			Meaning: "A sync of the log that takes longer is logged and counted.",
			set:     func(c *Config, v value) { c.FsyncWarning = v.duration() }},
		row("preAllocSize", KindInt, "KB", "65536", whySegments,
			"Steps in which a log file grows."),
		row("snapCount", KindInt, "", "100000", whyByBytes, "Transactions between two snapshots."),
		row("snapSizeLimitInKb", KindInt, "KB", "4194304", whyByBytes,
			"Kilobytes of log between two snapshots."),
		row("txnLogSizeLimitInKb", KindInt, "KB", "-1", whySegments, "Longest log file.", "-1"),
		row("commitLogCount", KindInt, "", "500", whyAlone,
			"Transactions kept in memory for followers that lag."),
		row("snapshotSizeFactor", KindFloat, "", "0.33", whyAlone,
			"Share of a snapshot that is sent as log to a follower that lags."),
		row("flushDelay", KindInt, "ms", "0",
			"writes that arrive during a sync share the next one, so no delay is needed",
			"Delay of a sync, so that more writes share it.", "0"),
		row("maxWriteQueuePollTime", KindInt, "ms", "flushDelay/3",
			"there is no delay of syncs to end", "Ends the delay of a sync when nothing comes."),
		row("maxBatchSize", KindInt, "", "1000",
			"a batch of writes is bounded by its bytes", "Transactions that share a sync."),
		row("snapshot.compression.method", KindEnum, "", "none", whyNoSnaps,
			"Compression of snapshots.", ""),
		row("snapshot.trust.empty", KindBool, "", "false", whyNoSnaps,
			"Starts without a snapshot although there is a log.", "false"),
		row("serializeLastProcessedZxid.enabled", KindBool, "", "true", whyNoSnaps,
			"Writes the last zxid into snapshots.", "true"),
		row("forceSnapshotSync", KindBool, "", "false", whyAlone,
			"Sends followers snapshots only.", "false"),
		row("digest.enabled", KindBool, "", "true",
			"the digest of the tree is always kept and checked",
			"Keeps a digest of the tree, to find corruption.", "true"),
		row("closeSessionTxn.enabled", KindBool, "", "true",
			"the end of a session always deletes its ephemerals in one step",
			"Logs the ephemerals that the end of a session deletes.", "true"),
		purge("autopurge.snapRetainCount", KindInt, "3", "Snapshots that a purge keeps."),
		purge("autopurge.purgeInterval", KindHours, "0", "How often old snapshots are deleted.",
			"0"),
	}
}

func purge(name string, kind Kind, def, meaning string, fine ...string) Key {
	return Key{Name: name, Kind: kind, Default: def, Fine: fine, Status: NoEffect,
		Why: whyNoPurge, Meaning: meaning}
}
