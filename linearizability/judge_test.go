package linearizability

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"testing"
)

// badCase is a good history and what is done to it. Exactly the judge named must object.
type badCase struct {
	name  string
	judge string
	play  func(*server) // writes the history, which is clean as it stands
	spoil func(*spoiler)
}

// spoiler edits a history that is complete.
type spoiler struct {
	t *testing.T
	h *History
}

// runBadCases plays each case twice: as it is, and spoiled.
func runBadCases(t *testing.T, cases []badCase) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := play(c.play)
			if r := Judge(h); !r.OK() {
				t.Fatalf("the history is not clean before it is spoiled:\n%v\n%s", r, text(h))
			}
			c.spoil(&spoiler{t, h})
			tidy(h)
			r := Judge(h)
			for _, v := range r.Violations {
				if v.Judge != c.judge {
					t.Errorf("judge %s objects, want only %s: %v", v.Judge, c.judge, v)
				}
			}
			if r.OK() || t.Failed() {
				t.Fatalf("want an objection by %s, got %v\n%s", c.judge, r, text(h))
			}
		})
	}
}

func play(f func(*server)) *History {
	s := newServer(Header{AnswerWithin: 1_000_000, Super: "super:" + hashOf("super:pw")})
	f(s)
	return s.settle()
}

func hashOf(auth string) string {
	_, hash, _ := strings.Cut((&model{}).digestIdentities([]byte(auth))[0].ID, ":")
	return hash
}

// tidy numbers the lines anew and puts the times back in order, so that moved lines are not
// objected to for that.
func tidy(h *History) {
	ats := make([]int64, len(h.Lines))
	for i := range h.Lines {
		ats[i] = h.Lines[i].At
	}
	if !slices.Contains(ats, -1) {
		slices.Sort(ats)
	}
	for i := range h.Lines {
		h.Lines[i].No, h.Lines[i].At = i+2, ats[i]
	}
}

// at finds the n-th line (from 1; from -1 backwards) that match accepts.
func (s *spoiler) at(n int, match func(*Line) bool) int {
	var found []int
	for i := range s.h.Lines {
		if match(&s.h.Lines[i]) {
			found = append(found, i)
		}
	}
	if n < 0 {
		n += len(found) + 1
	}
	if n < 1 || n > len(found) {
		s.t.Fatalf("no such line among %d:\n%s", len(found), text(s.h))
	}
	return found[n-1]
}

func (s *spoiler) line(n int, match func(*Line) bool) *Line { return &s.h.Lines[s.at(n, match)] }

// result gives a line a result of its own to change.
func (s *spoiler) result(n int, match func(*Line) bool) *Result {
	l := s.line(n, match)
	r := *l.Result
	if r.Stat != nil {
		st := *r.Stat
		r.Stat = &st
	}
	r.Parts, r.Children = slices.Clone(r.Parts), slices.Clone(r.Children)
	l.Result = &r
	return &r
}

func (s *spoiler) remove(i int) { s.h.Lines = slices.Delete(s.h.Lines, i, i+1) }

func (s *spoiler) insert(i int, l Line) { s.h.Lines = slices.Insert(s.h.Lines, i, l) }

// move takes the line at i to where it then stands at j.
func (s *spoiler) move(i, j int) {
	l := s.h.Lines[i]
	s.remove(i)
	s.insert(j, l)
}

// returnOf matches answers to an op. Their calls are found by connection and xid.
func (s *spoiler) returnOf(op Op) func(*Line) bool {
	type key struct {
		conn int64
		xid  int32
	}
	ops := map[key]Op{}
	for _, l := range s.h.Lines {
		if l.Kind == KindCall {
			ops[key{l.Conn, l.Xid}] = l.Request.Op
		}
	}
	return func(l *Line) bool { return l.Kind == KindReturn && ops[key{l.Conn, l.Xid}] == op }
}

func callOf(op Op) func(*Line) bool {
	return func(l *Line) bool { return l.Kind == KindCall && l.Request.Op == op }
}

