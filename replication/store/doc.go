// Package store keeps what a member must not forget: raft's hard state and log, and the
// checkpoints of the State.
//
// Think of it as one Disk with three parts, each with its own rule of durability.
//
//   - The log: segment files of our own in LogDir/vivarium. A batch is one record, one write and
//     one sync; when Append returns, the batch is durable.
//   - The checkpoints: pebble without a write-ahead log in DataDir/vivarium/state. A checkpoint is
//     one atomic step over the one before it; it counts when WriteCheckpoint returns, and only
//     then may Cut give back the log behind it.
//   - The mark: a small file in DataDir/vivarium that remembers, apart from the log, what this
//     member promised to others. It is how a log that lost its tail is told from one that never
//     had it.
//
// There are two implementations: Store, on pebble's vfs.FS, and Memory, a strict disk for the
// simulator that loses exactly what was not synced. One conformance suite runs on both.
//
// # Obligations of the caller
//
//  1. One Disk per directory and process. The lock "in use by pid n" is the server's.
//  2. Append is called by one goroutine, the log's. WriteCheckpoint, Stage and Cut are called by
//     one goroutine, the checkpoints', which may run at the same time. Mark may be called by a
//     third, or by any of them. View, Usage and Close may be called by any; a View is used by one
//     goroutine. Nothing is called once Close has begun, and all Views are closed before it.
//  3. Entries of a batch are contiguous, begin at most one behind the last entry, and never reach
//     below a checkpoint. A batch gathered from several of raft's messages is built with Add.
//  4. A checkpoint received from a peer is written first (Full), then one batch with Start, the
//     hard state and whatever entries follow is appended, and only then is it answered.
//  5. Mark is called at each tick, and when the acknowledgements of an Append have left.
//  6. The first error is final. Every later call returns it, and what was not acknowledged before
//     does not count: stop serving and exit. Nothing is ever tried again.
//
// # Memory
//
// What is passed to a Disk is not kept: the caller may reuse it when the call has returned. The
// entries of Recovered belong to the caller; entries of one record share one allocation. Keys and
// values given to a callback are good until it returns.
//
// # Damage
//
// Open judges what it finds. A damaged record at the very end of the log, with nothing whole
// behind it and nothing promised in it as far as the mark knows, is torn: it was never
// acknowledged, and it is dropped and reported in Recovered.Damage. Everything else is a
// CorruptError that names file, offset and the way out; nothing is repaired and nothing dropped.
package store
