package linearizability

import (
	"fmt"
	"strings"
	"testing"
)

// refused writes a commit line of a command that did not have its turn, at any place in a stream.
func (s *server) refused(c *testConn, origin, stream, seq uint64) {
	s.commit(Line{Session: c.session, Xid: 999, Request: &Request{Op: OpDelete, Path: "/x"}},
		Commit{Kind: CommitRequest, Generation: c.gen, Skipped: true, Turn: TurnRefused})
	s.seq--
	k := s.h.Lines[len(s.h.Lines)-1].Commit
	k.Origin, k.Stream, k.Seq = origin, stream, seq
}

// taken gives the last refused command its turn, which leaves it without effect all the same.
func taken(s *spoiler) {
	l := s.line(-1, func(l *Line) bool {
		return l.Kind == KindCommit && l.Commit.Turn == TurnRefused
	})
	k := *l.Commit
	k.Turn = TurnTaken
	l.Commit = &k
}

// TestStreamsJudge: a command that lost its effect by another guard shows that its stream let it
// pass.
func TestStreamsJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"repeated, of no effect", JudgeExactlyOnce, func(s *server) {
			a := s.connect(1, 0)
			s.do(a, createReq("/a", 0))
			s.refused(a, 1, 1, s.seq)
		}, taken},
		{"behind a gap, of no effect", JudgeExactlyOnce, func(s *server) {
			a := s.connect(1, 0)
			s.refused(a, 1, 1, s.seq+3)
		}, taken},
		{"of a stream that was replaced", JudgeExactlyOnce, func(s *server) {
			a := s.connect(1, 0)
			s.refused(a, 1, 7, 1)
			s.h.Lines[len(s.h.Lines)-1].Commit.Turn = TurnTaken
			s.refused(a, 1, 1, s.seq+1)
		}, taken},
	})
}

func TestEnsembleSessions(t *testing.T) {
	// pinged: server 1 leads, the client is at server 2, which nobody may hear; it pings until it
	// is expired.
	pinged := func(decided bool) func(*server) {
		return func(s *server) {
			s.h.Header.Members = 3
			s.add(Line{Kind: KindLeader, Server: 1, Index: 1})
			a := s.connect(1, 0)
			s.h.Lines[1].Server = 2
			s.at += 3_000_000
			s.do(a, Request{Op: OpPing})
			s.at += 2_000_000
			s.drop(a, CauseNetwork)
			s.end(a.session, CommitExpire, 0)
			if decided {
				s.h.Lines[len(s.h.Lines)-1].Commit.DecidedAt = s.at
			}
		}
	}
	twice := func(s *server) {
		a := s.connect(1, 0)
		s.do(a, Request{Op: OpPing})
		s.drop(a, CauseNetwork)
		b := s.connect(1, a.session)
		s.do(b, Request{Op: OpPing})
	}
	runBadCases(t, []badCase{
		{"expired, although its leader heard it", JudgeSessions, pinged(false), func(s *spoiler) {
			s.line(1, kind(KindConnect)).Server = 1
		}},
		{"expired, although all hear all", JudgeSessions, pinged(false), func(s *spoiler) {
			s.insert(0, Line{Kind: KindQuiesce})
		}},
		{"decided too early", JudgeSessions, pinged(true), func(s *spoiler) {
			l := s.line(1, commitKind(CommitExpire))
			k := *l.Commit
			k.DecidedAt -= 3_000_000
			l.Commit = &k
		}},
		{"expired by a leader that hung", JudgeSessions, pinged(true), func(s *spoiler) {
			call := s.at(1, callOf(OpPing))
			s.insert(call+3, Line{At: s.h.Lines[call+2].At, Kind: KindResume, Server: 1})
			s.insert(call, Line{At: s.h.Lines[call-1].At, Kind: KindPause, Server: 1})
		}},
		{"generation left out", JudgeSessions, twice,
			commitEdit(1, CommitAttach, func(l *Line, c *Commit) { c.Generation = 3 })},
		{"two servers by one name", JudgeSessions, twice, func(s *spoiler) {
			s.line(1, kind(KindConnect)).Server = 1
			s.line(2, kind(KindConnect)).Server = 2
		}},
	})
	// A follower that hangs keeps its sessions silent: that is no excuse, nor a fault.
	h := play(pinged(true))
	s := &spoiler{t, h}
	call := s.at(1, callOf(OpPing))
	s.insert(call+3, Line{At: h.Lines[call+2].At, Kind: KindResume, Server: 3})
	s.insert(call, Line{At: h.Lines[call-1].At, Kind: KindPause, Server: 3})
	tidy(h)
	exactly(t, h, "")
}

