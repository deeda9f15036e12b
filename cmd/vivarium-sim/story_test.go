package main

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

// storyOf returns what came of a client that made an ephemeral and was gone, and of another one
// that looks when its parent has changed so often more.
func storyOf(more int) *sim.Result {
	h := &linearizability.History{}
	add := func(l linearizability.Line) { h.Add(l) }
	request := func(op linearizability.Op, path string, flags int32) *linearizability.Request {
		return &linearizability.Request{Op: op, Path: path, Flags: flags, Version: -1}
	}
	commit := func(kind linearizability.CommitKind, index uint64) *linearizability.Commit {
		return &linearizability.Commit{Kind: kind, Index: index, Term: 2}
	}
	add(linearizability.Line{At: 1, Kind: linearizability.KindLeader, Server: 2, Index: 2})
	add(linearizability.Line{At: 2, Kind: linearizability.KindConnect, Server: 3, Client: 7,
		Conn: 1, Connect: &linearizability.Connect{}})
	add(linearizability.Line{At: 3, Kind: linearizability.KindCommit, Server: 2,
		Session: 0x200000001, Zxid: 0x200000002, Commit: commit(linearizability.CommitRequest, 5),
		Request: request(linearizability.OpCreate, "/a/e", 1), Result: &linearizability.Result{}})
	for i := range more {
		add(linearizability.Line{At: 4, Kind: linearizability.KindCommit, Server: 2,
			Session: 0x200000009, Zxid: 0x300000000 + int64(i),
			Commit:  commit(linearizability.CommitRequest, 6),
			Request: request(linearizability.OpSetData, "/a", 0),
			Result:  &linearizability.Result{}})
	}
	add(linearizability.Line{At: 5, Kind: linearizability.KindCommit, Server: 2,
		Session: 0x200000001, Zxid: 0x200000003, Commit: commit(linearizability.CommitExpire, 7),
		Result: &linearizability.Result{Children: []string{"/a/e"}}})
	add(linearizability.Line{At: 6, Kind: linearizability.KindCall, Client: 7, Conn: 1,
		Session: 0x200000004, Xid: 1, Request: request(linearizability.OpGetData, "/elsewhere", 0)})
	add(linearizability.Line{At: 7, Kind: linearizability.KindCall, Client: 7, Conn: 1,
		Session: 0x200000004, Xid: 2, Request: request(linearizability.OpGetChildren2, "/a", 0)})
	add(linearizability.Line{At: 8, Kind: linearizability.KindReturn, Client: 7, Conn: 1,
		Session: 0x200000004, Xid: 2, Zxid: 0x200000003,
		Result: &linearizability.Result{Children: []string{}, Stat: &linearizability.Stat{}}})
	add(linearizability.Line{At: 9, Kind: linearizability.KindLeader, Server: 1, Index: 3})
	n := len(h.Lines)
	return &sim.Result{History: h, Virtual: 10, Decisions: []sim.Decision{
		{ID: "client 7#1", At: 1, What: "getChildren2 /a"},
		{ID: "fault 1#1", At: 4, What: "path cut one way"}},
		Violations: []linearizability.Violation{{Judge: "reads",
			Text:  "getChildren2 /a at zxid 0x200000003: stat pzxid 0x200000002, want 0x200000003",
			Lines: []int{n, n - 1}}}}
}

// A story has what the judge names, the commits behind the zxids that it mentions, and what befell
// the znode and the ensemble; not what came later or was about other things.
func TestStory(t *testing.T) {
	s := tellStory(storyOf(0), 0)
	var got []string
	for _, c := range s.Scenes {
		got = append(got, fmt.Sprintf("%d %s %s %s", c.At, c.Rank, c.Lane, c.What))
	}
	want := []string{
		"1  member 2 leads in term 2",
		"2  client 7 connects to member 3",
		"3 mentioned member 2 commits 0x200000002 (entry 5, term 2): create /a/e ephemeral → Ok",
		"4   FAULT: path cut one way",
		"5 mentioned member 2 commits 0x200000003 (entry 7, term 2): expire of session " +
			"0x200000001, with which /a/e go",
		"7 named client 7 asks getChildren2 /a of member 3",
		"8 named client 7 is answered getChildren2 /a → Ok [] version 0 mzxid 0x0 pzxid 0x0, " +
			"zxid 0x200000003",
	}
	if !slices.Equal(got, want) || s.Left != 0 || s.At != 8 {
		t.Errorf("the story at %d is\n%s\nwant, at 8,\n%s", s.At, strings.Join(got, "\n"),
			strings.Join(want, "\n"))
	}
}

