package linearizability

import (
	"slices"
	"testing"

	"github.com/anishathalye/porcupine"
	"pgregory.net/rapid"
)

// strip takes the commit lines out of a history, as one that a proxy has recorded.
func strip(h *History) *History {
	out := &History{Header: h.Header}
	out.Header.Fresh = true
	for _, l := range h.Lines {
		if l.Kind != KindCommit {
			out.Lines = append(out.Lines, l)
		}
	}
	tidy(out)
	return out
}

func TestStrippedHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := strip(drawHistory(t))
		for _, members := range []int{1, 3} {
			h.Header.Members = members
			if r := Judge(h); !r.OK() {
				t.Fatalf("a history of the model without its log is not clean:\n%v\n%s", r, text(h))
			}
		}
	})
}

// A sequential create without an answer may have made the znode that another client writes to.
func TestUnnamedSequentialCreate(t *testing.T) {
	unnamedSequentialCreate(t, Request{Op: OpCreate}, Request{Op: OpCreate, Flags: 2})
	// Of the parent nothing is known, and the service may remove either.
	unnamedSequentialCreate(t, Request{Op: OpCreateContainer, Flags: 4},
		Request{Op: OpCreateTTL, Flags: 6, TTL: 1000})
}

func unnamedSequentialCreate(t *testing.T, parent, child Request) {
	h := &History{Header: Header{Version: 1, Members: 1, Fresh: true, AnswerWithin: 1e6}}
	at := int64(0)
	add := func(l Line) {
		at += 1000
		l.At = at
		h.Add(l)
	}
	open := func(client, conn, session int64) {
		add(Line{Kind: KindConnect, Client: client, Conn: conn, Connect: &Connect{TimeoutMs: 4000}})
		add(Line{Kind: KindConnected, Client: client, Conn: conn, Session: session,
			Connect: &Connect{TimeoutMs: 4000}})
	}
	open(1, 1, 1)
	open(2, 2, 2)
	parent.Path, child.Path = "/a", "/a/x"
	parent.ACL = []ACL{{Perms: 31, ID: ID{Scheme: "world", ID: "anyone"}}}
	child.ACL = parent.ACL
	add(Line{Kind: KindCall, Client: 1, Conn: 1, Session: 1, Xid: 1, Request: &parent})
	add(Line{Kind: KindCall, Client: 1, Conn: 1, Session: 1, Xid: 2, Request: &child})
	add(Line{Kind: KindDisconnect, Client: 1, Conn: 1, Text: "network"})
	add(Line{Kind: KindCall, Client: 2, Conn: 2, Session: 2, Xid: 1,
		Request: &Request{Op: OpSetData, Path: "/a/x0000000000", Version: -1}})
	add(Line{Kind: KindReturn, Client: 2, Conn: 2, Session: 2, Xid: 1, Zxid: 9,
		Result: &Result{Stat: &Stat{Czxid: 8, Mzxid: 9, Version: 1, Pzxid: 8}}})
	if r := Judge(h); !r.OK() {
		t.Errorf("it may be there:\n%v", r)
	}
	h.Lines[len(h.Lines)-2].Request.Path = "/a/y0000000000"
	if r := Judge(h); r.OK() {
		t.Error("nobody can have made it")
	}
}

func exactly(t *testing.T, h *History, judge string) {
	t.Helper()
	r := Judge(h)
	for _, v := range r.Violations {
		if v.Judge != judge {
			t.Errorf("judge %s objects, want only %s: %v", v.Judge, judge, v)
		}
	}
	if r.OK() != (judge == "") || t.Failed() {
		t.Fatalf("want an objection by %q, got %v\n%s", judge, r, text(h))
	}
}

func playRegister(s *server) {
	a, b := s.connect(1, 0), s.connect(2, 0)
	s.do(a, createReq("/p", 0))
	s.do(a, createReq("/p/r", 0))
	s.do(b, setReq("/p/r", "one"))
	s.do(a, setReq("/p/r", "two"))
	s.send(b, Request{Op: OpSync, Path: "/"})
	s.do(b, getReq("/p/r"))
	s.do(b, createReq("/p/n-", 2))
	s.do(a, createReq("/p/n-", 2))
	s.do(a, createReq("/p/e", 1))
	s.send(b, Request{Op: OpSync, Path: "/"})
	s.do(b, Request{Op: OpGetChildren2, Path: "/p"})
	s.do(b, Request{Op: OpMulti, Ops: []Request{setReq("/p/r", "three"), createReq("/p/m", 0)}})
	s.do(b, Request{Op: OpMulti, Ops: []Request{setReq("/p/r", "four"), createReq("/p/m", 0)}})
	s.do(a, deleteReq("/p/m"))
	s.send(a, Request{Op: OpSync, Path: "/"})
	s.do(a, getReq("/p/r"))
	s.do(a, Request{Op: OpDelete, Path: "/p/r", Version: 3})
	s.send(b, Request{Op: OpSync, Path: "/"})
	s.do(b, Request{Op: OpExists, Path: "/p/r"})
	s.do(a, Request{Op: OpCloseSession})
	s.send(b, Request{Op: OpSync, Path: "/"})
	s.do(b, Request{Op: OpExists, Path: "/p/e"})
}

