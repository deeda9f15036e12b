--------------------------- MODULE SessionsWatches ---------------------------
(***************************************************************************)
(* A one-shot watch of one client, through members that lag, connections   *)
(* that break and setWatches (DESIGN sections 3 and 4; core/watch.go,      *)
(* Conn.setWatches).  None of its events is missed, none comes twice or    *)
(* for what the client knew already.                                       *)
(*                                                                         *)
(* The log holds changes of one znode (create, set, delete) and attaches.  *)
(* The client reads with a watch, at most one at a time, receives what its *)
(* connection holds for it in order, loses the connection at any time and  *)
(* with it what was on its way, and goes on at any server.                 *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - Requests reach the server at once; a reply that is on its way is    *)
(*     one whose request could have been.                                  *)
(*   - The client's other requests, writes among them, are pings, whose    *)
(*     replies show a zxid and nothing else.                               *)
(*   - The session and its fencing: SessionsMoves.                         *)
(*   - Child watches: as data watches, with the pzxid for the mzxid.       *)
(*   - Persistent watches: nothing is reported for the time without a      *)
(*     connection (as in ZooKeeper), they are armed again, no more.        *)
(*                                                                         *)
(* What the model taught.  A create and a delete in between are not told   *)
(* to a watch for the creation, by ZooKeeper neither: what the client      *)
(* knows is true again.  NoMissedEvent is about what it knows.             *)
(***************************************************************************)
EXTENDS Naturals, Sequences

CONSTANTS
    Servers,
    Entries,        \* bound of the model: length of the log
    Connections,    \* bound of the model
    Reads,          \* bound of the model: reads that set a watch
    Underway,       \* bound of the model: what a connection holds for the client
    Broken          \* names of the guards that are switched off

\* What refutes the model without each of its guards:
\* guard event-first: NoMissedEvent
\* guard one-shot: NoNeedlessEvent
\* guard compares-zxid: NoMissedEvent
\* guard compares-existence: NoMissedEvent
\* guard rearms: NoMissedEvent
\* guard serves-attached: ZxidsNeverFall
\* guard jump-closes: NoMissedEvent
\* guard lost-conn-disarms: ArmedHere
\*
\* reaches MissedAndTold
\* reaches LaggingServer
\* reaches DeletedAndBack
\* reaches LostEvent

Guard(g) == g \notin Broken

VARIABLES
    log,        \* entries: "create", "set", "delete" or "attach", and the changes up to there
    applied,    \* per server
    conn,       \* the client's connection: [server, opens, ready]
    armed,      \* per server: the kind of watch that is armed for the client, or "none"
    underway,   \* what the server has queued on the connection
    client,     \* see Init
    opened      \* connections so far

vars == <<log, applied, conn, armed, underway, client, opened>>

Max(a, b) == IF a > b THEN a ELSE b

Changes(n) == IF n = 0 THEN 0 ELSE log[n].zxid

Entry(what) ==
    [what |-> what, zxid |-> Changes(Len(log)) + (IF what = "attach" THEN 0 ELSE 1)]

(***************************************************************************)
(* The znode behind the first n entries.  Zxids count the changes.         *)
(***************************************************************************)
RECURSIVE Node(_)
Node(n) ==
    IF n = 0 THEN [exists |-> TRUE, mzxid |-> 0]
    ELSE CASE log[n].what = "attach" -> Node(n - 1)
           [] log[n].what = "delete" -> [exists |-> FALSE, mzxid |-> 0]
           [] OTHER -> [exists |-> TRUE, mzxid |-> Changes(n)]

(* The entry that makes zxid z; what the znode is like there. *)
NodeAt(z) == Node(CHOOSE n \in 0..Len(log) : Changes(n) = z)

Init ==
    /\ log = <<>>
    /\ applied = [s \in Servers |-> 0]
    /\ \E s \in Servers : conn = [server |-> s, opens |-> 0, ready |-> TRUE]
    /\ armed = [s \in Servers |-> "none"]
    /\ underway = <<>>
    /\ client = [watch |-> "none",  \* its watch, that waits for an event: "data" or "exist"
                 set |-> 0,         \* the zxid of the read that set it
                 reads |-> 0,       \* how many it has sent
                 waits |-> FALSE,   \* a reply to one is underway
                 seen |-> 0,        \* the largest zxid that a reply has shown
                 fell |-> FALSE,    \* one has shown a smaller one
                 needless |-> FALSE]\* an event came for no watch, or for what it knew
    /\ opened = 1

Here == conn.server

Open == conn.ready /\ (conn.opens <= applied[Here] \/ ~Guard("serves-attached"))

Zxid(s) == Changes(applied[s])

Reply(kind, zxid) == [type |-> "reply", kind |-> kind, zxid |-> zxid]
Event(zxid) == [type |-> "event", kind |-> "none", zxid |-> zxid]

-----------------------------------------------------------------------------
(* The ensemble. *)

Change(what) ==
    /\ Len(log) < Entries
    /\ Node(Len(log)).exists = (what # "create")
    /\ log' = Append(log, Entry(what))
    /\ UNCHANGED <<applied, conn, armed, underway, client, opened>>

(* A server applies an entry and tells those who watch.  A watch for data fires at any change, one
   for the existence of what is not there at its creation: that is any change as well. *)
Apply(s) ==
    /\ applied[s] < Len(log)
    /\ applied' = [applied EXCEPT ![s] = @ + 1]
    /\ LET fires == armed[s] # "none" /\ log[applied[s] + 1].what # "attach"
       IN
        /\ armed' = IF fires /\ Guard("one-shot") THEN [armed EXCEPT ![s] = "none"] ELSE armed
        /\ underway' = IF ~fires \/ Here # s THEN underway
                       ELSE IF Guard("event-first")
                       THEN Append(underway, Event(Changes(applied[s] + 1)))
                       \* A reply that shows the change slips in before.
                       ELSE underway \o <<Reply("ping", Changes(applied[s] + 1)),
                                          Event(Changes(applied[s] + 1))>>
    /\ UNCHANGED <<log, conn, client, opened>>

(* A server installs a checkpoint in place of the entries up to it. *)
Jump(s) ==
    /\ \E n \in (applied[s] + 1)..Len(log) : applied' = [applied EXCEPT ![s] = n]
    /\ IF Guard("jump-closes")
       THEN /\ armed' = [armed EXCEPT ![s] = "none"]
            /\ conn' = IF Here = s THEN [conn EXCEPT !.ready = FALSE, !.opens = 0] ELSE conn
            /\ underway' = IF Here = s THEN <<>> ELSE underway
            /\ client' = IF Here = s THEN [client EXCEPT !.waits = FALSE] ELSE client
       ELSE UNCHANGED <<conn, armed, underway, client>>
    /\ UNCHANGED <<log, opened>>

-----------------------------------------------------------------------------
(* The client. *)

(* It reads, and its watch is armed where the read is evaluated: getData or exists of what is
   there, exists of what is not. *)
Read ==
    /\ Open /\ Len(underway) < Underway
    /\ client.watch = "none" /\ ~client.waits
    /\ client.reads < Reads
    /\ LET kind == IF Node(applied[Here]).exists THEN "data" ELSE "exist" IN
        /\ underway' = Append(underway, Reply(kind, Zxid(Here)))
        /\ armed' = [armed EXCEPT ![Here] = kind]
    /\ client' = [client EXCEPT !.reads = @ + 1, !.waits = TRUE]
    /\ UNCHANGED <<log, applied, conn, opened>>

Ping ==
    /\ Open /\ Len(underway) < Underway
    /\ underway' = Append(underway, Reply("ping", Zxid(Here)))
    /\ UNCHANGED <<log, applied, conn, armed, client, opened>>

(* Some clients take the zxid of an event for one that they have seen, others that of replies
   alone. *)
Receive ==
    /\ underway # <<>>
    /\ underway' = Tail(underway)
    /\ LET m == Head(underway)
           sets == m.type = "reply" /\ m.kind \in {"data", "exist"}
       IN  IF m.type = "event"
           THEN \E z \in {client.seen, Max(client.seen, m.zxid)} :
                client' = [client EXCEPT !.watch = "none", !.seen = z,
                    !.needless = @ \/ client.watch = "none" \/ m.zxid <= client.set]
           ELSE client' = [client EXCEPT
                    !.watch = IF sets THEN m.kind ELSE @,
                    !.set = IF sets THEN m.zxid ELSE @,
                    !.waits = @ /\ ~sets,
                    !.seen = Max(@, m.zxid),
                    !.fell = @ \/ m.zxid < client.seen]
    /\ UNCHANGED <<log, applied, conn, armed, opened>>

