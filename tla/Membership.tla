------------------------------ MODULE Membership ------------------------------
(***************************************************************************)
(* Who is a member, and how that changes (DESIGN section 5, "Identities"   *)
(* and "The log's configuration is the truth"): a disk is admitted as a    *)
(* learner under a raft id that nobody had, catches up, and one joint      *)
(* change makes it a voter in the place of another; or it is given up.     *)
(* Leaders change meanwhile, and a disk is lost.  How the ensemble was     *)
(* founded is module MembershipFounding's.                                 *)
(*                                                                         *)
(* A member is a raft id, and that is a disk.  Three found the ensemble;   *)
(* New comes later: for the server whose disk was lost, or for a server of *)
(* its own that is to replace another (a reconfig).                        *)
(*                                                                         *)
(* raft as it is here, etcd's: a configuration holds once it is committed  *)
(* (applied), not when it is appended; a leader proposes one when the last *)
(* is applied; the one that ends the joint phase is an entry of its own.   *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - A campaign that fails only raises terms, which Elect may skip; one  *)
(*     that succeeds is one step.  A vote that was given before is as if   *)
(*     given then, for the voter took nothing of older terms since.        *)
(*   - An append brings the whole log of its leader, and its answer is     *)
(*     heard at once; a shorter one was possible before.  What is in a log *)
(*     is on its disk: module Recovery.                                    *)
(*   - A leader commits as much as it can: less was possible before.       *)
(*   - A member applies what it knows to be committed at once.  One that   *)
(*     is behind counts by an older configuration that still holds.        *)
(*   - The founding's configuration is below the log: what is cut.         *)
(*                                                                         *)
(* What the model taught.                                                  *)
(*   - That a configuration holds only when it is committed is safe since  *)
(*     an append carries the leader's commit index, and both reach the     *)
(*     disk in one record: who holds the end of a joint phase knows that   *)
(*     the phase began.  A member that held it and still counted by the    *)
(*     configuration before both would elect itself with a majority of     *)
(*     that one alone (guard commit-with-entries; so also guard            *)
(*     applied-before-campaign).                                           *)
(*   - To promote a learner early is safe, and two single steps are safe   *)
(*     as well: both only bear fewer losses (guards caught-up and          *)
(*     one-joint-change).                                                  *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences, TLC

CONSTANTS
    Founders,       \* the raft ids that the ensemble began with, one for each server
    First,          \* the one of them that leads first
    New,            \* the raft id that is given next
    MaxTerm,        \* bounds of the model: terms,
    MaxValues,      \* and writes of clients in each of them
    Reconfigs,      \* New may come for a server of its own
    Losable,        \* disks of which one may be lost
    Broken          \* names of the guards that are switched off

ASSUME First \in Founders /\ New \notin Founders

\* What refutes the model without each of its guards:
\* guard new-raft-id: OneLeaderPerTerm [Membership-lost]
\* guard log-up-to-date: AcknowledgedIsKept
\* guard one-joint-change: OneServerMayFail
\* guard joint-counts-both: OneLeaderPerTerm
\* guard caught-up: VotersAreCaughtUp
\* guard one-change-at-a-time: OneLeaderPerTerm
\* guard commit-with-entries: OneLeaderPerTerm
\* guard applied-before-campaign: OneLeaderPerTerm
\* guard learner-is-not-counted: OnlyVotersAreCounted
\* guard goes-on: IsFinished [Membership-liveness]
\* guard gives-up: IsFinished [Membership-liveness]
\*
\* never PromoteAlone: only without the guard one-joint-change
\* never RemoveAlone: only without the guard one-joint-change
\*
\* reaches SwappedDead [Membership-lost]
\* reaches SwappedLiving
\* reaches LedByNew
\* reaches GivenUp [Membership-actions]
\* reaches GoesOnUnderAnother

Guard(g) == g \notin Broken

Nodes == Founders \cup {New}
Nobody == "nobody"

Shallow == TLCGet("level") <= 9
Symmetry == Permutations(Founders \ {First})

VARIABLES
    term,       \* per member
    log,        \* per member: entries
    known,      \* per member: how much of its log it knows to be committed; whoever does not
                \* lead needs only the last configuration of that
    leader,     \* leader[t]: who was elected in term t, or Nobody
    acks,       \* acks[t][n]: how much of the log n has acknowledged to the leader of t
    gone,       \* members whose disk is lost
    knocks,     \* for whom New asks to be admitted: a lost member, New itself, or Nobody yet
    chosen,     \* history: all that was ever committed
    wrong       \* history: see the invariants

vars == <<term, log, known, leader, acks, gone, knocks, chosen, wrong>>

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b
Prefix(s, n) == SubSeq(s, 1, Min(n, Len(s)))
IsPrefix(s, t) == Len(s) <= Len(t) /\ s = Prefix(t, Len(s))

(***************************************************************************)
(* A configuration: the voters, the outgoing voters in the joint phase,    *)
(* and the learners.                                                       *)
(***************************************************************************)
Config(in, out, learners) == [in |-> in, out |-> out, learners |-> learners]
Founding == Config(Founders, {}, {})
NoConfig == Config({}, {}, {})

Value(t) == [term |-> t, conf |-> NoConfig]
Change(t, c) == [term |-> t, conf |-> c]

RECURSIVE ConfigAt(_, _)
ConfigAt(l, n) ==
    IF n = 0 THEN Founding
    ELSE IF l[n].conf # NoConfig THEN l[n].conf ELSE ConfigAt(l, n - 1)

(* The end of the last configuration among the first n entries. *)
RECURSIVE ConfigEnd(_, _)
ConfigEnd(l, n) == IF n = 0 \/ l[n].conf # NoConfig THEN n ELSE ConfigEnd(l, n - 1)

Of(n) == ConfigAt(log[n], known[n])

Half(part, whole) == 2 * Cardinality(part \cap whole) > Cardinality(whole)
Quorum(part, c) ==
    IF c.out = {} THEN Half(part, c.in)
    ELSE Half(part, c.out) /\ (Half(part, c.in) \/ ~Guard("joint-counts-both"))
Voters(c) == c.in \cup c.out
Members(c) == Voters(c) \cup c.learners

(* The leader of term t, as long as it has heard of no newer one and is a voter. *)
Leads(t) ==
    /\ leader[t] # Nobody /\ leader[t] \notin gone
    /\ term[leader[t]] = t
    /\ leader[t] \in Voters(Of(leader[t]))
Newest == CHOOSE t \in 1..MaxTerm :
            leader[t] # Nobody /\ \A u \in (t + 1)..MaxTerm : leader[u] = Nobody

Init ==
    /\ term = [n \in Nodes |-> IF n = New THEN 0 ELSE 1]
    /\ log = [n \in Nodes |-> <<>>]
    /\ known = [n \in Nodes |-> 0]
    /\ leader = [t \in 1..MaxTerm |-> IF t = 1 THEN First ELSE Nobody]
    /\ acks = [t \in 1..MaxTerm |-> [n \in Nodes |-> 0]]
    /\ gone = {} /\ knocks = Nobody
    /\ chosen = <<>> /\ wrong = {}

-----------------------------------------------------------------------------
(* raft. *)

(* A candidate with log a is not behind a voter with log b: raft's own rule, without which nothing
   here holds. *)
Holds(a, b) ==
    LET last(l) == IF l = <<>> THEN 0 ELSE l[Len(l)].term IN
    \/ ~Guard("log-up-to-date")
    \/ last(a) > last(b)
    \/ (last(a) = last(b) /\ Len(a) >= Len(b))

(* The configurations by which a candidate may count: that of all it knows to be committed. *)
Counting(c) ==
    IF Guard("applied-before-campaign") THEN {Of(c)}
    ELSE {ConfigAt(log[c], n) : n \in 0..known[c]}

(* c is elected in term t with the votes of q.  Learners vote as well, as they may have been
   promoted and not know it; the candidate counts by its configuration. *)
Elected(c, t, q) ==
    /\ \E conf \in Counting(c) :
        LET counted == IF Guard("learner-is-not-counted") THEN conf
                       ELSE Config(Members(conf), conf.out, {})
        IN  /\ c \in Voters(conf)
            /\ q \subseteq Voters(counted) /\ Quorum(q, counted)
            /\ wrong' = wrong \cup (IF leader[t] # Nobody THEN {"two leaders"} ELSE {})
                              \cup (IF q \subseteq Voters(conf) THEN {} ELSE {"counted"})
    /\ term' = [n \in Nodes |-> IF n \in q THEN t ELSE term[n]]
    /\ leader' = [leader EXCEPT ![t] = c]
    \* What was acknowledged to leaders that have now heard of another is of no use any more.
    /\ acks' = [u \in 1..MaxTerm |->
            IF u = t THEN [n \in Nodes |-> IF n = c THEN Len(log[c]) ELSE 0]
            ELSE IF leader[u] \in q THEN [n \in Nodes |-> 0] ELSE acks[u]]
    /\ UNCHANGED <<log, known, gone, knocks, chosen>>

Elect(c) ==
    \E t \in (term[c] + 1)..MaxTerm :
        LET willing == {n \in Nodes \ gone : term[n] < t /\ Holds(log[c], log[n])} IN
        /\ c \in willing
        /\ \E q \in SUBSET willing : c \in q /\ Elected(c, t, q)

Append1(t, e) ==
    LET l == leader[t] IN
    /\ log' = [log EXCEPT ![l] = Append(@, e)]
    /\ acks' = [acks EXCEPT ![t][l] = Len(log[l]) + 1]
    /\ UNCHANGED <<term, known, leader, gone, knocks, chosen, wrong>>

(* A client's write, or the empty entry of a new leader. *)
Propose(t) ==
    /\ Leads(t)
    /\ Cardinality({i \in 1..Len(log[leader[t]]) : log[leader[t]][i] = Value(t)}) < MaxValues
    /\ Append1(t, Value(t))

Replicate(t, n) ==
    LET l == leader[t] IN
    /\ Leads(t)
    /\ n # l /\ n \notin gone /\ n \in Members(Of(l))
    /\ term[n] <= t
    /\ term' = [term EXCEPT ![n] = t]
    /\ log' = [log EXCEPT ![n] = log[l]]
    /\ known' = [known EXCEPT ![n] =
            IF Guard("commit-with-entries") \/ log[n] = log[l] 
            THEN Max(@, ConfigEnd(log[l], known[l])) ELSE @]
    /\ acks' = [u \in 1..MaxTerm |->
            IF u = t THEN [acks[t] EXCEPT ![n] = Len(log[l])]
            ELSE IF leader[u] = n THEN [m \in Nodes |-> 0] ELSE acks[u]]
    /\ <<term', log', known', acks'>> # <<term, log, known, acks>>
    /\ UNCHANGED <<leader, gone, knocks, chosen, wrong>>

(* What a quorum holds is committed, up to an entry of the leader's own term. *)
Commit(t) ==
    LET l == leader[t]
        held == {i \in (known[l] + 1)..Len(log[l]) :
                    /\ log[l][i].term = t
                    /\ Quorum({n \in Nodes : acks[t][n] >= i}, Of(l))}
    IN
    /\ Leads(t)
    /\ held # {}
    /\ LET i == CHOOSE x \in held : \A y \in held : x >= y
           new == Prefix(log[l], i)
       IN
        /\ known' = [known EXCEPT ![l] = i]
        /\ chosen' = IF Len(new) > Len(chosen) THEN new ELSE chosen
        /\ wrong' = IF IsPrefix(new, chosen) \/ IsPrefix(chosen, new) THEN wrong
                    ELSE wrong \cup {"lost"}
    /\ UNCHANGED <<term, log, leader, acks, gone, knocks>>

-----------------------------------------------------------------------------
(* Changes of the configuration, each by whoever leads. *)

(* No other change is in its log and not applied. *)
Settled(l) ==
    \/ ~Guard("one-change-at-a-time")
    \/ \A i \in (known[l] + 1)..Len(log[l]) : log[l][i].conf = NoConfig

(* The configuration that the next change starts from. *)
Last(l) ==
    IF Guard("one-change-at-a-time") THEN Of(l) ELSE ConfigAt(log[l], Len(log[l]))

(* A disk that is not in the configuration asks to be in it. *)
Admit(t) ==
    LET c == Last(leader[t]) IN
    /\ Leads(t) /\ Settled(leader[t])
    /\ knocks # Nobody /\ New \notin gone
    /\ New \notin Members(c) /\ c.out = {}
    /\ Append1(t, Change(t, Config(c.in, {}, {New})))

(* Who began it, if only that one goes on. *)
Mine(t) ==
    Guard("goes-on") \/ \E i \in 1..Len(log[leader[t]]) :
        log[leader[t]][i].term = t /\ log[leader[t]][i].conf.learners # {}

(* It holds what is committed; a leader knows that once an entry of its own term is. *)
CaughtUp(t) ==
    LET l == leader[t] IN
    Guard("caught-up") =>
        known[l] > 0 /\ log[l][known[l]].term = t /\ acks[t][New] >= known[l]

(* The server whose disk was lost keeps its place; else any voter may be the one to go. *)
Replaced(r, c) == r \in c.in /\ (knocks # New => r = knocks)

Swap(t, r) ==
    LET c == Last(leader[t]) IN
    /\ Leads(t) /\ Settled(leader[t]) /\ Mine(t)
    /\ Guard("one-joint-change")
    /\ c.learners = {New}
    /\ Replaced(r, c) /\ CaughtUp(t)
    /\ Append1(t, Change(t, Config((c.in \ {r}) \cup {New}, c.in, {})))

EndJoint(t) ==
    LET c == Last(leader[t]) IN
    /\ Leads(t) /\ Settled(leader[t]) /\ Mine(t)
    /\ c.out # {}
    /\ Append1(t, Change(t, Config(c.in, {}, {})))

(* The learner will not come back: its disk is lost as well. *)
GiveUp(t) ==
    LET c == Last(leader[t]) IN
    /\ Leads(t) /\ Settled(leader[t]) /\ Guard("gives-up")
    /\ c.learners = {New} /\ New \in gone
    /\ Append1(t, Change(t, Config(c.in, {}, {})))

PromoteAlone(t) ==
    LET c == Last(leader[t]) IN
    /\ ~Guard("one-joint-change")
    /\ Leads(t) /\ Settled(leader[t])
    /\ c.learners = {New} /\ CaughtUp(t)
    /\ Append1(t, Change(t, Config(c.in \cup {New}, {}, {})))

RemoveAlone(t, r) ==
    LET c == Last(leader[t]) IN
    /\ ~Guard("one-joint-change")
    /\ Leads(t) /\ Settled(leader[t])
    /\ New \in c.in /\ Replaced(r, c)
    /\ Append1(t, Change(t, Config(c.in \ {r}, {}, {})))

-----------------------------------------------------------------------------
(* The operator and the disks. *)

Reconfig ==
    /\ Reconfigs /\ knocks = Nobody
    /\ knocks' = New
    /\ UNCHANGED <<term, log, known, leader, acks, gone, chosen, wrong>>

Lose(n) ==
    /\ n \in Losable /\ gone = {}
    /\ n = New => knocks = New
    /\ IF Guard("new-raft-id")
       THEN /\ gone' = gone \cup {n}
            /\ knocks' = IF knocks = Nobody THEN n ELSE knocks
            /\ UNCHANGED <<term, log, known>>
       \* The empty disk goes on under the raft id of the lost one.
       ELSE /\ term' = [term EXCEPT ![n] = 0]
            /\ log' = [log EXCEPT ![n] = <<>>]
            /\ known' = [known EXCEPT ![n] = 0]
            /\ UNCHANGED <<gone, knocks>>
    /\ UNCHANGED <<leader, acks, chosen, wrong>>

Next ==
    \/ \E c \in Nodes : Elect(c)
    \/ \E t \in 1..MaxTerm : Propose(t) \/ Commit(t) \/ Admit(t) \/ EndJoint(t) \/ GiveUp(t)
                             \/ PromoteAlone(t)
    \/ \E t \in 1..MaxTerm, n \in Nodes : Replicate(t, n) \/ Swap(t, n) \/ RemoveAlone(t, n)
    \/ Reconfig
    \/ \E n \in Nodes : Lose(n)

Spec == Init /\ [][Next]_vars

(* Bounds of the model on which liveness does not rest: clients write nothing, a deposed leader does
   nothing more, and New is lost only as a learner, for behind that two founders have no quorum. *)
Calm ==
    /\ \A n \in Nodes : log'[n] # log[n] /\ log'[n] # <<>> => log'[n][Len(log'[n])] # Value(1)
    /\ \A t \in 1..(Newest - 1) : leader' = leader =>
        acks'[t] = acks[t] \/ acks'[t] = [n \in Nodes |-> 0]
    /\ New \in gone' => \A n \in Nodes : New \notin ConfigAt(log'[n], Len(log'[n])).in

(* There is a leader in the end. *)
FairSpec ==
    /\ Init /\ [][Next /\ Calm]_vars
    /\ WF_vars(~Leads(Newest) /\ \E c \in Nodes : Elect(c))
    /\ WF_vars(\E t \in 1..MaxTerm : t = Newest /\
            (Propose(t) \/ Commit(t) \/ EndJoint(t) \/ GiveUp(t) \/ \E n \in Nodes : Swap(t, n)))
    /\ \A n \in Nodes : WF_vars(\E t \in 1..MaxTerm : t = Newest /\ Replicate(t, n))

-----------------------------------------------------------------------------
TypeOK ==
    /\ \A n \in Nodes : term[n] \in 0..MaxTerm /\ known[n] \in 0..Len(log[n])
    /\ gone \subseteq Losable
    /\ knocks \in Nodes \cup {Nobody}

OneLeaderPerTerm == "two leaders" \notin wrong

(* What is committed is committed for ever, and the newest leader has it. *)
AcknowledgedIsKept ==
    /\ "lost" \notin wrong
    /\ IsPrefix(chosen, log[leader[Newest]]) \/ leader[Newest] \in gone

(* A vote of a learner, so of a new disk, elects nobody. *)
OnlyVotersAreCounted == "counted" \notin wrong

(* Each configuration serves without any one of the servers, as soon as a leader proposes it.  New
   stands at the server for which it came. *)
OneServerMayFail ==
    \A t \in 1..MaxTerm : leader[t] # Nobody =>
        LET c == ConfigAt(log[leader[t]], Len(log[leader[t]])) IN
        \A n \in Nodes :
            LET server == IF n \in {New, knocks} THEN {New, knocks} ELSE {n} IN
            Quorum(Voters(c) \ server, c)

(* Whom the newest leader makes a voter holds, or held on a disk that is lost now, what is
   committed. *)
VotersAreCaughtUp ==
    [][LET l == leader[Newest]
           before == ConfigAt(log[l], Len(log[l]))
           after == ConfigAt(log'[l], Len(log'[l]))
       IN  /\ leader' = leader /\ Len(log'[l]) = Len(log[l]) + 1
           /\ after.in \cap before.learners # {}
           => New \in gone \/ IsPrefix(chosen, log[New])]_vars

(* A change that is begun is finished or given up, whoever leads. *)
Now == ConfigAt(chosen, Len(chosen))
Underway == Now.learners # {} \/ Now.out # {}
IsFinished == Underway ~> ~Underway

(* Reached: *)
SwappedDead == New \in Now.in /\ Now.out = {} /\ knocks \in gone
SwappedLiving == New \in Now.in /\ Now.out = {} /\ gone = {}
LedByNew == \E t \in 1..MaxTerm : leader[t] = New
GivenUp ==
    /\ New \in gone /\ New \notin Members(Now)
    /\ \E i \in 1..Len(chosen) : chosen[i].conf.learners # {}
GoesOnUnderAnother ==
    \E i, j \in 1..Len(chosen) :
        chosen[i].conf.learners # {} /\ chosen[j].conf.out # {} /\ chosen[i].term < chosen[j].term
=============================================================================
