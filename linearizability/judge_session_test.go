package linearizability

import "testing"

func playSessions(s *server) {
	a, b := s.connect(1, 0), s.connect(2, 0)
	s.do(a, createReq("/e", 1))
	s.do(a, createReq("/f", 1))
	s.do(b, createReq("/g", 1))
	s.do(b, watchReq(OpExists, "/e"))
	s.do(b, Request{Op: OpGetChildren, Path: "/"})
	s.do(a, Request{Op: OpPing})
	s.drop(a, CauseNetwork)
	c := s.connect(1, a.session)
	s.do(c, Request{Op: OpPing})
	s.expire(a.session)
	s.do(b, Request{Op: OpExists, Path: "/f"})
	s.do(b, Request{Op: OpGetChildren, Path: "/"})
	s.do(b, createReq("/e", 0))
	d := s.connect(1, 0)
	s.do(d, Request{Op: OpExists, Path: "/g"})
	s.do(b, Request{Op: OpCloseSession})
	s.drop(b, CauseServer)
	s.add(Line{Kind: KindEnd, Client: 2, Session: b.session, Text: EndClosed})
	s.do(d, Request{Op: OpPing})
	s.do(d, Request{Op: OpExists, Path: "/g"})
	// A client that is too late learns that its session is no more.
	s.add(Line{Kind: KindConnect, Client: 1, Conn: 99, Session: a.session,
		Connect: &Connect{TimeoutMs: testTimeoutMs}})
	s.commit(Line{Session: a.session, Result: &Result{Err: CodeSessionExpired}},
		Commit{Kind: CommitAttach, Secret: secretOf(a.session)})
	s.add(Line{Kind: KindConnected, Client: 1, Conn: 99, Session: a.session, Connect: &Connect{}})
	s.add(Line{Kind: KindDisconnect, Client: 1, Conn: 99, Text: CauseServer})
	s.add(Line{Kind: KindEnd, Client: 1, Session: a.session, Text: EndExpired})
}

// TestExpiryDecidedBefore: an end that a crashed leader has decided may come into force when its
// term is over, and the session may have been served in between.
func TestExpiryDecidedBefore(t *testing.T) {
	h := play(func(s *server) {
		a := s.connect(1, 0)
		s.do(a, Request{Op: OpPing})
		s.at += testTimeoutMs * 1000
		s.do(a, Request{Op: OpPing})
		s.add(Line{Kind: KindCrash, Server: 1})
		s.drop(a, CauseNetwork)
		s.add(Line{Kind: KindRestart, Server: 1})
		s.add(Line{Kind: KindLeader, Server: 1, Index: 2})
		s.end(a.session, CommitExpire, 0)
	})
	if r := Judge(h); !r.OK() {
		t.Errorf("want a clean history, got %v\n%s", r, text(h))
	}
}

// TestExpiryOfUnreadBytes: bytes that reached the host of a server of its own are a sign of life,
// but not to an end decided before the process can have read them.
func TestExpiryOfUnreadBytes(t *testing.T) {
	for _, test := range []struct {
		beforeMs int64 // the decision
		ok       bool
	}{{4, true}, {99, true}, {101, false}, {2000, false}} {
		h := play(func(s *server) {
			s.h.Header.ExpirySlackMs = 100
			a := s.connect(1, 0)
			s.do(a, Request{Op: OpPing})
			s.at += testTimeoutMs*1000 - test.beforeMs*1000
			s.add(Line{Kind: KindHeard, Conn: 1})
			decided := s.h.Lines[len(s.h.Lines)-1].At + test.beforeMs*1000
			s.at = decided
			s.drop(a, CauseNetwork)
			s.end(a.session, CommitExpire, 0)
			s.h.Lines[len(s.h.Lines)-1].Commit.DecidedAt = decided
		})
		if r := Judge(h); r.OK() != test.ok {
			t.Errorf("heard %d ms before the decision: %v, want %v\n%s", test.beforeMs, r.OK(),
				test.ok, text(h))
		}
	}
}

func commitEdit(n int, k CommitKind, f func(*Line, *Commit)) func(*spoiler) {
	return func(s *spoiler) {
		l := s.line(n, commitKind(k))
		c := *l.Commit
		l.Commit = &c
		f(l, &c)
	}
}

