// Package server is the production driver of replication.Member: sockets, disk, clock and
// cores. It decides nothing that a simulator could not reach; it moves bytes between the
// world and the member, under the locks that the member's doors name.
//
// # Goroutines
//
//	one per connection   reads, feeds the Conn, writes what its socket takes at once (conn.go)
//	parking              one per core, for all connections whose clients are silent (park.go)
//	writers              one for each socket that does not take all at once (outbox.go)
//	loop                 turns the replica: mail and reports in, work out (loop.go)
//	log                  appends: one write, one sync for all that waits (storage.go)
//	mark                 writes the mark beside the log, off the acknowledging path (storage.go)
//	apply                applies what is committed, under S (apply.go)
//	flush                writes what apply answered to others' connections (apply.go)
//	checkpoint           writes checkpoints and cuts the log (storage.go)
//	control              answers tools on this machine, one goroutine each (control.go)
//
// # Locks, in their order
//
//	S  Server.state, RWMutex: State, watch table, each Conn's protocol half
//	W  Server.watches: the watch table and the lists that are kept, among holders of S shared
//	B  Server.inbox: the stream's inbox, among holders of S shared and the loop
//	O  outbox.mu, one per connection: its output bytes and who writes them
//
// A connection's ending and the parking's mu are leaves: who holds one takes none of the others.
// Under any of S, W, B and O there is no system call, no channel operation, no log line and no wait
// (DESIGN section 7).
//
// # Stopping
//
// Run returns when its context ends, or with the first error of the disk or of apply: those
// are final, and what was not acknowledged by then does not count. An orderly stop takes no
// new requests, lets the replies out, writes a checkpoint, and then stops feeders, apply,
// loop and storage in this order.
package server
