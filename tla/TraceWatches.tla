---------------------------- MODULE TraceWatches -----------------------------
(***************************************************************************)
(* Watches of simulated worlds, held against SessionsWatches: each line of *)
(* a trace names an action of it and what was seen when it was taken.  The *)
(* actions are SessionsWatches' own.                                       *)
(*                                                                         *)
(* How a world is told (package sim, abstract_watches.go):                 *)
(*   - A server is a process, as in TraceSessions.  Zxids count the        *)
(*     changes of the znode since the session began.  If the znode was not *)
(*     there then, it was deleted before all else.                         *)
(*   - What a server queues for the client is told with the step that      *)
(*     queues an event, and as Read or Ping for each other reply.  What    *)
(*     the client receives is told again, frame after frame.               *)
(*   - A connection breaks when the client knows it.  What its server      *)
(*     applies between its own end and that is told then; so is a jump.    *)
(*   - Who comes back without a watch sends nothing.  It is told where the *)
(*     connection has its session.                                         *)
(***************************************************************************)
EXTENDS SessionsWatches

CONSTANTS
    Lengths,        \* of the traces
    Line(_, _)      \* Line(t, n): line n of trace t

VARIABLES trace, line

(* Stands for what was not seen: events that setWatches finds name no zxid. *)
Unknown == 1000000

Last == underway'[Len(underway')]

(* The entry that made zxid z. *)
ChangeTo(z) == CHOOSE i \in 1..Len(log) : log[i].zxid = z /\ log[i].what # "attach"

(* So many events were queued; one of them, by the change that is applied. *)
Fires(e) ==
    /\ Len(underway') = Len(underway) + e.events
    /\ e.events > 0 => Last.type = "event" /\ Last.zxid = e.z /\ log[ChangeTo(e.z)].what = e.what

(* What happened to the znode while the client was away, as it is told. *)
Missed ==
    IF ~Node(applied[Here]).exists THEN "delete"
    ELSE IF client.watch = "data" THEN "set" ELSE "create"

Catches(e) ==
    /\ client.watch = e.kind
    /\ IF e.kind = "none" THEN underway' = <<>>
       ELSE /\ client.seen = e.seen
            /\ Last.zxid = e.z
            /\ Len(underway') = e.events + 1
            /\ e.events > 0 => e.what = Missed

Receives(e) ==
    /\ Head(underway).type = e.type /\ Head(underway).kind = e.kind
    /\ e.z # Unknown => Head(underway).zxid = e.z
    /\ client'.seen = e.seen

Step(e) ==
    CASE e.a = "Change" -> Change(e.what)
      [] e.a = "Apply" -> Apply(e.s) /\ (e.shown => Here = e.s /\ Fires(e))
      [] e.a = "Jump" -> Jump(e.s) /\ applied'[e.s] = e.n
      [] e.a = "Reconnect" -> Reconnect(e.s)
      [] e.a = "SetWatches" -> SetWatches /\ Catches(e)
      [] e.a = "Read" -> Read /\ Last.kind = e.kind /\ Last.zxid = e.z
      [] e.a = "Ping" -> Ping /\ Last.zxid = e.z
      [] e.a = "Receive" -> Receive /\ Receives(e)
      [] e.a = "Break" -> Break
      \* Only Apply and SetWatches queue events.
      [] e.a = "Event" -> FALSE

TraceInit == Init /\ conn.server = 1 /\ trace \in 1..Len(Lengths) /\ line = 1

TraceStep ==
    /\ line <= Lengths[trace]
    /\ \E e \in {Line(trace, line)} : Step(e)     \* looked up once
    /\ line' = line + 1
    /\ UNCHANGED trace

(* One state for each line: nothing in a line is left to choose. *)
Place == <<trace, line>>
=============================================================================
