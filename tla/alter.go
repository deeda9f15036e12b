package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"text/tabwriter"

	"github.com/vivariumdb/vivarium/sim"
)

// An alteration makes a trace tell what may not be. Its specification has to refute the line that
// was altered, or the next.
type alteration struct {
	module, kind, name string
	// at says whether the line can be altered, given those behind it.
	at func(lines []sim.AbstractLine) bool
	// alter changes a copy of the lines from there on.
	alter func(lines []sim.AbstractLine) []sim.AbstractLine
}

// An Altered trace is what came of an alteration.
type Altered struct {
	Spec, Kind, Name, Trace string
	Line                    int // the first that is not as it was
	Refuted                 int // that is not admitted; 0: none
}

func (a Altered) caught() bool { return a.Refuted == a.Line || a.Refuted == a.Line+1 }

// has says whether lines begin with these actions.
func has(actions ...string) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool {
		for i, action := range actions {
			if i >= len(lines) || lines[i].Action != action {
				return false
			}
		}
		return true
	}
}

// both says whether two conditions hold.
func both(a, b func([]sim.AbstractLine) bool) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool { return a(lines) && b(lines) }
}

// is says whether a field of the first line has a value.
func is(name string, want any) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool { return field(&lines[0], name) == want }
}

// second says whether a field of the second line has a value.
func second(name string, want any) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool { return field(&lines[1], name) == want }
}

// positive says whether a field of the first line is more than 0.
func positive(name string) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool { return field(&lines[0], name).(int) > 0 }
}

// there says whether the second line is of the server that the first names.
func there(lines []sim.AbstractLine) bool {
	return field(&lines[0], "s") == field(&lines[1], "s")
}

// full says whether a field of the first line is a set or a log that is not empty.
func full(name string) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool {
		switch v := field(&lines[0], name).(type) {
		case []int:
			return len(v) > 0
		case sim.Terms:
			return len(v) > 0
		}
		return false
	}
}

// atOnce says whether the second line is of the same moment as the first, so that it is about it: a
// server that lags may apply something else next.
func atOnce(lines []sim.AbstractLine) bool {
	return lines[0].At == lines[1].At && field(&lines[1], "shown") == true
}

// soon says whether an action is one of the next lines.
func soon(action string) func([]sim.AbstractLine) bool {
	return func(lines []sim.AbstractLine) bool {
		return slices.ContainsFunc(lines[:min(len(lines), 60)],
			func(l sim.AbstractLine) bool { return l.Action == action })
	}
}

// appliesIt says whether the third line applies the last entry that the first line commits: the
// member cannot have known of that before the second.
func appliesIt(lines []sim.AbstractLine) bool {
	return field(&lines[2], "n") == field(&lines[0], "n")
}

// applyFirst puts the third line before the second.
func applyFirst(lines []sim.AbstractLine) []sim.AbstractLine {
	swap(lines[1:])
	return lines
}

func dropFirst(lines []sim.AbstractLine) []sim.AbstractLine { return lines[1:] }

func double(lines []sim.AbstractLine) []sim.AbstractLine {
	return slices.Insert(lines, 1, lines[0])
}

// sameEntry says whether the second line is about the entry of the first: a server that lags may
// have another one before it.
func sameEntry(lines []sim.AbstractLine) bool {
	return field(&lines[0], "i") == field(&lines[1], "i")
}

// anew puts the first line behind itself, as the next entry.
func anew(lines []sim.AbstractLine) []sim.AbstractLine {
	lines = double(lines)
	with("i", more)(lines[1:])
	return lines
}

func swap(lines []sim.AbstractLine) []sim.AbstractLine {
	lines[0], lines[1] = lines[1], lines[0]
	return lines
}

// with changes a field of the first line.
func with(name string, change func(any) any) func([]sim.AbstractLine) []sim.AbstractLine {
	return func(lines []sim.AbstractLine) []sim.AbstractLine {
		l := lines[0]
		l.Fields = slices.Clone(l.Fields)
		for i := range l.Fields {
			if f := &l.Fields[i]; f.Name == name {
				f.Value = change(f.Value)
			}
		}
		lines[0] = l
		return lines
	}
}

