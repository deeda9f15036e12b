-------------------------- MODULE SessionsDelivery --------------------------
(***************************************************************************)
(* Ordered delivery on one connection (DESIGN section 3; core's Conn and   *)
(* Local.Deliver): which State each pipelined request sees, in which order *)
(* replies and events leave, and where watches are armed.                  *)
(*                                                                         *)
(* The client sends writes W, reads R (each sets a one-shot watch) and     *)
(* syncs S, as many as it likes without waiting.  Others write as well.    *)
(* All of it is about one znode; each entry of the log changes it, so that *)
(* the index of an entry is its zxid and names the version it makes.       *)
(*                                                                         *)
(* What is abstracted away, and why that is sound.                         *)
(*   - The stream is a queue out of which the log takes one write after    *)
(*     the other: SessionsStreams.  The log holds only what is committed.  *)
(*   - A sync's read index is any index committed when it is asked or      *)
(*     later, and comes at any time: Reads.  The least of them is enough,  *)
(*     since an answer that comes later is the same step, taken later.     *)
(*   - Pings are reads without a watch, and auth packets writes that take  *)
(*     no zxid: they queue alike.  A connection that ends answers nothing  *)
(*     more: SessionsMoves.                                                *)
(*   - Other connections on the server: their events are queued in the     *)
(*     same step of apply, in front of whatever is queued there later.     *)
(*                                                                         *)
(* A write of its own behind a sync answers that sync when it is applied   *)
(* (Conn.overtake): what was committed when the sync was asked stands in   *)
(* front of it in the log.  SyncedRead holds with it.                      *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Requests,       \* how many the client sends
    Entries,        \* bound of the model: length of the log
    Broken          \* names of the guards that are switched off

\* What refutes the model without each of its guards:
\* guard read-waits-for-write: ReadYourWrites
\* guard read-waits-for-sync: ZxidsNeverFall
\* guard read-before-next: NotLaterWrites
\* guard write-waits-for-read: NotLaterWrites
\* guard zxid-of-read: HeaderNamesSnapshot
\* guard event-first: EventBeforeData
\* guard armed-with-reply: EventAfterItsReply
\* guard armed-with-read: NoMissedEvent
\* guard one-shot: NoDoubledEvent
\* guard overtake-behind-only: SyncedRead
\* guard held-is-given: Answered [SessionsDelivery-liveness]
\* guard sync-moves-queue: Answered [SessionsDelivery-liveness]
\*
\* never ArmLate: only without the guard armed-with-read
\* never FinishRead: only without the guard armed-with-reply
\*
\* reaches PipelinedRead
\* reaches WriteHeld
\* reaches Overtaken
\* reaches EventBetween

Guard(g) == g \notin Broken

VARIABLES
    log,        \* what is committed: the number of the client's write, or 0 for another's
    applied,    \* how many entries the server has applied
    asked,      \* the client's requests so far: [kind, committed when it was sent]
    stream,     \* its writes that are given to the stream and not in the log
    queue,      \* requests that are not answered yet: see Item
    out,        \* what was queued for the client, in order
    watch,      \* the reads whose watch is armed
    late        \* reads that arm their watch too late or too early: broken variants only

vars == <<log, applied, asked, stream, queue, out, watch, late>>

Nobody == 0

(***************************************************************************)
(* A request in the queue.  mark is, for a write, "given" or "held"; for a *)
(* sync, "asked" or "confirmed"; for a read, "waits".  shows is the        *)
(* version of a read that a broken variant ran before its turn.            *)
(***************************************************************************)
Item(n, kind, mark) ==
    [n |-> n, kind |-> kind, mark |-> mark, early |-> FALSE, shows |-> 0]

Reply(n, kind, shows, zxid) ==
    [type |-> "reply", n |-> n, kind |-> kind, shows |-> shows, zxid |-> zxid, of |-> {}]

Event(zxid, of) ==
    [type |-> "event", n |-> 0, kind |-> "E", shows |-> zxid, zxid |-> zxid, of |-> of]

Init ==
    /\ log = <<>> /\ applied = 0 /\ asked = <<>> /\ stream = <<>>
    /\ queue = <<>> /\ out = <<>> /\ watch = {} /\ late = {}

Min(a, b) == IF a < b THEN a ELSE b

(* What a step too late would see. *)
Later(i) == Min(i + 1, Len(log))

-----------------------------------------------------------------------------
(* The machine: c is what a step changes. *)

Here == [queue |-> queue, out |-> out, watch |-> watch, late |-> late]

Become(c) ==
    /\ queue' = c.queue /\ out' = c.out /\ watch' = c.watch /\ late' = c.late

(* A read is evaluated at version i, its watch armed, its reply queued: one step. *)
RunRead(c, item, i) ==
    LET shows == IF item.early THEN item.shows ELSE i
        zxid  == IF Guard("zxid-of-read") THEN shows ELSE Later(shows)
    IN  [c EXCEPT
            !.out = Append(@, Reply(item.n, "R", shows, zxid)),
            !.watch = IF Guard("armed-with-read") THEN @ \cup {item.n} ELSE @,
            !.late = IF Guard("armed-with-read") THEN @ ELSE @ \cup {item.n}]

(* Answers what stands at the head of the queue and waits for nothing any more. *)
RECURSIVE Advance(_, _)
Advance(c, i) ==
    IF c.queue = <<>> THEN c
    ELSE LET item == Head(c.queue)
             rest == [c EXCEPT !.queue = Tail(@)]
         IN  CASE item.kind = "R" -> Advance(RunRead(rest, item, i), i)
               [] item.kind = "S" /\ item.mark = "confirmed" ->
                    Advance([rest EXCEPT !.out = Append(@, Reply(item.n, "S", i, i))], i)
               [] OTHER -> c

(* A write of this connection was applied: the syncs that stand before it are through. *)
RECURSIVE Overtake(_, _)
Overtake(q, beyond) ==
    IF q = <<>> THEN q
    ELSE IF Head(q).kind = "W" /\ ~beyond THEN q
    ELSE <<IF Head(q).kind = "S" THEN [Head(q) EXCEPT !.mark = "confirmed"] ELSE Head(q)>>
            \o Overtake(Tail(q), beyond)

(* The outcome of write n, which is entry i, reaches the connection. *)
Outcome(c, n, i) ==
    LET passed == IF Head(c.queue).kind = "S" \/ ~Guard("overtake-behind-only")
                  THEN [c EXCEPT !.queue = Overtake(@, ~Guard("overtake-behind-only"))]
                  ELSE c
        before == Advance(passed, i)
        answered == [before EXCEPT !.queue = Tail(@), !.out = Append(@, Reply(n, "W", i, i))]
    IN  Advance(answered, IF Guard("read-before-next") THEN i ELSE Later(i))

(* A change is told to the one who watches. *)
Fire(c, i) ==
    IF c.watch = {} THEN c
    ELSE [c EXCEPT !.out = Append(@, Event(i, c.watch)),
                   !.watch = IF Guard("one-shot") THEN {} ELSE @]

-----------------------------------------------------------------------------
(* What the client does. *)

Ask(kind) ==
    /\ Len(asked) < Requests
    /\ asked' = Append(asked, [kind |-> kind, committed |-> Len(log)])

Waiting(kind) == \E k \in 1..Len(queue) : queue[k].kind = kind

Read ==
    /\ Ask("R")
    /\ LET n == Len(asked) + 1
           early == \/ ~Guard("read-waits-for-write") /\ ~Waiting("S")
                    \/ ~Guard("read-waits-for-sync") /\ ~Waiting("W")
           item == [Item(n, "R", "waits") EXCEPT !.early = early, !.shows = applied]
       IN  IF queue # <<>> THEN Become([Here EXCEPT !.queue = Append(@, item)])
           ELSE IF Guard("armed-with-reply") THEN Become(RunRead(Here, item, applied))
           ELSE Become([Here EXCEPT !.watch = @ \cup {n}, !.late = @ \cup {n},
                                    !.queue = Append(@, [item EXCEPT !.kind = "armed"])])
    /\ UNCHANGED <<log, applied, stream>>

(* A write behind a read that waits for a sync is not given to the stream before that read is
   answered, nor is one behind it. *)
MustHold ==
    \/ \E k \in 1..Len(queue) : queue[k].mark = "held"
    \/ \E j, k \in 1..Len(queue) : j < k /\ queue[j].kind = "S" /\ queue[k].kind = "R"

(* The server may hold one behind any sync: it does not note when the reads behind one are answered
   while another sync waits. *)
MayHold == MustHold \/ Waiting("S")

Write ==
    /\ Ask("W")
    /\ \E hold \in BOOLEAN :
        LET n == Len(asked) + 1 IN
        /\ MustHold /\ Guard("write-waits-for-read") => hold
        /\ hold => MayHold
        /\ queue' = Append(queue, Item(n, "W", IF hold THEN "held" ELSE "given"))
        /\ stream' = IF hold THEN stream ELSE Append(stream, n)
    /\ UNCHANGED <<log, applied, out, watch, late>>

Sync ==
    /\ Ask("S")
    /\ queue' = Append(queue, Item(Len(asked) + 1, "S", "asked"))
    /\ UNCHANGED <<log, applied, stream, out, watch, late>>

-----------------------------------------------------------------------------
(* What the ensemble and the server do. *)

CommitOwn ==
    /\ stream # <<>>
    /\ log' = Append(log, Head(stream))
    /\ stream' = Tail(stream)
    /\ UNCHANGED <<applied, asked, queue, out, watch, late>>

CommitOther ==
    /\ Len(log) < Entries
    /\ log' = Append(log, Nobody)
    /\ UNCHANGED <<applied, asked, stream, queue, out, watch, late>>

(* One command is applied; its events, its reply, the reads behind it. *)
Apply ==
    /\ applied < Len(log)
    /\ applied' = applied + 1
    /\ LET i == applied + 1
           n == log[i]
           mine(c) == IF n = Nobody THEN c ELSE Outcome(c, n, i)
       IN  Become(IF Guard("event-first") THEN mine(Fire(Here, i))
                  ELSE Fire(mine(Here), i))
    /\ UNCHANGED <<log, asked, stream>>

(* The read index of the oldest sync that still waits is confirmed, and applied here. *)
Confirm ==
    \E k \in 1..Len(queue) :
        /\ queue[k].kind = "S" /\ queue[k].mark = "asked"
        /\ \A j \in 1..(k - 1) : ~(queue[j].kind = "S" /\ queue[j].mark = "asked")
        /\ applied >= asked[queue[k].n].committed
        /\ LET c == [Here EXCEPT !.queue[k].mark = "confirmed"]
           IN  Become(IF Guard("sync-moves-queue") THEN Advance(c, applied) ELSE c)
        /\ UNCHANGED <<log, applied, asked, stream>>

(* The held writes at the head are given to the stream, up to the next sync. *)
GiveHeld ==
    /\ queue # <<>> /\ Head(queue).mark = "held"
    /\ Guard("held-is-given")
    /\ LET end == CHOOSE e \in 1..Len(queue) :
                    /\ \A k \in 1..e : queue[k].kind # "S"
                    /\ e < Len(queue) => queue[e + 1].kind = "S"
           given == SelectSeq(SubSeq(queue, 1, end), LAMBDA item : item.mark = "held")
       IN
        /\ queue' = [k \in 1..Len(queue) |->
                IF k <= end /\ queue[k].mark = "held" THEN [queue[k] EXCEPT !.mark = "given"]
                ELSE queue[k]]
        /\ stream' = stream \o [k \in 1..Len(given) |-> given[k].n]
    /\ UNCHANGED <<log, applied, asked, out, watch, late>>

(* Steps that should have been part of a read. *)
ArmLate ==
    /\ ~Guard("armed-with-read") /\ late # {}
    /\ watch' = watch \cup late
    /\ late' = {}
    /\ UNCHANGED <<log, applied, asked, stream, queue, out>>

FinishRead ==
    /\ queue # <<>> /\ Head(queue).kind = "armed"
    /\ Become(Advance([Here EXCEPT !.queue[1].kind = "R", !.late = {}], applied))
    /\ UNCHANGED <<log, applied, asked, stream>>

Next ==
    \/ Read \/ Write \/ Sync
    \/ CommitOwn \/ CommitOther \/ Apply \/ Confirm \/ GiveHeld
    \/ ArmLate \/ FinishRead

Spec == Init /\ [][Next]_vars

(* The ensemble commits, the server applies and hears of its read indexes. *)
FairSpec == Spec /\ WF_vars(CommitOwn) /\ WF_vars(Apply) /\ WF_vars(Confirm) /\ WF_vars(GiveHeld)

-----------------------------------------------------------------------------
Replies == SelectSeq(out, LAMBDA m : m.type = "reply")

(* Replies leave in the order of the requests, without a hole. *)
RepliesInOrder == \A k \in 1..Len(Replies) : Replies[k].n = k

(* The entry of write n; beyond the log if it is not committed yet. *)
EntryOf(n) ==
    IF \E i \in 1..Len(log) : log[i] = n THEN CHOOSE i \in 1..Len(log) : log[i] = n
    ELSE Len(log) + 1

ReadsAnswered == {k \in 1..Len(out) : out[k].type = "reply" /\ out[k].kind = "R"}

ReadYourWrites ==
    \A k \in ReadsAnswered : \A n \in 1..(out[k].n - 1) :
        asked[n].kind = "W" => EntryOf(n) <= out[k].shows

NotLaterWrites ==
    \A k \in ReadsAnswered : \A n \in (out[k].n + 1)..Len(asked) :
        asked[n].kind = "W" => EntryOf(n) > out[k].shows

(* A read behind a sync sees whatever was committed when the sync was sent; so does the sync. *)
SyncedRead ==
    \A k \in 1..Len(out) : out[k].type = "reply" /\ out[k].kind # "W" =>
        \A n \in 1..out[k].n : asked[n].kind = "S" => asked[n].committed <= out[k].shows

HeaderNamesSnapshot == \A k \in 1..Len(out) : out[k].zxid = out[k].shows

ZxidsNeverFall ==
    \A k \in 1..Len(Replies) : k > 1 => Replies[k].zxid >= Replies[k - 1].zxid

(* Behind a reply that can show a change comes no event of that change. *)
EventBeforeData ==
    \A k \in 1..Len(out) : out[k].type = "event" =>
        \A j \in 1..(k - 1) : out[j].type = "reply" => out[j].zxid < out[k].zxid

EventAfterItsReply ==
    \A k \in 1..Len(out) : \A n \in out[k].of :
        \E j \in 1..(k - 1) : out[j].type = "reply" /\ out[j].n = n

NoDoubledEvent ==
    \A j, k \in 1..Len(out) : j # k => out[j].of \cap out[k].of = {}

(* Whoever is shown anything newer than what a read has shown was told of the first change after
   that read. *)
NoMissedEvent ==
    \A k \in ReadsAnswered : \A j \in (k + 1)..Len(out) :
        out[j].zxid > out[k].shows =>
            \E e \in (k + 1)..j : out[e].type = "event" /\ out[k].n \in out[e].of
                                  /\ out[e].zxid = out[k].shows + 1

TypeOK ==
    /\ applied \in 0..Len(log)
    /\ Len(asked) <= Requests
    /\ watch \subseteq 1..Requests
    /\ Len(Replies) + Len(queue) = Len(asked)

(* Each request is answered. *)
Answered == \A n \in 1..Requests : Len(asked) >= n ~> Len(Replies) >= n

(* Reached: a read between two writes of one pipeline that are committed together; a write held
   behind a read that waits; a write that overtakes a sync; an event between the replies of a
   pipeline. *)
PipelinedRead ==
    /\ Len(queue) = 3 /\ queue[1].kind = "W" /\ queue[2].kind = "R" /\ queue[3].kind = "W"
    /\ Len(log) = applied + 2
WriteHeld == \E k \in 1..Len(queue) : queue[k].mark = "held"
Overtaken ==
    /\ applied < Len(log) /\ log[applied + 1] # Nobody
    /\ Len(queue) > 1 /\ queue[1].kind = "S" /\ queue[1].mark = "asked"
EventBetween ==
    \E k \in 2..Len(out) : k < Len(out) /\ out[k].type = "event" /\ out[k - 1].type = "reply"
                           /\ out[k + 1].type = "reply"
=============================================================================
