---------------------------- MODULE TraceDelivery ----------------------------
(***************************************************************************)
(* Connections of simulated worlds, held against SessionsDelivery: each    *)
(* line of a trace names an action of it and what was seen when it was     *)
(* taken.  The actions are SessionsDelivery's own.                         *)
(*                                                                         *)
(* How a world is told (package sim, abstract_delivery.go):                *)
(*   - The znode is the root.  A read asks for its children and watches    *)
(*     them; what it shows is the version with those children.             *)
(*   - An entry is a command that creates or deletes children of the root, *)
(*     and is committed when a first member applies it.  Versions count    *)
(*     from where the connection had its session.                          *)
(*   - What the server queues for the client is told behind the step that  *)
(*     queued it, message after message; before the next step all of it    *)
(*     has to be told.                                                     *)
(*   - That a read index has come is told where it is seen: for a sync     *)
(*     behind a write when that write is answered.                         *)
(***************************************************************************)
EXTENDS SessionsDelivery

CONSTANTS
    Lengths,        \* of the traces
    Line(_, _)      \* Line(t, n): line n of trace t

VARIABLES
    trace, line,
    said            \* how much of what was queued for the client is told

(* Stands for what was not seen. *)
Unknown == 1000000

(* A step of the machine: all that was queued before is told, and so many requests wait now. *)
Machine(e) ==
    /\ said = Len(out)
    /\ said' = said
    /\ e.q # Unknown => Len(queue') = e.q

(* An entry of the log, at its place.  Nothing may wait to be told. *)
Commits(e) == Len(log') = e.i /\ said = Len(out) /\ said' = said

LastMark == queue'[Len(queue')].mark

(* The next message for the client, which takes no step. *)
Says(m(_)) ==
    /\ said < Len(out)
    /\ said' = said + 1
    /\ m(out[said + 1])
    /\ UNCHANGED vars

Step(e) ==
    CASE e.a = "Read" -> Read /\ Len(asked') = e.n /\ Machine(e)
      [] e.a = "Write" ->
            /\ Write /\ Len(asked') = e.n /\ Machine(e)
            /\ LastMark = IF e.held THEN "held" ELSE "given"
      [] e.a = "Sync" -> Sync /\ Len(asked') = e.n /\ Machine(e)
      [] e.a = "CommitOwn" -> CommitOwn /\ log'[Len(log')] = e.n /\ Commits(e)
      [] e.a = "CommitOther" -> CommitOther /\ Commits(e)
      [] e.a = "Apply" -> Apply /\ applied' = e.i /\ Machine(e)
      [] e.a = "Confirm" ->
            /\ \E k \in 1..Len(queue) :
                /\ queue[k].n = e.n /\ queue[k].kind = "S" /\ queue[k].mark = "asked"
                /\ \A j \in 1..(k - 1) : queue[j].mark # "asked"
            /\ Confirm /\ Machine(e)
      [] e.a = "GiveHeld" -> GiveHeld /\ Len(stream') = Len(stream) + e.n /\ Machine(e)
      [] e.a = "Replied" ->
            Says(LAMBDA m : /\ m.type = "reply" /\ m.n = e.n /\ m.kind = e.kind
                            /\ m.shows = e.shows /\ m.zxid = e.z)
      [] e.a = "Told" -> Says(LAMBDA m : m.type = "event" /\ m.zxid = e.z)

TraceInit == Init /\ trace \in 1..Len(Lengths) /\ line = 1 /\ said = 0

TraceStep ==
    /\ line <= Lengths[trace]
    /\ \E e \in {Line(trace, line)} : Step(e)     \* looked up once
    /\ line' = line + 1
    /\ UNCHANGED trace

(* One state for each line: nothing in a line is left to choose. *)
Place == <<trace, line>>
=============================================================================
