package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// reason says why no world reaches some blocks: those of a file, of its functions of some names,
// whose text contains something. What is empty fits all; the first reason that fits counts.
type reason struct {
	file, functions, text string
	why                   string
}

// reasons are all that are known. A block without one is a gap in what worlds do.
var reasons = []reason{
	{"", "", "invariant.", "an assertion: it cannot be reached"},
	{"", "String Error Unwrap", "", "text for people: worlds print none of it"},
	{"", "withDefaults", "", "worlds set what is zero elsewhere"},
	{"core/stream.go", "judgeBatch", "return ReasonNone", "only with a planted bug"},
	{"core/acl.go", "matches validACLID", "", "nobody authenticates by that scheme here"},
	{"core/acl.go", "matchesIP", "", "was judged when the ACL was set"},
	{"core/acl.go", "asUTF8 malformedLen", "", "the judges' model keeps the bytes"},
	{"core/acl.go", "newACLList allowed", "index", "longer lists than worlds make: unit tests"},
	{"core/acl_index.go", "", "", "longer lists than worlds make: unit tests"},
	{"core/auth_packet.go", "DigestID", "", "the judges know SHA-1 only"},
	{"core/apply.go", "command", "KindGiveUp", "changes of members that meet: in few worlds"},
	{"core/list.go", "sorted", "", "names that agree for eight bytes: unit tests"},
	{"core/local.go", "Open", "", "many connections of one address: in few worlds"},
	{"core/local.go", "Closed", "", "drivers say it once"},
	{"core/local.go", "Deliver endOthers answer", "", "handshakes that overtake each other: rare"},
	{"core/read.go", "setWatches", "", "damaged lists of watches: in few worlds"},
	{"core/reap.go", "reapable", "", "was checked by the caller"},
	{"core/reap.go", "AppendReapable", "", "more to reap than worlds have: unit tests"},
	{"core/conn.go", "Walked", "", "for the production driver"},
	{"core/watch.go", "Size", "", "for the production driver"},
	{"core/apply_session.go", "expire", "", "ended since its leader decided: in few worlds"},
	{"replication/election.go", "heed", "", "who refuses has another log: in few worlds"},
	{"replication/applier.go", "apply deliver registered", "",
		"thousands to reap, gaps of one's own, processes that were replaced: unit tests"},
	{"replication/install.go", "", "", "a checkpoint comes while apply is behind: rare"},
	{"replication/reads.go", "takeReadStates", "", "raft returns what it was given"},
	{"replication/reception.go", "takePiece", "", "pieces that were sent twice: rare"},
	{"replication/replica.go", "step", "", "a disk that forgot: in few worlds"},
	{"replication/ensemble.go", "takeProgress", "", "gaps of one's own: unit tests"},
	{"replication/look.go", "", "", "of messages that members send: each is understood"},
	{"replication/shipment.go", "ask", "", "a piece is asked for twice: in few worlds"},
	{"replication/touches.go", "add", "", "hundreds of sessions of one member: unit tests"},
	{"replication/founding.go", "Decide", "ErrTwoEnsembles", "two ensembles: rare"},
	{"replication/stamp.go", "", "", "clocks that nobody knows: unit tests"},
	{"replication/tick.go", "decode", "", "what no member sends: unit tests, fuzzing"},
	{"core/apply.go", "trim", "", "gives back what far larger commands took"},
	{"core/apply_write.go", "", "", "the decoder has judged it before"},
	{"core/build.go", "walk Dump Refound", "err", "of a callback that never fails"},
	{"core/checkpoint.go", "Reset Capturing", "", "for the production driver"},
	{"core/checkpoint.go", "", "", "damage of kinds that few worlds do: unit tests, fuzzing"},
	{"core/command.go", "", "", "what no member writes: unit tests, fuzzing"},
	{"core/config.go", "", "", "rare texts of reconfig: unit tests, fuzzing"},
	{"core/conn.go", "pop compact", "", "queues that never run empty: in few worlds"},
	{"core/local.go", "grant release shed TakeTouched", "", "much memory is held: in few worlds"},
	{"core/member.go", "DecodeWord check NewEnsemble", "", "a word that no founder says"},
	{"core/member", "", "", "changes of members that meet: in few worlds"},
	{"core/quota.go", "", "", "odd texts of quotas: in few worlds"},
	{"core/read.go", "read multiRead", "", "a reply above 64 MiB: too slow for a world"},
	{"core/serving.go", "Serving", "", "for the production driver"},
	{"core/serving.go", "", "", "odd clients of a read-only server: in few worlds"},
	{"core/state.go", "Follow", "", "a release that is too old is not started"},
	{"core/jump.go", "", "", "a release that is too old is not started"},
	{"replication/applier.go", "", "err", "what a log that is right never holds"},
	{"replication/clock.go", "deadlines", "", "for the production driver"},
	{"replication/conf.go", "Electors", "", "for traces of the specification"},
	{"replication/conf.go", "", "", "what raft never proposes"},
	{"replication/digests.go", "", "", "States that differ: planted bugs only"},
	{"replication/serving.go", "", "", "States that differ: planted bugs only"},
	{"replication/tick.go", "sendLeaderTicks", "", "States that differ: planted bugs only"},
	{"replication/ensemble.go", "checkPeer checkPlaces takeReceived", "",
		"what no member sends: unit tests, fuzzing"},
	{"replication/founding.go", "", "", "a word that no founder says"},
	{"replication/handshake.go", "", "", "for the production driver, or damaged on the way"},
	{"replication/member.go", "Config AppendDeadlines", "", "for the production driver"},
	{"replication/member.go", "New", "", "what no process starts with: unit tests"},
	{"replication/member.go", "", "", "raft has nothing to say"},
	{"replication/membership.go", "", "", "changes of members that meet: in few worlds"},
	{"replication/memlog.go", "", "", "what raft does not ask for as it is driven"},
	{"replication/peer.go", "", "", "what no member sends: unit tests, fuzzing"},
	{"replication/piece.go", "", "", "what no member sends: unit tests, fuzzing"},
	{"replication/replica.go", "start", "", "raft refuses no right log"},
}

// why returns the reason for a block, "" if none is known.
func why(file, function, text string) string {
	for _, r := range reasons {
		if strings.HasPrefix(file, r.file) && strings.Contains(text, r.text) &&
			(r.functions == "" || slices.Contains(strings.Fields(r.functions), function)) {
			return r.why
		}
	}
	return ""
}

// miss is a block that no world has reached.
type miss struct {
	file           string
	line           int
	function, text string
	statements     int
}

// String names it in one line.
func (m *miss) String() string {
	return fmt.Sprintf("%s:%d %s: %s", m.file, m.line, m.function, m.text)
}

// writeMisses writes the list of what no world has reached, for docs.
func writeMisses(w io.Writer, title string, misses []miss) {
	_, _ = fmt.Fprintf(w, "\n## %s\n\n| where | statements | why |\n|---|---|---|\n", title)
	for _, m := range misses {
		text := strings.NewReplacer("|", "\\|", "`", "'").Replace(m.text)
		because := why(m.file, m.function, m.text)
		if because == "" {
			because = "**a gap**: worlds do too little"
		}
		_, _ = fmt.Fprintf(w, "| %s:%d %s: `%s` | %d | %s |\n", m.file, m.line, m.function, text,
			m.statements, because)
	}
}