// TestPorcupine: what no zxid and no commit line tells.
func TestPorcupine(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(*spoiler)
	}{
		{"as it was", nil},
		{"acknowledged write lost", func(s *spoiler) {
			s.result(2, s.returnOf(OpSetData)).Stat.Version = 1
		}},
		{"stale synced read", func(s *spoiler) {
			r := s.result(1, s.returnOf(OpGetData))
			r.Data, r.Stat.Version = []byte("one"), 1
		}},
		{"other data", func(s *spoiler) { s.result(1, s.returnOf(OpGetData)).Data = nil }},
		{"created twice", func(s *spoiler) {
			s.line(1, s.returnOf(OpSetData)).Result = &Result{Err: CodeNoNode}
		}},
		{"sequence number left out", func(s *spoiler) {
			s.result(4, s.returnOf(OpCreate)).Path = "/p/n-0000000009"
		}},
		{"child not listed", func(s *spoiler) {
			r := s.result(1, s.returnOf(OpGetChildren2))
			r.Children = r.Children[1:]
			r.Stat.NumChildren--
			r.Stat.Cversion++
		}},
		{"multi half done", func(s *spoiler) {
			r := s.result(2, s.returnOf(OpGetData))
			r.Data, r.Stat.Version = []byte("four"), 4
		}},
		{"deleted and there", func(s *spoiler) {
			*s.result(1, s.returnOf(OpExists)) = Result{Stat: &Stat{Version: 3, DataLength: 5}}
		}},
		{"wrong version passes", func(s *spoiler) {
			r := *s.line(2, callOf(OpDelete)).Request
			r.Version = 1
			s.line(2, callOf(OpDelete)).Request = &r
		}},
		{"ephemeral outlives its session", func(s *spoiler) {
			*s.result(2, s.returnOf(OpExists)) = Result{Stat: &Stat{
				EphemeralOwner: s.line(1, kind(KindConnected)).Session}}
		}},
		{"ephemeral goes before its session", func(s *spoiler) {
			r := s.result(1, s.returnOf(OpGetChildren2))
			r.Children = []string{"n-0000000001", "n-0000000002", "r"}
			r.Stat.NumChildren, r.Stat.Cversion = 3, 5
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := strip(play(playRegister))
			h.Header.Members = 3
			judge := ""
			if c.spoil != nil {
				c.spoil(&spoiler{t, h})
				judge = JudgePorcupine
			}
			exactly(t, h, judge)
		})
	}
}

// TestPorcupineUnknown: a call that is never answered has happened, or has not, but not twice, and
// not after its session went on.
func TestPorcupineUnknown(t *testing.T) {
	history := func(executed bool, version int32, later bool) *History {
		return strip(play(func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(b, createReq("/r", 0))
			s.send(a, setReq("/r", "lost"))
			if executed {
				s.step(a)
			}
			s.drop(a, CauseNetwork)
			a = s.connect(1, a.session)
			s.do(a, Request{Op: OpPing})
			if later { // it did not take effect before, and does so now
				s.do(b, getReq("/r"))
				s.m.nodes["/r"].stat.Version++
				s.m.nodes["/r"].data = []byte("lost")
			}
			s.do(b, getReq("/r"))
			last := s.h.Lines[len(s.h.Lines)-1].Result
			if version >= 0 {
				st := *last.Stat
				st.Version = version
				last.Stat = &st
			}
		}))
	}
	for _, c := range []struct {
		executed bool
		version  int32
		later    bool
		judge    string
	}{
		{true, -1, false, ""},
		{false, -1, false, ""},
		{true, 2, false, JudgePorcupine},
		{false, -1, true, JudgePorcupine},
	} {
		h := history(c.executed, c.version, c.later)
		exactly(t, h, c.judge)
	}
}

// TestPorcupineUnknownTree: of a tree that was there before nothing is known until it shows.
func TestPorcupineUnknownTree(t *testing.T) {
	h := strip(play(func(s *server) {
		s.m.add("/old", &node{data: []byte("x"), acl: openACL, children: map[string]bool{}},
			&origin{})
		a := s.connect(1, 0)
		s.do(a, setReq("/old", "y"))
		s.do(a, createReq("/old/n", 2))
		s.do(a, deleteReq("/old/n0000000000"))
		s.do(a, deleteReq("/old"))
		s.do(a, createReq("/old", 0))
		s.do(a, setReq("/old", "z"))
	}))
	h.Header.Fresh = false
	exactly(t, h, "")
	s := &spoiler{t, h}
	s.result(-1, s.returnOf(OpSetData)).Stat.Version = 5
	exactly(t, h, JudgePorcupine)
}