// renamed says that the first line was another action.
func renamed(action string) func([]sim.AbstractLine) []sim.AbstractLine {
	return func(lines []sim.AbstractLine) []sim.AbstractLine {
		lines[0].Action = action
		return lines
	}
}

// lags says whether more is committed than the server has applied: it applies something next that
// is not committed after the first line.
func lags(lines []sim.AbstractLine) bool {
	i := slices.IndexFunc(lines, func(l sim.AbstractLine) bool {
		return l.Action == "Apply" || l.Action == "CommitOwn" || l.Action == "CommitOther"
	})
	return i > 0 && lines[i].Action == "Apply"
}

// readWaits says whether a read waits behind a sync when the write of the first line comes: both
// are answered later.
func readWaits(lines []sim.AbstractLine) bool {
	write, sync := field(&lines[0], "n").(int), 0
	for i := range lines {
		n, _ := field(&lines[i], "n").(int)
		switch kind := field(&lines[i], "kind"); {
		case kind == nil || n > write:
		case kind == "S":
			sync = n
		case kind == "R" && sync > 0:
			return true
		}
	}
	return false
}

// confirmed says that the sync of the first line is confirmed at once.
func confirmed(lines []sim.AbstractLine) []sim.AbstractLine {
	return slices.Insert(lines, 1, sim.AbstractLine{Action: "Confirm",
		Fields: []sim.AbstractField{{Name: "n", Value: field(&lines[0], "n")},
			{Name: "q", Value: field(&lines[0], "q").(int) - 1}}})
}

func less(v any) any    { return v.(int) - 1 }
func more(v any) any    { return v.(int) + 1 }
func negated(v any) any { return !v.(bool) }

// shorter leaves out the last of a set or of a log.
func shorter(v any) any {
	if log, ok := v.(sim.Terms); ok {
		return log[:len(log)-1]
	}
	set := v.([]int)
	return set[:len(set)-1]
}

