// Package zkdata reads and writes the files in which a ZooKeeper keeps its data: snapshots and
// transaction logs (OPERATIONS 2.9).
//
// Think of it as a ZooKeeper that is started and asked nothing: Load finds the newest snapshot
// that is whole, replays the logs behind it and gives a Tree, which holds what the real server
// would serve. A snapshot is fuzzy: it was written while the tree changed, so the logs repeat
// changes that are in it already, and replay is idempotent in the way that DataTree.processTxn
// is. SnapshotWriter writes a snapshot of a tree that stands still.
//
// # What is refused
//
// Where the real server goes on and loses data in silence, Load stops with a CorruptError that
// names file and offset: a record with a wrong checksum, a whole record behind a torn one,
// transactions missing between two records of an epoch, znodes newer than the last transaction.
// A torn record at the end of a log is what a crash leaves; it was never acknowledged, and it is
// reported and dropped, as by the real server.
//
// Nothing here panics on any input, and no length in a file decides an allocation before as many
// bytes have been read.
//
// # Memory
//
// What Load returns shares memory with what was read, and belongs to the caller. Data and ACLs
// are not to be written into: znodes share them.
package zkdata