// TestWindows: cuts change no verdict, in a history that is clean and in one that is not.
func TestWindows(t *testing.T) {
	h := bigHistory()
	judge := func() *Report {
		r := &Report{}
		judgePorcupine(buildIndex(h, r))
		return r
	}
	if r := judge(); !r.OK() || r.Porcupine.Windows <= r.Porcupine.Components {
		t.Fatalf("want a clean history cut into windows, got %v %+v", r, r.Porcupine)
	}
	s := &spoiler{t, h}
	for _, n := range []int{10, 300, 600} {
		at := s.at(n, func(l *Line) bool {
			return l.Kind == KindReturn && l.Result.Stat != nil && l.Result.Stat.DataLength == 0
		})
		was := h.Lines[at].Result
		st := *was.Stat
		st.Version += 3
		h.Lines[at].Result = &Result{Path: was.Path, Data: was.Data, Stat: &st}
		if r := judge(); len(r.Violations) != 1 || !slices.Contains(r.Violations[0].Lines, at+2) {
			t.Errorf("a wrong version in line %d: got %v", at+2, r)
		}
		h.Lines[at].Result = was
	}
}

// crowd lets many clients send long pipelines at once.
func crowd(clients, each int) *History {
	s := newServer(Header{AnswerWithin: 1_000_000})
	var cs []*testConn
	for i := range clients {
		cs = append(cs, s.connect(int64(i+1), 0))
	}
	s.do(cs[0], createReq("/r", 0))
	for range 3 {
		for i := range each {
			for _, c := range cs {
				if i%3 == 0 {
					s.send(c, getReq("/r"))
				} else {
					s.send(c, Request{Op: OpDelete, Path: "/r", Version: 70})
					s.send(c, setReq("/r", "same"))
				}
			}
		}
		for range 2 * each {
			for i := range cs {
				s.step(cs[(i*7)%len(cs)])
			}
		}
		for _, c := range cs {
			for len(c.out) > 0 {
				s.deliver(c)
			}
		}
	}
	return s.settle()
}

// TestCrowd: what overlaps too much is narrowed around the commits, and judged all the same.
func TestCrowd(t *testing.T) {
	h := crowd(20, 12)
	r := &Report{}
	x := buildIndex(h, r)
	p := &confirmer{index: x, budget: 1}
	p.gather()
	for _, g := range p.components() {
		if got := p.confirm(g); got != porcupine.Unknown && len(g.ops) > 1 {
			t.Errorf("a budget of one step: %s for %d operations, want Unknown", got, len(g.ops))
		}
	}
	if r := Judge(h); !r.OK() || r.Porcupine.Inconclusive > 0 {
		t.Errorf("want a clean history, got %v %+v", r, r.Porcupine)
	}
	s := &spoiler{t, h}
	s.result(-5, s.returnOf(OpGetData)).Stat.Version -= 40
	x = buildIndex(h, &Report{})
	if judgePorcupine(x); x.r.OK() || x.r.Porcupine.Weakened == 0 {
		t.Errorf("want an old version found once intervals are narrowed, got %v %+v", x.r,
			x.r.Porcupine)
	}
}

func BenchmarkPorcupine(b *testing.B) {
	h := bigHistory()
	x := buildIndex(h, &Report{})
	b.ReportAllocs()
	for b.Loop() {
		x.r = &Report{}
		if judgePorcupine(x); !x.r.OK() {
			b.Fatal(x.r)
		}
	}
}

// TestWindowsOfOutage: after a time without service thousands of calls are under way at once, and
// there is no place between them for a cut but between commits.
func TestWindowsOfOutage(t *testing.T) {
	s := newServer(Header{AnswerWithin: 1_000_000})
	var cs []*testConn
	for i := range 10 {
		cs = append(cs, s.connect(int64(i+1), 0))
	}
	s.do(cs[0], createReq("/r", 0))
	const each = 3 * windowOps / 10
	for range each {
		for _, c := range cs {
			s.send(c, setReq("/r", "x"))
		}
	}
	for range each {
		for _, c := range cs {
			s.step(c)
		}
	}
	h := s.settle()
	if r := Judge(h); !r.OK() || r.Porcupine.Windows < 5 || r.Porcupine.Inconclusive > 0 {
		t.Errorf("want a clean history in windows, got %v %+v", r, r.Porcupine)
	}
	at := &spoiler{t, h}
	at.result(-1, at.returnOf(OpSetData)).Stat.Version--
	x := buildIndex(h, &Report{})
	if judgePorcupine(x); x.r.OK() {
		t.Errorf("an old version is not found: %+v", x.r.Porcupine)
	}
}