(* The connection breaks.  Its watches end with it; what was underway is lost. *)
Break ==
    /\ conn.ready
    /\ conn' = [conn EXCEPT !.ready = FALSE, !.opens = 0]
    /\ armed' = IF Guard("lost-conn-disarms") THEN [armed EXCEPT ![Here] = "none"] ELSE armed
    /\ underway' = <<>>
    /\ client' = [client EXCEPT !.waits = FALSE]
    /\ UNCHANGED <<log, applied, opened>>

(* It goes on at server s.  An attach goes through the log. *)
Reconnect(s) ==
    /\ ~conn.ready
    /\ opened < Connections /\ Len(log) < Entries
    /\ opened' = opened + 1
    /\ log' = Append(log, Entry("attach"))
    /\ conn' = [server |-> s, opens |-> Len(log) + 1, ready |-> FALSE]
    /\ UNCHANGED <<applied, armed, underway, client>>

(* Once attached it names its watch and the last zxid it saw, before anything else.  What happened
   since is told, or the watch is armed again.  Who has no watch has nothing to say. *)
SetWatches ==
    /\ ~conn.ready /\ conn.opens > 0
    /\ conn.opens <= applied[Here] \/ ~Guard("serves-attached")
    /\ conn' = [conn EXCEPT !.ready = TRUE]
    /\ LET n == Node(applied[Here])
           kind == client.watch
           missed == IF kind = "data"
                     THEN \/ ~n.exists /\ Guard("compares-existence")
                          \/ n.mzxid > client.seen /\ Guard("compares-zxid")
                     ELSE n.exists /\ Guard("compares-existence")
           tells == kind # "none" /\ missed
           arms == kind # "none" /\ ~missed /\ Guard("rearms")
       IN
        /\ underway' = (IF tells THEN <<Event(Zxid(Here))>> ELSE <<>>)
                \o (IF kind = "none" THEN <<>> ELSE <<Reply("setWatches", Zxid(Here))>>)
        /\ armed' = IF arms THEN [armed EXCEPT ![Here] = kind] ELSE armed
    /\ UNCHANGED <<log, applied, client, opened>>