func commitOf(op Op) func(*Line) bool {
	return func(l *Line) bool {
		return l.Kind == KindCommit && l.Request != nil && l.Request.Op == op
	}
}

func commitKind(k CommitKind) func(*Line) bool {
	return func(l *Line) bool { return l.Kind == KindCommit && l.Commit.Kind == k }
}

func kind(k Kind) func(*Line) bool { return func(l *Line) bool { return l.Kind == k } }

func eventOn(typ EventType, path string) func(*Line) bool {
	return func(l *Line) bool { return l.Kind == KindEvent && l.Event == typ && l.Path == path }
}

func createReq(path string, flags int32) Request {
	return Request{Op: OpCreate, Path: path, Flags: flags, ACL: openACL}
}

func setReq(path, data string) Request {
	return Request{Op: OpSetData, Path: path, Data: []byte(data), Version: -1}
}

func deleteReq(path string) Request { return Request{Op: OpDelete, Path: path, Version: -1} }

func getReq(path string) Request { return Request{Op: OpGetData, Path: path} }

func watchReq(op Op, path string) Request { return Request{Op: op, Path: path, Watch: true} }

// plain is a little of everything by one client, the other one looking on.
func playPlain(s *server) {
	a, b := s.connect(1, 0), s.connect(2, 0)
	s.do(a, createReq("/p", 0))
	s.do(a, setReq("/p", "one"))
	s.do(b, getReq("/p"))
	s.do(b, Request{Op: OpPing})
	s.do(a, createReq("/p/e", 1))
	s.do(b, Request{Op: OpGetChildren2, Path: "/p"})
	s.do(b, Request{Op: OpSync, Path: "/p"})
	s.do(a, Request{Op: OpMulti, Ops: []Request{{Op: OpCheck, Path: "/p", Version: 1},
		{Op: OpCreate2, Path: "/p/m", ACL: openACL}, setReq("/p", "two")}})
	s.do(a, Request{Op: OpMulti, Ops: []Request{setReq("/p", "x"), deleteReq("/none"),
		setReq("/p", "y")}})
	s.do(a, createReq("/p", 0)) // exists
	s.do(b, Request{Op: OpExists, Path: "/none"})
	s.do(b, Request{Op: OpGetACL, Path: "/p"})
	s.do(b, Request{Op: OpGetAllChildrenNumber, Path: "/p"})
	s.do(a, Request{Op: OpGetEphemerals, Path: "/"})
	s.do(b, Request{Op: OpMultiRead, Ops: []Request{{Op: OpGetData, Path: "/p"},
		{Op: OpGetChildren, Path: "/p"}, {Op: OpGetData, Path: "/none"}}})
	s.do(b, Request{Op: OpAuth, Scheme: "digest", Auth: []byte("u:p")})
	s.do(b, Request{Op: OpWhoAmI})
	s.do(b, Request{Op: OpGetData, Path: "/p"})
	s.do(a, deleteReq("/p/m"))
	s.do(a, Request{Op: OpPing})
	s.do(b, Request{Op: OpPing})
}

func TestGoodHistories(t *testing.T) {
	for name, f := range map[string]func(*server){
		"plain": playPlain, "watches": playWatches, "sessions": playSessions, "quota": playQuota,
		"reaps": playReaps, "acls": playACLs, "sequences": playSequences,
	} {
		t.Run(name, func(t *testing.T) {
			h := play(f)
			if r := Judge(h); !r.OK() || r.Unjudged > 0 {
				t.Errorf("want a clean history, got %v\n%s", r, text(h))
			}
		})
	}
}