// playReadOnly: a client reads at a server that is cut off, two writes behind.
func playReadOnly(s *server) {
	const id = 1<<62 | 2<<32 | 1
	a := s.connect(1, 0)
	s.do(a, createReq("/a", 0))
	z := s.m.zxid
	s.do(a, setReq("/a", "one"))
	s.do(a, Request{Op: OpCreate, Path: "/hidden", ACL: []ACL{{permAll, ID{"ip", "10.9.9.9"}}}})
	add := func(k Kind, l Line) {
		l.Kind, l.Conn, l.Client = k, 77, 7
		s.add(l)
	}
	add(KindConnect, Line{Connect: &Connect{TimeoutMs: 4000, ReadOnly: true, LastZxidSeen: z}})
	add(KindConnected, Line{Session: id, Connect: &Connect{TimeoutMs: 4000, ReadOnly: true}})
	ask := func(xid int32, r Request, res Result) {
		add(KindCall, Line{Session: id, Xid: xid, Request: &r})
		add(KindReturn, Line{Session: id, Xid: xid, Zxid: z, Result: &res})
	}
	st := *s.h.Lines[4].Result.Stat
	ask(1, getReq("/a"), Result{Stat: &st})
	ask(2, setReq("/a", "two"), Result{Err: CodeNotReadOnly})
	ask(3, Request{Op: OpWhoAmI}, Result{Clients: []ID{{"ip", "10.0.0.7"}}}) // nobody knows
	ask(4, Request{Op: OpCloseSession}, Result{})
	add(KindDisconnect, Line{Text: CauseClient})
}

// TestReadBeforeAnyCommit: an ensemble that was founded with an old State is read before its log
// has a command.
func TestReadBeforeAnyCommit(t *testing.T) {
	s := newServer(Header{Zxid: 1<<40 | 7})
	s.commit(Line{}, Commit{Kind: CommitOther})
	add := func(k Kind, l Line) {
		l.Kind, l.Conn, l.Client = k, 77, 7
		s.add(l)
	}
	const id = 1<<62 | 2<<32 | 1
	add(KindConnect, Line{Connect: &Connect{TimeoutMs: 4000, ReadOnly: true}})
	add(KindConnected, Line{Session: id, Connect: &Connect{TimeoutMs: 4000, ReadOnly: true}})
	add(KindCall, Line{Session: id, Xid: 1, Request: &Request{Op: OpExists, Path: "/a"}})
	add(KindReturn, Line{Session: id, Xid: 1, Zxid: 1<<40 | 7, Result: &Result{Err: CodeNoNode}})
	for _, v := range Judge(s.h).Violations {
		t.Errorf("violation %v", v)
	}
}