func TestSessionsJudge(t *testing.T) {
	// stale: a command of the first connection arrives in the log after the second's attach.
	stale := func(s *server) {
		a := s.connect(1, 0)
		s.do(a, createReq("/a", 0))
		s.send(a, setReq("/a", "late"))
		late := a.in[0]
		s.drop(a, CauseNetwork)
		b := s.connect(1, a.session)
		s.commit(Line{Session: a.session, Xid: late.Xid, Request: late.Request},
			Commit{Kind: CommitRequest, Generation: 1, Skipped: true})
		s.do(b, Request{Op: OpPing})
	}
	refused := func(s *server) {
		a := s.connect(1, 0)
		s.add(Line{Kind: KindConnect, Client: 2, Conn: 50, Session: a.session,
			Connect: &Connect{TimeoutMs: testTimeoutMs, WrongPassword: true}})
		s.commit(Line{Session: a.session, Result: &Result{Err: CodeSessionExpired}},
			Commit{Kind: CommitAttach, Secret: "wrong"})
		s.add(Line{Kind: KindConnected, Conn: 50, Session: a.session, Connect: &Connect{}})
		s.do(a, Request{Op: OpPing})
	}
	runBadCases(t, []badCase{
		{"expired too early", JudgeSessions, playSessions, func(s *spoiler) {
			// The silence that went before shrinks to nothing.
			i := s.at(1, commitKind(CommitExpire))
			for j := range s.h.Lines[i:] {
				s.h.Lines[i+j].At -= testTimeoutMs * 1000
			}
			s.h.Lines[len(s.h.Lines)-1].At += testTimeoutMs * 1000
		}},
		{"expired right after an election", JudgeSessions, playSessions, func(s *spoiler) {
			i := s.at(1, commitKind(CommitExpire))
			s.insert(i, Line{At: s.h.Lines[i].At, Kind: KindLeader, Server: 1, Index: 1})
		}},
		{"expired while it was heard", JudgeSessions, playSessions, func(s *spoiler) {
			gone := s.at(1, func(l *Line) bool { return l.Kind == KindDisconnect && l.Conn == 3 })
			s.insert(gone, Line{At: s.h.Lines[gone].At - testTimeoutMs*500, Kind: KindHeard,
				Conn: 3})
		}},
		{"expired by a server that hung", JudgeSessions, playSessions, func(s *spoiler) {
			i := s.at(1, commitKind(CommitExpire))
			s.insert(i, Line{At: s.h.Lines[i].At, Kind: KindResume, Server: 1})
			gone := s.at(1, func(l *Line) bool { return l.Kind == KindDisconnect && l.Conn == 3 })
			s.insert(gone, Line{At: s.h.Lines[gone-1].At, Kind: KindPause, Server: 1})
		}},
		{"command of an old generation", JudgeSessions, stale, func(s *spoiler) {
			l := s.line(1, commitOf(OpSetData))
			k := *l.Commit
			k.Skipped = false
			l.Commit = &k
			l.Zxid = s.line(1, s.returnOf(OpPing)).Zxid + 1
			l.Result = &Result{Stat: &Stat{}}
		}},
		{"command of an ended session", JudgeSessions, playSessions, func(s *spoiler) {
			l := *s.line(1, commitOf(OpCreate))
			k := *s.line(-1, commitKind(CommitAttach)).Commit
			k.Kind, k.Generation = CommitRequest, 2
			k.Index++
			k.Seq++
			l.Commit, l.Xid = &k, 77
			l.Zxid = s.line(-1, s.returnOf(OpExists)).Zxid + 1
			call := *s.line(1, callOf(OpCreate))
			call.Xid, call.Conn = 77, 3
			s.insert(s.at(1, func(l *Line) bool {
				return l.Kind == KindDisconnect && l.Conn == 3
			}), call)
			s.insert(len(s.h.Lines)-2, l)
		}},
		{"command by another server", JudgeSessions, playSessions, func(s *spoiler) {
			l := s.line(2, commitOf(OpCreate))
			k := *l.Commit
			k.Origin = 2
			l.Commit = &k
		}},
		{"session id given twice", JudgeSessions, playSessions, func(s *spoiler) {
			first := s.line(1, commitKind(CommitCreateSession)).Session
			s.line(3, commitKind(CommitCreateSession)).Session = first
		}},
		{"new session refused", JudgeSessions, playSessions,
			commitEdit(3, CommitCreateSession, func(l *Line, c *Commit) {
				l.Result = &Result{Err: CodeSessionExpired}
			})},
		{"attach to no session", JudgeSessions, playSessions,
			commitEdit(-1, CommitAttach, func(l *Line, c *Commit) {
				l.Result, c.Generation = &Result{}, 3
			})},
		{"attach with a wrong password", JudgeSessions, refused,
			commitEdit(1, CommitAttach, func(l *Line, c *Commit) {
				l.Result, c.Generation = &Result{}, 2
			})},
		{"attach refused", JudgeSessions, stale,
			commitEdit(1, CommitAttach, func(l *Line, c *Commit) {
				l.Result = &Result{Err: CodeSessionExpired}
			})},
		{"attach from the future", JudgeSessions, stale,
			commitEdit(1, CommitAttach, func(l *Line, c *Commit) { c.LastZxidSeen = l.At << 32 })},
		{"generation does not rise", JudgeSessions, stale,
			commitEdit(1, CommitAttach, func(l *Line, c *Commit) { c.Generation = 1 })},
		{"accepted with a wrong password", JudgeSessions, refused, func(s *spoiler) {
			s.line(2, kind(KindConnected)).Connect = &Connect{TimeoutMs: testTimeoutMs}
		}},
		{"accepted without the log", JudgeSessions, playSessions, func(s *spoiler) {
			s.line(-1, kind(KindConnected)).Connect = &Connect{TimeoutMs: testTimeoutMs}
		}},
		{"accepted before the log", JudgeSessions, playPlain, func(s *spoiler) {
			l := s.line(1, kind(KindConnected))
			l.Connect = &Connect{TimeoutMs: testTimeoutMs, Generation: 1}
			s.move(s.at(1, kind(KindConnected)), 1)
		}},
		{"another time-out", JudgeSessions, playPlain, func(s *spoiler) {
			s.line(1, kind(KindConnected)).Connect = &Connect{TimeoutMs: 1}
		}},
		{"refused alive", JudgeSessions, refused, func(s *spoiler) {
			s.line(2, kind(KindConnect)).Connect = &Connect{TimeoutMs: testTimeoutMs}
		}},
		{"told over, but alive", JudgeSessions, playPlain, func(s *spoiler) {
			s.insert(len(s.h.Lines)-2, Line{Kind: KindEnd, Text: EndExpired,
				Session: s.line(1, kind(KindConnected)).Session})
		}},
		{"served after its end", JudgeSessions, playSessions, func(s *spoiler) {
			// The ping on the expired session's connection is answered after the end.
			ping := s.at(2, s.returnOf(OpPing))
			s.h.Lines[ping].Zxid = s.line(1, commitKind(CommitExpire)).Zxid
			s.move(ping, s.at(1, commitKind(CommitExpire)))
			gone := s.at(1, func(l *Line) bool { return l.Kind == KindDisconnect && l.Conn == 3 })
			s.move(gone, s.at(2, s.returnOf(OpPing)))
		}},
		{"served after it moved", JudgeSessions, func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(a, Request{Op: OpPing})
			c := s.connect(1, a.session)
			s.do(b, createReq("/a", 0))
			s.do(c, Request{Op: OpPing})
		}, func(s *spoiler) {
			ping := s.at(1, s.returnOf(OpPing))
			z := s.line(2, s.returnOf(OpPing)).Zxid
			s.move(s.at(1, kind(KindDisconnect)), s.at(1, s.returnOf(OpCreate)))
			s.h.Lines[ping].Zxid = z
			s.move(ping, s.at(1, kind(KindDisconnect))-1)
		}},
	})
}

func TestEphemeralsJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"seen after the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			*s.result(2, s.returnOf(OpExists)) = Result{Stat: &Stat{EphemeralOwner: 1}}
		}},
		{"listed after the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			r := s.result(2, s.returnOf(OpGetChildren))
			r.Children = append(r.Children, "e")
		}},
		{"gone before the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			*s.result(3, s.returnOf(OpExists)) = Result{Err: CodeNoNode}
		}},
		{"not listed before the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			r := s.result(1, s.returnOf(OpGetChildren))
			r.Children = []string{"f", "g", "zookeeper"}
		}},
		{"in the way after the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			*s.result(4, commitOf(OpCreate)) = Result{Err: CodeNodeExists}
			*s.result(4, s.returnOf(OpCreate)) = Result{Err: CodeNodeExists}
		}},
		{"left out by the end", JudgeEphemerals, playSessions, func(s *spoiler) {
			s.result(1, commitKind(CommitExpire)).Children = []string{"/e"}
		}},
		{"deleted after the end", JudgeEphemerals, func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(b, createReq("/p", 0))
			s.do(a, createReq("/p/e", 1))
			s.expire(a.session)
			s.do(b, deleteReq("/p/e"))
			s.do(b, deleteReq("/p"))
		}, func(s *spoiler) {
			s.result(1, commitOf(OpDelete)).Err = CodeOk
			s.result(1, s.returnOf(OpDelete)).Err = CodeOk
		}},
		{"keeps its parent", JudgeEphemerals, func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(b, createReq("/p", 0))
			s.do(a, createReq("/p/e", 1))
			s.expire(a.session)
			s.do(b, deleteReq("/p"))
		}, func(s *spoiler) {
			s.result(1, commitOf(OpDelete)).Err = CodeNotEmpty
			s.result(1, s.returnOf(OpDelete)).Err = CodeNotEmpty
		}},
	})
}