func TestReport(t *testing.T) {
	if r := Judge(&History{}); !r.OK() {
		t.Errorf("Judge of nothing = %v, want no violation", r)
	}
	r := &Report{}
	for i := range maxViolations + 3 {
		r.add(JudgeReads, lines(&Line{No: 100 - i}, nil), "fault %d", i)
	}
	r.sort()
	if len(r.Violations) != maxViolations || r.Dropped != 3 || r.OK() {
		t.Errorf("%d violations, %d dropped, want %d and 3", len(r.Violations), r.Dropped,
			maxViolations)
	}
	if !sort.SliceIsSorted(r.Violations, func(i, j int) bool {
		return r.Violations[i].Lines[0] < r.Violations[j].Lines[0]
	}) {
		t.Errorf("violations are not in the order of lines: %v", r)
	}
	if s := r.String(); !strings.Contains(s, "reads: fault 0 (lines [100])") ||
		!strings.Contains(s, "and 3 more") {
		t.Errorf("String() = %s", s)
	}
}

func TestHistoryJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"time falls", JudgeHistory, playPlain, func(s *spoiler) { s.h.Lines[9].At = -1 }},
		{"call without connection", JudgeHistory, playPlain, func(s *spoiler) {
			s.insert(3, Line{Kind: KindCall, Conn: 99, Xid: 1, Request: &Request{Op: OpPing}})
		}},
		{"connection opened twice", JudgeHistory, playPlain, func(s *spoiler) {
			s.insert(len(s.h.Lines), s.h.Lines[0])
		}},
		{"answer after the end of its connection", JudgeHistory, playPlain, func(s *spoiler) {
			l := *s.line(1, s.returnOf(OpGetData))
			l.At = s.h.Lines[len(s.h.Lines)-1].At
			s.insert(len(s.h.Lines), Line{At: l.At, Kind: KindDisconnect, Conn: l.Conn,
				Text: CauseClient})
			s.insert(len(s.h.Lines), l)
		}},
		{"xid used twice", JudgeHistory, playPlain, func(s *spoiler) {
			s.line(1, callOf(OpSync)).Xid = 1
			s.line(3, func(l *Line) bool {
				return l.Kind == KindReturn && l.Conn == 2 && l.Xid > 0
			}).Xid = 1
		}},
	})
}

func TestFIFOJudge(t *testing.T) {
	pipelined := func(s *server) {
		a := s.connect(1, 0)
		s.send(a, createReq("/a", 0))
		s.send(a, Request{Op: OpPing})
		s.send(a, createReq("/b", 0))
		s.send(a, getReq("/b"))
		for range 4 {
			s.step(a)
		}
	}
	runBadCases(t, []badCase{
		{"answers swapped", JudgeFIFO, pipelined, func(s *spoiler) {
			i, j := s.at(1, s.returnOf(OpPing)), s.at(2, s.returnOf(OpCreate))
			s.h.Lines[i], s.h.Lines[j] = s.h.Lines[j], s.h.Lines[i]
			s.h.Lines[j].Zxid = s.h.Lines[i].Zxid
		}},
		{"answer to nothing", JudgeFIFO, pipelined, func(s *spoiler) {
			i := s.at(1, s.returnOf(OpPing))
			s.insert(i, s.h.Lines[i])
		}},
		{"commits swapped", JudgeFIFO, func(s *server) {
			a := s.connect(1, 0)
			s.send(a, setReq("/", "1"))
			s.send(a, setReq("/", "2"))
			s.step(a)
			s.step(a)
			s.drop(a, CauseNetwork) // nobody knows the results
			s.connect(1, a.session)
		}, func(s *spoiler) {
			a, b := s.line(1, commitOf(OpSetData)), s.line(2, commitOf(OpSetData))
			a.Xid, b.Xid = b.Xid, a.Xid
			a.Request, b.Request = b.Request, a.Request
		}},
	})
}

