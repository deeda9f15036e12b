-------------------------- MODULE MembershipFounding --------------------------
(***************************************************************************)
(* How an ensemble begins, and never begins twice (DESIGN section 5,       *)
(* "Founding").  Servers with empty disks ask each other who they are;     *)
(* disks are lost, servers are down, and the operator may have said with a *)
(* file `initialize' that the ensemble is new.                             *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - The ensemble is its founding: its number, the disks that are its    *)
(*     voters, and which disks hold it.  "Served" says that a majority of  *)
(*     them held it at once: from then on something may be acknowledged.   *)
(*   - A server with a new disk joins in one step, when a majority of the  *)
(*     voters is up: admission, catching up and the joint change are       *)
(*     module Membership's.                                                *)
(*   - An answer is true when it is given, and believed as long as the     *)
(*     process lives that heard it.  Lost questions are asked later.       *)
(*   - All files name the same servers.                                    *)
(*                                                                         *)
(* The operator's word is true: `initialize' lies in some data directories *)
(* when the ensemble is new, and is never put there later.  But it lies    *)
(* beside our data, so that it survives when only that is lost.            *)
(*                                                                         *)
(* What the model taught.                                                  *)
(*   - With `initialize' too, only the lowest server id of the file may    *)
(*     found: two members that each hear a majority, but not each other,   *)
(*     would both be the lowest that they hear (guard lowest-of-file).     *)
(*   - `initialize' must go when the ensemble is founded.  One that is     *)
(*     left says years later that two lost disks are a new ensemble        *)
(*     (guard initialize-removed).                                         *)
(*   - All must be empty at one moment, and answers are given at several. *)
(*     While a founder waits for the second one, who gave the first may be *)
(*     sent the ensemble by the second, whose disk is then lost.  So it    *)
(*     asks all of them again, and the same disks must be empty still:     *)
(*     they were so in between (guard asks-twice).                         *)
(*   - The founder founds with all who answered as voters.  An ensemble of *)
(*     the founder alone, which others join, acknowledges what is on one   *)
(*     disk (guard founds-with-all).                                       *)
(***************************************************************************)
EXTENDS Naturals, FiniteSets, Sequences

CONSTANTS
    Servers,        \* their ids, as all files name them
    Wipes,          \* bound of the model: disks lost
    Crashes,        \* bound of the model: processes that end
    Broken          \* names of the guards that are switched off

ASSUME Servers \subseteq Nat \ {0}

\* What refutes the model without each of its guards:
\* guard asks-all: FoundedFromNothing
\* guard lowest-founds: OneEnsemble
\* guard lowest-of-file: OneEnsemble
\* guard asks-twice: FoundedFromNothing
\* guard initialize-removed: FoundedFromNothing
\* guard founds-with-all: AcknowledgedIsHeld
\* guard new-disk-is-admitted: Settles [MembershipFounding-liveness]
\*
\* reaches TwoEmptyThirdDown
\* reaches FoundedByMajority
\* reaches LateVoter
\* reaches FoundedAgain

Guard(g) == g \notin Broken

VARIABLES
    up,             \* servers whose process runs
    disk,           \* per server: the number of its disk
    holds,          \* per server: the ensemble on its disk, 0 for none
    initialize,     \* servers in whose data directory that file lies
    heard,          \* per server and other: what it answered; see Ask
    sure,           \* per server: those who answered the same again, once all had answered
    ensembles,      \* all that were ever founded: [voters, served]
    wipes, crashes, \* how many there were
    wrong           \* one was founded while a disk held another

vars == <<up, disk, holds, initialize, heard, sure, ensembles, wipes, crashes, wrong>>

Nothing == 0        \* no answer yet
Data == 99          \* "I hold an ensemble"; an empty one answers with the number of its disk

Silence == [t \in Servers |-> Nothing]

Lowest(s) == CHOOSE x \in s : \A y \in s : x <= y

Majority(part, whole) == 2 * Cardinality(part \cap whole) > Cardinality(whole)

(* The voters of ensemble e that are up and hold it, and those that do or still can. *)
Serving(e) == {<<s, disk[s]>> : s \in {x \in up : holds[x] = e}}
Hopeful(e) == {<<s, disk[s]>> : s \in {x \in Servers : holds[x] \in {0, e}}}

Init ==
    /\ up = {}
    /\ disk = [s \in Servers |-> 1]
    /\ holds = [s \in Servers |-> 0]
    /\ initialize \in SUBSET Servers
    /\ heard = [s \in Servers |-> Silence]
    /\ sure = [s \in Servers |-> {}]
    /\ ensembles = <<>>
    /\ wipes = 0 /\ crashes = 0 /\ wrong = FALSE

-----------------------------------------------------------------------------
Start(s) ==
    /\ s \notin up
    /\ up' = up \cup {s}
    /\ UNCHANGED <<disk, holds, initialize, heard, sure, ensembles, wipes, crashes, wrong>>

Crash(s) ==
    /\ s \in up /\ crashes < Crashes
    /\ up' = up \ {s}
    /\ crashes' = crashes + 1
    /\ heard' = [heard EXCEPT ![s] = Silence]
    /\ sure' = [sure EXCEPT ![s] = {}]
    /\ UNCHANGED <<disk, holds, initialize, ensembles, wipes, wrong>>

(* Its disk is lost, or our folder on it. *)
Wipe(s) ==
    /\ s \notin up /\ wipes < Wipes
    /\ wipes' = wipes + 1
    /\ disk' = [disk EXCEPT ![s] = @ + 1]
    /\ holds' = [holds EXCEPT ![s] = 0]
    /\ UNCHANGED <<up, initialize, heard, sure, ensembles, crashes, wrong>>

(* Those that this member knows to be empty, itself among them. *)
Empty(s) == {s} \cup {t \in Servers : heard[s][t] \notin {Nothing, Data}}

(* Who never founds waits to hear of data; other answers would only make the model larger. *)
MightFound(s) ==
    s = Lowest(Servers) \/ ~Guard("lowest-founds") \/ ~Guard("lowest-of-file")

MayFound(s) ==
    /\ \/ Empty(s) = Servers
       \/ /\ Majority(Empty(s), Servers)
          /\ s \in initialize \/ ~Guard("asks-all")
          /\ \A t \in Servers : heard[s][t] # Data
    /\ \/ s = Lowest(Servers)
       \/ ~Guard("lowest-founds")
       \/ ~Guard("lowest-of-file") /\ s = Lowest(Empty(s))

(* An empty member asks another who it is, and is answered. *)
Ask(s, t) ==
    /\ s \in up /\ t \in up /\ s # t
    /\ holds[s] = 0
    /\ LET answer == IF holds[t] # 0 THEN Data
                     ELSE IF MightFound(s) THEN disk[t] ELSE Nothing IN
        /\ heard' = [heard EXCEPT ![s][t] = answer]
        /\ sure' = [sure EXCEPT ![s] = IF answer # heard[s][t] THEN {}
                                       ELSE IF MayFound(s) THEN @ \cup {t} ELSE @]
    /\ <<heard', sure'>> # <<heard, sure>>
    /\ UNCHANGED <<up, disk, holds, initialize, ensembles, wipes, crashes, wrong>>

Settled(s) == IF Guard("initialize-removed") THEN initialize \ {s} ELSE initialize

Found(s) ==
    /\ s \in up /\ holds[s] = 0
    /\ MayFound(s)
    /\ Empty(s) \ {s} \subseteq sure[s] \/ ~Guard("asks-twice")
    /\ LET others == IF Guard("founds-with-all") THEN Empty(s) \ {s} ELSE {} IN
        ensembles' = Append(ensembles, [served |-> FALSE,
            voters |-> {<<s, disk[s]>>} \cup {<<t, heard[s][t]>> : t \in others}])
    /\ holds' = [holds EXCEPT ![s] = Len(ensembles) + 1]
    /\ heard' = [heard EXCEPT ![s] = Silence]
    /\ sure' = [sure EXCEPT ![s] = {}]
    /\ initialize' = Settled(s)
    /\ wrong' = (wrong \/ \E t \in Servers : holds[t] # 0)
    /\ UNCHANGED <<up, disk, wipes, crashes>>