// A hundred writes of the same znode leave room for what else there was.
func TestStoryOfMuch(t *testing.T) {
	s := tellStory(storyOf(100), 0)
	var out bytes.Buffer
	s.write(&out)
	for _, text := range []string{"leads in term 2", "FAULT: path cut", "with which /a/e go",
		"! ", "setData /a → Ok", "87 more lines"} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the story lacks %q:\n%s", text, &out)
		}
	}
	if n := len(s.Scenes); n != maxScenes {
		t.Errorf("%d scenes, want %d", n, maxScenes)
	}
}

// Hostile names are shown as what they are; xids begin anew with each connection; who sent a
// command is told by the number of its member, not by the id that raft gave its disk.
func TestStoryWords(t *testing.T) {
	h := &linearizability.History{}
	call := func(at, conn int64, path string) {
		h.Add(linearizability.Line{At: at, Kind: linearizability.KindCall, Client: 7, Conn: conn,
			Session: 0x200000004, Xid: 1, Request: &linearizability.Request{
				Op: linearizability.OpGetData, Path: path, Watch: true}})
	}
	call(1, 2, "/q")
	call(1, 1, "/q")
	h.Add(linearizability.Line{At: 2, Kind: linearizability.KindReturn, Client: 7, Conn: 1,
		Session: 0x200000004, Xid: 1, Zxid: 0x200000001,
		Result: &linearizability.Result{Data: []byte("old\x1b[2J")}})
	call(4, 3, "/q\x1b[2J\x00\u0085\xff\u202e\n")
	h.Add(linearizability.Line{At: 5, Kind: linearizability.KindCommit, Server: 2,
		Session: 0x200000004, Zxid: 0x200000005, Commit: &linearizability.Commit{
			Kind: linearizability.CommitRequest, Index: 9, Term: 2, Origin: 17},
		Request: &linearizability.Request{Op: linearizability.OpSetData, Path: "/q", Version: -1,
			Data: []byte("new")}, Result: &linearizability.Result{}})
	h.Add(linearizability.Line{At: 6, Kind: linearizability.KindCommit, Server: 2,
		Session: 0x200000004, Commit: &linearizability.Commit{Kind: linearizability.CommitAttach,
			Index: 10, Term: 2}, Result: &linearizability.Result{}})
	h.Add(linearizability.Line{At: 7, Kind: linearizability.KindCommit, Server: 2,
		Zxid: 0x200000006, Commit: &linearizability.Commit{Kind: linearizability.CommitConfig,
			Index: 11, Term: 2}, Request: &linearizability.Request{Op: linearizability.OpReconfig,
			Data: []byte("server.1=a\nserver.2=b\n")}, Result: &linearizability.Result{}})
	r := &sim.Result{History: h, Virtual: 10, Film: &sim.Film{
		Lanes:  []sim.Lane{{Kind: "member", Name: "member 3", No: 3}},
		States: []sim.State{{Mode: "running", RaftID: 17}}},
		Violations: []linearizability.Violation{{Judge: "reads", Text: "entry 11 and client 7 at " +
			"0x200000004: getData /q\x1b[2J", Lines: []int{2, 5, 8}}}}
	s := tellStory(r, 0)
	var out bytes.Buffer
	s.write(&out)
	s.memberStates(&out, r.Film)
	for _, text := range []string{
		`asks getData /q, watching → Ok "old\x1b[2J", zxid 0x200000001  [3]`,
		`asks getData /q, watching, no answer  [2]`,
		`asks getData /q\x1b[2J\x00\u0085\xff\u202e\n, watching, no answer  [5]`,
		`setData /q "new" → Ok, sent by member 3  [6]`,
		`attach of session 0x200000004, refused  [7]`,
		`the ensemble is server.1=a server.2=b  [8]`,
		`getData /q\x1b[2J` + "\n",
		`applied 0, zxid 0x0, 0 sessions, serving , HAS NOT APPLIED 11`,
	} {
		if !strings.Contains(out.String(), text) {
			t.Errorf("the story lacks %q:\n%s", text, &out)
		}
	}
	for _, r := range out.String() {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Errorf("the story has a %q:\n%s", r, &out)
		}
	}
}

// What has no words of its own is said in words all the same.
func TestSayNothing(t *testing.T) {
	unreadable := &linearizability.Result{Err: linearizability.CodeUnreadable}
	reconfig := &linearizability.Request{Op: linearizability.OpReconfig}
	for _, c := range []struct{ got, want string }{
		{sayResult(unreadable, 0), " → Unreadable"},
		{linearizability.Describe(reconfig), "reconfig"},
	} {
		if c.got != c.want {
			t.Errorf("%q is said, want %q", c.got, c.want)
		}
	}
}

// Of long lists of watches only those are told that matter.
func TestStoryOfWatches(t *testing.T) {
	teller := &storyteller{paths: map[string]bool{"/q": true}}
	got := teller.sayRequest(&linearizability.Request{Op: linearizability.OpSetWatches,
		Watches: &linearizability.Watches{RelativeZxid: 16, Data: []string{"/a", "/q", "/b"},
			Exist: []string{"/c"}, Recursive: []string{"/q"}}})
	want := "setWatches from 0x10: data /q and 2 more exist of 1 others recursive /q"
	if got != want {
		t.Errorf("setWatches is told as %q, want %q", got, want)
	}
}