func TestZxidsJudge(t *testing.T) {
	resumed := func(s *server) {
		a := s.connect(1, 0)
		s.do(a, createReq("/a", 0))
		s.do(a, Request{Op: OpPing})
		s.drop(a, CauseNetwork)
		b := s.connect(1, a.session)
		s.do(b, Request{Op: OpPing})
		s.do(b, createReq("/b", 0))
	}
	moved := func(s *server) {
		a, b := s.connect(1, 0), s.connect(2, 0)
		s.drop(a, CauseNetwork)
		s.do(b, createReq("/a", 0))
		c := s.connect(1, a.session)
		s.do(c, Request{Op: OpPing})
	}
	runBadCases(t, []badCase{
		{"fall", JudgeZxids, playPlain, func(s *spoiler) {
			s.line(-1, s.returnOf(OpPing)).Zxid -= 2
		}},
		{"a zxid of nothing", JudgeZxids, playPlain, func(s *spoiler) {
			s.line(-1, s.returnOf(OpPing)).Zxid += 5
		}},
		{"not yet committed", JudgeZxids, playPlain, func(s *spoiler) {
			s.line(1, s.returnOf(OpPing)).Zxid = s.line(-1, s.returnOf(OpPing)).Zxid
		}},
		{"fall across connections", JudgeZxids, resumed, func(s *spoiler) {
			s.line(2, s.returnOf(OpPing)).Zxid--
		}},
		{"behind its attach", JudgeZxids, moved, func(s *spoiler) {
			s.line(1, s.returnOf(OpPing)).Zxid--
		}},
	})
}

func TestReadsJudge(t *testing.T) {
	spoilResult := func(op Op, f func(*Result)) func(*spoiler) {
		return func(s *spoiler) { f(s.result(1, s.returnOf(op))) }
	}
	// pipelined is W1, R, W2 in one go.
	pipelined := func(s *server) {
		a := s.connect(1, 0)
		s.do(a, createReq("/a", 0))
		s.send(a, setReq("/a", "one"))
		s.send(a, getReq("/a"))
		s.send(a, setReq("/a", "two"))
		for range 3 {
			s.step(a)
		}
	}
	resend := func(s *server) {
		a, b := s.connect(1, 0), s.connect(2, 0)
		s.do(b, createReq("/a", 0))
		s.send(a, setReq("/a", "one"))
		s.step(a)
		s.drop(a, CauseNetwork) // the answer is lost
		c := s.connect(1, a.session)
		s.do(c, getReq("/a"))
	}
	runBadCases(t, []badCase{
		{"data", JudgeReads, playPlain, spoilResult(OpGetData, func(r *Result) {
			r.Data = []byte("no")
		})},
		{"null for empty", JudgeReads, func(s *server) {
			a := s.connect(1, 0)
			s.do(a, setReq("/", ""))
			s.do(a, getReq("/"))
		}, spoilResult(OpGetData, func(r *Result) { r.Data = nil })},
		{"stat", JudgeReads, playPlain, spoilResult(OpGetChildren2, func(r *Result) {
			r.Stat.Cversion++
		})},
		{"no stat", JudgeReads, playPlain, spoilResult(OpGetData, func(r *Result) {
			r.Stat = nil
		})},
		{"acl", JudgeReads, playPlain, spoilResult(OpGetACL, func(r *Result) { r.ACL = nil })},
		{"count", JudgeReads, playPlain, spoilResult(OpGetAllChildrenNumber, func(r *Result) {
			r.Count++
		})},
		{"missing node found", JudgeReads, playPlain, spoilResult(OpExists, func(r *Result) {
			*r = Result{Stat: &Stat{}}
		})},
		{"ephemerals", JudgeReads, playPlain, spoilResult(OpGetEphemerals, func(r *Result) {
			r.Children = []string{"/p"}
		})},
		{"child twice", JudgeReads, playPlain, spoilResult(OpGetChildren2, func(r *Result) {
			r.Children = append(r.Children, r.Children...)
		})},
		{"part of multiRead", JudgeReads, playPlain, spoilResult(OpMultiRead, func(r *Result) {
			r.Parts[2] = r.Parts[0]
		})},
		{"parts of multiRead", JudgeReads, playPlain, spoilResult(OpMultiRead, func(r *Result) {
			r.Parts = r.Parts[1:]
		})},
		{"identity", JudgeReads, playPlain, spoilResult(OpWhoAmI, func(r *Result) {
			r.Clients = r.Clients[:1]
		})},
		{"hash shown", JudgeReads, playACLs, func(s *spoiler) {
			r := s.result(2, s.returnOf(OpGetACL))
			r.ACL = s.line(1, s.returnOf(OpGetACL)).Result.ACL
		}},
		{"not readable, and read", JudgeReads, playACLs, func(s *spoiler) {
			*s.result(2, s.returnOf(OpGetData)) = *s.line(1, s.returnOf(OpGetData)).Result
		}},
		{"write behind it seen", JudgeReads, pipelined, func(s *spoiler) {
			get, set := s.line(1, s.returnOf(OpGetData)), s.line(2, s.returnOf(OpSetData))
			get.Zxid = set.Zxid
			get.Result = &Result{Data: []byte("two"), Stat: set.Result.Stat}
			s.move(s.at(2, commitOf(OpSetData)), s.at(1, s.returnOf(OpGetData)))
		}},
		{"own write before it not seen", JudgeReads, resend, func(s *spoiler) {
			get := s.line(1, s.returnOf(OpGetData))
			st := *s.line(1, commitOf(OpCreate)).Result.Stat
			get.Zxid, get.Result = st.Czxid, &Result{Stat: &st}
		}},
		{"not yet committed", JudgeReads, playPlain, func(s *spoiler) {
			s.line(1, s.returnOf(OpGetData)).Zxid = s.line(-1, s.returnOf(OpPing)).Zxid
		}},
		{"at a zxid of nothing", JudgeReads, func(s *server) {
			a := s.connect(1, 0)
			s.term = 2
			s.do(a, createReq("/a", 0))
			s.do(a, getReq("/a"))
		}, func(s *spoiler) {
			s.line(1, s.returnOf(OpGetData)).Zxid -= 5
			s.remove(s.at(1, s.returnOf(OpCreate)))
			s.remove(s.at(1, callOf(OpCreate)))
			c := s.line(1, commitOf(OpCreate))
			*c = Line{At: c.At, Kind: KindCommit, Result: &Result{}, Commit: &Commit{
				Kind: CommitOther, Index: c.Commit.Index, Term: 2}}
		}},
		{"sync too old", JudgeReads, func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(b, createReq("/a", 0))
			s.do(a, Request{Op: OpSync, Path: "/"})
		}, func(s *spoiler) { s.line(1, s.returnOf(OpSync)).Zxid-- }},
	})
}