(* It has heard of data: as a voter of that ensemble it is sent it, as another disk it is admitted
   by a majority of the voters. *)
Join(s) ==
    /\ s \in up /\ holds[s] = 0
    /\ \E t \in up :
        /\ heard[s][t] = Data /\ holds[t] # 0
        /\ LET e == holds[t]
               mine == <<s, disk[s]>>
               voters == ensembles[e].voters
           IN
            /\ mine \in voters
               \/ (Guard("new-disk-is-admitted") /\ Majority(Serving(e), voters))
            /\ holds' = [holds EXCEPT ![s] = e]
            /\ ensembles' = [ensembles EXCEPT ![e].voters =
                    {v \in voters : v[1] # s} \cup {mine}]
    /\ heard' = [heard EXCEPT ![s] = Silence]
    /\ sure' = [sure EXCEPT ![s] = {}]
    /\ initialize' = Settled(s)
    /\ UNCHANGED <<up, disk, wipes, crashes, wrong>>

(* Something is acknowledged. *)
Serve(e) ==
    /\ ~ensembles[e].served
    /\ Majority(Serving(e), ensembles[e].voters)
    /\ ensembles' = [ensembles EXCEPT ![e].served = TRUE]
    /\ UNCHANGED <<up, disk, holds, initialize, heard, sure, wipes, crashes, wrong>>

Next ==
    \/ \E s \in Servers : Start(s) \/ Crash(s) \/ Wipe(s) \/ Found(s) \/ Join(s)
    \/ \E s, t \in Servers : Ask(s, t)
    \/ \E e \in 1..Len(ensembles) : Serve(e)

Spec == Init /\ [][Next]_vars

(* Every server is started again, asks and acts on what it hears. *)
FairSpec ==
    /\ Spec
    /\ \A s \in Servers : WF_vars(Start(s)) /\ WF_vars(Found(s)) /\ WF_vars(Join(s))
    /\ \A s, t \in Servers : WF_vars(Ask(s, t))

-----------------------------------------------------------------------------
TypeOK ==
    /\ up \subseteq Servers /\ initialize \subseteq Servers
    /\ \A s \in Servers : holds[s] \in 0..Len(ensembles) /\ disk[s] \in 1..(Wipes + 1)

(* No two disks hold two ensembles. *)
OneEnsemble ==
    \A s, t \in Servers : holds[s] # 0 /\ holds[t] # 0 => holds[s] = holds[t]

(* An ensemble is founded only where no disk holds any: whoever is down then holds nothing. *)
FoundedFromNothing == ~wrong

(* What is acknowledged survives the loss of one disk. *)
AcknowledgedIsHeld ==
    wipes <= 1 => \A e \in 1..Len(ensembles) :
        ensembles[e].served => \E s \in Servers : holds[s] = e

(* In the end all hold the same, unless a majority of the voters' disks is lost: then it is for the
   operator to say so, and nobody founds meanwhile. *)
Lost == \E s \in Servers : holds[s] # 0
            /\ ~Majority(Hopeful(holds[s]), ensembles[holds[s]].voters)
Settles == <>[](Lost \/ \A s \in Servers : holds[s] # 0)

(* Reached: *)
TwoEmptyThirdDown ==
    \E s \in Servers :
        /\ s \notin up /\ holds[s] # 0 /\ ensembles[holds[s]].served
        /\ \A t \in Servers \ {s} : t \in up /\ holds[t] = 0
FoundedByMajority ==
    /\ Len(ensembles) = 1 /\ ensembles[1].served
    /\ Cardinality(ensembles[1].voters) < Cardinality(Servers)
LateVoter ==
    \E s \in up : holds[s] = 0 /\ disk[s] = 1 /\ Len(ensembles) = 1
                  /\ <<s, 1>> \notin ensembles[1].voters /\ ensembles[1].served
(* Lawful: all disks were lost. *)
FoundedAgain == Len(ensembles) = 2 /\ ensembles[1].served /\ ensembles[2].served
=============================================================================
