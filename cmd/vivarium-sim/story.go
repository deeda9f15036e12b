package main

import (
	"cmp"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/vivariumdb/vivarium/internal/printable"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
)

// story is what led to a violation, as few lines as one screen holds: what the judge names, the
// commits behind the zxids that it mentions, and what else befell these znodes, sessions, members
// and streams before. Somebody who does not know the bug reads it first.
type story struct {
	Judge   string `json:"judge"`
	Text    string `json:"text"`
	Promise string `json:"promise"` // what the judge holds the service to
	At      int64  `json:"at"`
	// Member is who the judge speaks of, by number; 0: nobody.
	Member int64 `json:"member"`
	// Frames are where in the code a panic came from, the innermost first.
	Frames []string `json:"frames,omitempty"`
	Scenes []scene  `json:"scenes"`
	// Entry is the last one of the log that the judge names or mentions; 0: none.
	Entry uint64 `json:"-"`
	// Left counts what concerned the same things and found no room.
	Left int `json:"left"`
}

// scene is a line of a story.
type scene struct {
	At   int64  `json:"at"`
	Line int    `json:"line,omitempty"` // of the history
	Lane string `json:"lane,omitempty"` // who it happened to
	What string `json:"what"`
	// Rank is named, mentioned (by a zxid, an index) or "".
	Rank string `json:"rank,omitempty"`
	// Decision counts the decisions, from 1.
	Decision int `json:"decision,omitempty"`

	score int
}

// maxScenes are as many as a screen shows.
const maxScenes = 20

const (
	named     = "named"
	mentioned = "mentioned"
)

// storyteller finds what belongs to a violation.
type storyteller struct {
	r        *sim.Result
	v        linearizability.Violation
	at       int64
	own      bool // it is not one of the history's judges: its lines say when, not what
	named    map[int]bool
	zxids    map[int64]bool
	sessions map[int64]bool
	conns    map[int64]bool
	members  map[int64]bool
	clients  map[int64]bool // that the judge names by their numbers
	indexes  map[uint64]bool
	streams  map[uint64][]uint64 // places in them
	paths    map[string]bool
	parents  map[string]bool  // of paths
	counted  map[string]bool  // whose quotas are among the paths
	servers  map[int64]int64  // of connections
	raftIDs  map[uint64]int64 // members by the ids that raft gives their disks
	commits  map[callKey]bool
	answers  map[int]*linearizability.Line // by the lines of their calls
	asked    map[int]*linearizability.Line // calls, by the lines of their answers
}

// callKey is a request of a session. A connection that comes back begins its xids anew, so that
// what is found by it is a guess, for people.
type callKey struct {
	session int64
	xid     int32
}

// sentKey is a request of a connection.
type sentKey struct {
	conn int64
	xid  int32
}

// tellStory tells of violation i of a result.
func tellStory(r *sim.Result, i int) *story {
	t := newStoryteller(r, i)
	text, _, _ := strings.Cut(t.v.Text, "\n")
	s := &story{Judge: t.v.Judge, Text: printable.Text(text),
		Promise: promises[t.v.Judge], At: t.at}
	m := someHost.FindStringSubmatch(text)
	if m != nil && t.v.Judge != linearizability.JudgeLiveness { // which speaks of all of them
		s.Member, _ = strconv.ParseInt(m[1], 10, 64)
	}
	s.Frames = framesOf(t.v.Text)
	s.Scenes, s.Left = t.choose(t.at)
	for _, c := range s.Scenes {
		if l := t.line(c.Line); c.Rank != "" && l != nil && l.Commit != nil {
			s.Entry = max(s.Entry, l.Commit.Index)
		}
	}
	return s
}

