---------------------------- MODULE SessionsResend ----------------------------
(***************************************************************************)
(* Each command of a stream is applied in the end, however often leaders   *)
(* change and connections break (DESIGN section 4: "a server keeps what it *)
(* has not seen applied, and sends it again").  That none is applied twice *)
(* is SessionsStreams; here a batch is one command, and apply takes only   *)
(* the one that continues the stream.                                      *)
(*                                                                         *)
(* A server sends its commands, in order, over one connection to the       *)
(* leader.  What it sends again starts at the first it has not seen        *)
(* applied (`next' falls back).  Five rules say when.  The last of them,   *)
(* after some ticks, is enough for liveness whatever is lost: that is      *)
(* checked with Silence = TRUE, where a message may be lost without a      *)
(* trace.  The other four see each loss that leaves a trace, at once:      *)
(* SessionsResend-prompt checks that without the fifth (Ticks = FALSE).    *)
(*                                                                         *)
(* Faults are bounded, the ensemble is fair behind them.                   *)
(*                                                                         *)
(* What the model taught.                                                  *)
(*   - Without the leader leaving out what its log holds behind the        *)
(*     applied index, re-sends fill the bounded log with copies.           *)
(*   - It leaves out whatever is there, also what stands there beyond a    *)
(*     gap: 2, 3 in the log, then 1, 2, 3 sent again make 2, 3, 1.  So the *)
(*     rule for gaps is needed although every loss leaves a trace: it is   *)
(*     not only for silent losses.                                         *)
(***************************************************************************)
EXTENDS Naturals, Sequences, FiniteSets

CONSTANTS
    Commands,       \* how many the server has to give
    Faults,         \* bound of the model: how many things go wrong
    InFlight,       \* bound of the model: messages on the connection
    Uncommitted,    \* entries that may be uncommitted
    Silence,        \* a message may be lost without a trace
    Ticks,          \* the server sends again after some ticks
    Broken          \* names of the guards that are switched off

\* What refutes the model without each of its guards:
\* guard resend-on-ticks: AllApplied
\* guard resend-on-term: AllApplied [SessionsResend-prompt]
\* guard resend-on-reset: AllApplied [SessionsResend-prompt]
\* guard resend-on-refusal: AllApplied [SessionsResend-prompt]
\* guard resend-on-gap: AllApplied [SessionsResend-prompt]
\* guard leader-skips: NoCopies
\*
\* reaches SameLeaderAgain
\* reaches GapGoesBy

Guard(g) == g \notin Broken

VARIABLES
    channel,    \* commands on their way to the leader, in order
    log,        \* entries that are not applied by the leader yet, in order
    committed,  \* how many of them are committed
    stream,     \* the last command that was applied: it stands in every State
    seen,       \* the last one that the server has seen applied
    next,       \* the next one that it sends
    term,       \* the leader's, as the log has it
    heard,      \* as the server has it
    refused,    \* an answer that a batch was dropped is on its way
    gap,        \* a gap of its own has gone by and is not answered by a re-send yet
    faults      \* that are left

vars == <<channel, log, committed, stream, seen, next, term, heard, refused, gap, faults>>

Init ==
    /\ channel = <<>> /\ log = <<>> /\ committed = 0
    /\ stream = 0 /\ seen = 0 /\ next = 1
    /\ term = 1 /\ heard = 1 /\ refused = FALSE /\ gap = FALSE
    /\ faults = Faults

Holds(s, x) == \E i \in 1..Len(s) : s[i] = x

Again == seen + 1

-----------------------------------------------------------------------------
(* The server. *)

Send ==
    /\ next <= Commands
    /\ Len(channel) < InFlight
    /\ channel' = Append(channel, next)
    /\ next' = next + 1
    /\ UNCHANGED <<log, committed, stream, seen, term, heard, refused, gap, faults>>

(* It sees what is applied, and with it the term. *)
See ==
    /\ seen < stream
    /\ seen' = stream
    /\ next' = IF next <= stream THEN stream + 1 ELSE next
    /\ UNCHANGED <<channel, log, committed, stream, term, heard, refused, gap, faults>>

(* A new term, be its leader the same or another. *)
HearTerm ==
    /\ heard # term
    /\ heard' = term
    /\ next' = IF Guard("resend-on-term") THEN Again ELSE next
    /\ UNCHANGED <<channel, log, committed, stream, seen, term, refused, gap, faults>>

HearRefusal ==
    /\ refused
    /\ refused' = FALSE
    /\ next' = IF Guard("resend-on-refusal") THEN Again ELSE next
    /\ UNCHANGED <<channel, log, committed, stream, seen, term, heard, gap, faults>>

SeeGap ==
    /\ gap
    /\ gap' = FALSE
    /\ next' = IF Guard("resend-on-gap") THEN Again ELSE next
    /\ UNCHANGED <<channel, log, committed, stream, seen, term, heard, refused, faults>>

(* Nothing has happened for some ticks. *)
TicksPass ==
    /\ Ticks /\ Guard("resend-on-ticks")
    /\ channel = <<>> /\ log = <<>>
    /\ seen = stream /\ next > Again
    /\ next' = Again
    /\ UNCHANGED <<channel, log, committed, stream, seen, term, heard, refused, gap, faults>>

-----------------------------------------------------------------------------
(* The leader. *)

Take ==
    /\ channel # <<>>
    /\ channel' = Tail(channel)
    /\ LET x == Head(channel)
           held == x <= stream \/ Holds(log, x)
       IN  IF held /\ Guard("leader-skips") THEN log' = log
           ELSE Len(log) < Uncommitted /\ log' = Append(log, x)
    /\ UNCHANGED <<committed, stream, seen, next, term, heard, refused, gap, faults>>

Commit ==
    /\ committed < Len(log)
    /\ committed' = committed + 1
    /\ UNCHANGED <<channel, log, stream, seen, next, term, heard, refused, gap, faults>>

(* Apply takes what continues the stream, skips what it had and ignores what lies beyond a gap. *)
Apply ==
    /\ committed > 0
    /\ log' = Tail(log)
    /\ committed' = committed - 1
    /\ stream' = IF Head(log) = stream + 1 THEN stream + 1 ELSE stream
    /\ gap' = (gap \/ Head(log) > stream + 1)
    /\ UNCHANGED <<channel, seen, next, term, heard, refused, faults>>

-----------------------------------------------------------------------------
(* What goes wrong. *)

Fault == faults > 0 /\ faults' = faults - 1

(* A change of leader drops a part of what is not committed.  The connection stays if the same
   leader is elected again. *)
ChangeLeader ==
    /\ Fault
    /\ term' = term + 1
    /\ \E n \in committed..Len(log) : log' = SubSeq(log, 1, n)
    /\ UNCHANGED <<channel, committed, stream, seen, next, heard, refused, gap>>

(* The connection breaks, with what was on it; the server notices. *)
Reset ==
    /\ Fault
    /\ channel' = <<>>
    /\ next' = IF Guard("resend-on-reset") THEN Again ELSE next
    /\ UNCHANGED <<log, committed, stream, seen, term, heard, refused, gap>>

(* The leader has no room, or has stopped to be one, and says so. *)
Refuse ==
    /\ Fault
    /\ channel # <<>>
    /\ channel' = Tail(channel)
    /\ refused' = TRUE
    /\ UNCHANGED <<log, committed, stream, seen, next, term, heard, gap>>

(* A message is lost and nobody says so: the answer was lost as well. *)
LoseSilently ==
    /\ Silence
    /\ Fault
    /\ channel # <<>>
    /\ channel' = Tail(channel)
    /\ UNCHANGED <<log, committed, stream, seen, next, term, heard, refused, gap>>

Next ==
    \/ Send \/ See \/ HearTerm \/ HearRefusal \/ SeeGap \/ TicksPass
    \/ Take \/ Commit \/ Apply
    \/ ChangeLeader \/ Reset \/ Refuse \/ LoseSilently

Spec ==
    /\ Init /\ [][Next]_vars
    /\ WF_vars(Send) /\ WF_vars(See) /\ WF_vars(HearTerm) /\ WF_vars(HearRefusal)
    /\ WF_vars(SeeGap) /\ WF_vars(TicksPass)
    /\ WF_vars(Take) /\ WF_vars(Commit) /\ WF_vars(Apply)

-----------------------------------------------------------------------------
TypeOK ==
    /\ seen <= stream /\ stream <= Commands
    /\ committed <= Len(log) /\ Len(log) <= Uncommitted
    /\ next \in Again..(Commands + 1)

(* No command stands twice in the log that waits for apply. *)
NoCopies == \A i, j \in 1..Len(log) : log[i] = log[j] => i = j

(* Each command is applied, and the server sees it. *)
AllApplied == <>[](seen = Commands)

(* Reached: a change of leader took a command along, and its connection stands; a gap. *)
SameLeaderAgain == heard # term /\ log = <<>> /\ next > stream + 1
GapGoesBy == gap /\ stream < Commands
=============================================================================
