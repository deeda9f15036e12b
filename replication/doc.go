// Package replication is one whole server without its sockets, its disk and its clock.
//
// A Member owns the State, the watches, all connections (core.Local) and the replica: a raft
// RawNode, the session clock and the duties of a leader. A server of its own is an ensemble
// of one: the same Member, the same log, the same path of every write.
//
// # The doors
//
// Only values go through them. A driver (server, or sim with one goroutine) calls
//
//	Member.Local   Open, Closed, Conn.Next and Conn.Feed: see package core
//	Member.Apply   S exclusive: applies a bounded amount of what was committed
//	Member.Step    the replica's loop only, without S, W or B
//
// # What a turn of the loop owes
//
// The loop takes the mail under B and calls Step with it and with what has been reported
// since: stored appends, reports of Apply, a checkpoint that counts, ticks. Then it hands out
// the work in this order:
//
//   - Work.Appends to the log goroutine, which makes them durable in order and reports each
//     back in Turn.Stored only after its sync. Consecutive ones may share one write and sync.
//   - Work.Apply to the apply goroutine: Member.Enqueue under S, then Member.Apply until there
//     is nothing left; its reports go back in Turn.Applied in order.
//   - Work.Cut, if not 0, to whoever cuts the log.
//
// Reports.Checkpoint of Apply goes to whoever writes checkpoints; once it counts its index is
// Turn.Checkpointed. A failed write is final: the driver stops the process, and nothing that
// was not reported as stored counts.
//
// Everything is deterministic but raft's election jitter, which it draws from
// crypto/rand.Reader: a simulator replaces that variable.
package replication
