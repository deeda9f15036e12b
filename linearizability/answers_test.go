package linearizability

import "testing"

// playAnswers asks for what neither reads the tree nor changes it.
func playAnswers(s *server) {
	s.h.Header.MinTimeoutMs, s.h.Header.MaxTimeoutMs = 1000, 2*testTimeoutMs
	a := s.connect(1, 0)
	s.do(a, createReq("/a", 0))
	s.do(a, Request{Op: OpSync, Path: "/none"})
	s.do(a, Request{Op: OpPing})
	s.do(a, Request{Op: OpAddWatch, Path: "/a", Mode: modeRecursive})
	s.do(a, Request{Op: OpAuth, Scheme: "digest", Auth: []byte("u:p")})
	s.drop(a, CauseNetwork)
	b := s.connect(1, a.session)
	s.do(b, Request{Op: OpSetWatches, Watches: &Watches{RelativeZxid: b.lastZxid,
		Data: []string{}, Exist: []string{}, Child: []string{}}})
	s.do(b, Request{Op: OpExists, Path: "/a"})
}

func TestAnswersJudge(t *testing.T) {
	result := func(op Op, f func(*Result)) func(*spoiler) {
		return func(s *spoiler) { f(s.result(1, s.returnOf(op))) }
	}
	code := func(op Op, c Code) func(*spoiler) {
		return result(op, func(r *Result) { r.Err = c })
	}
	request := func(op Op, f func(*Request)) func(*spoiler) {
		return func(s *spoiler) {
			l := s.line(1, callOf(op))
			r := *l.Request
			f(&r)
			l.Request = &r
		}
	}
	connect := func(k Kind, f func(*Connect)) func(*spoiler) {
		return func(s *spoiler) {
			l := s.line(1, kind(k))
			c := *l.Connect
			f(&c)
			l.Connect = &c
		}
	}
	runBadCases(t, []badCase{
		{"sync of another path", JudgeReads, playAnswers, result(OpSync, func(r *Result) {
			r.Path = "/"
		})},
		{"sync of an absent znode refused", JudgeReads, playAnswers, code(OpSync, CodeNoNode)},
		{"ping refused", JudgeReads, playAnswers, code(OpPing, CodeBadArguments)},
		{"ping without zxid", JudgeZxids, playAnswers, func(s *spoiler) {
			s.line(1, s.returnOf(OpPing)).Zxid = 0
		}},
		{"a watch refused", JudgeWatches, playAnswers, code(OpAddWatch, CodeNoNode)},
		{"a watch of no mode", JudgeWatches, playAnswers, request(OpAddWatch, func(r *Request) {
			r.Mode = 7
		})},
		{"watches not set again", JudgeWatches, playAnswers,
			code(OpSetWatches, CodeMarshallingError)},
		{"refused as read-only", JudgeSessions, playAnswers, code(OpSync, CodeNotReadOnly)},
		{"an identity refused", JudgeSessions, playAnswers, code(OpAuth, CodeAuthFailed)},
		{"a scheme that is none", JudgeSessions, playAnswers, request(OpAuth, func(r *Request) {
			r.Scheme = "world"
		})},
		{"an address as claimed", JudgeReplay, func(s *server) {
			playAnswers(s)
			s.h.Lines[0].Connect.Address = "10.0.0.1"
		}, request(OpAuth, func(r *Request) { r.Scheme = "ip" })},
		{"an unknown request", JudgeReplay, playAnswers, request(OpPing, func(r *Request) {
			r.Op = 99
		})},
		{"a time-out below the least", JudgeSessions, playAnswers,
			connect(KindConnect, func(c *Connect) { c.TimeoutMs = 1 })},
		{"a time-out not asked for", JudgeSessions, playAnswers,
			connect(KindConnect, func(c *Connect) { c.TimeoutMs = testTimeoutMs + 1 })},
		{"another address", JudgeSessions, playAnswers,
			connect(KindConnect, func(c *Connect) { c.Address = "10.0.0.9" })},
	})
}

// TestPasswordOfAnother: who has a session can not know the password of another one.
func TestPasswordOfAnother(t *testing.T) {
	runBadCases(t, []badCase{{"the same password", JudgeSessions, playSessions,
		commitEdit(2, CommitCreateSession, func(_ *Line, c *Commit) {
			c.Secret = secretOf(1<<32 | 1)
		})}})
}

// TestNeverUsed: a container that never had a child stays for as long as the header says.
func TestNeverUsed(t *testing.T) {
	play := func(s *server) {
		a := s.connect(1, 0)
		s.do(a, Request{Op: OpCreateContainer, Path: "/c", Flags: 4, ACL: openACL})
		s.at += 5_000_000
		s.reap("/c")
		s.do(a, Request{Op: OpPing})
	}
	never := func(ms int64) func(*spoiler) {
		return func(s *spoiler) { s.h.Header.NeverUsedMs = ms }
	}
	runBadCases(t, []badCase{
		{"for ever", JudgeReplay, play, never(-1)},
		{"not yet", JudgeReplay, play, never(6000)},
	})
	h := playHeader(Header{NeverUsedMs: 4000}, play)
	if r := Judge(h); !r.OK() {
		t.Errorf("want a clean history, got %v\n%s", r, text(h))
	}
}

func playHeader(h Header, f func(*server)) *History {
	s := newServer(h)
	f(s)
	return s.settle()
}

// TestReadOnlyIdentities: who reads in a read-only session is who connects, and whom it has shown.
func TestReadOnlyIdentities(t *testing.T) {
	of := func(ids ...ID) bool {
		h := play(func(s *server) {
			a := s.connect(1, 0)
			s.do(a, createReq("/a", 0))
			session := int64(1<<62 | 1)
			s.add(Line{Kind: KindConnect, Client: 2, Conn: 50, Connect: &Connect{
				TimeoutMs: testTimeoutMs, ReadOnly: true, Address: "10.0.0.2"}})
			s.add(Line{Kind: KindConnected, Conn: 50, Session: session,
				Connect: &Connect{TimeoutMs: testTimeoutMs, ReadOnly: true}})
			on := Line{Client: 2, Conn: 50, Session: session}
			ask := func(xid int32, r Request, zxid int64, res Result) {
				l := on
				l.Kind, l.Xid, l.Request = KindCall, xid, &r
				s.add(l)
				l.Kind, l.Request, l.Zxid, l.Result = KindReturn, nil, zxid, &res
				s.add(l)
			}
			ask(-4, Request{Op: OpAuth, Scheme: "digest", Auth: []byte("u:p")}, 0, Result{})
			ask(1, Request{Op: OpSync, Path: "/"}, s.m.zxid, Result{Err: CodeNotReadOnly})
			ask(2, Request{Op: OpWhoAmI}, s.m.zxid, Result{Clients: ids})
		})
		return Judge(h).OK()
	}
	ip, user := ID{"ip", "10.0.0.2"}, ID{"digest", "u"}
	if !of(ip, user) {
		t.Error("an answer with the right identities is objected to")
	}
	if of(ip) || of(user) || of(ID{"ip", "10.0.0.1"}, user) {
		t.Error("an answer with other identities passes")
	}
}
