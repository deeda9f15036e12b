---------------------------- MODULE SessionsExpiry ----------------------------
(***************************************************************************)
(* When a session may expire (DESIGN section 4, "Expiry";                  *)
(* replication/clock.go).  Leaders that are paused, cut off, deposed, or   *)
(* elected again; a client that falls silent, wakes up, or comes back on   *)
(* another connection.                                                     *)
(*                                                                         *)
(* Real time goes by in ticks.  In each, the client, if it lives, gives a  *)
(* sign of life, and its server reports it; unless the leader is cut off,  *)
(* the report and a heartbeat's answer from a quorum lie in the leader's   *)
(* mail at the end of the tick.  A leader takes turns whenever it likes: a *)
(* paused one does not for a long time, and then finds all that mail, and  *)
(* a wall clock that has run ahead.                                        *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - One session: the clock treats each by itself.                       *)
(*   - Time has no origin: only how long the client has been silent, and   *)
(*     how many ticks of the session clock are left, can matter.  So time  *)
(*     is not bounded.                                                     *)
(*   - Leaders that were deposed: whatever they decide, at any generation  *)
(*     and for whatever reason, may be sent again to a later one           *)
(*     (SendAgain); into the log by themselves they get nothing.           *)
(*   - A leader that is cut off commits nothing in truth; here it may.     *)
(*   - The log's entries are those two kinds.  A change of leader drops    *)
(*     any part of what is not committed; `left' is the log of the leader  *)
(*     that was left, which a later one may still hold (see Log).          *)
(*   - The client's server is one of the quorum that the leader hears: who *)
(*     is cut off together with its server for a whole time-out may expire *)
(*     in ZooKeeper too.                                                   *)
(*                                                                         *)
(* What the model taught.                                                  *)
(*   - A server must keep the signs of life that it could not report, and  *)
(*     report them when it can again.  Else a client that spoke only while *)
(*     its server had no leader was silent for two parts of a time-out     *)
(*     that the leader adds up (guard report-kept).                        *)
(*   - An expiry that one change of leader drops and the next one brings   *)
(*     back, in an entry of its own term, may end a session whose client   *)
(*     has spoken to the leader in between.  It had been silent for a      *)
(*     whole time-out when that was proposed, so nothing is broken: what   *)
(*     may never happen is a decision carried into a later term, which had *)
(*     promised a whole time-out.                                          *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Timeout,        \* the session's, in ticks
    Terms,          \* bound of the model: leaders, one after the other
    Entries,        \* bound of the model: length of the log
    Broken          \* names of the guards that are switched off

\* What refutes the model without each of its guards:
\* guard one-tick-per-turn: SilentWhenProposed
\* guard reports-first: SilentWhenProposed
\* guard report-kept: SilentWhenProposed
\* guard fresh-contact: SilentWhenProposed
\* guard whole-time-out: SilentWhenProposed
\* guard attach-restarts: SilentWhenProposed
\* guard leader-decides: SilentWhenProposed
\* guard term: SilentWhenProposed
\* guard expiry-generation: ReturnedLives
\*
\* never FollowerDecides: only without the guard leader-decides
\*
\* reaches Expired
\* reaches PausedLeaderWakes
\* reaches OldDecisionIgnored
\* reaches MayComeBack
\* reaches AttachRaces

Guard(g) == g \notin Broken

VARIABLES
    silence,    \* ticks since the client's last sign of life, or the term's beginning
    lapsed,     \* it was silent for a whole time-out, and the leader has not heard of it since
    unreported, \* its server has a sign of life that it could not report yet
    term,       \* of the current leader
    leader,     \* what the current leader knows: see NewLeader
    log,        \* entries: attaches and expiries
    committed,  \* length of the committed prefix
    left,       \* a log that a change of leader left behind
    state,      \* the State behind the committed prefix: [generation, ended]
    wrong       \* see SilentWhenProposed and ReturnedLives

vars == <<silence, lapsed, unreported, term, leader, log, committed, left, state, wrong>>

Min(a, b) == IF a < b THEN a ELSE b
Less(a, b) == IF a < b THEN 0 ELSE a - b

(***************************************************************************)
(* ticks: of the wall clock since its last turn.  remaining: of the        *)
(* session clock until the session has been silent too long.  report,      *)
(* contact: what lies in its mail.  generation: the session's, as far as   *)
(* it has applied.  asked: it has decided and waits for the outcome.       *)
(***************************************************************************)
NewLeader(generation) ==
    [ticks |-> 0, remaining |-> IF Guard("whole-time-out") THEN Timeout + 1 ELSE 1,
     report |-> FALSE, contact |-> FALSE, generation |-> generation, asked |-> FALSE]

Init ==
    /\ silence = 0 /\ lapsed = FALSE /\ unreported = FALSE
    /\ term = 1 /\ leader = NewLeader(1)
    /\ log = <<>> /\ committed = 0 /\ left = <<>>
    /\ state = [generation |-> 1, ended |-> FALSE]
    /\ wrong = {}

Prefix(s, n) == SubSeq(s, 1, n)
IsPrefix(s, t) == Len(s) <= Len(t) /\ s = Prefix(t, Len(s))

-----------------------------------------------------------------------------
(* The world. *)

(* A tick in which the client gives a sign of life or not, and the leader is reached or not. *)
Tick(speaks, reached) ==
    LET has == speaks \/ unreported IN
    /\ silence' = IF speaks THEN 0 ELSE Min(silence + 1, Timeout)
    /\ lapsed' = (lapsed \/ silence' = Timeout)
    /\ unreported' = (has /\ ~reached /\ Guard("report-kept"))
    /\ leader' = [leader EXCEPT
            !.ticks = Min(@ + 1, Timeout + 1),
            !.contact = @ \/ reached,
            !.report = @ \/ (reached /\ has)]
    /\ UNCHANGED <<term, log, committed, left, state, wrong>>

(* Another leader: it holds what is committed, and any part of what was not. *)
ChangeLeader ==
    /\ term < Terms
    /\ term' = term + 1
    /\ \E whole \in {log, left} :
        /\ IsPrefix(Prefix(log, committed), whole)
        /\ \E n \in committed..Len(whole) : log' = Prefix(whole, n)
    \* Behind the last change of leader nothing comes back.
    /\ left' = IF term' = Terms THEN <<>> ELSE IF IsPrefix(log, log') THEN left ELSE log
    /\ \E known \in 1..state.generation : leader' = NewLeader(known)
    /\ silence' = 0 /\ lapsed' = FALSE
    /\ UNCHANGED <<unreported, committed, state, wrong>>

-----------------------------------------------------------------------------
(* The leader. *)

Entry(kind, g, decided) ==
    [kind |-> kind, generation |-> g, decided |-> decided, term |-> term, silent |-> lapsed']

Propose(e) == Len(log) < Entries /\ log' = Append(log, e)

(* The leader turns its loop: it takes in its mail, moves its clock, decides. *)
Turn ==
    LET k == leader
        step == IF ~k.contact /\ Guard("fresh-contact") THEN 0
                ELSE IF Guard("one-tick-per-turn") THEN 1 ELSE k.ticks
        \* A sign of life counts from where the clock stood when it came.
        from == IF k.report THEN Timeout + 1 ELSE k.remaining
        remaining == Less(from, step)
        decides == /\ ~k.asked
                   /\ 0 = IF Guard("reports-first") THEN remaining ELSE Less(k.remaining, step)
    IN
    /\ k.ticks > 0
    /\ lapsed' = (lapsed /\ ~k.report)
    /\ leader' = [k EXCEPT !.ticks = 0, !.remaining = remaining, !.contact = FALSE,
                           !.report = FALSE, !.asked = @ \/ decides]
    /\ IF decides THEN Propose(Entry("expire", k.generation, term)) ELSE log' = log
    /\ UNCHANGED <<silence, unreported, term, committed, left, state, wrong>>

(* The leader applies an attach: the session starts again for its clock. *)
Learn ==
    /\ leader.generation < state.generation
    /\ leader' = [leader EXCEPT !.generation = @ + 1, !.asked = FALSE,
            !.remaining = IF Guard("attach-restarts") THEN Timeout + 1 ELSE @]
    /\ UNCHANGED <<silence, lapsed, unreported, term, log, committed, left, state, wrong>>

(* Who is no leader, and does not hear of the session, finds it silent. *)
FollowerDecides ==
    /\ UNCHANGED <<silence, lapsed, unreported, term, leader, committed, left, state, wrong>>
    /\ ~Guard("leader-decides")
    /\ Propose(Entry("expire", state.generation, term))

(* A decision of an earlier term reaches the leader, as a command in a stream would.  No code does
   this; that apply looks at the term of the decision makes it harmless. *)
SendAgain ==
    /\ UNCHANGED <<silence, lapsed, unreported, term, leader, committed, left, state, wrong>>
    /\ \E decided \in 1..(term - 1), g \in 1..state.generation :
            Propose(Entry("expire", g, decided))

(* The client comes back on another connection. *)
Attach ==
    /\ UNCHANGED <<silence, lapsed, unreported, term, leader, committed, left, state, wrong>>
    /\ Propose(Entry("attach", 0, term))

Commit ==
    /\ committed < Len(log)
    /\ committed' = committed + 1
    /\ LET e == log[committed + 1]
           attaches == e.kind = "attach" /\ ~state.ended
           ends == /\ e.kind = "expire" /\ ~state.ended
                   /\ e.decided = e.term \/ ~Guard("term")
                   /\ e.generation = state.generation \/ ~Guard("expiry-generation")
       IN
        /\ state' = [generation |-> state.generation + (IF attaches THEN 1 ELSE 0),
                     ended |-> state.ended \/ ends]
        /\ silence' = IF attaches THEN 0 ELSE silence
        /\ lapsed' = (lapsed /\ ~attaches)
        /\ wrong' = wrong \cup (IF ends /\ ~e.silent THEN {"living"} ELSE {})
                          \cup (IF ends /\ e.generation # state.generation THEN {"returned"}
                                ELSE {})
    /\ left' = IF IsPrefix(Prefix(log, committed'), left) THEN left ELSE <<>>
    /\ UNCHANGED <<unreported, term, leader, log>>

Next ==
    \/ \E speaks, reached \in BOOLEAN : Tick(speaks, reached)
    \/ ChangeLeader
    \/ Turn \/ Learn
    \/ FollowerDecides \/ SendAgain \/ Attach \/ Commit

Spec == Init /\ [][Next]_vars

(* Bound of the model: nothing is looked for behind the end of the session. *)
GoesOn == ~state.ended

-----------------------------------------------------------------------------
(* A session ends only if its client was silent for a whole time-out in the term in which its end
   was proposed, and the leader had heard nothing of it since. *)
SilentWhenProposed == "living" \notin wrong

(* A client that is back, on another connection, is not ended for its silence before. *)
ReturnedLives == "returned" \notin wrong

TypeOK ==
    /\ committed <= Len(log) /\ Len(log) <= Entries
    /\ silence \in 0..Timeout
    /\ leader.remaining \in 0..(Timeout + 1)

(* Reached: *)
Expired == state.ended
PausedLeaderWakes == leader.ticks = Timeout + 1 /\ leader.report /\ leader.remaining = 1
OldDecisionIgnored ==
    \E i \in 1..committed :
        log[i].kind = "expire" /\ log[i].decided < log[i].term /\ ~state.ended
MayComeBack ==
    /\ term = 2 /\ ~IsPrefix(left, log) /\ IsPrefix(Prefix(log, committed), left)
    /\ \E i \in (committed + 1)..Len(left) : left[i].kind = "expire"
AttachRaces ==
    \E i \in 2..committed : log[i].kind = "expire" /\ log[i].decided = log[i].term
                            /\ log[i - 1].kind = "attach" /\ ~state.ended
=============================================================================