func newStoryteller(r *sim.Result, i int) *storyteller {
	v := r.Violations[i]
	at, own := r.FailedAt(i)
	t := &storyteller{r: r, v: v, at: at, own: own, named: map[int]bool{}, zxids: map[int64]bool{},
		sessions: map[int64]bool{}, conns: map[int64]bool{}, members: map[int64]bool{},
		clients: map[int64]bool{}, indexes: map[uint64]bool{}, streams: map[uint64][]uint64{},
		paths: map[string]bool{}, parents: map[string]bool{}, counted: map[string]bool{},
		servers: map[int64]int64{}, raftIDs: raftIDs(r.Film), commits: map[callKey]bool{},
		answers: map[int]*linearizability.Line{}, asked: map[int]*linearizability.Line{}}
	t.look(at)
	return t
}

// framesOf are the lines of the product's code and of raft's in a stack, without the worlds' own
// and what only checks and reports.
func framesOf(text string) []string {
	const most = 4
	var frames []string
	for _, line := range strings.Split(text, "\n") {
		place, _, _ := strings.Cut(strings.TrimSpace(line), " +0x")
		at := -1
		for _, part := range []string{"/wire/", "/core/", "/replication/", "/client/", "/raft/"} {
			at = max(at, strings.LastIndex(place, part))
		}
		if at >= 0 && strings.Contains(place, ".go:") && len(frames) < most {
			frames = append(frames, place[at+1:])
		}
	}
	return frames
}

var (
	hexNumber  = regexp.MustCompile(`0x[0-9a-f]+`)
	someHost   = regexp.MustCompile(`host (\d+)`)
	someMember = regexp.MustCompile(`\b(?:host|member|server) (\d+)`)
	someOrigin = regexp.MustCompile(`\b(?:origin|raft id) (\d+)`)
	someClient = regexp.MustCompile(`\bclient (\d+)`)
	someIndex  = regexp.MustCompile(`\b(?:entry|index|at) (\d+)\b`) // not at 0x..
	somePath   = regexp.MustCompile(`(?:^|[\s"(])(/[^\s"(),;:]*)`)
)

// look finds what the violation speaks of.
func (t *storyteller) look(until int64) {
	text, _, _ := strings.Cut(t.v.Text, "\n")
	t.read(text)
	if !t.own {
		for _, no := range t.v.Lines {
			if l := t.line(no); l != nil {
				t.named[no] = true
				t.learn(l)
			}
		}
	}
	for p := range t.paths { //order-free: sets
		t.parents[path.Dir(p)] = true
		if of, ok := strings.CutPrefix(path.Dir(p), "/zookeeper/quota/"); ok {
			t.counted["/"+of] = true
		}
	}
	t.pair(until)
	for conn := range t.conns { //order-free: a set
		t.members[t.servers[conn]] = true
	}
}

// read takes what the judge's words speak of.
func (t *storyteller) read(text string) {
	for _, m := range hexNumber.FindAllString(text, -1) {
		if n, err := strconv.ParseInt(m[2:], 16, 64); err == nil && n != 0 {
			t.zxids[n], t.sessions[n] = true, true
		}
	}
	for _, m := range someMember.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		t.members[n] = true
	}
	for _, m := range someOrigin.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseUint(m[1], 10, 64)
		if no := t.raftIDs[n]; no != 0 {
			t.members[no] = true
		}
	}
	for _, m := range someClient.FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseInt(m[1], 10, 64)
		t.clients[n] = true
	}
	for _, m := range someIndex.FindAllStringSubmatch(text, -1) {
		if t.v.Judge == linearizability.JudgeLiveness {
			break // it says how all stand
		}
		n, _ := strconv.ParseUint(m[1], 10, 64)
		t.indexes[n] = true
	}
	for _, m := range somePath.FindAllStringSubmatch(text, -1) {
		t.paths[m[1]] = true
	}
}

// pair finds for each call its answer, if it has come by then, and its commit.
func (t *storyteller) pair(until int64) {
	waiting := map[sentKey][]*linearizability.Line{}
	for i := range t.r.History.Lines {
		l := &t.r.History.Lines[i]
		k := sentKey{l.Conn, l.Xid}
		switch l.Kind {
		case linearizability.KindConnect:
			t.servers[l.Conn] = l.Server
		case linearizability.KindCommit:
			if l.Request != nil {
				t.commits[callKey{l.Session, l.Xid}] = true
			}
		case linearizability.KindCall:
			waiting[k] = append(waiting[k], l)
		case linearizability.KindReturn:
			if list := waiting[k]; len(list) > 0 {
				t.asked[l.No], waiting[k] = list[0], list[1:]
				if l.At <= until {
					t.answers[list[0].No] = l
				}
			}
		}
	}
}

