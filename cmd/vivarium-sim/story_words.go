package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// promises say what each judge holds the service to.
var promises = map[string]string{
	"replay":      "a committed write does what ZooKeeper does with it, and says so",
	"reads":       "an answer shows the tree at its zxid, and that is as new as promised",
	"fifo":        "a client's requests take effect and are answered in their order",
	"zxids":       "no session, and no server of it, goes back to an earlier zxid",
	"watches":     "each event that is due comes, once, before what shows the change",
	"ephemerals":  "an ephemeral lives exactly as long as its session",
	"sessions":    "a session ends for a reason only, and acts no more then",
	"sequence":    "the numbers of sequential znodes are unique and rise",
	"exactlyOnce": "each command takes effect once, in the order of its server's stream",
	"durability":  "what was acknowledged, voted or committed stays, whatever crashes",
	"digest":      "members that have applied the same entries have the same state",
	"shadow":      "members apply the same commands, at the same places, with one outcome",
	"liveness":    "once the faults have stopped, all is answered within reasonable time",
	"porcupine":   "some order of the calls explains what clients were told",
	"history":     "the history itself is sound",
	"panic":       "nothing panics",
	"recovery":    "a member comes back from its disk with all that the disk had promised",
	"disk":        "a member uses its disk as it must, and the disk works after faults",
	"disks":       "no member takes a healthy disk for a lost one",
	"members":     "changes of members lead from one configuration to the next",
	"peers":       "members speak to each other as both expect",
	"founding":    "there is one ensemble, founded once",
	"client":      "the client's library answers each request once, and tells each watcher",
	"clock":       "the service's clock goes with time, and never back",
	"backup":      "what is dumped can be loaded, and is the same",
	"reaping":     "what is of no use any more is removed when its leader looks the next time",
	"recipes":     "locks, queues, counters and elections built on the service are right",
	"protocol":    "all that a client is sent consists of frames that it can read",
	"term":        "in one term one member leads, and a member's terms rise",
	"apply":       "what is committed can be applied",
	"install":     "a checkpoint that a peer sends can be installed",
	"manners":     "connections are taken, read and ended as the settings say",
	"room":        "what may not grow may not for want of room only",
	"damage":      "damaged entries are refused, and leave no trace",
	"words":       "what operators are told agrees with what is there",
	"driver":      "the machine asks its driver for what the driver can give",
}

// causes are the ends of connections.
var causes = map[string]string{
	linearizability.CauseClient:  "gives its connection up",
	linearizability.CauseServer:  "has its connection closed by the server",
	linearizability.CauseNetwork: "loses its connection",
}

// who says to whom a line happened.
func (t *storyteller) who(l *linearizability.Line) string {
	switch {
	case l.Client != 0:
		return fmt.Sprintf("client %d", l.Client)
	case l.Server != 0:
		return fmt.Sprintf("member %d", l.Server)
	}
	return ""
}

// raftIDs are the members by the ids that raft has given their disks: commits name those, and a
// member that comes back with an empty disk has another one.
func raftIDs(film *sim.Film) map[uint64]int64 {
	ids := map[uint64]int64{}
	if film != nil {
		for i := range film.States {
			s := &film.States[i]
			ids[s.RaftID] = film.Lanes[s.Lane].No
		}
	}
	delete(ids, 0)
	return ids
}

// tell says what a line is about, for somebody who sees it for the first time.
func (t *storyteller) tell(l *linearizability.Line) string {
	switch l.Kind {
	case linearizability.KindConnect:
		if l.Session == 0 {
			return fmt.Sprintf("connects to member %d", l.Server)
		}
		return fmt.Sprintf("connects to member %d, to go on with session %#x", l.Server,
			uint64(l.Session))
	case linearizability.KindConnected:
		if l.Connect != nil && l.Connect.TimeoutMs == 0 {
			return fmt.Sprintf("session %#x is refused", uint64(l.Session))
		}
		return fmt.Sprintf("has session %#x", uint64(l.Session))
	case linearizability.KindCall:
		return t.tellCall(l)
	case linearizability.KindReturn:
		if call := t.asked[l.No]; call != nil {
			return fmt.Sprintf("is answered %s%s", t.sayRequest(call.Request),
				sayResult(l.Result, l.Zxid))
		}
		return "is answered what it did not ask" + sayResult(l.Result, l.Zxid)
	case linearizability.KindEvent:
		return fmt.Sprintf("is told %v %s%s", l.Event, l.Path, sayZxid(l.Zxid))
	case linearizability.KindDisconnect:
		return causes[l.Text]
	case linearizability.KindEnd:
		return fmt.Sprintf("session %#x is over: %s", uint64(l.Session), l.Text)
	case linearizability.KindCommit:
		return t.tellCommit(l)
	case linearizability.KindLeader:
		return fmt.Sprintf("leads in term %d", l.Index)
	case linearizability.KindCrash:
		return "process ends"
	case linearizability.KindRestart:
		return "process begins"
	case linearizability.KindPause:
		return "process hangs"
	case linearizability.KindResume:
		return "process goes on"
	case linearizability.KindQuiesce:
		return "faults have stopped"
	}
	return sayLine(l)
}

