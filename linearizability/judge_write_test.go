package linearizability

import (
	"regexp"
	"testing"
)

func playQuota(s *server) {
	a := s.connect(1, 0)
	s.do(a, createReq("/q", 0))
	s.do(a, createReq("/zookeeper/quota/q", 0))
	s.do(a, Request{Op: OpCreate, Path: "/zookeeper/quota/q/zookeeper_limits", ACL: openACL,
		Data: []byte("count=-1,bytes=-1=;byteHardLimit=9;countHardLimit=3")})
	s.do(a, Request{Op: OpCreate, Path: "/zookeeper/quota/q/zookeeper_stats", ACL: openACL,
		Data: []byte("count=0,bytes=0")})
	s.do(a, getReq("/zookeeper/quota/q/zookeeper_stats"))
	s.do(a, setReq("/q", "12345"))
	s.do(a, createReq("/q/a", 0))
	s.do(a, createReq("/q/b", 0))
	s.do(a, createReq("/q/c", 0)) // a node too many
	s.do(a, setReq("/q/a", "12345"))
	s.do(a, Request{Op: OpMulti, Ops: []Request{deleteReq("/q/b"), setReq("/q/a", "12345")}})
	s.do(a, getReq("/zookeeper/quota/q/zookeeper_stats"))
	s.do(a, deleteReq("/zookeeper/quota/q/zookeeper_limits"))
	s.do(a, createReq("/q/c", 0))
}

func playReaps(s *server) {
	a := s.connect(1, 0)
	s.do(a, Request{Op: OpCreateContainer, Path: "/c", Flags: 4, ACL: openACL})
	s.do(a, createReq("/c/x", 0))
	s.do(a, deleteReq("/c/x"))
	s.do(a, Request{Op: OpCreateTTL, Path: "/t", Flags: 5, TTL: 5000, ACL: openACL})
	s.do(a, Request{Op: OpCreateTTL, Path: "/u", Flags: 5, TTL: 5000, ACL: openACL})
	s.do(a, watchReq(OpGetData, "/c"))
	s.reap("/c")
	s.at += 6_000_000
	s.reap("/t")
	s.do(a, Request{Op: OpGetChildren, Path: "/"})
}

func playACLs(s *server) {
	a, b, c := s.connect(1, 0), s.connect(2, 0), s.connect(3, 0)
	s.do(a, Request{Op: OpAuth, Scheme: "digest", Auth: []byte("u:p")})
	s.do(a, Request{Op: OpCreate, Path: "/d", ACL: []ACL{{permAll, ID{"auth", ""}}}})
	s.do(a, getReq("/d"))
	s.do(b, getReq("/d")) // refused
	s.do(b, setReq("/d", "x"))
	s.do(a, Request{Op: OpCreate, Path: "/e", ACL: []ACL{
		{permAll, ID{"digest", "u:" + hashOf("u:p")}}, {permRead, ID{"world", "anyone"}}}})
	s.do(a, Request{Op: OpGetACL, Path: "/e"})
	s.do(b, Request{Op: OpGetACL, Path: "/e"}) // masked
	s.do(b, watchReq(OpExists, "/e"))
	s.do(b, Request{Op: OpAddWatch, Path: "/", Mode: modeRecursive})
	s.do(a, setReq("/d", "y")) // b may not see it
	s.do(c, Request{Op: OpAuth, Scheme: "digest", Auth: []byte("super:pw")})
	s.do(c, getReq("/d"))
	s.do(c, Request{Op: OpSetACL, Path: "/d", Version: 0, ACL: openACL})
	s.do(b, getReq("/d"))
	s.do(a, Request{Op: OpSetACL, Path: "/e", Version: 7, ACL: openACL})
	s.do(a, Request{Op: OpCreate, Path: "/i", ACL: []ACL{{permAll, ID{"ip", "10.0.0.1/31"}}}})
	s.do(a, getReq("/i"))
	s.do(b, getReq("/i"))
}

func TestReplayJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"answer's stat", JudgeReplay, playPlain, func(s *spoiler) {
			s.result(1, s.returnOf(OpSetData)).Stat.Version++
		}},
		{"answer's path", JudgeReplay, playPlain, func(s *spoiler) {
			s.result(1, s.returnOf(OpCreate)).Path = "/x"
		}},
		{"answer's zxid", JudgeReplay, playPlain, func(s *spoiler) {
			s.line(1, s.returnOf(OpSetData)).Zxid--
		}},
		{"answer's error", JudgeReplay, playPlain, func(s *spoiler) {
			*s.result(1, s.returnOf(OpDelete)) = Result{Err: CodeNoNode}
		}},
		{"read-only, yet executed", JudgeReplay, playPlain, func(s *spoiler) {
			*s.result(1, s.returnOf(OpDelete)) = Result{Err: CodeNotReadOnly}
		}},
		{"answer's error list", JudgeReplay, playPlain, func(s *spoiler) {
			s.result(2, s.returnOf(OpMulti)).Parts[2].Err = CodeOk
		}},
		{"multi half done", JudgeReplay, playPlain, func(s *spoiler) {
			r := s.result(2, commitOf(OpMulti))
			*r = Result{Parts: []Result{{Op: OpSetData, Stat: &Stat{}}, {Op: OpError,
				Err: CodeNoNode}, {Op: OpError, Err: CodeRuntimeInconsistency}}}
		}},
		{"outcome's error", JudgeReplay, playPlain, func(s *spoiler) {
			s.result(3, commitOf(OpCreate)).Err = CodeNoAuth
			s.result(3, s.returnOf(OpCreate)).Err = CodeNoAuth
		}},
		{"outcome's error, bare", JudgeReplay, playPlain, func(s *spoiler) {
			l := s.line(3, commitOf(OpCreate))
			k := *l.Commit
			k.Bare, l.Commit, l.Result = true, &k, &Result{Err: CodeNoAuth}
			s.result(3, s.returnOf(OpCreate)).Err = CodeNoAuth
		}},
		{"answer to a bare outcome", JudgeReplay, playPlain, func(s *spoiler) {
			l := s.line(1, commitOf(OpSetData))
			k := *l.Commit
			k.Bare, l.Commit, l.Result = true, &k, &Result{}
			s.result(1, s.returnOf(OpSetData)).Stat.Mzxid--
		}},
		{"failing write without a zxid", JudgeReplay, playPlain, func(s *spoiler) {
			s.line(-1, commitOf(OpCreate)).Zxid = 0
			s.line(-1, s.returnOf(OpCreate)).Zxid = 0
		}},
		{"zxid skipped", JudgeReplay, playPlain, func(s *spoiler) {
			s.line(-1, commitOf(OpDelete)).Zxid++
			s.line(-1, s.returnOf(OpDelete)).Zxid++
			s.line(-1, s.returnOf(OpPing)).Zxid++
			s.line(-2, s.returnOf(OpPing)).Zxid++
		}},
		{"zxid for an auth", JudgeReplay, playPlain, func(s *spoiler) {
			s.line(1, commitKind(CommitAuth)).Zxid = s.line(1, commitOf(OpDelete)).Zxid
		}},
		{"zxid for nothing", JudgeReplay, playPlain, func(s *spoiler) {
			i := s.at(1, commitOf(OpDelete))
			s.h.Lines[i].Zxid++
			s.line(1, s.returnOf(OpDelete)).Zxid++
			s.line(-1, s.returnOf(OpPing)).Zxid++
			s.line(-2, s.returnOf(OpPing)).Zxid++
			k := *s.h.Lines[i].Commit
			before := k
			k.Pos = 1
			s.h.Lines[i].Commit = &k
			s.insert(i, Line{Kind: KindCommit, Zxid: s.h.Lines[i].Zxid - 1, Result: &Result{},
				Commit: &Commit{Kind: CommitOther, Index: before.Index, Term: 1}})
		}},
		{"committed before it is sent", JudgeReplay, playPlain, func(s *spoiler) {
			s.move(s.at(1, commitOf(OpSetData)), s.at(1, callOf(OpSetData)))
		}},
		{"answered before it is committed", JudgeReplay, playPlain, func(s *spoiler) {
			s.move(s.at(1, s.returnOf(OpSetData)), s.at(1, commitOf(OpSetData)))
		}},
		{"nobody asked", JudgeReplay, playPlain, func(s *spoiler) {
			s.remove(s.at(1, s.returnOf(OpDelete)))
			s.remove(s.at(1, callOf(OpDelete)))
		}},
		{"another request", JudgeReplay, playPlain, func(s *spoiler) {
			l := s.line(1, callOf(OpSetData))
			r := *l.Request
			r.Data = []byte("asked")
			l.Request = &r
		}},
		{"identity", JudgeReplay, playPlain, func(s *spoiler) {
			l := s.line(1, commitKind(CommitAuth))
			k := *l.Commit
			k.Identities = []ID{{"digest", "u:x"}}
			l.Commit = &k
		}},
		{"hard quota passed", JudgeReplay, playQuota, func(s *spoiler) {
			*s.result(7, commitOf(OpCreate)) = *s.line(6, commitOf(OpCreate)).Result
		}},
		{"quota forgets a multi", JudgeReplay, playQuota, func(s *spoiler) {
			s.result(2, commitOf(OpSetData)).Err = CodeOk
		}},
		{"container in use reaped", JudgeReplay, playReaps, func(s *spoiler) {
			s.h.Lines[s.at(1, commitKind(CommitReap))].Path = "/"
		}},
		{"reaped twice", JudgeReplay, playReaps, func(s *spoiler) {
			s.line(2, commitKind(CommitReap)).Path = "/c"
		}},
		{"plain node reaped", JudgeReplay, playReaps, func(s *spoiler) {
			s.line(1, commitKind(CommitReap)).Path = "/zookeeper/quota"
		}},
		{"TTL too short", JudgeReplay, playReaps, func(s *spoiler) {
			l := s.line(2, commitKind(CommitReap))
			k := *l.Commit
			k.StampMs -= 3000
			l.Commit = &k
		}},
	})
}