Next ==
    \/ \E what \in {"create", "set", "delete"} : Change(what)
    \/ \E s \in Servers : Apply(s) \/ Jump(s) \/ Reconnect(s)
    \/ Read \/ Ping \/ Receive \/ Break \/ SetWatches

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Who waits for an event knows the znode as it is at the last zxid that it was shown. *)
NoMissedEvent ==
    client.watch # "none" =>
        LET then == NodeAt(client.set)  now == NodeAt(client.seen) IN
        /\ then.exists = now.exists
        /\ client.watch = "data" => then.mzxid = now.mzxid

(* At most one event for each watch, and none for what its read had shown. *)
NoNeedlessEvent == ~client.needless

ZxidsNeverFall == ~client.fell

(* A watch is armed at no server but that of the connection. *)
ArmedHere == \A s \in Servers : armed[s] # "none" => s = Here /\ conn.ready

TypeOK ==
    /\ \A s \in Servers : applied[s] \in 0..Len(log)
    /\ client.seen <= Changes(Len(log))

(* Reached: *)
MissedAndTold ==
    /\ Len(underway) = 2 /\ underway[1].type = "event" /\ underway[2].kind = "setWatches"
    /\ client.watch # "none"
LaggingServer == conn.ready /\ opened > 1 /\ \E s \in Servers : applied[s] + 2 < applied[Here]
DeletedAndBack ==
    /\ client.watch = "data" /\ conn.opens > 1 /\ ~conn.ready
    /\ \E i, j \in 1..(conn.opens - 1) : i < j /\ log[i].what = "delete" /\ log[j].what = "create"
                                         /\ Changes(i) > client.seen
LostEvent ==
    /\ ~conn.ready /\ client.watch # "none"
    /\ armed[Here] = "none" /\ Zxid(Here) > client.seen
=============================================================================