func playSequences(s *server) {
	a := s.connect(1, 0)
	s.do(a, createReq("/s", 0))
	s.do(a, createReq("/s/n-", 2))
	s.do(a, createReq("/s/n-", 3))
	s.do(a, deleteReq("/s/n-0000000001"))
	s.do(a, createReq("/s/n-", 2))
	s.do(a, createReq("/s/", 2))
	s.do(a, Request{Op: OpPing})
}

func TestSequenceJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"number used again", JudgeSequence, playSequences, func(s *spoiler) {
			s.result(4, commitOf(OpCreate)).Path = "/s/n-0000000001"
			s.result(4, s.returnOf(OpCreate)).Path = "/s/n-0000000001"
		}},
		{"number too high", JudgeSequence, playSequences, func(s *spoiler) {
			s.result(2, commitOf(OpCreate)).Path = "/s/n-0000000007"
			s.result(2, s.returnOf(OpCreate)).Path = "/s/n-0000000007"
		}},
	})
}

func TestSequenceOverflow(t *testing.T) {
	s := newServer(Header{RootCreates: 1<<31 - 1})
	a := s.connect(1, 0)
	for _, want := range []string{"/n2147483647", "/n-2147483648", "/n-2147483647"} {
		if got := s.do(a, createReq("/n", 2)).Result.Path; got != want {
			t.Errorf("create of the sequence = %s, want %s", got, want)
		}
	}
	for _, v := range Judge(s.h).Violations {
		t.Errorf("violation %v", v)
	}
}

