------------------------------ MODULE Recovery ------------------------------
(***************************************************************************)
(* One member and its disk: what it may say to others, and what it must    *)
(* still know after a crash, after damage, and on an empty disk            *)
(* (DESIGN section 5, Storage and Identities).                             *)
(*                                                                         *)
(* The disk has three parts, as replication/store has them: the log (hard  *)
(* state and entries, one record and one sync per batch), the checkpoint   *)
(* (atomic, asynchronous, the log behind it is cut later), and the mark (a *)
(* small file apart, which says what this member promised).                *)
(*                                                                         *)
(* Abstracted away, and why that is sound:                                 *)
(*  - The other members are one leader at a time with the log of module    *)
(*    Log.  It commits when it likes and changes when it likes: more       *)
(*    behaviours than raft's.  Suffixes that come back (see Log) do so     *)
(*    only with the feature "return": they make the entries' terms at the  *)
(*    end of this log fall.                                                *)
(*  - An entry is its term: index and term name an entry (Log proves it).  *)
(*    The State is the number of entries in it: entries apply in order, so *)
(*    it is right exactly if it is as many as its index says.              *)
(*  - The log keeps its first entries as a sequence even when they are cut; *)
(*    `cut' says which of them are gone, and nothing reads those.          *)
(*  - A vote is granted whatever the candidate's log holds: that check is  *)
(*    raft's own.  Answers may be lost: they are also simply never sent.   *)
(*  - Whoever asks for votes may win, and what this member proposes then   *)
(*    is as good as what any leader sends it.                              *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets, TLC

CONSTANTS
    MaxTerm,     \* bounds of the model: terms,
    MaxLength,   \* entries,
    MaxCrashes,  \* crashes of the process,
    MaxFaults,   \* damages to the disk
    Candidates,  \* the others who ask for votes
    Features,    \* parts of the model that are on: "vote", "checkpoint" (with it
                 \* entries are applied), "receive", "rejoin", "return"
    Broken       \* names of the guards that are switched off

\* What refutes the model without each of its guards (README.md):
\* guard ack-after-sync: AcknowledgedIsDurable
\* guard vote-after-sync: OneVotePerTerm
\* guard vote-in-mark: OneVotePerTerm
\* guard ask-after-sync: OneReignPerTerm
\* guard mark-after-log: MarkedIsPresent
\* guard mark-two-slots: NoFalseAlarm
\* guard mark-by-term-first: NoFalseAlarm
\* guard mark-by-ack-term: MarkedIsPresent [Recovery-return]
\* guard mark-of-one-term: MarkedIsPresent [Recovery-return]
\* guard mark-compared: OneVotePerTerm
\* guard acked-compared: MarkedIsPresent
\* guard handshake: LeaderNotFooled
\* guard torn-is-dropped: EntriesAreReal
\* guard one-record-unsynced: NoFalseAlarm
\* guard apply-committed: AppliedIsCommitted [Recovery-checkpoint]
\* guard apply-synced: CheckpointMeetsLog [Recovery-checkpoint]
\* guard commit-at-least-applied: AppliedIsCommitted [Recovery-checkpoint]
\* guard checkpoint-atomic: StateIsOfItsIndex [Recovery-checkpoint]
\* guard capture-frozen: StateIsOfItsIndex [Recovery-checkpoint]
\* guard cut-after-flush: CheckpointMeetsLog [Recovery-checkpoint]
\* guard stage-beside: StateIsOfItsIndex [Recovery-checkpoint]
\* guard checkpoint-before-log: CheckpointMeetsLog [Recovery-checkpoint]
\* guard received-restarts-log: NoFalseAlarm [Recovery-checkpoint]
\* guard received-raises-term: TermCoversLog [Recovery-checkpoint]
\* guard received-is-newer: CheckpointAdvances [Recovery-checkpoint]
\* guard new-disk-new-id: OneVotePerTerm [Recovery-rejoin]
\* guard caught-up-before-swap: VoterHoldsCommitted [Recovery-rejoin]
\* guard lost-rejoins: CatchesUp [Recovery-liveness]
\*
\* never CheckpointIndexAlone: only without the guard checkpoint-atomic
\*
\* reaches CrashBetweenLogAndMark
\* reaches CrashAfterCheckpoint [Recovery-checkpoint]
\* reaches CommitBehindCheckpoint [Recovery-checkpoint]
\* reaches ReceivedAheadOfLog [Recovery-checkpoint]
\* reaches LogShortened
\* reaches LastTermFell [Recovery-return]
\* reaches DamageFound
\* reaches VotedAgainAfterCrash
\* reaches AskedAfterCrash
\* reaches SwappedIn [Recovery-rejoin]

VARIABLES
    \* The others.
    eterm,       \* term of the current leader
    elog,        \* its log: a sequence of terms
    eleft,       \* the log of the leader before, if a later one may bring it back
    ecommit,     \* what is committed
    match,       \* up to where the current leader believes this member holds its log
    \* The process.
    mode,        \* "up", "down", or "lost": it found that the disk forgot a promise
    vol,         \* raft's state in memory: term, vote, commit, log; start, the checkpoint from the
                 \* leader behind which the log begins; matched, the end of what the leader of this
                 \* term has sent
    asking,      \* terms in which this process is to ask for votes, and has not
    applied,     \* index up to which entries are applied
    state,       \* the State: how many entries it holds
    capture,     \* checkpoint being captured: its index, 0 if there is none
    staged,      \* index of a checkpoint received from the leader and not yet counted, or 0
    \* The disk.
    disk,        \* the log as it is synced: term, vote, commit, start, log
    pending,     \* records written and not synced, each the log as it will be
    cut,         \* entries up to here are gone from the log
    ckpt,        \* the checkpoint: index, the State in it, and whether it was received
    mark,        \* what the mark says: term, vote, position acknowledged
    marking,     \* the slot being written: a set with one mark, or none
    gap,         \* a whole record stands behind a damaged one
    \* Identity.
    id,          \* which disk this is; raft ids are given to disks
    role,        \* "voter", "learner"
    \* History.
    votes,       \* votes given: <<id, term, candidate, process>>: which process of this member the
                 \* candidate is, 0 for the others
    crashes, faults,
    damaged      \* something the crash of a process cannot do was done to this disk

others == <<eterm, elog, eleft, ecommit>>
process == <<mode, vol, asking, applied, state, capture, staged>>
files == <<disk, pending, cut, ckpt, mark, marking, gap>>
identity == <<id, role>>
history == <<votes, crashes, faults, damaged>>
vars == <<others, match, process, files, identity, history>>

Guard(g) == g \notin Broken
Has(f) == f \in Features

Symmetry == Permutations(Candidates)
Shallow == TLCGet("level") <= 11
Garbage == 9            \* the term of an entry that nobody proposed
Self == 9               \* this member as a candidate

Min(a, b) == IF a < b THEN a ELSE b
Max(a, b) == IF a > b THEN a ELSE b
Prefix(s, n) == SubSeq(s, 1, Min(n, Len(s)))
IsPrefix(s, t) == Len(s) <= Len(t) /\ s = Prefix(t, Len(s))

\* How far the log on a disk was acknowledged: the end of the last record that wrote entries, and
\* the term in which it was written.  That of the last entry may fall: a leader may replace entries
\* by older ones that a leader before it had dropped.
Position(log) == <<IF log = << >> THEN 0 ELSE log[Len(log)], Len(log)>>
Shown(record) == IF Guard("mark-by-ack-term") THEN record.acked ELSE Position(record.log)
Less(p, q) ==
    IF Guard("mark-by-term-first")
    THEN p[1] < q[1] \/ (p[1] = q[1] /\ p[2] < q[2])
    ELSE p[2] < q[2]
\* The same, for invariants: not subject to a guard.
Behind(p, q) == p[1] < q[1] \/ (p[1] = q[1] /\ p[2] < q[2])

NoMark == [term |-> 0, vote |-> 0, acked |-> <<0, 0>>]
Torn == [term |-> Garbage, vote |-> 0, acked |-> <<0, 0>>]
NoCheckpoint == [index |-> 0, state |-> 0, received |-> FALSE]
NoLog == [term |-> 1, vote |-> 0, commit |-> 0, start |-> 0, log |-> << >>, acked |-> <<0, 0>>]
Fresh == [term |-> 1, vote |-> 0, commit |-> 0, start |-> 0, log |-> << >>, matched |-> 0]
\* Whether it is the leader of this term that sent the log's end.  A record may hold what came from
\* the one before as well, with the new term: that may still be replaced in this term.
OfOneTerm(last) == last.term = vol.term \/ (vol.log # << >> /\ vol.log[Len(vol.log)] = vol.term)
\* What is written behind the record last.
Record(last) ==
    [term |-> vol.term, vote |-> vol.vote, commit |-> vol.commit, start |-> vol.start,
     log |-> vol.log,
     acked |-> IF vol.log = last.log /\ vol.start = last.start THEN last.acked
               ELSE IF OfOneTerm(last) \/ ~Guard("mark-of-one-term")
               THEN <<vol.term, Len(vol.log)>>
               \* What a checkpoint covers is committed: nobody replaces that.
               ELSE IF vol.start # last.start THEN <<vol.term, vol.start>> ELSE last.acked]

Init ==
    /\ eterm = 1 /\ elog = << >> /\ eleft = << >> /\ ecommit = 0 /\ match = 0
    /\ mode = "up" /\ vol = Fresh /\ asking = {}
    /\ applied = 0 /\ state = 0 /\ capture = 0 /\ staged = 0
    /\ disk = NoLog /\ pending = << >> /\ cut = 0
    /\ ckpt = NoCheckpoint
    /\ mark = [NoMark EXCEPT !.term = 1] /\ marking = {} /\ gap = FALSE
    /\ id = 1 /\ role = "voter"
    /\ votes = {} /\ crashes = 0 /\ faults = 0 /\ damaged = FALSE

-----------------------------------------------------------------------------
\* The others.

Propose ==
    /\ Len(elog) < MaxLength
    /\ elog' = Append(elog, eterm)
    /\ UNCHANGED <<eterm, eleft, ecommit, match, process, files, identity, history>>

\* By whatever quorum, with this member or without.
Commit ==
    /\ \E n \in ecommit + 1..Len(elog) : elog[n] = eterm /\ ecommit' = n
    /\ eleft' = IF IsPrefix(Prefix(elog, ecommit'), eleft) THEN eleft ELSE << >>
    /\ UNCHANGED <<eterm, elog, match, process, files, identity, history>>

ChangeLeader ==
    /\ eterm < MaxTerm
    /\ eterm' = eterm + 1
    /\ \E whole \in {elog, eleft} :
        /\ IsPrefix(Prefix(elog, ecommit), whole)
        /\ \E n \in ecommit..Len(whole) : elog' = Prefix(whole, n)
    /\ eleft' = IF Has("return") /\ ~IsPrefix(elog, elog') THEN elog ELSE eleft
    /\ match' = 0
    /\ UNCHANGED <<ecommit, process, files, identity, history>>

-----------------------------------------------------------------------------
\* What raft does in memory.

\* An append of the current leader, with its log up to n.
ReceiveAppend ==
    /\ mode = "up" /\ vol.term <= eterm /\ staged = 0
    /\ \E n \in vol.commit..Len(elog) :
        LET log == IF IsPrefix(Prefix(elog, n), vol.log) THEN vol.log ELSE Prefix(elog, n)
            new == [term |-> eterm,
                    vote |-> IF vol.term = eterm THEN vol.vote ELSE 0,
                    \* Without checkpoints nothing asks for it.
                    commit |-> IF Has("checkpoint") THEN Max(vol.commit, Min(ecommit, n)) ELSE 0,
                    start |-> vol.start, log |-> log,
                    matched |-> Max(n, IF vol.term = eterm THEN vol.matched ELSE 0)]
        IN  vol' = new /\ new # vol
    /\ UNCHANGED <<others, match, mode, asking, applied, state, capture, staged, files, identity,
                   history>>

\* Another member asks for a vote of term t.  A learner votes too, as raft has it: it may be a voter
\* and not know it yet.  Who counts votes is the candidate, by raft ids of its configuration, so a
\* vote of a disk that is not in it is no vote.
ReceiveVoteRequest(t, c) ==
    /\ Has("vote")
    /\ mode = "up"
    /\ t > vol.term \/ (t = vol.term /\ vol.vote = 0)
    /\ vol' = [vol EXCEPT !.term = t, !.vote = c, !.matched = 0]
    /\ UNCHANGED <<others, match, mode, asking, applied, state, capture, staged, files, identity,
                   history>>

\* This member becomes a candidate, in the next term, and votes for itself.
Campaign ==
    /\ Has("vote")
    /\ mode = "up" /\ role = "voter" /\ vol.term < MaxTerm
    /\ vol' = [vol EXCEPT !.term = @ + 1, !.vote = Self, !.matched = 0]
    /\ asking' = asking \cup {vol'.term}
    /\ UNCHANGED <<others, match, mode, applied, state, capture, staged, files, identity, history>>

\* Only committed entries are applied, and (as raft does with asynchronous storage) only those that
\* this disk holds.
Apply ==
    /\ Has("checkpoint")
    /\ mode = "up" /\ staged = 0
    /\ applied < Len(vol.log)
    /\ Guard("apply-committed") => applied < vol.commit
    /\ Guard("apply-synced") =>
        /\ applied < Len(disk.log)
        /\ disk.log[applied + 1] = vol.log[applied + 1]
    /\ applied' = applied + 1
    /\ state' = state + 1
    /\ UNCHANGED <<others, match, mode, vol, asking, capture, staged, files, identity, history>>

-----------------------------------------------------------------------------
\* Storage: the log and the mark.

\* One record with all that has gathered; a commit index alone is not worth one.  The next is written
\* when this one is synced: a crash then damages only the last record.
WriteLog ==
    /\ mode = "up"
    /\ staged # 0 => ~Guard("checkpoint-before-log")
    /\ pending = << >> \/ (~Guard("one-record-unsynced") /\ Len(pending) < 2)
    /\ LET last == IF pending = << >> THEN disk ELSE pending[Len(pending)] IN
        /\ Record(last) # [last EXCEPT !.commit = vol.commit]
        /\ pending' = Append(pending, Record(last))
    /\ UNCHANGED <<others, match, process, disk, cut, ckpt, mark, marking, gap, identity, history>>

SyncLog ==
    /\ mode = "up" /\ pending # << >>
    /\ disk' = pending[Len(pending)]
    /\ pending' = << >>
    /\ UNCHANGED <<others, match, process, cut, ckpt, mark, marking, gap, identity, history>>

\* The mark says what is synced, never more.  It is written into the slot that is not the newest.
\* Of a log that is nothing but a checkpoint from a peer it may go on saying what was acknowledged
\* before: a restart does not know in which term the checkpoint came, and without the checkpoint
\* such a log is refused whatever the mark says.
WriteMark ==
    /\ mode = "up" /\ marking = {}
    /\ LET from == IF Guard("mark-after-log") THEN disk ELSE Record(disk)
           nothing == from.start > 0 /\ Len(from.log) = from.start
       IN  \E acked \in {Shown(from)} \cup (IF nothing THEN {mark.acked} ELSE {}) :
            LET new == [term |-> from.term, vote |-> from.vote, acked |-> acked]
            IN  new # mark /\ marking' = {new}
    /\ UNCHANGED <<others, match, process, disk, pending, cut, ckpt, mark, gap, identity, history>>

SyncMark ==
    /\ mode = "up" /\ marking # {}
    /\ mark' \in marking /\ marking' = {}
    /\ UNCHANGED <<others, match, process, disk, pending, cut, ckpt, gap, identity, history>>

-----------------------------------------------------------------------------
\* Answers.

\* The leader learns how far this member holds its log: after the sync, without waiting for the
\* mark.
Acknowledge ==
    /\ mode = "up" /\ vol.term = eterm
    /\ \E n \in match + 1..vol.matched :
        /\ Guard("ack-after-sync") =>
            disk.term = eterm /\ IsPrefix(Prefix(vol.log, n), disk.log)
        /\ match' = n
    /\ UNCHANGED <<others, process, files, identity, history>>

\* A vote leaves when log and mark both know it.
SendVote ==
    /\ mode = "up" /\ vol.vote \notin {0, Self}
    /\ Guard("vote-after-sync") =>
        /\ disk.term = vol.term /\ disk.vote = vol.vote
        /\ Guard("vote-in-mark") => mark.term = vol.term /\ mark.vote = vol.vote
    /\ LET v == <<id, vol.term, vol.vote, 0>> IN v \notin votes /\ votes' = votes \cup {v}
    /\ UNCHANGED <<others, match, process, files, identity, crashes, faults, damaged>>

\* So does the question for the votes of the others: from then on they may elect this process.  It
\* may have heard of a later term meanwhile; then nobody can make it vote in this one again.
AskForVotes(t) ==
    /\ mode = "up" /\ t \in asking
    /\ Guard("ask-after-sync") =>
        \A place \in {disk} \cup (IF Guard("vote-in-mark") THEN {mark} ELSE {}) :
            place.term > t \/ (place.term = t /\ place.vote = Self)
    /\ asking' = asking \ {t}
    /\ votes' = votes \cup {<<id, t, Self, crashes>>}
    /\ UNCHANGED <<others, match, mode, vol, applied, state, capture, staged, files, identity,
                   crashes, faults, damaged>>

-----------------------------------------------------------------------------
\* Checkpoints.

\* The set of changes is frozen at this index.  Capturing it takes many steps, between which entries
\* are applied.
BeginCheckpoint ==
    /\ Has("checkpoint")
    /\ mode = "up" /\ capture = 0 /\ staged = 0 /\ applied > ckpt.index
    /\ capture' = applied
    /\ UNCHANGED <<others, match, mode, vol, asking, applied, state, staged, files, identity,
                   history>>

\* Changes and index reach the disk in one step.  The State is as it was when it was frozen: what
\* apply changes meanwhile is captured before.
EndCheckpoint ==
    /\ mode = "up" /\ capture # 0
    /\ LET held == IF Guard("capture-frozen") THEN capture ELSE state IN
        ckpt' = [index |-> capture, state |-> held, received |-> FALSE]
    /\ capture' = 0
    /\ UNCHANGED <<others, match, mode, vol, asking, applied, state, staged, disk, pending, cut,
                   mark, marking, gap, identity, history>>

CheckpointIndexAlone ==
    /\ ~Guard("checkpoint-atomic")
    /\ mode = "up" /\ capture # 0
    /\ ckpt' = [ckpt EXCEPT !.index = capture]
    /\ UNCHANGED <<others, match, process, disk, pending, cut, mark, marking, gap, identity,
                   history>>

\* The log behind the checkpoint is given back.
Cut ==
    /\ mode = "up" /\ staged = 0
    /\ LET end == IF Guard("cut-after-flush") THEN ckpt.index ELSE Max(ckpt.index, capture) IN
        cut < Min(end, Len(disk.log)) /\ cut' = Min(end, Len(disk.log))
    /\ UNCHANGED <<others, match, process, disk, pending, ckpt, mark, marking, gap, identity,
                   history>>

\* The leader sends a checkpoint instead of entries that it has cut.  It arrives in pieces and is
\* laid beside the one that is there; raft goes on with the log that begins behind it.
ReceiveCheckpoint ==
    /\ Has("receive")
    /\ mode = "up" /\ vol.term <= eterm /\ staged = 0 /\ capture = 0
    /\ \E n \in 1..ecommit :
        /\ Guard("received-is-newer") => n > vol.commit /\ ~IsPrefix(Prefix(elog, n), vol.log)
        /\ n # ckpt.index
        /\ staged' = n
        /\ vol' = [term |-> eterm, vote |-> IF vol.term = eterm THEN vol.vote ELSE 0,
                   commit |-> n, start |-> n, log |-> Prefix(elog, n), matched |-> n]
        /\ ckpt' = IF Guard("stage-beside") THEN ckpt ELSE [ckpt EXCEPT !.state = n]
    /\ UNCHANGED <<others, match, mode, asking, applied, state, capture, disk, pending, cut, mark,
                   marking, gap, identity, history>>

\* It counts: one step.  Only then is the log told to begin behind it (WriteLog), and the server
\* goes on from it, with its clients closed.
InstallCheckpoint ==
    /\ mode = "up" /\ staged # 0 /\ pending = << >>
    /\ ckpt' = [index |-> staged, state |-> staged, received |-> TRUE]
    /\ applied' = staged /\ state' = staged /\ staged' = 0
    /\ UNCHANGED <<others, match, mode, vol, asking, capture, disk, pending, cut, mark, marking,
                   gap, identity, history>>

-----------------------------------------------------------------------------
\* Faults, and what is left after them.

\* Of the record that was not synced all, nothing or a piece is there; of the slot of the mark that
\* was being written too, and the other slot is whole.
Crash ==
    /\ mode = "up" /\ crashes < MaxCrashes
    /\ crashes' = crashes + 1
    /\ mode' = "down"
    /\ \/ UNCHANGED <<disk, gap>>
       \/ \E i \in 1..Len(pending) : disk' = pending[i] /\ UNCHANGED gap
       \/ /\ pending # << >> /\ ~Guard("torn-is-dropped") /\ pending[1].log # << >>
          /\ disk' = [pending[1] EXCEPT !.log[Len(pending[1].log)] = Garbage]
          /\ UNCHANGED gap
       \/ /\ Len(pending) = 2
          /\ gap' = TRUE /\ UNCHANGED disk
    /\ mark' \in {mark} \cup marking
        \cup (IF Guard("mark-two-slots") \/ marking = {} THEN {} ELSE {Torn})
    /\ pending' = << >> /\ marking' = {}
    \* Memory is gone; one value for it keeps the model small.
    /\ vol' = Fresh /\ asking' = {} /\ applied' = 0 /\ state' = 0 /\ capture' = 0 /\ staged' = 0
    /\ UNCHANGED <<others, match, cut, ckpt, identity, votes, faults, damaged>>

\* The log comes up shorter or older than it was synced, and looks whole: a flipped bit in a short
\* log, a disk that lied, an image of last night.  What it knows to be committed is kept as far as
\* the log goes, though the record that is left may know less: who knows less applies less until it
\* is told again, and may do nothing that others may not.  It may end before its cut: then nothing
\* is left of it, and the checkpoint stands alone.
Damage ==
    /\ mode = "down" /\ faults < MaxFaults
    /\ faults' = faults + 1 /\ damaged' = TRUE
    /\ \E n \in disk.start..Len(disk.log), t \in 1..disk.term :
       \E v \in {0} \cup (IF t = disk.term THEN {disk.vote} ELSE Candidates \cup {Self}) :
        /\ \A i \in 1..n : disk.log[i] <= t
        /\ \E u \in (IF n = 0 THEN {0} ELSE disk.log[n]..t) : \* when the log ended there
            disk' = [term |-> t, vote |-> v,
                     commit |-> Min(disk.commit, n), start |-> disk.start,
                     log |-> Prefix(disk.log, n),
                     acked |-> IF n = Len(disk.log) /\ disk.acked[1] <= t THEN disk.acked
                               ELSE <<u, n>>]
        /\ disk' # disk
    /\ UNCHANGED <<others, match, process, pending, cut, ckpt, mark, marking, gap, identity, votes,
                   crashes>>

\* What the log is after a checkpoint from a peer that it does not meet: nothing but that.
Restarted ==
    /\ ckpt.received
    /\ ckpt.index > Len(disk.log) \/ disk.log[ckpt.index] # elog[ckpt.index]
SettledLog == IF Restarted /\ Guard("received-restarts-log")
              THEN Prefix(elog, ckpt.index) ELSE disk.log
\* Where it ends: the term of a checkpoint is at least that of all it covers.
SettledShown == IF SettledLog = disk.log THEN Shown(disk)
                ELSE IF Guard("mark-by-ack-term")
                THEN <<Max(disk.term, Position(SettledLog)[1]), ckpt.index>>
                ELSE Position(SettledLog)

\* The disk shows less than what was promised.
Forgot ==
    \/ gap
    \/ mark.term = Garbage
    \/ ckpt.index > Len(SettledLog)
    \/ Guard("mark-compared") /\
        \/ disk.term < mark.term
        \/ disk.term = mark.term /\ mark.vote # 0 /\ disk.vote # mark.vote
    \/ Guard("acked-compared") /\ Less(SettledShown, mark.acked)

\* Replay of the log behind the checkpoint is Apply, step by step.
Restart ==
    /\ mode = "down"
    /\ IF Forgot
       THEN mode' = "lost" /\ UNCHANGED <<vol, applied, state>>
       ELSE LET top == Position(SettledLog)[1]
                term == IF Restarted /\ Guard("received-raises-term")
                        THEN Max(disk.term, top) ELSE disk.term
            IN  /\ mode' = "up"
                /\ vol' = [term |-> term,
                           vote |-> IF term = disk.term THEN disk.vote ELSE 0,
                           commit |-> IF Guard("commit-at-least-applied")
                                      THEN Max(disk.commit, ckpt.index) ELSE disk.commit,
                           start |-> IF Restarted THEN ckpt.index ELSE disk.start,
                           log |-> SettledLog, matched |-> 0]
                /\ applied' = ckpt.index /\ state' = ckpt.state
    \* The leader names what this member acknowledged to it; less is a lost disk as well.
    /\ (mode' = "up" /\ ~Guard("handshake")) \/ mode' = "lost" \/ match <= Len(SettledLog)
    /\ UNCHANGED <<others, match, asking, capture, staged, files, identity, history>>

\* The first word to the leader: it names what this member acknowledged to it.
RefusedByLeader ==
    /\ Guard("handshake")
    /\ mode = "down" /\ ~Forgot /\ match > Len(SettledLog)
    /\ mode' = "lost"
    /\ UNCHANGED <<others, match, vol, asking, applied, state, capture, staged, files, identity,
                   history>>

-----------------------------------------------------------------------------
\* A new disk.

\* The operator gives an empty one.
Wipe ==
    /\ Has("rejoin")
    /\ mode = "down" /\ faults < MaxFaults
    /\ faults' = faults + 1 /\ damaged' = TRUE
    /\ disk' = NoLog /\ cut' = 0 /\ ckpt' = NoCheckpoint /\ mark' = NoMark /\ gap' = FALSE
    /\ mode' = IF Guard("new-disk-new-id") THEN "lost" ELSE "down"
    /\ match' = IF Guard("new-disk-new-id") THEN match ELSE 0
    /\ UNCHANGED <<others, vol, asking, applied, state, capture, staged, pending, marking, identity,
                   votes, crashes>>

\* The data is kept aside and an empty directory gets a new disk id, which the log admits as a
\* learner under a raft id that nobody had.
Rejoin ==
    /\ Has("rejoin") /\ Guard("lost-rejoins")
    /\ mode = "lost"
    /\ mode' = "up" /\ vol' = Fresh /\ applied' = 0 /\ state' = 0
    /\ disk' = NoLog /\ cut' = 0 /\ ckpt' = NoCheckpoint /\ gap' = FALSE
    /\ mark' = [NoMark EXCEPT !.term = 1] /\ pending' = << >> /\ marking' = {}
    /\ id' = id + 1 /\ role' = "learner" /\ damaged' = FALSE
    /\ match' = 0
    /\ UNCHANGED <<others, asking, capture, staged, votes, crashes, faults>>

\* One joint change makes the new disk a voter and removes the old one, once it holds, durably and
\* as far as the leader knows, all that is committed.
Swap ==
    /\ mode = "up" /\ role = "learner"
    /\ Guard("caught-up-before-swap") => match >= ecommit
    /\ role' = "voter"
    /\ UNCHANGED <<others, match, process, files, id, history>>

-----------------------------------------------------------------------------
Next ==
    \/ Propose \/ Commit \/ ChangeLeader
    \/ ReceiveAppend \/ Apply
    \/ \E t \in 1..MaxTerm, c \in Candidates : ReceiveVoteRequest(t, c)
    \/ Campaign \/ \E t \in 1..MaxTerm : AskForVotes(t)
    \/ WriteLog \/ SyncLog \/ WriteMark \/ SyncMark
    \/ Acknowledge \/ SendVote
    \/ BeginCheckpoint \/ EndCheckpoint \/ CheckpointIndexAlone \/ Cut
    \/ ReceiveCheckpoint \/ InstallCheckpoint
    \/ Crash \/ Damage \/ Restart \/ RefusedByLeader
    \/ Wipe \/ Rejoin \/ Swap

Spec == Init /\ [][Next]_vars

\* The process runs and is started again, the leader sends what is missing, and there is a leader of
\* every term that somebody got to.
FairSpec ==
    /\ Spec
    /\ WF_vars(Restart) /\ WF_vars(RefusedByLeader)
    /\ WF_vars(ReceiveAppend) /\ WF_vars(InstallCheckpoint)
    /\ WF_vars(WriteLog) /\ WF_vars(SyncLog) /\ WF_vars(Acknowledge)
    /\ WF_vars(vol.term > eterm /\ ChangeLeader)
    /\ WF_vars(Rejoin) /\ WF_vars(Swap)

-----------------------------------------------------------------------------
TypeOK ==
    /\ eterm \in 1..MaxTerm /\ ecommit \in 0..Len(elog) /\ match \in 0..MaxLength
    /\ mode \in {"up", "down", "lost"}
    /\ applied \in 0..MaxLength /\ state \in 0..MaxLength
    /\ Len(pending) <= 2 /\ Cardinality(marking) <= 1

\* What the disk holds if the power fails now and keeps nothing unsynced.
DurableLog == IF Restarted THEN Prefix(elog, ckpt.index) ELSE disk.log

\* What the leader counts on is on the disk, whatever happens to the process.
AcknowledgedIsDurable ==
    ~damaged => IsPrefix(Prefix(elog, match), DurableLog)

\* Under damage too: a member that is up does hold what its leader believes it holds.
LeaderNotFooled ==
    mode = "up" => IsPrefix(Prefix(elog, match), DurableLog)

\* A member that is up holds what its mark says it acknowledged.
MarkedIsPresent ==
    mode = "up" => ~Behind(SettledShown, mark.acked)

\* Under one identity no two votes in one term: not after a crash, damage, or a new disk.  A vote for
\* itself is one for the process that asks.
OneVotePerTerm ==
    \A v, w \in votes : v[1] = w[1] /\ v[2] = w[2] => v = w

\* No two processes of a disk ask for votes in one term, so no two lead in it.  The second would not
\* know what the first has proposed, and propose other entries of the same index and term.
OneReignPerTerm ==
    \A v, w \in votes : v[1] = w[1] /\ v[2] = w[2] /\ v[3] = Self /\ w[3] = Self => v[4] = w[4]

\* A crash alone never makes a member believe that its disk is lost.
NoFalseAlarm == mode = "lost" => damaged

\* Nothing is in the log that no leader proposed.
EntriesAreReal == mode = "up" => \A i \in 1..Len(vol.log) : vol.log[i] # Garbage

TermCoversLog == mode = "up" => \A i \in cut + 1..Len(vol.log) : vol.log[i] <= vol.term

\* In memory, and at every restart: raft panics if applied lies above commit.
AppliedIsCommitted == mode = "up" /\ staged = 0 => applied <= vol.commit /\ vol.commit <= ecommit

\* The State, and that of the checkpoint, is the one of its index.
StateIsOfItsIndex == ckpt.state = ckpt.index /\ (mode = "up" => state = applied)

\* The cut removes nothing that the checkpoint lacks, and the log goes on where it ends.
CheckpointMeetsLog ==
    /\ Max(cut, disk.start) <= ckpt.index
    /\ damaged \/ ckpt.received \/ ckpt.index <= Len(disk.log)

\* What was acknowledged and committed is in the State that a restart will reach.
RestartReachesAcknowledged ==
    ~damaged => Max(ckpt.index, Len(DurableLog)) >= match

\* A voter on a new disk had all that was committed when it became one.
VoterHoldsCommitted ==
    [][role = "learner" /\ role' = "voter" => Len(DurableLog) >= ecommit]_vars

\* Acknowledged to one leader, and what is committed stays: the checkpoint never goes back.
CheckpointAdvances == [][id' = id => ckpt'.index >= ckpt.index]_vars

\* Whatever befalls it, in the end the member is a voter and holds its leader's log.  (The bounds of
\* the model end faults and changes of leader.)
CatchesUp == <>[](mode = "up" /\ role = "voter" /\ match = Len(elog))

\* Reached:
CrashBetweenLogAndMark ==
    mode = "down" /\ ~damaged /\ Behind(mark.acked, Shown(disk))
CrashAfterCheckpoint == mode = "up" /\ crashes > 0 /\ ckpt.index > 0 /\ cut > 0 /\ applied > cut
CommitBehindCheckpoint == mode = "down" /\ ~damaged /\ ~ckpt.received /\ disk.commit < ckpt.index
ReceivedAheadOfLog == mode = "down" /\ Restarted
LogShortened == mode = "down" /\ ~damaged /\ Len(disk.log) < mark.acked[2]
LastTermFell == mode = "down" /\ ~damaged /\ Behind(Position(disk.log), mark.acked)
DamageFound == mode = "lost" /\ damaged
VotedAgainAfterCrash == crashes > 0 /\ mode = "up" /\ Cardinality(votes) = 2
AskedAfterCrash == \E v \in votes : v[3] = Self /\ v[4] > 0
SwappedIn == role = "voter" /\ id = 2 /\ votes # {}
=============================================================================