func TestReadOnlySessions(t *testing.T) {
	runBadCases(t, []badCase{
		{"not asked for", JudgeSessions, playReadOnly, func(s *spoiler) {
			s.line(-1, kind(KindConnect)).Connect = &Connect{TimeoutMs: 4000}
		}},
		{"known to the log", JudgeSessions, playReadOnly, func(s *spoiler) {
			id := s.line(1, kind(KindConnected)).Session
			for i := len(s.h.Lines) - 1; i >= 0; i-- {
				switch l := &s.h.Lines[i]; {
				case l.Conn != 77:
				case l.Kind == KindConnected:
					l.Session = id
				case l.Kind == KindCall || l.Kind == KindReturn:
					s.remove(i)
				}
			}
		}},
		{"writes", JudgeDurability, playReadOnly, func(s *spoiler) {
			s.line(-1, s.returnOf(OpSetData)).Result = &Result{Stat: &Stat{}}
		}},
		{"reads what never was", JudgeReads, playReadOnly, func(s *spoiler) {
			s.result(1, s.returnOf(OpGetData)).Data = []byte("never")
		}},
		{"behind what its client has seen", JudgeZxids, playReadOnly, func(s *spoiler) {
			l := s.line(-1, kind(KindConnect))
			c := *l.Connect
			c.LastZxidSeen++
			l.Connect = &c
		}},
	})
}

func TestEnsembleAgreement(t *testing.T) {
	digests := func(s *server) {
		playPlain(s)
		digest := func(server int64, index uint64, value, source string) {
			s.add(Line{Kind: KindDigest, Server: server, Index: index, Digest: value, Text: source})
		}
		digest(1, 5, "aa", SourceRunning)
		digest(1, 5, "11", SourceLog)
		digest(2, 5, "11", SourceLog)
		digest(1, 9, "bb", SourceFinal)
		digest(2, 9, "bb", SourceFinal)
	}
	shutOut := func(s *server) {
		a := s.connect(1, 0)
		s.add(Line{Kind: KindQuiesce})
		for i := range int64(4) {
			s.add(Line{Kind: KindConnect, Client: 5, Conn: 50 + i,
				Connect: &Connect{TimeoutMs: 4000}})
			s.at += 400_000
			if i == 2 {
				s.add(Line{Kind: KindConnected, Conn: 50 + i, Session: 9, Connect: &Connect{}})
			}
			s.add(Line{Kind: KindDisconnect, Conn: 50 + i, Text: CauseServer})
		}
		s.do(a, Request{Op: OpPing})
	}
	stale := func(s *server) {
		a, b := s.connect(1, 0), s.connect(2, 0)
		s.do(a, getReq("/"))
		s.do(b, createReq("/a", 0))
		s.send(a, Request{Op: OpSync, Path: "/"})
		s.do(a, getReq("/"))
	}
	runBadCases(t, []badCase{
		{"logs differ", JudgeDurability, digests, func(s *spoiler) {
			s.line(3, kind(KindDigest)).Digest = "12"
		}},
		{"states differ at the end", JudgeDigest, digests, func(s *spoiler) {
			s.line(5, kind(KindDigest)).Digest = "bc"
		}},
		{"one is behind at the end", JudgeDigest, digests, func(s *spoiler) {
			s.line(5, kind(KindDigest)).Index = 8
		}},
		{"no way in", JudgeLiveness, shutOut, func(s *spoiler) {
			s.remove(s.at(-1, kind(KindConnected)))
		}},
		{"read behind its sync", JudgeReads, stale, func(s *spoiler) {
			first := s.line(1, s.returnOf(OpGetData))
			last := s.line(2, s.returnOf(OpGetData))
			last.Zxid, last.Result = first.Zxid, first.Result
		}},
	})
}

