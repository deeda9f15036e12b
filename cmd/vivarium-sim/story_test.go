package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
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

func TestFrames(t *testing.T) {
	got := framesOf(`panic: no
goroutine 1 [running]:
runtime/debug.Stack()
	/go/src/runtime/debug/stack.go:26 +0x5e
github.com/vivariumdb/vivarium/core.(*State).apply(...)
	/src/vivarium/core/apply.go:41
github.com/vivariumdb/vivarium/sim.(*host).loop(0xc000)
	/src/vivarium/sim/host.go:186 +0x1a5`)
	if want := []string{"core/apply.go:41"}; !slices.Equal(got, want) {
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
}