// alterations are made one after the other, each in another trace.
var alterations = []alteration{
	{"Sessions", "dropped event", "a request is not read", has("Feed", "Feed"), dropFirst},
	{"Sessions", "dropped event", "a command is not in the log",
		both(has("Commit", "Apply"), atOnce), dropFirst},
	{"Sessions", "doubled command", "a write is executed twice",
		both(has("Commit", "Apply"), is("kind", "write")), double},
	{"Sessions", "swapped reply", "two answers change places", has("Heard", "Heard"),
		func(lines []sim.AbstractLine) []sim.AbstractLine {
			first, second := field(&lines[0], "n"), field(&lines[1], "n")
			with("n", func(any) any { return second })(lines)
			with("n", func(any) any { return first })(lines[1:])
			return lines
		}},
	{"Sessions", "late expiry", "a session ends by an older generation",
		both(has("Expire"), is("ok", true)), with("g", less)},
	{"Sessions", "zxid that goes back", "of a read", has("Read"), with("z", less)},
	{"Sessions", "zxid that goes back", "of a write",
		both(both(has("Commit"), is("kind", "write")), is("ok", true)), with("z", less)},
	{"Sessions", "lost data", "a read misses a write", both(has("Read"), full("seen")),
		with("seen", shorter)},
	{"Sessions", "lost data", "an ephemeral stays behind its session",
		both(both(has("Commit"), is("kind", "close")), full("gone")), with("gone", shorter)},
	{"Sessions", "wrong outcome", "a write that was fenced is executed",
		both(both(has("Commit"), is("kind", "write")), is("ok", false)), with("ok", negated)},
	{"Sessions", "wrong outcome", "a write is refused",
		both(both(has("Commit"), is("kind", "write")), is("ok", true)), with("ok", negated)},
	{"Sessions", "wrong connection", "one is closed that an attach has opened",
		both(has("Apply"), full("up")), with("up", shorter)},
	{"Delivery", "dropped event", "an event is not queued", has("Told", "Replied"), dropFirst},
	{"Delivery", "dropped event", "a write is not in the log",
		both(has("CommitOwn", "Apply"), sameEntry), dropFirst},
	{"Delivery", "doubled command", "an event comes twice", has("Told"), double},
	{"Delivery", "doubled command", "a write is executed twice", has("CommitOwn"), anew},
	{"Delivery", "swapped reply", "two change places", has("Replied", "Replied"), swap},
	{"Delivery", "swapped reply", "of the change before its event", has("Told", "Replied"), swap},
	{"Delivery", "zxid that goes back", "of a read",
		both(has("Replied"), is("kind", "R")), with("z", less)},
	{"Delivery", "lost data", "a read shows what was before",
		both(has("Replied"), is("kind", "R")), with("shows", less)},
	{"Delivery", "too far", "a read shows what comes later",
		both(has("Replied"), is("kind", "R")), with("shows", more)},
	{"Delivery", "early answer", "to a write before it is applied",
		both(has("Apply", "Replied"), second("kind", "W")), swap},
	{"Delivery", "early answer", "to a sync before its read index is applied",
		both(has("Sync"), lags), confirmed},
	{"Delivery", "early answer", "a write behind a read that waits is not held",
		both(both(has("Write"), is("held", true)), readWaits), with("held", negated)},
	{"Watches", "dropped event", "an event is not queued",
		both(has("Apply"), is("events", 1)), with("events", less)},
	{"Watches", "dropped event", "setWatches does not tell what was missed",
		both(has("SetWatches"), is("events", 1)), with("events", less)},
	{"Watches", "dropped event", "what setWatches told does not come",
		both(both(has("Receive", "Receive"), is("type", "event")), second("kind", "setWatches")),
		dropFirst},
	{"Watches", "doubled command", "an event comes twice",
		both(has("Receive"), is("type", "event")), double},
	{"Watches", "swapped reply", "an event comes before what set its watch",
		both(both(has("Receive", "Receive"), is("kind", "data")), second("type", "event")), swap},
	{"Watches", "early answer", "an event is queued before what sets its watch",
		both(has("Read", "Apply"), second("events", 1)), swap},
	{"Watches", "early answer", "a server goes on before it has applied the attach",
		both(has("Reconnect", "Apply", "SetWatches"), there), applyFirst},
	{"Watches", "wrong connection", "an event for one that does not watch",
		both(has("Apply"), is("events", 0)), with("events", more)},
	{"Watches", "wrong connection", "a client comes back while its connection lives",
		has("Break", "Reconnect"), dropFirst},
	{"Watches", "zxid that goes back", "of a reply that is queued",
		both(has("Ping"), positive("z")), with("z", less)},
	{"Watches", "zxid that goes back", "of a reply that comes",
		both(both(has("Receive"), is("type", "reply")), positive("z")), with("z", less)},
	{"Watches", "too far", "setWatches tells what the client knew",
		both(has("SetWatches"), is("events", 0)), with("events", more)},
	{"Watches", "too far", "a client comes back as one that has seen more",
		both(has("SetWatches"), is("kind", "data")), with("seen", more)},
	{"Watches", "wrong outcome", "an event is of another kind",
		both(has("Apply"), is("what", "set")), with("what", func(any) any { return "delete" })},
	{"Watches", "wrong outcome", "a client forgets its watch",
		both(has("SetWatches"), is("kind", "data")),
		with("kind", func(any) any { return "none" })},
	{"Watches", "wrong outcome", "a znode is there that is deleted",
		both(has("Read"), is("kind", "exist")), with("kind", func(any) any { return "data" })},
	{"Recovery", "dropped event", "a sync is left out", has("SyncLog", "Acknowledge"),
		dropFirst},
	{"Recovery", "doubled command", "an entry is applied twice", has("Apply"), double},
	{"Recovery", "early answer", "acknowledged before the sync", has("SyncLog", "Acknowledge"),
		swap},
	{"Recovery", "early answer", "a vote before the mark", has("SyncMark", "SendVote"), swap},
	{"Recovery", "early answer", "votes are asked for before the vote is synced",
		has("Campaign", "WriteLog", "SyncLog", "WriteMark", "SyncMark", "AskForVotes"),
		func(lines []sim.AbstractLine) []sim.AbstractLine {
			return slices.Concat(lines[:2], lines[5:6], lines[2:5], lines[6:])
		}},
	{"Recovery", "lost data", "an entry is gone after a crash",
		both(has("Restart"), full("log")), with("log", shorter)},
	{"Recovery", "lost data", "the term falls at a restart",
		both(has("Restart"), is("lost", false)), with("term", less)},
	{"Recovery", "lost data", "a disk with less than it acknowledged is let in as it was",
		has("RefusedByLeader"), renamed("Restart")},
	{"Recovery", "wrong identity", "a lost disk is replaced before that is found",
		both(has("Restart"), is("lost", true)), dropFirst},
	{"Recovery", "wrong identity", "a wiped disk is replaced without being missed",
		has("Wipe", "Rejoin"), dropFirst},
	{"Recovery", "early answer", "a learner votes before it has caught up",
		both(has("ReceiveCheckpoint"), soon("Swap")),
		func(lines []sim.AbstractLine) []sim.AbstractLine {
			return slices.Insert(lines, 1, sim.AbstractLine{Action: "Swap"})
		}},
	{"Recovery", "wrong outcome", "a checkpoint is of another index", has("BeginCheckpoint"),
		with("n", more)},
	{"Recovery", "too far", "more is acknowledged than there is", has("Acknowledge"),
		with("n", more)},
	{"Recovery", "too far", "an entry is applied before it is known to be committed",
		both(has("Commit", "ReceiveAppend", "Apply"), appliesIt), applyFirst},
}