func TestDigestJudge(t *testing.T) {
	digests := func(s *server) {
		playPlain(s)
		s.add(Line{Kind: KindDigest, Server: 1, Index: 5, Digest: "aa", Text: SourceRunning})
		s.add(Line{Kind: KindDigest, Server: 2, Index: 5, Digest: "aa", Text: SourceRunning})
		s.add(Line{Kind: KindDigest, Server: 1, Index: 5, Digest: "aa", Text: SourceLoaded})
		s.add(Line{Kind: KindDigest, Server: 2, Index: 6, Digest: "bb", Text: SourceRunning})
	}
	runBadCases(t, []badCase{
		{"members differ", JudgeDigest, digests, func(s *spoiler) {
			s.line(2, kind(KindDigest)).Digest = "ab"
		}},
		{"loaded is not what ran", JudgeDigest, digests, func(s *spoiler) {
			s.line(3, kind(KindDigest)).Digest = "ab"
		}},
	})
}

func TestLivenessJudge(t *testing.T) {
	waits := func(s *server) {
		a := s.connect(1, 0)
		s.add(Line{Kind: KindQuiesce})
		s.at += 2_000_000
		s.do(a, createReq("/a", 0))
		s.do(a, Request{Op: OpPing})
		s.connect(2, 0)
	}
	runBadCases(t, []badCase{
		{"call never answered", JudgeLiveness, waits, func(s *spoiler) {
			s.remove(s.at(1, s.returnOf(OpPing)))
		}},
		{"call answered late", JudgeLiveness, waits, func(s *spoiler) {
			i := s.at(1, s.returnOf(OpPing))
			for j := range s.h.Lines[i:] {
				s.h.Lines[i+j].At += 2_000_000
			}
		}},
		{"connect not answered", JudgeLiveness, waits, func(s *spoiler) {
			s.remove(s.at(2, kind(KindConnected)))
		}},
		{"session never expired", JudgeLiveness, waits, func(s *spoiler) {
			s.insert(s.at(1, kind(KindQuiesce)), Line{Kind: KindDisconnect, Conn: 1,
				Text: CauseNetwork})
			for i := len(s.h.Lines) - 1; i >= 0; i-- {
				l := &s.h.Lines[i]
				if l.Conn == 1 && (l.Kind == KindCall || l.Kind == KindReturn) ||
					l.Kind == KindCommit && l.Commit.Kind == CommitRequest {
					s.remove(i)
				}
			}
			second := s.line(2, commitKind(CommitCreateSession))
			k := *second.Commit
			k.Index, k.Seq = 2, 2
			second.Commit = &k
			second.Zxid--
			s.line(2, kind(KindConnected)).Session = second.Session
			s.h.Lines[len(s.h.Lines)-1].At += 20_000_000
		}},
	})
}

// Numbers that people look for are said as they stand elsewhere.
func TestDifferStat(t *testing.T) {
	got := differStat(&Stat{Mzxid: 0x200000003, Version: 1}, &Stat{Mzxid: 0x200000002, Version: 2})
	if want := "stat mzxid 0x200000002, want 0x200000003, version 2, want 1"; got != want {
		t.Errorf("stats differ in %q, want %q", got, want)
	}
}

func ExampleJudge() {
	h := &History{Header: Header{Name: "a read from nowhere"}}
	h.Add(Line{Kind: KindConnect, Conn: 1, Connect: &Connect{TimeoutMs: 4000}})
	h.Add(Line{Kind: KindCommit, Session: 1, Zxid: 1, Result: &Result{}, Commit: &Commit{
		Kind: CommitCreateSession, Index: 1, TimeoutMs: 4000, Generation: 1}})
	h.Add(Line{Kind: KindConnected, Conn: 1, Session: 1, Connect: &Connect{TimeoutMs: 4000}})
	h.Add(Line{Kind: KindCall, Conn: 1, Session: 1, Xid: 1,
		Request: &Request{Op: OpExists, Path: "/a"}})
	h.Add(Line{Kind: KindReturn, Conn: 1, Session: 1, Xid: 1, Zxid: 1,
		Result: &Result{Stat: &Stat{}}})
	for _, v := range Judge(h).Violations {
		fmt.Println(v)
	}
	// Output: reads: exists /a at zxid 0x1: err Ok, want NoNode (lines [6 5])
}
