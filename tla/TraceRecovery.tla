---------------------------- MODULE TraceRecovery ----------------------------
(***************************************************************************)
(* Members of simulated worlds and their disks, held against Recovery:     *)
(* each line of a trace names an action of it and what was seen when it    *)
(* was taken.  The actions are Recovery's own.                             *)
(*                                                                         *)
(* How a world is told (package sim, abstract_disk.go):                    *)
(*   - What the leaders did is told as far as the member has heard of it,  *)
(*     just before that: which entries, which log a leader began with,     *)
(*     what is committed.                                                  *)
(*   - Of a crash nobody saw what was left.  All that Recovery allows is   *)
(*     followed; what the next process found decides (Restart).            *)
(*   - Entries count from the first behind the founding State.             *)
(***************************************************************************)
EXTENDS Recovery

CONSTANTS
    Lengths,        \* of the traces
    Line(_, _)      \* Line(t, n): line n of trace t

VARIABLES trace, line

(* In place of Garbage, which is a term of the small models. *)
NoTerm == 1000000

(* In place of Self, which may be a raft id of a world. *)
Itself == 1000000

(* The record that was just written. *)
Written == pending'[Len(pending')]

(* Of a record only what is new in it is written, and where that stands. *)
Shows(e) ==
    /\ Written.term = e.term
    /\ Written.vote = e.vote
    /\ Written.start = disk.start =>
        Written.log = IF e.first = 0 THEN disk.log
                      ELSE SubSeq(disk.log, 1, e.first - 1) \o e.terms

(* What a process finds, and goes on with. *)
Found(e) ==
    /\ mode' = "up"
    /\ vol'.term = e.term /\ vol'.vote = e.vote /\ vol'.log = e.log
    /\ vol'.commit >= e.commit
    /\ applied' = e.applied
    /\ mark.term = e.mterm /\ mark.vote = e.mvote
    /\ mark.acked[2] = e.macked
    /\ e.macked > 0 => mark.acked[1] = e.mackedterm

Step(e) ==
    CASE e.a = "Propose" -> Propose
      [] e.a = "Commit" -> Commit /\ ecommit' = e.n
      [] e.a = "ChangeLeader" -> ChangeLeader /\ eterm' = e.term /\ elog' = e.log
      [] e.a = "ReceiveAppend" ->
            /\ ReceiveAppend
            /\ vol'.term = e.term /\ vol'.log = e.log /\ vol'.commit >= e.commit
            /\ e.m > 0 => vol'.matched = e.m
      [] e.a = "ReceiveVoteRequest" -> ReceiveVoteRequest(e.t, e.c)
      [] e.a = "Campaign" -> Campaign /\ vol'.term = e.t
      [] e.a = "AskForVotes" -> AskForVotes(e.t)
      [] e.a = "Apply" -> Apply /\ applied' = e.n
      [] e.a = "WriteLog" -> WriteLog /\ Shows(e)
      [] e.a = "SyncLog" -> SyncLog
      \* It may say again what it says.
      [] e.a = "WriteMark" -> IF ENABLED WriteMark THEN WriteMark ELSE UNCHANGED vars
      [] e.a = "SyncMark" -> IF marking # {} THEN SyncMark ELSE UNCHANGED vars
      [] e.a = "Acknowledge" -> Acknowledge /\ match' = e.n
      [] e.a = "SendVote" -> SendVote /\ <<id, e.t, e.c, 0>> \in votes'
      [] e.a = "BeginCheckpoint" -> BeginCheckpoint /\ capture' = e.n
      [] e.a = "EndCheckpoint" -> EndCheckpoint /\ ckpt'.index = e.n
      \* Less may be given back than the checkpoint covers; then it is told once more.
      [] e.a = "Cut" -> IF ENABLED Cut THEN Cut ELSE UNCHANGED vars
      [] e.a = "ReceiveCheckpoint" ->
            ReceiveCheckpoint /\ staged' = e.n /\ vol'.term = e.term
      [] e.a = "InstallCheckpoint" -> InstallCheckpoint /\ ckpt'.index = e.n
      [] e.a = "Crash" -> Crash
      [] e.a = "Restart" -> Restart /\ IF e.lost THEN mode' = "lost" ELSE Found(e)
      \* If it was opened all the same, it is known what was left: maybe all, where the record said
      \* nothing new.
      \* If not, nobody reads it any more, and all may be gone: each other choice would be carried on.
      [] e.a = "Damage" /\ ~e.known -> Damage /\ Len(disk'.log) = disk.start
      [] e.a = "Damage" /\ e.known ->
            IF <<disk.term, disk.vote, Len(disk.log)>> = <<e.term, e.vote, e.n>> THEN UNCHANGED vars
            ELSE Damage /\ <<disk'.term, disk'.vote, Len(disk'.log)>> = <<e.term, e.vote, e.n>>
      [] e.a = "RefusedByLeader" -> RefusedByLeader
      [] e.a = "Wipe" -> Wipe
      [] e.a = "Rejoin" -> Rejoin
      [] e.a = "Swap" -> Swap

TraceInit == Init /\ trace \in 1..Len(Lengths) /\ line = 1

TraceStep ==
    /\ line <= Lengths[trace]
    /\ \E e \in {Line(trace, line)} : Step(e)     \* looked up once
    /\ line' = line + 1
    /\ UNCHANGED trace
=============================================================================
