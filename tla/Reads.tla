-------------------------------- MODULE Reads --------------------------------
(***************************************************************************)
(* sync as a barrier: ReadIndex with contexts, confirmed by a quorum, then *)
(* applied (DESIGN section 5; `sync' and a read behind it are              *)
(* linearizable).  Leaders that are deposed and do not know it, followers  *)
(* that lag, a server that dies and starts again.                          *)
(*                                                                         *)
(* Clients sync at one server.  It gathers the syncs that wait, asks the   *)
(* leader for a read index under a context, and answers them once an       *)
(* answer to that context has come and its index is applied.               *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - The log is a length.  `acked' entries are acknowledged to clients,  *)
(*     by the leader of the last term, through a quorum of that term.      *)
(*   - Messages are never lost, so none is needed twice; any may stay      *)
(*     unread for ever, which is loss, and be read at any time.  What was  *)
(*     answered once may come again.                                       *)
(*   - An election takes a quorum that has left the older terms: that and  *)
(*     no more of raft.  The new leader's log holds all that is committed, *)
(*     but until an entry of its own term is, it knows only a part of it.  *)
(*   - Time: what is asked again "each tick" may be at any time.           *)
(*                                                                         *)
(* What the model taught.  A server that asks again need not give up the   *)
(* older context: an answer to any context asked since the sync came is    *)
(* late enough.  What matters is that a sync never joins a context that    *)
(* was asked before it (guard new-context).                                *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, TLC

CONSTANTS
    Members,        \* the voters
    Reader,         \* the server at which clients sync
    Terms,          \* bound of the model: leaders, one after the other
    Length,         \* bound of the model: entries
    Asks,           \* bound of the model: contexts asked by each process of the Reader
    Starts,         \* bound of the model: processes of the Reader, one after the other
    Broken          \* names of the guards that are switched off

ASSUME Reader \in Members

\* What refutes the model without each of its guards:
\* guard quorum-confirms: SyncedReadIsFresh
\* guard same-term: SyncedReadIsFresh
\* guard committed-in-term: SyncedReadIsFresh
\* guard context-names-process: SyncedReadIsFresh
\* guard awaited-only: SyncedReadIsFresh
\* guard new-context: SyncedReadIsFresh [Reads-again]
\* guard applied-here: SyncedReadIsFresh
\* guard asks-again: SyncIsAnswered [Reads-liveness]
\*
\* reaches PausedLeaderAnswers
\* reaches OldAnswerComes
\* reaches NewLeaderNotReady
\* reaches LaggingReader

Guard(g) == g \notin Broken

VARIABLES
    term,       \* of the newest leader
    at,         \* per member: the term it is in
    leaders,    \* leaders[t]: who leads in term t
    committed,  \* entries that are committed
    acked,      \* of those, how many were acknowledged to their clients
    knows,      \* knows[t]: what the leader of t knows to be committed
    ready,      \* terms whose leader has committed an entry of its own
    requests,   \* read indexes asked: [context, term]
    pending,    \* those a leader has taken: [context, term, index, heard]
    answers,    \* [context, index]
    process,    \* the Reader's process, that is its registration
    asked,      \* the last counter it has used
    applied,    \* entries it has applied
    sync,       \* its oldest sync: see Sync
    fresh       \* each answered sync has seen what it had to

vars == <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
          process, asked, applied, sync, fresh>>

(***************************************************************************)
(* waits: there is one.  since: contexts with a counter above it were      *)
(* asked behind it.  index: its read index, once confirmed.  required:     *)
(* what had been acknowledged when it was sent; nobody knows that here.    *)
(***************************************************************************)
NoIndex == Length + 1

NoSync == [waits |-> FALSE, since |-> 0, index |-> NoIndex, required |-> 0]

Context(p, counter) ==
    [process |-> IF Guard("context-names-process") THEN p ELSE 0, counter |-> counter]

Symmetry == Permutations(Members \ {Reader})

Majority(s) == 2 * Cardinality(s) > Cardinality(Members)

Max(a, b) == IF a > b THEN a ELSE b

Init ==
    /\ term = 1 /\ at = [m \in Members |-> 1]
    /\ leaders \in [1..Terms -> Members]
    /\ committed = 0 /\ acked = 0
    /\ knows = [t \in 1..Terms |-> 0] /\ ready = {1}     \* entry 0 is of the first term
    /\ requests = {} /\ pending = {} /\ answers = {}
    /\ process = 1 /\ asked = 0 /\ applied = 0
    /\ sync = NoSync /\ fresh = TRUE

-----------------------------------------------------------------------------
(* raft, as far as it matters. *)

(* A quorum goes to the next term, with its leader.  The other members do not hear of it. *)
Elect ==
    /\ term < Terms
    /\ term' = term + 1
    /\ \E q \in SUBSET Members :
        /\ Majority(q) /\ leaders[term + 1] \in q
        /\ at' = [m \in Members |-> IF m \in q THEN term + 1 ELSE at[m]]
    /\ \E part \in 0..committed : knows' = [knows EXCEPT ![term + 1] = part]
    /\ UNCHANGED <<leaders, committed, acked, ready, requests, pending, answers, process, asked,
                   applied, sync, fresh>>

(* The newest leader commits an entry of its term, and with it all before. *)
Commit ==
    /\ committed < Length
    /\ Majority({m \in Members : at[m] = term})
    /\ at[leaders[term]] = term
    /\ committed' = committed + 1
    /\ knows' = [knows EXCEPT ![term] = committed + 1]
    /\ ready' = ready \cup {term}
    /\ UNCHANGED <<term, at, leaders, acked, requests, pending, answers, process, asked, applied,
                   sync, fresh>>

Acknowledge ==
    /\ acked < committed
    /\ acked' = committed
    /\ UNCHANGED <<term, at, leaders, committed, knows, ready, requests, pending, answers, process,
                   asked, applied, sync, fresh>>

(* A member hears of a newer term; a leader that does is none any more. *)
Hear(m) ==
    /\ at[m] < term
    /\ at' = [at EXCEPT ![m] = term]
    /\ UNCHANGED <<term, leaders, committed, acked, knows, ready, requests, pending, answers,
                   process, asked, applied, sync, fresh>>

(* The leader of t, which may be deposed and not know it, takes a request. *)
Leads(t) == t <= term /\ at[leaders[t]] = t

Take(r) ==
    /\ Leads(r.term)
    /\ r.term \in ready \/ ~Guard("committed-in-term")
    /\ requests' = requests \ {r}
    /\ pending' = pending \cup {[context |-> r.context, term |-> r.term,
                                 index |-> knows[r.term], heard |-> {leaders[r.term]}]}
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, answers, process, asked,
                   applied, sync, fresh>>

(* A member that is still in that term says so. *)
Confirm(p, m) ==
    /\ m \notin p.heard
    /\ at[m] = p.term \/ ~Guard("same-term")
    /\ pending' = (pending \ {p}) \cup {[p EXCEPT !.heard = @ \cup {m}]}
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, answers, process,
                   asked, applied, sync, fresh>>

(* An answer stays where it is: it may come late, and again. *)
Answer(p) ==
    /\ Leads(p.term)
    /\ Majority(p.heard) \/ ~Guard("quorum-confirms")
    /\ pending' = pending \ {p}
    /\ answers' = answers \cup {[context |-> p.context, index |-> p.index]}
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, process, asked,
                   applied, sync, fresh>>

-----------------------------------------------------------------------------
(* The Reader. *)

(* A client sends a sync. *)
Sync ==
    /\ ~sync.waits
    /\ sync' = [waits |-> TRUE, index |-> NoIndex, required |-> acked,
                since |-> IF Guard("new-context") THEN asked ELSE Max(asked, 1) - 1]
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
                   process, asked, applied, fresh>>

(* It asks whom it takes for the leader, and again in each tick. *)
Ask ==
    /\ sync.waits /\ sync.index = NoIndex
    /\ asked < Asks
    /\ sync.since = asked \/ Guard("asks-again")
    /\ asked' = asked + 1
    /\ requests' = requests \cup {[context |-> Context(process, asked + 1), term |-> at[Reader]]}
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, pending, answers, process,
                   applied, sync, fresh>>

(* Only an answer to a context that is awaited counts: one of this process, asked behind the
   sync. *)
Awaited(context) ==
    \/ \E counter \in (sync.since + 1)..asked : context = Context(process, counter)
    \/ ~Guard("awaited-only")

Confirmed(a) ==
    /\ sync.waits /\ sync.index = NoIndex
    /\ Awaited(a.context)
    /\ sync' = [sync EXCEPT !.index = a.index]
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
                   process, asked, applied, fresh>>

(* The sync is answered, and a read behind it runs: it sees what is applied. *)
Reply ==
    /\ sync.waits /\ sync.index # NoIndex
    /\ sync.index <= applied \/ ~Guard("applied-here")
    /\ fresh' = (fresh /\ sync.required <= applied)
    /\ sync' = NoSync
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
                   process, asked, applied>>

Apply ==
    /\ applied < committed
    /\ applied' = applied + 1
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
                   process, asked, sync, fresh>>

(* The process dies and another one starts, from a checkpoint of any age; its counter begins
   again.  Its clients' connections are gone. *)
Restart ==
    /\ process < Starts
    /\ process' = process + 1
    /\ asked' = 0
    /\ applied' \in 0..applied
    /\ sync' = NoSync
    /\ UNCHANGED <<term, at, leaders, committed, acked, knows, ready, requests, pending, answers,
                   fresh>>

Next ==
    \/ Elect \/ Commit \/ Acknowledge
    \/ \E m \in Members : Hear(m)
    \/ \E r \in requests : Take(r)
    \/ \E p \in pending : Answer(p) \/ \E m \in Members : Confirm(p, m)
    \/ \E a \in answers : Confirmed(a)
    \/ Sync \/ Ask \/ Reply \/ Apply \/ Restart

Spec == Init /\ [][Next]_vars

(* One sync, asked for once in each term that the Reader hears of, and room in the log for an entry
   of each leader to come: bounds of the model on which liveness must not rest. *)
Room == committed + Terms < Length + term
OncePerTerm ==
    /\ committed' > committed => Room
    /\ asked' = asked + 1 => asked < at[Reader]
    /\ sync'.waits /\ ~sync.waits => asked = 0

(* Behind the last fault the newest leader commits, is heard of and answers. *)
FairSpec ==
    /\ Init /\ [][Next /\ OncePerTerm]_vars
    /\ WF_vars(Room /\ Commit) /\ WF_vars(\E m \in Members : Hear(m))
    /\ WF_vars(\E r \in requests : r.term = term /\ Take(r))
    /\ WF_vars(\E p \in pending : p.term = term /\ \E m \in Members : Confirm(p, m))
    /\ WF_vars(\E p \in pending : p.term = term /\ Answer(p))
    /\ WF_vars(\E a \in answers : Confirmed(a))
    /\ WF_vars(at[Reader] = term /\ asked < term /\ Ask) /\ WF_vars(Reply) /\ WF_vars(Apply)

-----------------------------------------------------------------------------
(* A read behind an answered sync sees every write that was acknowledged before the sync was
   sent: with that, sync and read in one pipeline are linearizable. *)
SyncedReadIsFresh == fresh

TypeOK ==
    /\ acked <= committed /\ committed <= Length
    /\ applied <= committed
    /\ \A t \in 1..Terms : knows[t] <= committed

SyncIsAnswered == sync.waits ~> ~sync.waits

(* Reached: a deposed leader has an answer that only a quorum could confirm; an answer to the
   process before comes; a new leader does not know yet what is committed; the Reader waits for
   its own apply. *)
PausedLeaderAnswers ==
    \E p \in pending : p.term < term /\ p.index < acked /\ Leads(p.term)
OldAnswerComes ==
    sync.waits /\ \E a \in answers : a.context.process < process /\ a.context.counter = asked
                                     /\ a.index < sync.required
NewLeaderNotReady == \E r \in requests : Leads(r.term) /\ knows[r.term] < acked
LaggingReader == sync.waits /\ sync.index # NoIndex /\ sync.index > applied
=============================================================================
