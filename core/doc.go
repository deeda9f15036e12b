// Package core is the deterministic heart of Vivarium: the replicated state machine, and the
// machine of the client protocol that stands in front of it.
//
// There are two halves.
//
// State is what all members of an ensemble agree on: the tree of znodes, sessions, streams,
// ACLs, quotas, the last zxid and the clock. It changes only through Begin and Next, which
// apply one raft entry command by command, and it reads nothing but itself and that entry.
// The same entries give the same State, to the bit, everywhere.
//
// Local is what one server adds: a Conn for each client connection, the watch table, and the
// Inbox that carries commands to the replica. Local is where replies and events are put in
// order: Feed takes requests in, Deliver takes outcomes from apply to those who wait for
// them and to those who watch.
//
// # What the caller owes
//
// Nothing here blocks, locks, reads a clock or calls back. The caller serialises with three
// locks, or with one goroutine, which is just one legal schedule of them:
//
//	S  shared for Feed, exclusive for Open, Closed, Deliver and everything that applies
//	W  the watch table and the lists that are kept, among holders of S shared
//	B  the inbox, among holders of S shared and the replica's loop
//
// Conn.Next says which of W and B the next call of Feed needs; they are taken in the order
// S, W, B. Bytes taken from a Conn belong to the caller. Bytes given to Feed belong to the
// caller again when Feed returns: what core keeps it has copied.
//
// DESIGN sections 2, 3, 4 and 7 give the reasons; docs/ARCHITECTURE.md the picture.
package core
