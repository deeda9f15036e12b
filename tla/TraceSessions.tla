---------------------------- MODULE TraceSessions ----------------------------
(***************************************************************************)
(* Sessions of simulated worlds, held against SessionsMoves: each line of  *)
(* a trace names an action of it and what was seen when it was taken.  The *)
(* actions are SessionsMoves' own.  What stands here says what must have   *)
(* been seen, and nothing about what may happen.                           *)
(*                                                                         *)
(* How a world is told (package sim, abstract_session.go):                 *)
(*   - A server is a process: one that is started again is another server, *)
(*     and what it holds of the log is applied before anybody comes to it. *)
(*   - Only the session's own commands are entries, and a zxid is how many *)
(*     of its own it covers.  What a stream or a term has refused is not   *)
(*     told: SessionsStreams and SessionsExpiry are about that.            *)
(*   - A connection is opened when its handshake is read.                  *)
(*   - A write that the server holds back (SessionsDelivery) is read when  *)
(*     it is given to the stream.                                          *)
(*   - That a server has lost a connection is told when the client has     *)
(*     another.  Until then nothing is looked for there (e.lost).          *)
(***************************************************************************)
EXTENDS SessionsMoves

CONSTANTS
    Lengths,        \* of the traces
    Line(_, _)      \* Line(t, n): line n of trace t

VARIABLES trace, line

(* The entry that was just committed. *)
Entry == states'[Len(states')]

(* What ended with the session. *)
Gone == IF Entry.session = State.session THEN {} ELSE State.ephemerals

Committed(e) ==
    LET m == Head(stream[e.s]) IN
    /\ Entry.did.kind = e.kind
    /\ Entry.did.ok = e.ok
    /\ Entry.zxid = e.z
    /\ Gone = e.gone
    /\ IF e.kind = "attach" THEN e.ok => Entry.generation = e.g
       ELSE m.generation = e.g /\ m.number = e.n

Expired(e) ==
    /\ Entry.did.ok = e.ok
    /\ Entry.zxid = e.z
    /\ Gone = e.gone

(* The connections that are open at server s, without those that it has lost since. *)
Up(s, lost) == {c \in 1..Len(conns') : conns'[c].server = s /\ conns'[c].phase = "open"} \ lost

(* A read shows the State of its server, and its header names that. *)
Shows(e) ==
    LET st == At(conns[Current].server) IN st.ephemerals = e.seen /\ st.zxid = e.z

(* Who is answered was answered where it was applied. *)
Answered(e) ==
    /\ e.n \in client.answered
    /\ \E i \in 1..Len(states) :
        /\ states[i].zxid = e.z /\ states[i].did.ok
        /\ \/ states[i].did.kind = "write" /\ states[i].did.number = e.n
           \/ states[i].did.kind = "close" /\ e.n = Closing

Step(e) ==
    CASE e.a = "Reconnect" -> Reconnect(e.s)
      [] e.a = "Send" -> Send /\ client'.issued = e.n
      [] e.a = "SendClose" -> SendClose
      [] e.a = "Feed" -> Feed(e.c) /\ Head(wire[e.c]) = e.n
      \* It may be over for another reason by now.
      [] e.a = "Lose" -> IF conns[e.c].phase = "over" THEN UNCHANGED vars ELSE Lose(e.c)
      [] e.a = "Commit" -> Commit(e.s) /\ Committed(e)
      [] e.a = "Expire" -> Expire(e.g) /\ Expired(e)
      [] e.a = "Apply" -> Apply(e.s) /\ (e.shown => Up(e.s, e.lost) = e.up)
      \* A second read of the same State teaches the client nothing.
      [] e.a = "Read" -> Shows(e) /\ IF ENABLED Read THEN Read ELSE UNCHANGED vars
      \* Seen by the client, which takes no step.
      [] e.a = "Opened" -> client.open /\ Current = e.c /\ UNCHANGED vars
      [] e.a = "Heard" -> Answered(e) /\ UNCHANGED vars
      [] e.a = "Told" -> client.told /\ UNCHANGED vars

TraceInit == Init /\ trace \in 1..Len(Lengths) /\ line = 1

TraceStep ==
    /\ line <= Lengths[trace]
    /\ \E e \in {Line(trace, line)} : Step(e)     \* looked up once
    /\ line' = line + 1
    /\ UNCHANGED trace

(* One state for each line: nothing in a line is left to choose. *)
Place == <<trace, line>>
=============================================================================