func (t *storyteller) tellCall(l *linearizability.Line) string {
	text := "asks " + t.sayRequest(l.Request)
	if server := t.servers[l.Conn]; server != 0 {
		text += fmt.Sprintf(" of member %d", server)
	}
	switch answer := t.answers[l.No]; {
	case answer == nil:
		text += ", no answer"
	case !t.named[answer.No]:
		text += sayResult(answer.Result, answer.Zxid)
	}
	return text
}

func (t *storyteller) tellCommit(l *linearizability.Line) string {
	c := l.Commit
	text := fmt.Sprintf("commits entry %d of term %d: ", c.Index, c.Term)
	if l.Zxid != 0 {
		text = fmt.Sprintf("commits %#x (entry %d, term %d): ", l.Zxid, c.Index, c.Term)
	}
	switch {
	case c.Kind == linearizability.CommitRequest && l.Request != nil:
		text += t.sayRequest(l.Request)
		if c.Pending {
			text += " → goes on" // its end tells the outcome
		} else {
			text += sayResult(l.Result, 0)
		}
	case c.Kind == linearizability.CommitConfig:
		text += sayConfig(l)
	case c.Kind == linearizability.CommitReap:
		text += "deletes " + l.Path + sayResult(l.Result, 0)
	case c.Kind == linearizability.CommitOther:
		return text + "nothing for clients"
	default:
		text += fmt.Sprintf("%v of session %#x", c.Kind, uint64(l.Session))
		switch {
		case c.Generation != 0:
			text += fmt.Sprintf(", generation %d", c.Generation)
		case c.Kind == linearizability.CommitAttach:
			text += ", refused"
		}
		if c.TimeoutMs != 0 {
			text += fmt.Sprintf(", time-out %d ms", c.TimeoutMs)
		}
		if l.Result != nil && len(l.Result.Children) > 0 {
			text += fmt.Sprintf(", with which %s go", strings.Join(l.Result.Children, " "))
		}
	}
	if len(t.streams[c.Stream]) > 0 && c.Stream != 0 {
		text += fmt.Sprintf(" (command %d of stream %d)", c.Seq, c.Stream)
	}
	if from := t.raftIDs[c.Origin]; from != 0 && from != l.Server {
		text += fmt.Sprintf(", sent by member %d", from)
	}
	if c.Skipped {
		text += ", WITHOUT EFFECT"
	}
	return text
}

// sayConfig says what a commit does to the configuration.
func sayConfig(l *linearizability.Line) string {
	servers := ""
	if l.Request != nil {
		servers = " " + strings.Join(strings.Fields(string(l.Request.Data)), " ")
	}
	switch {
	case l.Commit.Pending:
		return "the ensemble is to become" + servers
	case l.Result != nil && l.Result.Err != linearizability.CodeOk:
		return "a change of members is given up" + sayResult(l.Result, 0)
	}
	return "the ensemble is" + servers
}

// sayRequest says of a request what an answer to it, or to a later one, is likely to depend on.
func (t *storyteller) sayRequest(r *linearizability.Request) string {
	if r == nil {
		return "something"
	}
	if len(r.Ops) > 0 {
		var parts []string
		for i := range r.Ops {
			parts = append(parts, t.sayRequest(&r.Ops[i]))
		}
		return fmt.Sprintf("%v(%s)", r.Op, strings.Join(parts, "; "))
	}
	text := r.Op.String()
	if r.Path != "" {
		text += " " + r.Path
	}
	text += sayBytes(r.Data)
	switch r.Op {
	case linearizability.OpSetData, linearizability.OpDelete, linearizability.OpCheck,
		linearizability.OpSetACL:
		if r.Version != -1 {
			text += fmt.Sprintf(" version %d", r.Version)
		}
	case linearizability.OpCreate, linearizability.OpCreate2, linearizability.OpCreateTTL:
		if r.Flags != 0 {
			text += " " + createMode(r.Flags)
		}
	case linearizability.OpAddWatch, linearizability.OpRemoveWatches:
		text += fmt.Sprintf(" mode %d", r.Mode)
	}
	if c := r.Reconfig; c != nil {
		text += fmt.Sprintf(" joining %q leaving %q members %q", c.Joining, c.Leaving, c.Members)
	}
	if w := r.Watches; w != nil {
		text += fmt.Sprintf(" from %#x:", w.RelativeZxid)
		text += t.sayPaths("data", w.Data) + t.sayPaths("exist", w.Exist) +
			t.sayPaths("child", w.Child) + t.sayPaths("persistent", w.Persistent) +
			t.sayPaths("recursive", w.Recursive)
	}
	if r.Watch {
		text += ", watching"
	}
	if r.Malformed {
		text += ", damaged"
	}
	return text
}