func TestExactlyOnceJudge(t *testing.T) {
	again := func(seq uint64) func(*spoiler) {
		return func(s *spoiler) {
			i := s.at(1, commitOf(OpDelete))
			l := s.h.Lines[i]
			k := *l.Commit
			k.Index++
			k.Seq = seq
			l.Commit, l.Result, l.Zxid = &k, &Result{Err: CodeNoNode}, l.Zxid+1
			s.insert(i+1, l)
		}
	}
	runBadCases(t, []badCase{
		{"command twice", JudgeExactlyOnce, playPlain, func(s *spoiler) {
			again(s.line(1, commitOf(OpDelete)).Commit.Seq + 1)(s)
		}},
		{"stream repeated", JudgeExactlyOnce, playPlain, func(s *spoiler) {
			again(s.line(1, commitOf(OpDelete)).Commit.Seq)(s)
		}},
		{"stream with a gap", JudgeExactlyOnce, playPlain, func(s *spoiler) {
			l := s.line(1, commitOf(OpDelete))
			k := *l.Commit
			k.Seq += 2
			l.Commit = &k
		}},
	})
}

func TestDurabilityJudge(t *testing.T) {
	runBadCases(t, []badCase{
		{"entry changed", JudgeDurability, playPlain, func(s *spoiler) {
			l := *s.line(1, commitOf(OpSetData))
			r := *l.Request
			r.Data = []byte("other")
			l.Request = &r
			s.insert(len(s.h.Lines)-2, l)
		}},
		{"entry left out", JudgeDurability, playPlain, func(s *spoiler) {
			l := s.line(1, commitOf(OpDelete))
			k := *l.Commit
			k.Index++
			l.Commit = &k
		}},
		{"acknowledged, not in the log", JudgeDurability, playPlain, func(s *spoiler) {
			i := s.at(1, commitOf(OpDelete))
			s.remove(i)
			z := s.line(1, s.returnOf(OpDelete)).Zxid - 1
			s.line(-1, s.returnOf(OpPing)).Zxid = z
			s.line(-2, s.returnOf(OpPing)).Zxid = z
		}},
		{"acknowledged, but skipped", JudgeDurability, playPlain, func(s *spoiler) {
			l := s.line(1, commitOf(OpDelete))
			k := *l.Commit
			k.Skipped = true
			l.Commit, l.Zxid = &k, 0
			z := s.line(1, s.returnOf(OpDelete)).Zxid - 1
			s.line(-1, s.returnOf(OpPing)).Zxid = z
			s.line(-2, s.returnOf(OpPing)).Zxid = z
		}},
	})
	// It is said what was answered, in words.
	spoilt := play(playPlain)
	at := &spoiler{t, spoilt}
	at.remove(at.at(1, commitOf(OpDelete)))
	tidy(spoilt)
	if r := Judge(spoilt).String(); !regexp.MustCompile(
		`delete /\S+ \(xid \d+\) is answered Ok, `).MatchString(r) {
		t.Errorf("a delete that is not in the log is told as %s", r)
	}
	// The same commit again, from another member or after a restart, is no fault.
	h := play(playPlain)
	s := &spoiler{t, h}
	s.insert(len(h.Lines)-2, *s.line(1, commitOf(OpSetData)))
	tidy(h)
	if r := Judge(h); !r.OK() {
		t.Errorf("a commit written twice: %v", r)
	}
}
