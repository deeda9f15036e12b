--------------------------- MODULE SessionsStreams ---------------------------
(***************************************************************************)
(* The stream of one member into the log: each command takes effect at     *)
(* most once, in the order of its stream, and its outcome reaches the      *)
(* process that gave it (DESIGN section 4; core/stream.go).                *)
(*                                                                         *)
(* The processes of the member live one after the other.  Each proposes a  *)
(* hello that names the registration it replaces; the registration is the  *)
(* index of the entry whose hello was accepted.  Batches <<first, last>>   *)
(* are numbered under it.                                                  *)
(*                                                                         *)
(* What is abstracted away.                                                *)
(*   - The network and the leaders.  Whatever a process may ever have sent *)
(*     can be appended at any time, any number of times, in any order,     *)
(*     also after the process died: delay, loss, repetition and reordering *)
(*     in one.  That a batch is sent only after its commands were taken    *)
(*     in, and in an order, only removes behaviours.                       *)
(*   - Other members: nothing of a stream depends on another one.          *)
(*   - Of committed entries only the effects are kept (`effects`).         *)
(*                                                                         *)
(* A process that sees its own registration replaced stops.  With the      *)
(* guards on this never happens to the only living process: the rule is    *)
(* for a second one (a copied data directory, a machine brought back).     *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Broken,         \* guards that are switched off
    Processes,      \* how many processes the member has, one after the other
    Commands,       \* how many commands each of them has to give
    Entries,        \* the length of the log
    Uncommitted     \* how many entries may be uncommitted

ASSUME Uncommitted \in Nat \ {0}

\* What refutes the model without each of its guards:
\* guard skips-duplicates: ExactlyOnce
\* guard gap: InOrder
\* guard gap-at-start: InOrder
\* guard registration: Fenced
\* guard hello-replaces: NotDisplaced
\* guard registration-in-log: Fenced
\*
\* reaches TakenOver
\* reaches PartSkipped
\* reaches LateHello

Guard(g) == g \notin Broken

VARIABLES
    tail,       \* entries that are proposed and not committed, in order
    effects,    \* what each committed entry did, in order
    process,    \* the number of the process that started last; 0 before the first
    alive,      \* it has not stopped
    applied,    \* how many entries it has applied
    mine,       \* its registration as far as it knows; 0 if it has none yet
    hellos,     \* <<process, registration it replaces>>: every hello ever sent
    named,      \* named[p]: the registration that process p learned to be its own, or 0
    answered    \* <<process, seq, command>>: outcomes taken for its own

vars == <<tail, effects, process, alive, applied, mine, hellos, named, answered>>

(***************************************************************************)
(* What an entry did: where the stream stood behind it and which commands  *)
(* it executed.  A command is named by who gave it and its place there.    *)
(***************************************************************************)
Nothing == [registration |-> 0, seq |-> 0, process |-> 0, origin |-> 0, executed |-> <<>>]

StreamAt(i) == IF i = 0 THEN Nothing ELSE effects[i]

Stream == StreamAt(Len(effects))

Max(a, b) == IF a > b THEN a ELSE b

Hello(p, replaces) == [kind |-> "hello", process |-> p, replaces |-> replaces]

Batch(p, registration, first, last) ==
    [kind |-> "batch", process |-> p, registration |-> registration,
     first |-> first, last |-> last]

(***************************************************************************)
(* Apply: what entry e does at index i to a stream that stands at st.      *)
(***************************************************************************)
ApplyHello(st, e, i) ==
    LET blank == [st EXCEPT !.executed = <<>>, !.origin = 0] IN
    IF ~Guard("registration-in-log")
    \* A counter on the disk: whoever lost the disk begins at 1 again, and is who it was.
    THEN [blank EXCEPT !.registration = 1, !.process = Max(st.process, e.process)]
    ELSE IF e.replaces = st.registration \/ ~Guard("hello-replaces")
    THEN [blank EXCEPT !.registration = i, !.seq = 0, !.process = e.process]
    ELSE blank

ApplyBatch(st, e) ==
    LET known == st.registration # 0
                 /\ (e.registration = st.registration \/ ~Guard("registration"))
        gap   == /\ e.first > st.seq + 1
                 /\ Guard("gap")
                 /\ ~(st.seq = 0 /\ ~Guard("gap-at-start"))
        from  == IF Guard("skips-duplicates") THEN Max(e.first, st.seq + 1) ELSE e.first
    IN  IF ~known \/ gap \/ from > e.last
        THEN [st EXCEPT !.executed = <<>>, !.origin = 0]
        ELSE [st EXCEPT !.seq = Max(st.seq, e.last),
                        !.origin = e.registration,
                        !.executed = [k \in 1..(e.last - from + 1) |->
                            [process |-> e.process, seq |-> from + k - 1]]]

Apply(st, e, i) == IF e.kind = "hello" THEN ApplyHello(st, e, i) ELSE ApplyBatch(st, e)

-----------------------------------------------------------------------------

Init ==
    /\ tail = <<>> /\ effects = <<>>
    /\ process = 0 /\ alive = FALSE /\ applied = 0 /\ mine = 0
    /\ hellos = {} /\ named = [p \in 1..Processes |-> 0] /\ answered = {}

(* A process starts; the one before it is gone.  Its disk remembers a checkpoint of any age,
   also none at all. *)
Start ==
    /\ process < Processes
    /\ process' = process + 1
    /\ alive' = TRUE
    /\ applied' \in 0..Len(effects)
    /\ mine' = 0
    /\ UNCHANGED <<tail, effects, hellos, named, answered>>

SendHello ==
    /\ alive /\ mine = 0
    /\ hellos' = hellos \cup {<<process, StreamAt(applied).registration>>}
    /\ hellos' # hellos
    /\ UNCHANGED <<tail, effects, process, alive, applied, mine, named, answered>>

Propose(e) ==
    /\ Len(tail) < Uncommitted
    /\ Len(effects) + Len(tail) < Entries
    /\ tail' = Append(tail, e)
    /\ UNCHANGED <<effects, process, alive, applied, mine, hellos, named, answered>>

ProposeHello == \E h \in hellos : Propose(Hello(h[1], h[2]))

(* The living process sends under its registration, and batches of those before it still
   arrive. *)
ProposeBatch ==
    \E p \in 1..Processes, last \in 1..Commands :
        \E first \in 1..last :
            /\ named[p] # 0
            /\ Propose(Batch(p, named[p], first, last))

Commit ==
    /\ tail # <<>>
    /\ effects' = Append(effects, Apply(Stream, Head(tail), Len(effects) + 1))
    /\ tail' = Tail(tail)
    /\ UNCHANGED <<process, alive, applied, mine, hellos, named, answered>>

(* A change of leader drops a part of what is not committed, or keeps it. *)
ChangeLeader ==
    \E keep \in 0..(Len(tail) - 1) :
        /\ tail' = SubSeq(tail, 1, keep)
        /\ UNCHANGED <<effects, process, alive, applied, mine, hellos, named, answered>>

(* The nonce of the accepted hello says whose it was.  Without the guard the processes of this
   member are told apart by a counter on its disk, which has lost it: each is the first. *)
IsRegistered(st) ==
    IF Guard("registration-in-log") THEN st.process = process ELSE st.registration = 1

(* The living process applies the next committed entry. *)
ApplyNext ==
    /\ alive /\ applied < Len(effects)
    /\ LET st == effects[applied + 1]
           replaced == mine # 0 /\ st.registration # mine
       IN  /\ applied' = applied + 1
           /\ mine' = IF mine = 0 /\ IsRegistered(st) THEN st.registration ELSE mine
           /\ named' = [named EXCEPT ![process] = mine']
           /\ alive' = ~replaced
           /\ answered' = answered \cup
                IF mine # 0 /\ st.origin = mine
                THEN {<<process, st.seq - Len(st.executed) + k, st.executed[k]>> :
                        k \in 1..Len(st.executed)}
                ELSE {}
    /\ UNCHANGED <<tail, effects, process, hellos>>