// TestWithoutLog: what can be told without commit lines and without porcupine.
func TestWithoutLog(t *testing.T) {
	play2 := func(s *server) {
		a, b := s.connect(1, 0), s.connect(2, 0)
		s.do(a, createReq("/s", 0))
		s.do(a, createReq("/s/n-", 2))
		s.do(b, createReq("/s/n-", 2))
		s.do(b, watchReq(OpGetData, "/s"))
		s.do(a, setReq("/s", "x"))
		s.do(b, Request{Op: OpPing})
		s.do(b, Request{Op: OpSync, Path: "/"})
		s.drop(a, CauseNetwork)
		c := s.connect(1, a.session)
		s.do(c, setReq("/s", "y"))
		s.do(c, getReq("/s"))
	}
	for _, c := range []struct {
		name, judge string
		spoil       func(*spoiler)
	}{
		{"as it was", "", func(*spoiler) {}},
		{"a zxid of two writes", JudgeZxids, func(s *spoiler) {
			z := s.line(2, s.returnOf(OpCreate)).Zxid
			s.line(3, s.returnOf(OpCreate)).Zxid = z
		}},
		{"writes against time", JudgeZxids, func(s *spoiler) {
			x, y := s.line(2, s.returnOf(OpCreate)), s.line(3, s.returnOf(OpCreate))
			x.Zxid, y.Zxid = y.Zxid, x.Zxid
			x.Result, y.Result = y.Result, x.Result
		}},
		{"number given twice", JudgeSequence, func(s *spoiler) {
			s.result(3, s.returnOf(OpCreate)).Path = "/s/n-0000000000"
		}},
		{"sync too old", JudgeReads, func(s *spoiler) { s.line(1, s.returnOf(OpSync)).Zxid -= 2 }},
		{"own write not seen", JudgeReads, func(s *spoiler) {
			s.line(-1, s.returnOf(OpGetData)).Zxid--
		}},
		{"event behind the answer", JudgeWatches, func(s *spoiler) {
			i := s.at(1, kind(KindEvent))
			s.move(i, s.at(1, s.returnOf(OpPing)))
		}},
		{"writes read-only", JudgeSessions, func(s *spoiler) {
			for i := range s.h.Lines {
				if l := &s.h.Lines[i]; l.Conn == 1 && l.Connect != nil {
					l.Connect = &Connect{TimeoutMs: testTimeoutMs, ReadOnly: true}
				}
			}
			s.remove(s.at(-1, s.returnOf(OpGetData)))
			s.remove(s.at(-1, callOf(OpGetData)))
		}},
		{"answers out of order", JudgeFIFO, func(s *spoiler) {
			x, y := s.line(1, s.returnOf(OpPing)), s.line(1, s.returnOf(OpSync))
			x.Xid, y.Xid = y.Xid, x.Xid
			s.move(s.at(1, callOf(OpSync)), s.at(1, callOf(OpPing))+1)
		}},
		{"served where it was left", JudgeSessions, func(s *spoiler) {
			// The first connection stays, and what was written on the second comes by it.
			s.remove(s.at(1, kind(KindDisconnect)))
			call, ret := s.line(-1, callOf(OpSetData)), s.line(-1, s.returnOf(OpSetData))
			call.Conn, ret.Conn = 1, 1
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := strip(play(play2))
			c.spoil(&spoiler{t, h})
			tidy(h)
			exactly(t, h, c.judge)
		})
	}
}

// TestJudges: the report says who judged, how much, and who could not.
func TestJudges(t *testing.T) {
	find := func(r *Report, judge string) Checks {
		for _, c := range r.Judges {
			if c.Judge == judge {
				return c
			}
		}
		t.Fatalf("no judge %s in %v", judge, r.Judges)
		return Checks{}
	}
	h := play(playSequences)
	for _, judge := range []string{JudgeReplay, JudgeFIFO, JudgeZxids, JudgeSessions, JudgeSequence,
		JudgeExactlyOnce, JudgeDurability, JudgeLiveness, JudgePorcupine} {
		if c := find(Judge(h), judge); c.Checked == 0 || c.Why != "" {
			t.Errorf("judge %s has looked at %d %s (%s), want some", judge, c.Checked, c.Of, c.Why)
		}
	}
	for _, judge := range []string{JudgeReplay, JudgeExactlyOnce, JudgeDurability} {
		if c := find(Judge(strip(h)), judge); c.Why == "" {
			t.Errorf("judge %s does not say that it needs commit lines", judge)
		}
	}
	h.Lines[len(h.Lines)-3].Zxid += 7
	if c := find(Judge(h), JudgePorcupine); c.Why == "" {
		t.Errorf("porcupine does not say that it was not asked: %+v", c)
	}
}

const testConfig = "server.1=a:1:2:participant;0.0.0.0:5\nserver.2=b:1:2:participant;0.0.0.0:5\n" +
	"version=100000000"