// sayPaths shows those of a list of paths that the violation is about, and counts the others.
func (t *storyteller) sayPaths(name string, list []string) string {
	text, others := "", 0
	for _, p := range list {
		if t.paths[p] {
			text += " " + p
		} else {
			others++
		}
	}
	switch {
	case text != "" && others > 0:
		return fmt.Sprintf(" %s%s and %d more", name, text, others)
	case text != "":
		return " " + name + text
	case others > 0:
		return fmt.Sprintf(" %s of %d others", name, others)
	}
	return ""
}

// createMode names the flags of a create.
func createMode(flags int32) string {
	names := []string{"persistent", "ephemeral", "sequential", "ephemeral sequential", "container",
		"with a time to live", "sequential with a time to live"}
	if flags >= 0 && int(flags) < len(names) {
		return names[flags]
	}
	return fmt.Sprintf("flags %d", flags)
}

// sayResult says what somebody is answered.
func sayResult(r *linearizability.Result, zxid int64) string {
	if r == nil {
		return ""
	}
	text := " → " + r.Err.String()
	if r.Path != "" {
		text += " " + r.Path
	}
	text += sayBytes(r.Data)
	if r.Children != nil {
		text += fmt.Sprintf(" %v", r.Children)
	}
	if s := r.Stat; s != nil {
		text += fmt.Sprintf(" version %d mzxid %#x pzxid %#x", s.Version, s.Mzxid, s.Pzxid)
	}
	if len(r.Parts) > 0 {
		var parts []string
		for i := range r.Parts {
			parts = append(parts, r.Parts[i].Err.String())
		}
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text + sayZxid(zxid)
}

// sayBytes shows what a znode holds, or the beginning of it.
func sayBytes(b []byte) string {
	const most = 24
	switch {
	case len(b) == 0:
		return ""
	case len(b) > most:
		return fmt.Sprintf(" %q.. (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf(" %q", b)
}

func sayZxid(zxid int64) string {
	if zxid <= 0 {
		return ""
	}
	return fmt.Sprintf(", zxid %#x", zxid)
}

// write prints a story for a terminal: it fits a screen.
func (s *story) write(w io.Writer) {
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
	say("%s objects at %.6f s:\n  %s\n", s.Judge, float64(s.At)/1e6, clip(s.Text, 400))
	if s.Promise != "" {
		say("  (It wants that %s.)\n", s.Promise)
	}
	for _, f := range s.Frames {
		say("    %s\n", f)
	}
	say("\nWhat led there (! the judge names it, * it is behind a number that the judge " +
		"mentions):\n")
	for i, c := range s.Scenes {
		mark := map[string]string{named: "!", mentioned: "*"}[c.Rank]
		line := ""
		if c.Line != 0 {
			line = fmt.Sprintf("  [%d]", c.Line)
		}
		say("%1s %2d %12.6f  %-9s %s%s\n", mark, i+1, float64(c.At)/1e6, c.Lane,
			clip(c.What, 150), line)
	}
	if s.Left > 0 {
		say("  (%d more lines speak of the same znodes, sessions and members, or are other "+
			"faults.)\n", s.Left)
	}
}

// clip cuts what is too long for a line.
func clip(text string, most int) string {
	if r := []rune(text); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return text
}

// waiting says what a member has not done yet, if there is anything.
func waiting(s *sim.State) string {
	text := ""
	for _, w := range []struct {
		n    uint64
		what string
	}{{uint64(s.Outstanding), "unanswered"}, {s.Queued, "in its stream"}, {s.Unsent, "unsent"},
		{uint64(s.Appends), "waiting for the disk"}} {
		if w.n > 0 {
			text += fmt.Sprintf(", %d %s", w.n, w.what)
		}
	}
	return text
}

// memberStates says how each member stood when the violation was there, a line for each.
func (s *story) memberStates(w io.Writer, film *sim.Film) {
	if film == nil {
		return
	}
	at := make([]*sim.State, len(film.Lanes))
	for i := range film.States {
		if f := &film.States[i]; f.At <= s.At {
			at[f.Lane] = f
		}
	}
	_, _ = fmt.Fprintf(w, "\nHow members stood then:\n")
	for i, lane := range film.Lanes {
		if lane.Kind != "member" {
			continue
		}
		switch f := at[i]; {
		case f == nil:
		case f.Mode == "down":
			_, _ = fmt.Fprintf(w, "  %s  down\n", lane.Name)
		default:
			_, _ = fmt.Fprintf(w, "  %s  %s, %s of term %d, log %d, on disk %d, commit %d, "+
				"applied %d, zxid %#x, %d sessions, serving %s%s%s\n", lane.Name, f.Mode, f.Role,
				f.Term, f.Last, f.Acknowledged, f.Commit, f.Applied, f.Zxid, f.Sessions, f.Serving,
				waiting(f), s.lacking(f))
		}
	}
}

// lacking says that a member has not come to what the judge speaks of.
func (s *story) lacking(f *sim.State) string {
	if f.Applied >= s.Entry {
		return ""
	}
	return fmt.Sprintf(", HAS NOT APPLIED %d", s.Entry)
}