// checkAlterations alters traces that were admitted, and has them checked again.
func checkAlterations(ctx context.Context, tlc TLC, spec TraceSpec, traces []Trace) ([]Altered,
	error) {
	var done []Altered
	var altered []Trace
	used := map[int]bool{}
	for _, a := range alterations {
		if a.module != spec.Module {
			continue
		}
		r := Altered{Spec: spec.Tracer, Kind: a.kind, Name: a.name}
		for pass := range 2 {
			for i, t := range traces {
				at := slices.IndexFunc(ends(t.Lines), a.at)
				if at < 0 || pass == 0 && used[i] || r.Line != 0 {
					continue
				}
				used[i] = true
				rest := a.alter(slices.Clone(t.Lines[at:min(at+10, len(t.Lines))]))
				lines := slices.Concat(t.Lines[:at], rest)
				r.Trace, r.Line = t.Name, firstDifference(t.Lines, lines)+1
				altered = append(altered, Trace{Name: t.Name, Lines: lines})
			}
		}
		done = append(done, r)
	}
	verdicts, err := tlc.CheckTraces(ctx, spec, altered, func(string) {})
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range done {
		if done[i].Line != 0 {
			done[i].Refuted = verdicts[n].Refuted(altered[n])
			n++
		}
	}
	return done, nil
}

// firstDifference is the number of equal lines that two traces begin with.
func firstDifference(a, b []sim.AbstractLine) int {
	n := 0
	for n < min(len(a), len(b)) && reflect.DeepEqual(a[n], b[n]) {
		n++
	}
	return n
}

// ends are all that begin somewhere in lines and go to their end.
func ends(lines []sim.AbstractLine) [][]sim.AbstractLine {
	all := make([][]sim.AbstractLine, len(lines))
	for i := range lines {
		all[i] = lines[i:]
	}
	return all
}

// failuresOf says which alterations were not refuted where they were made.
func failuresOf(done []Altered, all bool) (failures []string) {
	for _, a := range done {
		switch {
		case a.Line == 0 && all:
			failures = append(failures, fmt.Sprintf("no trace can be altered: %s", a.Name))
		case a.Line != 0 && !a.caught():
			failures = append(failures, fmt.Sprintf("%s: %s altered at line %d is refuted at %d",
				a.Name, a.Trace, a.Line, a.Refuted))
		}
	}
	return failures
}

// printAltered prints the table of the alterations.
func printAltered(out io.Writer, reports []TraceReport) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nkind\talteration\tof\tline altered\tline refuted")
	for _, r := range reports {
		for _, a := range r.Alterations {
			fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\n", a.Kind, a.Name, a.Spec, a.Line, a.Refuted)
		}
	}
	w.Flush()
}