Next == Start \/ SendHello \/ ProposeHello \/ ProposeBatch \/ Commit \/ ChangeLeader \/ ApplyNext

Spec == Init /\ [][Next]_vars

-----------------------------------------------------------------------------

(* All commands that were executed, in the order of the log. *)
RECURSIVE ExecutedUpTo(_)
ExecutedUpTo(i) == IF i = 0 THEN <<>> ELSE ExecutedUpTo(i - 1) \o effects[i].executed

Executed == ExecutedUpTo(Len(effects))

ExactlyOnce ==
    LET all == Executed IN \A i, j \in 1..Len(all) : i # j => all[i] # all[j]

(* What was executed of each process is a first part of what it gave, in its order. *)
InOrder ==
    LET all == Executed IN
    \A i \in 1..Len(all) :
        all[i].seq > 1 =>
            \E j \in 1..(i - 1) :
                /\ all[j].process = all[i].process
                /\ all[j].seq = all[i].seq - 1

(* Nothing of a process is executed once the next one has its registration. *)
Fenced ==
    \A i \in 1..Len(effects) : \A k \in 1..Len(effects[i].executed) :
        effects[i].executed[k].process = effects[i].process

(* A process that had its registration is never displaced by one that started before it. *)
NotDisplaced ==
    \A i, j \in 1..Len(effects) : i < j => effects[i].process <= effects[j].process

(* An outcome that a process takes for its command's is its command's. *)
OutcomeIsOwn ==
    \A a \in answered : a[3].process = a[1] /\ a[3].seq = a[2]

TypeOK ==
    /\ Len(tail) <= Uncommitted
    /\ applied \in 0..Len(effects)
    /\ process \in 0..Processes
    /\ hellos \subseteq ((1..Processes) \X (0..Entries))

(* Reached: both processes are answered; a batch comes whose first part was applied before; a
   hello comes after that of the next process was accepted. *)
TakenOver == \E a, b \in answered : a[1] # b[1]
PartSkipped ==
    /\ tail # <<>> /\ Head(tail).kind = "batch"
    /\ Head(tail).registration = Stream.registration
    /\ Head(tail).first <= Stream.seq /\ Head(tail).last > Stream.seq
LateHello ==
    /\ tail # <<>> /\ Head(tail).kind = "hello"
    /\ Head(tail).process < Stream.process
=============================================================================
