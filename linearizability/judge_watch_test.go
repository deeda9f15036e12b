package linearizability

import (
	"slices"
	"testing"
)

func playWatches(s *server) {
	a, b := s.connect(1, 0), s.connect(2, 0)
	s.do(a, createReq("/w", 0))
	s.do(b, watchReq(OpGetData, "/w"))
	s.do(b, watchReq(OpExists, "/w"))
	s.do(b, watchReq(OpGetChildren, "/w"))
	s.do(b, Request{Op: OpAddWatch, Path: "/r", Mode: modeRecursive})
	s.do(b, Request{Op: OpAddWatch, Path: "/w", Mode: modePersistent})
	s.do(a, setReq("/w", "1"))
	s.do(a, setReq("/w", "2"))
	s.do(a, createReq("/w/c", 0))
	s.do(b, Request{Op: OpPing})
	s.do(a, createReq("/r", 0))
	s.do(a, createReq("/r/x", 0))
	s.do(a, createReq("/r/x/y", 0))
	s.do(b, Request{Op: OpPing})
	s.do(b, Request{Op: OpRemoveWatches, Path: "/w", Mode: typePersistent})
	s.do(b, Request{Op: OpRemoveWatches, Path: "/w", Mode: typeData})
	s.do(a, setReq("/w", "3"))
	s.do(b, watchReq(OpGetData, "/w/c"))
	s.do(b, watchReq(OpGetChildren2, "/w"))
	s.do(b, watchReq(OpGetChildren, "/w/c"))
	s.do(a, deleteReq("/w/c"))
	s.do(b, Request{Op: OpPing})
	s.do(b, watchReq(OpGetData, "/w"))
	s.do(b, watchReq(OpGetData, "/r"))
	s.drop(b, CauseNetwork)
	s.do(a, setReq("/w", "4"))
	c := s.connect(2, b.session)
	s.do(c, Request{Op: OpSetWatches2, Watches: &Watches{RelativeZxid: b.lastZxid,
		Data: []string{"/w", "/r", "/w/c"}, Exist: []string{"/w", "/n"},
		Child: []string{"/w", "/w/c"}, Persistent: []string{"/p"}, Recursive: []string{"/r"}}})
	s.do(a, createReq("/n", 0))
	s.do(a, createReq("/p", 0))
	s.do(a, setReq("/r", "x"))
	s.do(c, Request{Op: OpPing})
	s.do(a, createReq("/p/last", 0))
}

func TestWatchesJudge(t *testing.T) {
	filtered := func(s *server) {
		a, b := s.connect(1, 0), s.connect(2, 0)
		s.do(b, Request{Op: OpAddWatch, Path: "/", Mode: modeRecursive})
		s.do(a, Request{Op: OpCreate, Path: "/x", ACL: []ACL{{permAll, ID{"ip", "10.0.0.1"}}}})
		s.do(b, Request{Op: OpPing})
		s.do(a, createReq("/y", 0))
		s.do(b, Request{Op: OpPing})
	}
	runBadCases(t, []badCase{
		{"lost", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(1, eventOn(EventNodeDataChanged, "/w")))
		}},
		{"lost by a persistent watch", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(2, eventOn(EventNodeDataChanged, "/w")))
		}},
		{"lost deep below", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(1, eventOn(EventNodeCreated, "/r/x/y")))
		}},
		{"lost at the end", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(-1, eventOn(EventNodeChildrenChanged, "/p")))
		}},
		{"late", JudgeWatches, playWatches, func(s *spoiler) {
			i := s.at(1, eventOn(EventNodeChildrenChanged, "/w"))
			s.move(i, i+1+slices.IndexFunc(s.h.Lines[i+1:], func(l Line) bool {
				return l.Kind == KindReturn && l.Conn == s.h.Lines[i].Conn
			}))
		}},
		{"out of order", JudgeWatches, playWatches, func(s *spoiler) {
			i, j := s.at(1, eventOn(EventNodeDataChanged, "/w")),
				s.at(2, eventOn(EventNodeDataChanged, "/w"))
			s.h.Lines[i], s.h.Lines[j] = s.h.Lines[j], s.h.Lines[i]
		}},
		{"twice", JudgeWatches, playWatches, func(s *spoiler) {
			i := s.at(1, eventOn(EventNodeDataChanged, "/w"))
			s.insert(i, s.h.Lines[i])
		}},
		{"one-shot fires twice", JudgeWatches, playWatches, func(s *spoiler) {
			i := s.at(3, s.returnOf(OpSetData))
			l := s.h.Lines[s.at(1, eventOn(EventNodeDataChanged, "/w"))]
			l.Zxid = s.h.Lines[i].Zxid
			s.insert(i, l)
		}},
		{"child watch fires for data", JudgeWatches, playWatches, func(s *spoiler) {
			i := s.at(1, eventOn(EventNodeDeleted, "/w/c"))
			l := s.h.Lines[i]
			l.Event = EventNodeDataChanged
			s.insert(i, l)
		}},
		{"before the answer that sets it", JudgeWatches, func(s *server) {
			a, b := s.connect(1, 0), s.connect(2, 0)
			s.do(b, Request{Op: OpAddWatch, Path: "/x", Mode: modePersistent})
			s.do(a, createReq("/x", 0))
			s.do(b, Request{Op: OpPing})
		}, func(s *spoiler) {
			event := s.at(1, eventOn(EventNodeCreated, "/x"))
			set := s.at(1, s.returnOf(OpAddWatch))
			s.h.Lines[set].Zxid = s.h.Lines[event].Zxid
			s.move(set, event)
		}},
		{"told to who may not read", JudgeWatches, filtered, func(s *spoiler) {
			i := s.at(1, eventOn(EventNodeCreated, "/y"))
			l := s.h.Lines[i]
			l.Path, l.Zxid = "/x", l.Zxid-1
			s.insert(s.at(1, s.returnOf(OpPing)), l)
		}},
		{"setWatches misses a deletion", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(2, eventOn(EventNodeDeleted, "/w/c")))
		}},
		{"setWatches misses a change", JudgeWatches, playWatches, func(s *spoiler) {
			s.remove(s.at(-1, eventOn(EventNodeDataChanged, "/w")))
		}},
		{"setWatches reports too much", JudgeWatches, playWatches, func(s *spoiler) {
			i := s.at(-1, eventOn(EventNodeDataChanged, "/w"))
			l := s.h.Lines[i]
			l.Path = "/zzz"
			s.insert(s.at(1, s.returnOf(OpSetWatches2)), l)
		}},
		{"setWatches reports late", JudgeWatches, playWatches, func(s *spoiler) {
			s.move(s.at(-1, eventOn(EventNodeDataChanged, "/w")),
				s.at(1, s.returnOf(OpSetWatches2)))
		}},
		{"catch-up without setWatches", JudgeWatches, playWatches, func(s *spoiler) {
			l := *s.line(1, eventOn(EventNodeDataChanged, "/w"))
			l.Zxid = -1
			s.insert(s.at(1, s.returnOf(OpPing)), l)
		}},
		{"nothing to remove, but removed", JudgeWatches, playWatches, func(s *spoiler) {
			s.result(2, s.returnOf(OpRemoveWatches)).Err = CodeOk
		}},
		{"watch not found", JudgeWatches, func(s *server) {
			a := s.connect(1, 0)
			s.do(a, watchReq(OpGetData, "/"))
			s.do(a, Request{Op: OpRemoveWatches, Path: "/", Mode: typeAny})
		}, func(s *spoiler) { s.result(1, s.returnOf(OpRemoveWatches)).Err = CodeNoWatcher }},
	})
}