// What judges say of places is taken as what it is.
func TestStoryLook(t *testing.T) {
	for _, c := range []struct {
		text    string
		indexes []uint64
		members []int64
	}{
		{"host 2 is at index 7, host 3 at 8", []uint64{7, 8}, []int64{2, 3}},
		{"getData /a at 0x200000003, that 4 of subserver 5", nil, nil},
		{"stream of raft id 17: command 3, want 4", nil, []int64{6}},
		{"by origin 17, its owner is origin 18", nil, []int64{6}},
	} {
		r := &sim.Result{History: &linearizability.History{}, Virtual: 10, Film: &sim.Film{
			Lanes: []sim.Lane{{Kind: "member", No: 6}}, States: []sim.State{{RaftID: 17}}},
			Violations: []linearizability.Violation{{Judge: "digest", Text: c.text}}}
		s := newStoryteller(r, 0)
		if got := slices.Sorted(maps.Keys(s.indexes)); !slices.Equal(got, c.indexes) {
			t.Errorf("%q: indexes %v, want %v", c.text, got, c.indexes)
		}
		if got := slices.Sorted(maps.Keys(s.members)); !slices.Equal(got, c.members) {
			t.Errorf("%q: members %v, want %v", c.text, got, c.members)
		}
	}
}

// What a quota counts is told of one that is wrong.
func TestStoryOfQuota(t *testing.T) {
	teller := &storyteller{paths: map[string]bool{}, counted: map[string]bool{"/a": true}}
	for _, c := range []struct {
		op   linearizability.Op
		path string
		want bool
	}{
		{linearizability.OpSetData, "/a/b/c", true}, {linearizability.OpDelete, "/a", true},
		{linearizability.OpCreate, "/ab", false}, {linearizability.OpCreate, "a/b", false},
		{linearizability.OpGetData, "/a/b", false}, {linearizability.OpSetData, "", false},
	} {
		if got := teller.touches(&linearizability.Request{Op: c.op, Path: c.path}); got != c.want {
			t.Errorf("%v %q belongs to the quota of /a: %v, want %v", c.op, c.path, got, c.want)
		}
	}
}

// A violation without lines may be of anything that happened.
func TestStoryWithoutLines(t *testing.T) {
	r := storyOf(0)
	r.Violations[0].Lines = nil
	s := tellStory(r, 0)
	if s.At != r.Virtual || len(s.Scenes) < 4 {
		t.Errorf("a story of %d scenes at %d, want all that was to the end at %d", len(s.Scenes),
			s.At, r.Virtual)
	}
}

func TestFrames(t *testing.T) {
	got := framesOf(`panic: no
goroutine 1 [running]:
runtime/debug.Stack()
	/go/src/runtime/debug/stack.go:26 +0x5e
github.com/vivariumdb/vivarium/wire.(*Reader).Int(...)
	/src/vivarium/wire/reader.go:7 +0x1
github.com/vivariumdb/vivarium/core.(*State).apply(...)
	/src/vivarium/core/apply.go:41
github.com/vivariumdb/vivarium/sim.(*host).loop(0xc000)
	/src/vivarium/sim/host.go:186 +0x1a5`)
	if want := []string{"wire/reader.go:7", "core/apply.go:41"}; !slices.Equal(got, want) {
		t.Errorf("frames %q, want %q", got, want)
	}
}

// Every judge's promise is known, so that a reader need not know the judges.
func TestPromises(t *testing.T) {
	for _, c := range linearizability.Judge(&linearizability.History{}).Judges {
		if promises[c.Judge] == "" {
			t.Errorf("nobody says what judge %s wants", c.Judge)
		}
	}
	files, err := filepath.Glob("../../sim/*.go")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files of worlds: %v", len(files), err)
	}
	own := regexp.MustCompile(`violate\("([^"]+)"`)
	for _, name := range files {
		code, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range own.FindAllSubmatch(code, -1) {
			if judge := string(m[1]); promises[judge] == "" {
				t.Errorf("%s: nobody says what judge %s wants", name, judge)
			}
		}
	}
}

// The judges' names of codes are the protocol's.
func TestCodeNames(t *testing.T) {
	named := 0
	for code := int32(-200); code <= 0; code++ {
		got, want := linearizability.Code(code).String(), wire.ErrorCode(code).String()
		if got == strconv.Itoa(int(code)) {
			continue // judges do not know it
		}
		if named++; got != want {
			t.Errorf("judges call code %d %q, the protocol %q", code, got, want)
		}
	}
	if named < 20 {
		t.Errorf("judges know %d codes by name", named)
	}
}
