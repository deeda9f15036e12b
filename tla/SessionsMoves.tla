---------------------------- MODULE SessionsMoves ----------------------------
(***************************************************************************)
(* One session that moves between servers: create, attach, close, expiry,  *)
(* its writes (each creates an ephemeral node) and its reads (DESIGN       *)
(* section 4; core/apply_session.go, Local.Deliver).                       *)
(*                                                                         *)
(* The client gives a connection up at any time and opens another one, at  *)
(* the same or another server.  What it had sent on the old one is still   *)
(* read there, unless that server finds out.                               *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - Streams are queues out of which the log takes command after         *)
(*     command: what SessionsStreams shows.  A change of leader is then    *)
(*     only delay, so only the committed log is kept.                      *)
(*   - Replies reach the client at once, or never: a reply that comes late *)
(*     is one after which the client does nothing for a while.             *)
(*   - When a session may expire is SessionsExpiry's: here it may at any   *)
(*     time, judged at any generation that was ever current.               *)
(*   - The password: who does not know it is no client of the session.     *)
(*                                                                         *)
(* What the model taught.  The generation alone fences: it is given to one *)
(* connection, so who names the current one is at the owner.  The check of *)
(* the owner (core's ReasonOwner) cannot be refuted by its removal; it is  *)
(* a second line and names the cause, no guard of its own.                 *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Servers,        \* the first connection is at First
    First,
    Connections,    \* how many the client opens, one after the other
    Writes,         \* how many it writes; the last of them may be a close
    Entries,        \* bound of the model: length of the log
    Broken          \* names of the guards that are switched off

ASSUME First \in Servers

\* What refutes the model without each of its guards:
\* guard generation: NoHole
\* guard attach-counts: NoHole
\* guard session-exists: EphemeralsLive
\* guard close-deletes: EphemeralsLive
\* guard attach-first: ZxidsNeverFall
\* guard judged-at-apply: ToldTheTruth
\* guard expiry-generation: OnlyTheJudgedExpires
\* guard close-others: OneConnection
\* guard close-answered: CloserIsTold
\*
\* reaches MovedAway
\* reaches CameBack
\* reaches LateWriteFenced
\* reaches ExpiredBeforeAttach
\* reaches StaleExpiryIgnored

Guard(g) == g \notin Broken

VARIABLES
    states,     \* states[i]: the State behind entry i, and what that entry did
    stream,     \* per server: its commands that are not in the log yet
    applied,    \* per server: how many entries it has applied
    conns,      \* per connection opened so far: see Conn
    wire,       \* per connection: what the client sent and the server has not read
    client      \* see ClientState

vars == <<states, stream, applied, conns, wire, client>>

Closing == 0    \* the number of the request to close; writes count from 1

(***************************************************************************)
(* The State as far as the session goes.  `wrote' remembers the writes     *)
(* that were executed, each with its connection.                           *)
(***************************************************************************)
Blank == [session |-> "none", owner |-> First, generation |-> 0, zxid |-> 0,
          ephemerals |-> {}, wrote |-> <<>>, did |-> [kind |-> "none"]]

Created == [Blank EXCEPT !.session = "open", !.generation = 1, !.zxid = 1,
                         !.did = [kind |-> "create", conn |-> 1, ok |-> TRUE]]

State == states[Len(states)]

At(s) == IF applied[s] = 0 THEN Blank ELSE states[applied[s]]

Conn == [server : Servers, phase : {"attaching", "open", "over"}, generation : Nat]

Current == client.conn

Init ==
    /\ states = <<Created>>
    /\ stream = [s \in Servers |-> <<>>]
    /\ applied = [s \in Servers |-> IF s = First THEN 1 ELSE 0]
    /\ conns = <<[server |-> First, phase |-> "open", generation |-> 1]>>
    /\ wire = <<<<>>>>
    /\ client = [conn |-> 1,            \* the connection it uses
                 open |-> TRUE,         \* its ConnectResponse has come
                 issued |-> 0,          \* writes sent
                 on |-> <<>>,           \* on[w]: the connection on which write w was sent
                 closing |-> FALSE,     \* it has sent a close
                 answered |-> {},       \* its requests that were answered
                 seen |-> 1,            \* the largest zxid it was shown
                 fell |-> FALSE,        \* it was shown a smaller one than before
                 blind |-> FALSE,       \* a read did not show its own answered write
                 told |-> FALSE]        \* it was told that the session is gone

-----------------------------------------------------------------------------
(* The client and its connections. *)

(* It opens another connection, to a server that may lag. *)
Reconnect(s) ==
    /\ Len(conns) < Connections
    /\ ~client.told /\ ~client.closing
    /\ LET c == Len(conns) + 1
           dead == ~Guard("judged-at-apply") /\ At(s).session # "open"
       IN
        /\ conns' = Append(conns, [server |-> s, generation |-> 0,
                                   phase |-> IF dead THEN "over" ELSE "attaching"])
        /\ wire' = Append(wire, <<>>)
        /\ stream' = IF dead THEN stream
                     ELSE [stream EXCEPT ![s] = Append(@, [kind |-> "attach", conn |-> c])]
        /\ client' = [client EXCEPT !.conn = c, !.open = FALSE, !.told = dead]
    /\ UNCHANGED <<states, applied>>

Send ==
    /\ client.open /\ ~client.closing
    /\ client.issued < Writes
    /\ client' = [client EXCEPT !.issued = @ + 1, !.on = Append(@, Current)]
    /\ wire' = [wire EXCEPT ![Current] = Append(@, client.issued + 1)]
    /\ UNCHANGED <<states, stream, applied, conns>>

SendClose ==
    /\ client.open /\ ~client.closing
    /\ client' = [client EXCEPT !.closing = TRUE]
    /\ wire' = [wire EXCEPT ![Current] = Append(@, Closing)]
    /\ UNCHANGED <<states, stream, applied, conns>>

(* A server takes a request from a connection and gives it to its stream. *)
Feed(c) ==
    /\ conns[c].phase = "open"
    /\ wire[c] # <<>>
    /\ wire' = [wire EXCEPT ![c] = Tail(@)]
    /\ stream' = [stream EXCEPT ![conns[c].server] = Append(@,
            [kind |-> IF Head(wire[c]) = Closing THEN "close" ELSE "write", conn |-> c,
             generation |-> conns[c].generation, number |-> Head(wire[c])])]
    /\ UNCHANGED <<states, applied, conns, client>>

(* A server finds out that a connection is gone. *)
Lose(c) ==
    /\ c # Current
    /\ conns[c].phase # "over"
    /\ conns' = [conns EXCEPT ![c].phase = "over"]
    /\ wire' = [wire EXCEPT ![c] = <<>>]
    /\ UNCHANGED <<states, stream, applied, client>>

(* A read with nothing unanswered before it is run at once. *)
Read ==
    LET c == Current  s == conns[c].server  st == At(s) IN
    /\ ~client.told
    /\ \/ conns[c].phase = "open" /\ client.open
       \/ conns[c].phase = "attaching" /\ ~Guard("attach-first")
    /\ wire[c] = <<>>
    /\ \A w \in 1..client.issued : client.on[w] = c => w \in client.answered
    /\ client' = [client EXCEPT
            !.seen = IF st.zxid > @ THEN st.zxid ELSE @,
            !.fell = @ \/ st.zxid < client.seen,
            !.blind = @ \/ \E w \in client.answered \ {Closing} :
                        ~\E i \in 1..Len(st.wrote) : st.wrote[i].number = w]
    /\ client' # client
    /\ UNCHANGED <<states, stream, applied, conns, wire>>

-----------------------------------------------------------------------------
(* The log. *)

Ended(st) ==
    [st EXCEPT !.session = "ended", !.zxid = @ + 1,
               !.ephemerals = IF Guard("close-deletes") THEN {} ELSE @]

(* What command m, from server s, does to the State st. *)
Effect(st, s, m) ==
    LET ok(kind, yes) == [kind |-> kind, conn |-> m.conn, ok |-> yes]
        speaks == /\ st.session = "open" \/ ~Guard("session-exists")
                  /\ st.owner = s
                  /\ st.generation = m.generation \/ ~Guard("generation")
    IN  CASE m.kind = "attach" ->
                IF st.session # "open" THEN [st EXCEPT !.did = ok("attach", FALSE)]
                ELSE [st EXCEPT !.owner = s, !.did = ok("attach", TRUE),
                        !.generation = IF Guard("attach-counts") THEN @ + 1 ELSE @]
          [] m.kind = "write" ->
                IF ~speaks THEN [st EXCEPT !.did = ok("write", FALSE)]
                ELSE [st EXCEPT !.zxid = @ + 1, !.did = ok("write", TRUE) @@ [number |-> m.number],
                        !.ephemerals = @ \cup {m.number},
                        !.wrote = Append(@, [number |-> m.number, conn |-> m.conn])]
          [] m.kind = "close" ->
                IF ~speaks \/ st.session # "open" THEN [st EXCEPT !.did = ok("close", FALSE)]
                ELSE [Ended(st) EXCEPT !.did = ok("close", TRUE)]

Commit(s) ==
    /\ stream[s] # <<>>
    /\ Len(states) < Entries
    /\ states' = Append(states, Effect(State, s, Head(stream[s])))
    /\ stream' = [stream EXCEPT ![s] = Tail(@)]
    /\ UNCHANGED <<applied, conns, wire, client>>

(* The leader has found generation g silent, some time ago. *)
Expire(g) ==
    /\ Len(states) < Entries
    /\ State.session = "open"
    /\ g <= State.generation
    /\ LET does == g = State.generation \/ ~Guard("expiry-generation")
           did == [kind |-> "expire", ok |-> does, judged |-> g, conn |-> 0]
       IN  states' = Append(states, IF does THEN [Ended(State) EXCEPT !.did = did]
                                    ELSE [State EXCEPT !.did = did])
    /\ UNCHANGED <<stream, applied, conns, wire, client>>

(* Who applies an attach or the end of the session closes its connections, except the one whose
   command it is. *)
Others(s, st) ==
    IF Guard("close-others") /\ st.did.ok /\ st.did.kind \in {"attach", "close", "expire"}
    THEN {c \in 1..Len(conns) : conns[c].server = s /\ conns[c].phase = "open"}
            \ (IF st.did.kind = "close" /\ ~Guard("close-answered") THEN {} ELSE {st.did.conn})
    ELSE {}

Apply(s) ==
    /\ applied[s] < Len(states)
    /\ applied' = [applied EXCEPT ![s] = @ + 1]
    /\ LET st == states[applied[s] + 1]
           did == st.did
           own == did.conn # 0 /\ conns[did.conn].server = s /\ conns[did.conn].phase # "over"
                  /\ did.conn \notin Others(s, st)
           over == Others(s, st) \cup
                   (IF own /\ (~did.ok \/ did.kind = "close") THEN {did.conn} ELSE {})
           heard == own /\ did.conn = Current /\ ~client.told   \* the client gets an answer
       IN
        /\ conns' = [c \in 1..Len(conns) |->
                IF c \in over THEN [conns[c] EXCEPT !.phase = "over"]
                ELSE IF own /\ c = did.conn /\ did.kind = "attach"
                THEN [conns[c] EXCEPT !.phase = "open", !.generation = st.generation]
                ELSE conns[c]]
        /\ wire' = [c \in 1..Len(conns) |-> IF c \in over THEN <<>> ELSE wire[c]]
        /\ client' =
            IF ~heard THEN client
            ELSE CASE did.kind = "attach" -> [client EXCEPT !.open = did.ok, !.told = ~did.ok]
                   [] did.kind = "write" /\ did.ok ->
                        [client EXCEPT !.answered = @ \cup {did.number},
                            !.seen = IF st.zxid > @ THEN st.zxid ELSE @,
                            !.fell = @ \/ st.zxid < client.seen]
                   [] did.kind = "close" /\ did.ok ->
                        [client EXCEPT !.answered = @ \cup {Closing}]
                   [] OTHER -> client
    /\ UNCHANGED <<states, stream>>

Next ==
    \/ \E s \in Servers : Reconnect(s) \/ Commit(s) \/ Apply(s)
    \/ Send \/ SendClose \/ Read
    \/ \E c \in 1..Len(conns) : Feed(c) \/ Lose(c)
    \/ \E g \in 1..Connections : Expire(g)

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------
(* Writes of the session take effect in the order in which they were sent. *)
FIFO ==
    \A i, j \in 1..Len(State.wrote) : i < j => State.wrote[i].number < State.wrote[j].number

(* Of what was sent on one connection a first part takes effect: none is left out. *)
NoHole ==
    \A i \in 1..Len(State.wrote) : \A w \in 1..(State.wrote[i].number - 1) :
        client.on[w] = State.wrote[i].conn =>
            \E j \in 1..(i - 1) : State.wrote[j].number = w

(* Ephemeral nodes are there exactly as long as the session is, and all of them. *)
EphemeralsLive ==
    \A i \in 1..Len(states) :
        states[i].ephemerals = IF states[i].session = "open"
                               THEN {states[i].wrote[k].number : k \in 1..Len(states[i].wrote)}
                               ELSE {}

(* Across servers and connections: what a client is shown never goes back. *)
ZxidsNeverFall == ~client.fell
ReadYourWrites == ~client.blind

(* Who is told that its session is gone has none. *)
ToldTheTruth == client.told => State.session = "ended"

(* A session ends by expiry only at the generation that was found silent. *)
OnlyTheJudgedExpires ==
    \A i \in 1..Len(states) :
        states[i].did.kind = "expire" /\ states[i].did.ok =>
            states[i].did.judged = states[i].generation

(* A server serves a session on one connection at most: that of the last attach it knows of. *)
OneConnection ==
    \A s \in Servers :
        LET open == {c \in 1..Len(conns) : conns[c].server = s /\ conns[c].phase = "open"} IN
        /\ Cardinality(open) <= 1
        /\ \A c \in open : conns[c].generation = At(s).generation /\ At(s).session = "open"

(* Who asked for a close is answered where it is applied, as long as it listens. *)
CloserIsTold ==
    \A i \in 1..Len(states) :
        LET did == states[i].did IN
        did.kind = "close" /\ did.ok /\ did.conn = Current
            /\ applied[conns[did.conn].server] >= i => Closing \in client.answered

(* What was answered is in the log. *)
AnsweredIsWritten ==
    \A w \in client.answered \ {Closing} :
        \E i \in 1..Len(State.wrote) : State.wrote[i].number = w

TypeOK ==
    /\ \A c \in 1..Len(conns) : conns[c] \in Conn
    /\ \A s \in Servers : applied[s] \in 0..Len(states)
    /\ Len(wire) = Len(conns)

(* Reached: *)
MovedAway == State.generation = 2 /\ State.owner # First
CameBack == State.generation = 3 /\ State.owner = First /\ Len(State.wrote) > 1
LateWriteFenced == State.did.kind = "write" /\ ~State.did.ok /\ State.session = "open"
ExpiredBeforeAttach == client.told
StaleExpiryIgnored == State.did.kind = "expire" /\ ~State.did.ok
=============================================================================
