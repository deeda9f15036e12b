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
// Peers are doors too: what they say comes with Turn.Received and goes out with Work.Send, as
// bytes that only this package reads. The driver owes them connections on which a peer has
// proved who it is, that keep their order and lose nothing while they live. When one breaks or is
// refused it says so with Turn.Lost, and with Turn.Connected when there is one again; all that was
// under way may be lost then. Silence is nothing to tell: raft's clock judges it. A message that is
// refused is in Work.Errs, has changed nothing, and is a reason to close the connection.
//
// # Members
//
// Who belongs to the ensemble is in the State (core.Membership), and the log's configuration is the
// truth. Report.Membership is each new one: the driver keeps connections to all members but the
// removed ones and takes those of members that it has not heard of, for who lags behind cannot
// know all; only who is removed is refused, and told so. That word of a peer ends the process,
// not Report.Removed: until then it serves nobody, but its vote may be needed. Turn.Applicants
// are the disks whose handshake ended, members or not, with the
// feature level of their release: the leader admits them as learners, and takes raft to
// where the target of a client's reconfig, or its own file (Config.Servers), wants it. A checkpoint
// is stored with its own ConfState. Config.RaftID and the disk belong together for ever: a lost
// disk is another member. Work.Lost and Work.Diverged say that this one's is: the driver stops the
// process, keeps the data aside, and starts the server again with a new disk id.
//
// A connection begins with a Handshake, both ends with what Member.Who says, or Founder.Who of an
// empty disk; either is asked again when the other end has said who it is, and is to be judged.
// Whom it was with, and what that one says that this member has acknowledged, goes to the member as
// an Applicant each time, and to the Founder as what it has Heard. An empty disk has a disk id,
// durable before its first word, and a Founder that decides: it founds, joins, or waits and says
// for whom. Before it starts as what was decided it makes the first State with NewFounded and
// stores it with its cluster's id and its raft id (a Seat). As long as it has not, it connects to
// all servers of its file again and again, for its leader learns of it by nothing else.
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
//   - Work.Send to the peers' connections, each one's in its order. What waits for the disk is
//     not in it before that is stored, so it may leave at once.
//   - Work.Stage and Work.Read to whoever writes checkpoints: see below.
//   - Work.WakeMs, if not 0, asks for a turn after so many milliseconds: an election is due.
//
// All that has come from peers is taken in with the next turn: a turn with ticks decides whose
// session has been silent, and must not leave a report lying. What came over a connection is taken
// in before Who is asked for Handshake.Judge on the next one with that peer, or never: an
// acknowledgement from before the peer's disk lost what it acknowledges, of which the peer was not
// told, would make its leader count on that, and raft stop the peer.
//
// Whom a member serves is decided here: without a leader for Config.SyncLimitMs it ends its
// clients' connections through apply, and new ones when they ask for a session. The driver goes on
// accepting, for four-letter words are answered; what they say follows Local.Serving. About once a
// second it calls Local.Sweep, which also ends read-only sessions that are silent.
//
// Turn.FreeBytes says how much room the driver sees on the disks, about once a second. What
// follows from it is decided here: a leader hands over, or lets apply refuse what grows.
//
// Reports.Checkpoint of Apply goes to whoever writes checkpoints; once it counts its index is
// Turn.Checkpointed. A failed write is final: the driver stops the process, and nothing that
// was not reported as stored counts.
//
// Work.Notices go to the log, each once. Work.Diverged ends the process when Work.Send has gone
// out: this member's State is not that of the majority. Its data is kept aside for a report, and
// it rejoins as a member that lost its disk.
//
// # Checkpoints between members
//
// A member that is behind what its leader keeps of the log gets a checkpoint. Both sides need
// their driver for it.
//
// The leader asks for pieces with Work.Read. The first read of a Transfer opens a view of the
// newest checkpoint that counts; it stays open, whatever is written meanwhile, until a read with
// Close. Each read but that is answered once in Turn.Read. When the process ends, the views do.
//
// The receiver gets Work.Stage: records to be written beside the checkpoint that counts, in their
// order and by whoever writes checkpoints; each is reported back in Turn.Staged. They need not
// be durable, and are gone when the process ends.
//
// When the checkpoint is whole and raft wants it, an Append has Install. For the driver it is a
// barrier in the log, to be passed in these steps, each finished before the next:
//
//  1. All appends before it are durable. It shares no write with them.
//  2. What was staged, with what Install says, takes the place of the checkpoint: one atomic step
//     that is flushed and counts. From here on a restart goes on with it, and drops the log that
//     does not reach it.
//  3. The append's hard state, its entries and that the log begins behind the checkpoint become
//     durable, as one record.
//  4. The State is read back and its digest compared.
//  5. Member.Install under S exclusive, between two calls of Apply: all connections end, and the
//     State is swapped. The driver tends to Report.Touched.
//  6. Turn.Stored has the append. Reports of Apply from before Install are in Turn.Applied of
//     that turn at the latest.
//
// No other checkpoint is captured or written between the acceptance and step 6; appends behind it
// may be gathered, and wait.
//
// Everything is deterministic but raft's election jitter, which it draws from
// crypto/rand.Reader: a simulator replaces that variable.
package replication