// line returns a line of the history by its number.
func (t *storyteller) line(no int) *linearizability.Line {
	if i := no - 2; i >= 0 && i < len(t.r.History.Lines) {
		return &t.r.History.Lines[i]
	}
	return nil
}

// learn takes what a line speaks of as what the violation does.
func (t *storyteller) learn(l *linearizability.Line) {
	if l.Session != 0 {
		t.sessions[l.Session] = true
	}
	if l.Conn != 0 {
		t.conns[l.Conn] = true
	}
	if l.Server != 0 {
		t.members[l.Server] = true
	}
	if l.Path != "" {
		t.paths[l.Path] = true
	}
	if l.Request != nil {
		for _, p := range pathsOf(l.Request) {
			t.paths[p] = true
		}
	}
	if c := l.Commit; c != nil && c.Stream != 0 {
		t.streams[c.Stream] = append(t.streams[c.Stream], c.Seq)
	}
}

// pathsOf are those that a request names.
func pathsOf(r *linearizability.Request) []string {
	var all []string
	if r.Path != "" {
		all = append(all, r.Path)
	}
	for i := range r.Ops {
		all = append(all, pathsOf(&r.Ops[i])...)
	}
	return all
}

// touches says whether a request is about one of the violation's znodes, makes or deletes one of
// their parents or children, or changes what they count for a quota.
func (t *storyteller) touches(r *linearizability.Request) bool {
	if r == nil {
		return false
	}
	for i := range r.Ops {
		if t.touches(&r.Ops[i]) {
			return true
		}
	}
	switch r.Op {
	case linearizability.OpCreate, linearizability.OpCreate2, linearizability.OpCreateTTL,
		linearizability.OpCreateContainer, linearizability.OpDelete,
		linearizability.OpDeleteContainer:
		return t.near(r.Path) || t.counts(r.Path)
	case linearizability.OpSetData:
		return t.paths[r.Path] || t.counts(r.Path)
	}
	return t.paths[r.Path]
}

// counts says whether a quota that the violation is about covers a path.
func (t *storyteller) counts(p string) bool {
	if len(t.counted) == 0 || !strings.HasPrefix(p, "/") {
		return false
	}
	for p != "/" && !t.counted[p] {
		p = path.Dir(p)
	}
	return t.counted[p]
}

// near says whether a path is one of the violation's, or the parent or a child of one.
func (t *storyteller) near(p string) bool {
	if p == "" {
		return false
	}
	return t.paths[p] || t.paths[path.Dir(p)] ||
		p != "/" && t.parents[p] // the root is the parent of too much
}

// choose returns the scenes with most to do with the violation in the order of time, and how many
// were left out.
func (t *storyteller) choose(until int64) (scenes []scene, left int) {
	last := until
	for no := range t.named { //order-free: the latest
		last = max(last, t.line(no).At)
	}
	for i := range t.r.History.Lines {
		l := &t.r.History.Lines[i]
		if l.At > last && !t.named[l.No] {
			continue
		}
		if score, rank := t.score(l); score > 0 {
			scenes = append(scenes, scene{At: l.At, Line: l.No, Lane: t.who(l), Rank: rank,
				What: printable.Text(t.tell(l)), score: score})
		}
	}
	for i, d := range t.r.Decisions {
		if d.At > last || d.What == "" || strings.HasPrefix(d.ID, "client ") {
			continue // what clients ask is in the history
		}
		scenes = append(scenes, scene{At: d.At, What: "FAULT: " + printable.Text(d.What),
			Decision: i + 1, score: scoreFault})
	}
	scenes, left = fewer(scenes)
	slices.SortStableFunc(scenes, func(a, b scene) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Line, b.Line))
	})
	return scenes, left
}