// TestOneVoterRefused: where only one server votes, a service may refuse even what is in force.
func TestOneVoterRefused(t *testing.T) {
	const one, two = "server.1=a:1:2:participant;0.0.0.0:5", "server.2=b:1:2:%s;0.0.0.0:5"
	for role, judge := range map[string]string{"observer": "", "participant": JudgeReplay} {
		exactly(t, play(func(s *server) {
			s.h.Header.Config = fmt.Appendf(nil, one+"\n"+two+"\nversion=100000000", role)
			*s.m = *newModel(&s.h.Header)
			a := s.connect(1, 0)
			r := Request{Op: OpReconfig, Reconfig: &Reconfig{Joining: one, Version: -1}}
			s.send(a, r)
			a.in = nil
			s.m.zxid++
			on := Line{Session: a.session, Xid: s.xids[a.session], Zxid: s.m.zxid,
				Result: &Result{Err: CodeBadArguments}}
			back := on
			back.Kind, back.Client, back.Conn = KindReturn, 1, a.id
			on.Request = &r
			s.commit(on, Commit{Kind: CommitRequest, Generation: a.gen, SkipACL: true})
			s.add(back)
		}), judge)
	}
}

// playReconfig: one reconfig that is refused, one that adds an observer, one that is given up.
func playReconfig(s *server) {
	s.h.Header.Config = []byte(testConfig)
	*s.m = *newModel(&s.h.Header)
	a := s.connect(1, 0)
	call := func(r Reconfig) Request { return Request{Op: OpReconfig, Reconfig: &r} }
	request := func(r Request, pending bool, res Result) int32 {
		s.send(a, r)
		xid := s.xids[a.session]
		a.in = nil
		var z int64
		if !pending {
			s.m.zxid++
			z = s.m.zxid
		}
		s.commit(Line{Session: a.session, Xid: xid, Zxid: z, Request: &r, Result: &res},
			Commit{Kind: CommitRequest, Generation: a.gen, Pending: pending, SkipACL: true})
		return xid
	}
	answer := func(xid int32, res Result) {
		s.add(Line{Kind: KindReturn, Client: 1, Conn: a.id, Session: a.session, Xid: xid,
			Zxid: s.m.zxid, Result: &res})
	}
	xid := request(call(Reconfig{Leaving: "1", Version: 7}), false, Result{Err: CodeBadVersion})
	answer(xid, Result{Err: CodeBadVersion})

	add := Reconfig{Joining: "server.3=c:1:2:observer;5", Version: 1 << 32}
	xid = request(call(add), true, Result{})
	s.stamp()
	s.m.zxid++
	text := []byte("server.1=a:1:2:participant;0.0.0.0:5\nserver.2=b:1:2:participant;0.0.0.0:5\n" +
		"server.3=c:1:2:observer;0.0.0.0:5\nversion=" + "100000003")
	s.m.configure(text, &origin{zxid: s.m.zxid})
	done := Result{Data: text, Stat: s.m.nodes[configPath].describe()}
	s.commit(Line{Session: a.session, Xid: xid, Zxid: s.m.zxid,
		Request: &Request{Op: OpReconfig, Data: text}}, Commit{Kind: CommitConfig})
	answer(xid, done)
	s.do(a, getReq(configPath))

	xid = request(call(Reconfig{Leaving: "1,2", Version: -1}), true, Result{})
	s.m.zxid++
	s.commit(Line{Session: a.session, Xid: xid, Zxid: s.m.zxid, Result: &Result{Err: -13}},
		Commit{Kind: CommitConfig})
	answer(xid, Result{Err: -13})
}

