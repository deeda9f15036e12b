-------------------------------- MODULE Log --------------------------------
(***************************************************************************)
(* What the layers above raft may rely on: one totally ordered log with a  *)
(* committed prefix that only grows, and a suffix behind it that a change  *)
(* of leader may keep, shorten, drop - or bring back.                      *)
(*                                                                         *)
(* Abstracted away, and why that is sound:                                 *)
(*  - Members' own logs, votes, messages: raft is a library with proofs of *)
(*    its own.  `log' is the log of the leader of the current term, the    *)
(*    only one that proposes (DisableProposalForwarding).                  *)
(*  - Who leads: nothing here depends on it.  The members apply whatever   *)
(*    is committed, as late as they like.                                  *)
(*  - Quorums: Commit may happen at any time, so also when it would in     *)
(*    raft.  More behaviours than raft's cannot hide a violation.          *)
(*                                                                         *)
(* A suffix that one change of leader dropped is not gone: it may stand in *)
(* the log of a member that is elected later.  `abandoned' remembers such  *)
(* logs.  This is why a stream must be exactly once by position and not by *)
(* "I have sent it again, so the first one is lost" (DESIGN section 4).    *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    Members,        \* those who apply
    Values,         \* what a leader proposes
    MaxTerm,        \* bound of the model: changes of leader
    MaxLength,      \* bound of the model: entries
    MaxAbandoned,   \* bound of the model: dropped logs remembered at a time
    Broken          \* names of the guards that are switched off

\* What refutes the model without each of its guards (README.md):
\* guard keep-committed: CommittedStays
\* guard apply-committed: AppliedIsCommitted
\* guard new-term: EntryHasOneName
\* guard commit-present: CommittedIsLogged
\*
\* reaches SuffixDropped
\* reaches SuffixCameBack
\* reaches MembersApart

VARIABLES
    term,           \* the current term
    log,            \* the leader's log: a sequence of entries
    committed,      \* length of the committed prefix
    abandoned,      \* logs of former leaders that a later one may still hold
    applied,        \* per member: the entries it has applied, as it saw them
    named           \* history: every <<index, entry>> that ever stood in a log

vars == <<term, log, committed, abandoned, applied, named>>

Guard(g) == g \notin Broken

Symmetry == Permutations(Members) \cup Permutations(Values)

Entry == [term : 1..MaxTerm, value : Values]

\* The first n entries, or all if there are less.
Prefix(s, n) == SubSeq(s, 1, IF n < Len(s) THEN n ELSE Len(s))
IsPrefix(s, t) == Len(s) <= Len(t) /\ s = Prefix(t, Len(s))

Init ==
    /\ term = 1
    /\ log = << >>
    /\ committed = 0
    /\ abandoned = {}
    /\ applied = [m \in Members |-> << >>]
    /\ named = {}

\* The leader appends at the end of its log, stamped with its term.
Propose(v) ==
    /\ Len(log) < MaxLength
    /\ LET e == [term |-> term, value |-> v] IN
        /\ log' = Append(log, e)
        /\ named' = named \cup {<<Len(log) + 1, e>>}
    /\ UNCHANGED <<term, committed, abandoned, applied>>

\* A quorum holds the log up to n.  Raft commits by an entry of the current term only; what stands
\* before it is committed with it.
Commit(n) ==
    /\ n > committed
    /\ Guard("commit-present") => n <= Len(log)
    /\ n <= Len(log) => log[n].term = term
    /\ committed' = n
    \* What contradicts the committed prefix can never again be a leader's log.
    /\ abandoned' = {l \in abandoned : IsPrefix(Prefix(log, n), l)}
    /\ UNCHANGED <<term, log, applied, named>>

\* The logs that a new leader may hold: prefixes of this one and of those abandoned before, as long
\* as they hold all that is committed.
Candidates ==
    LET whole == {log} \cup abandoned
        cut == UNION {{Prefix(l, n) : n \in 0..Len(l)} : l \in whole}
    IN  {l \in cut : Guard("keep-committed") => IsPrefix(Prefix(log, committed), l)}

\* The log that is left becomes one of those abandoned, if it holds something that the new one does
\* not.  The bound keeps the model small.
ChangeLeader ==
    /\ term < MaxTerm
    /\ term' = IF Guard("new-term") THEN term + 1 ELSE term
    /\ \E new \in Candidates :
        /\ new # log \/ Guard("new-term")
        /\ log' = new
        /\ LET left == IF IsPrefix(log, new) THEN abandoned ELSE abandoned \cup {log} IN
            \E kept \in SUBSET left :
                /\ Cardinality(kept) <= MaxAbandoned
                /\ Cardinality(kept) = MaxAbandoned \/ kept = left
                /\ abandoned' = kept
    /\ UNCHANGED <<committed, applied, named>>

\* A member applies the next committed entry.
Apply(m) ==
    LET n == Len(applied[m]) + 1 IN
    /\ n <= Len(log)
    /\ Guard("apply-committed") => n <= committed
    /\ applied' = [applied EXCEPT ![m] = Append(@, log[n])]
    /\ UNCHANGED <<term, log, committed, abandoned, named>>

Next ==
    \/ \E v \in Values : Propose(v)
    \/ \E n \in 1..MaxLength : Commit(n)
    \/ ChangeLeader
    \/ \E m \in Members : Apply(m)

\* Members go on applying, and the leader of the last term goes on committing.
Spec == Init /\ [][Next]_vars
FairSpec ==
    /\ Spec
    /\ \A m \in Members : WF_vars(Apply(m))
    /\ WF_vars(\E n \in 1..MaxLength : Commit(n))

-----------------------------------------------------------------------------
TypeOK ==
    /\ term \in 1..MaxTerm
    /\ log \in Seq(Entry)
    /\ committed \in 0..MaxLength
    /\ \A l \in abandoned : l \in Seq(Entry)

CommittedIsLogged == committed <= Len(log)

AppliedIsCommitted == \A m \in Members : Len(applied[m]) <= committed

\* What two members applied differs only in how far they are.
Agreement ==
    \A m, n \in Members : IsPrefix(applied[m], applied[n]) \/ IsPrefix(applied[n], applied[m])

\* A term and an index name one entry for ever: marks, handshakes and checkpoints rely on it.
EntryHasOneName ==
    \A a, b \in named : a[1] = b[1] /\ a[2].term = b[2].term => a = b

\* Terms never fall along a log.
TermsAscend == \A i \in 1..Len(log) - 1 : log[i].term <= log[i + 1].term

\* The committed prefix only grows: nothing in it is ever replaced.
CommittedStays ==
    [][IsPrefix(Prefix(log, committed), Prefix(log', committed'))]_vars

\* Each member gets to see what is committed.
EachApplies == \A m \in Members : \A n \in 1..MaxLength :
    committed >= n ~> Len(applied[m]) >= n

\* Reached:
SuffixDropped == \E l \in abandoned : ~IsPrefix(l, log)
\* The third leader has what the first one proposed, and the second one did not.
SuffixCameBack ==
    /\ term = 3
    /\ Len(log) > committed
    /\ \A i \in 1..Len(log) : log[i].term = 1
    /\ \E l \in abandoned : (\E i \in committed + 1..Len(l) : l[i].term = 2)
MembersApart == \E m, n \in Members : Len(applied[m]) > Len(applied[n]) + 1
=============================================================================