// Scenes of one score are of one kind.
const (
	scoreNamed      = 100
	scoreMentioned  = 90
	scoreStream     = 70
	scoreEvent      = 65
	scoreEphemeral  = 62
	scoreWrite      = 60
	scoreSession    = 58
	scoreWatch      = 55
	scoreUnanswered = 53
	scoreProcess    = 52
	scoreLeader     = 50
	scoreConnected  = 48
	scoreFault      = 42
	scoreQuiet      = 41
	scoreRefused    = 40
	scoreRead       = 35
	scoreElsewhere  = 30
)

// fewer leaves as many scenes as a screen shows: the last five of each kind first, then others, so
// that a hundred writes to one znode do not hide who led.
func fewer(scenes []scene) (kept []scene, left int) {
	if len(scenes) <= maxScenes {
		return scenes, 0
	}
	slices.SortStableFunc(scenes, func(a, b scene) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(b.At, a.At))
	})
	const each = 5
	var others []scene
	count := map[int]int{}
	for _, c := range scenes {
		if count[c.score]++; c.score < scoreNamed && count[c.score] > each {
			others = append(others, c)
			continue
		}
		kept = append(kept, c)
	}
	kept = append(kept, others...)
	return kept[:maxScenes], len(kept) - maxScenes
}

// score says how much a line of the history has to do with the violation.
func (t *storyteller) score(l *linearizability.Line) (score int, rank string) {
	if t.named[l.No] {
		return scoreNamed, named
	}
	switch l.Kind {
	case linearizability.KindCommit:
		if l.Commit.Kind == linearizability.CommitOther && !t.indexes[l.Commit.Index] {
			return 0, ""
		}
		return t.scoreCommit(l)
	case linearizability.KindLeader:
		return scoreLeader, ""
	case linearizability.KindCrash, linearizability.KindRestart, linearizability.KindPause,
		linearizability.KindResume:
		if t.members[l.Server] {
			return scoreProcess, ""
		}
		return scoreElsewhere, ""
	case linearizability.KindQuiesce:
		return scoreQuiet, ""
	case linearizability.KindConnect, linearizability.KindConnected,
		linearizability.KindDisconnect, linearizability.KindEnd:
		if t.sessions[l.Session] || t.conns[l.Conn] || t.clients[l.Client] {
			return scoreConnected, ""
		}
	case linearizability.KindEvent:
		if t.sessions[l.Session] && t.near(l.Path) {
			return scoreEvent, ""
		}
	case linearizability.KindCall:
		if t.clients[l.Client] && t.answers[l.No] == nil {
			return scoreUnanswered, ""
		}
		if !t.sessions[l.Session] || !t.touches(l.Request) ||
			t.commits[callKey{l.Session, l.Xid}] {
			return 0, "" // its commit tells it
		}
		if l.Request.Watch || l.Request.Op == linearizability.OpAddWatch ||
			l.Request.Op == linearizability.OpSync {
			return scoreWatch, ""
		}
		return scoreRead, ""
	}
	return 0, ""
}

func (t *storyteller) scoreCommit(l *linearizability.Line) (score int, rank string) {
	c := l.Commit
	if l.Zxid != 0 && t.zxids[l.Zxid] || t.indexes[c.Index] {
		return scoreMentioned, mentioned
	}
	for _, seq := range t.streams[c.Stream] {
		if d := int64(c.Seq) - int64(seq); d >= -2 && d <= 2 {
			return scoreStream, ""
		}
	}
	switch {
	case l.Result != nil && c.Kind != linearizability.CommitRequest &&
		slices.ContainsFunc(l.Result.Children, t.near): // ephemerals, gone with their session
		return scoreEphemeral, ""
	case t.touches(l.Request), t.near(l.Path):
		if l.Result != nil && l.Result.Err != linearizability.CodeOk {
			return scoreRefused, ""
		}
		return scoreWrite, ""
	case t.sessions[l.Session] && c.Kind != linearizability.CommitRequest:
		return scoreSession, ""
	}
	return 0, ""
}