func TestReconfigJudge(t *testing.T) {
	config := func(s *spoiler) *Line { return s.line(1, commitKind(CommitConfig)) }
	edit := func(f func(text string) string) func(*spoiler) {
		return func(s *spoiler) {
			l := config(s)
			l.Request = &Request{Op: OpReconfig, Data: []byte(f(string(l.Request.Data)))}
		}
	}
	runBadCases(t, []badCase{
		{"a server too few", JudgeReplay, playReconfig, edit(func(text string) string {
			_, rest, _ := strings.Cut(text, "\n")
			return rest
		})},
		{"another role", JudgeReplay, playReconfig, edit(func(text string) string {
			return strings.Replace(text, "observer", "participant", 1)
		})},
		{"an old version", JudgeReplay, playReconfig, edit(func(text string) string {
			return strings.Replace(text, "version=100000003", "version=100000000", 1)
		})},
		{"no configuration", JudgeReplay, playReconfig, edit(func(string) string { return "x=y" })},
		{"refused for a version that fits", JudgeReplay, playReconfig, func(s *spoiler) {
			for _, l := range []*Line{s.line(1, commitOf(OpReconfig)),
				s.line(1, callOf(OpReconfig))} {
				r := *l.Request.Reconfig
				r.Version = 1 << 32
				l.Request = &Request{Op: OpReconfig, Reconfig: &r}
			}
		}},
		{"refused while nothing goes on", JudgeReplay, playReconfig, func(s *spoiler) {
			s.result(1, commitOf(OpReconfig)).Err = CodeReconfigInProgress
			s.result(1, s.returnOf(OpReconfig)).Err = CodeReconfigInProgress
		}},
		{"refused of who may", JudgeReplay, playReconfig, func(s *spoiler) {
			s.result(1, commitOf(OpReconfig)).Err = CodeNoAuth
			s.result(1, s.returnOf(OpReconfig)).Err = CodeNoAuth
		}},
		{"refused though it is in force", JudgeReplay, playReconfig, func(s *spoiler) {
			first, _, _ := strings.Cut(testConfig, "\n")
			for _, l := range []*Line{s.line(1, commitOf(OpReconfig)),
				s.line(1, callOf(OpReconfig))} {
				l.Request = &Request{Op: OpReconfig, Reconfig: &Reconfig{Joining: first,
					Version: -1}}
			}
			s.result(1, commitOf(OpReconfig)).Err = CodeBadArguments
			s.result(1, s.returnOf(OpReconfig)).Err = CodeBadArguments
		}},
		{"accepted of who may not", JudgeReplay, playReconfig, func(s *spoiler) {
			l := s.line(2, commitOf(OpReconfig))
			k := *l.Commit
			k.SkipACL = false
			l.Commit = &k
		}},
		{"two at a time", JudgeReplay, playReconfig, func(s *spoiler) {
			at := s.at(2, commitOf(OpReconfig))
			for i := range s.h.Lines {
				if c := s.h.Lines[i].Commit; c != nil && i > at {
					k := *c
					k.Index, k.Seq = k.Index+1, k.Seq+1
					s.h.Lines[i].Commit = &k
				}
			}
			l := s.h.Lines[at]
			k := *l.Commit
			k.Index, k.Seq = k.Index+1, k.Seq+1
			l.Commit = &k
			s.insert(at+1, l)
		}},
		{"an outcome of nothing", JudgeReplay, playReconfig, func(s *spoiler) {
			s.h.Header.AnswerWithin = 0
			s.line(2, commitKind(CommitConfig)).Xid = 99
			s.remove(s.at(-1, s.returnOf(OpReconfig)))
		}},
		{"answered with another text", JudgeReplay, playReconfig, func(s *spoiler) {
			s.result(2, s.returnOf(OpReconfig)).Data = []byte(testConfig)
		}},
		{"answered without its outcome", JudgeDurability, playReconfig, func(s *spoiler) {
			i := s.at(-1, commitKind(CommitConfig))
			l := s.h.Lines[i].Commit
			s.h.Lines[i] = Line{At: s.h.Lines[i].At, Kind: KindCommit, Result: &Result{},
				Commit: &Commit{Kind: CommitOther, Index: l.Index, Term: l.Term}}
			s.line(-1, s.returnOf(OpReconfig)).Zxid--
		}},
	})
}
