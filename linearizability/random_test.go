package linearizability

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

var testPaths = []string{"/a", "/b", "/a/x", "/a/y", "/a/x/z", "/c", "/", "/zookeeper/quota",
	"/a/x0000000000"}

var testACLs = [][]ACL{
	openACL,
	openACL,
	openACL,
	{{Perms: permAll, ID: ID{"auth", ""}}},
	{{Perms: permAll, ID: ID{"ip", "10.0.0.1"}}},
	{{Perms: permAll &^ permRead, ID: ID{"world", "anyone"}}},
	{{Perms: permRead, ID: ID{"world", "anyone"}}, {Perms: permAll, ID: ID{"ip", "10.0.0.0/30"}}},
	nil,
	{{Perms: permAll, ID: ID{"digest", "nocolon"}}},
}

func drawRequest(t *rapid.T) Request {
	path := rapid.SampledFrom(testPaths).Draw(t, "path")
	data := rapid.SampledFrom([][]byte{nil, {}, []byte("1"), []byte("22")}).Draw(t, "data")
	version := rapid.SampledFrom([]int32{-1, -1, 0, 1}).Draw(t, "version")
	watch := rapid.Bool().Draw(t, "watch")
	ops := []Op{OpCreate, OpCreate, OpCreate2, OpCreateTTL, OpCreateContainer, OpDelete, OpDelete,
		OpSetData, OpSetData, OpSetACL, OpMulti, OpExists, OpGetData, OpGetData, OpGetACL,
		OpGetChildren, OpGetChildren2, OpSync, OpPing, OpGetEphemerals, OpGetAllChildrenNumber,
		OpMultiRead, OpAddWatch, OpRemoveWatches, OpAuth, OpWhoAmI}
	op := rapid.SampledFrom(ops).Draw(t, "op")
	r := Request{Op: op, Path: path}
	switch op {
	case OpMulti:
		r = Request{Op: op, Ops: []Request{}}
		n := rapid.IntRange(0, 3).Draw(t, "parts")
		for len(r.Ops) < n {
			part := drawRequest(t)
			if _, ok := multiPart(part); ok {
				r.Ops = append(r.Ops, part)
			}
		}
		return r
	case OpMultiRead:
		return Request{Op: op, Ops: []Request{{Op: OpGetData, Path: path},
			{Op: OpGetChildren, Path: path}}}
	case OpCreate, OpCreate2, OpCreateTTL, OpCreateContainer:
		flags := []int32{0, 1, 2, 3}
		if op == OpCreateTTL {
			flags, r.TTL = []int32{5, 6}, 1000
		} else if op == OpCreateContainer {
			flags = []int32{4}
		}
		r.Flags = rapid.SampledFrom(flags).Draw(t, "flags")
		r.Data = data
		r.ACL = rapid.SampledFrom(testACLs).Draw(t, "acl")
	case OpSetData:
		r.Data, r.Version = data, version
	case OpSetACL:
		r.Version = version
		r.ACL = rapid.SampledFrom(testACLs).Draw(t, "acl")
	case OpDelete:
		r.Version = version
	case OpExists, OpGetData, OpGetChildren, OpGetChildren2:
		r.Watch = watch
	case OpAddWatch:
		r.Mode = rapid.Int32Range(0, 1).Draw(t, "mode")
	case OpRemoveWatches:
		r.Mode = rapid.Int32Range(1, 5).Draw(t, "type")
	case OpAuth, OpPing, OpWhoAmI:
		r.Path = ""
		if op == OpAuth {
			r.Scheme, r.Auth = "digest", []byte("u:p")
		}
	}
	return r
}

// drawHistory lets a few clients do anything for a while.
func drawHistory(t *rapid.T) *History {
	s := newServer(Header{AnswerWithin: 1_000_000})
	live := []*testConn{s.connect(1, 0), s.connect(2, 0), s.connect(3, 0)}
	for range rapid.IntRange(0, 120).Draw(t, "steps") {
		i := rapid.IntRange(0, len(live)-1).Draw(t, "conn")
		c := live[i]
		switch act := rapid.IntRange(0, 60).Draw(t, "act"); {
		case act < 20:
			if c.open {
				s.send(c, drawRequest(t))
			}
		case act < 40:
			s.step(c)
		case act < 58:
			s.deliver(c)
		case act == 58:
			s.drop(c, CauseNetwork)
			live[i] = s.connect(c.client, c.session)
			w := &Watches{RelativeZxid: c.lastZxid, Data: c.watches[onData],
				Child: c.watches[onChild], Exist: []string{"/b"},
				Persistent: c.watches[onPersistent], Recursive: c.watches[onRecursive]}
			s.send(live[i], Request{Op: OpSetWatches2, Watches: w})
		case act == 59:
			s.expire(c.session)
			live[i] = s.connect(c.client, 0)
		default:
			if c.open {
				s.send(c, Request{Op: OpCloseSession})
				for len(c.in) > 0 {
					s.step(c)
				}
				for len(c.out) > 0 {
					s.deliver(c)
				}
				s.drop(c, CauseServer)
			}
			live[i] = s.connect(c.client, 0)
		}
	}
	return s.settle()
}

// TestRandomHistories: what the model itself serves is judged clean, from memory and from a file.
func TestRandomHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		if r := Judge(h); !r.OK() || r.Unjudged > 0 {
			t.Fatalf("a history of the model is not clean:\n%v\n%s", r, text(h))
		}
		var b bytes.Buffer
		if err := h.Write(&b); err != nil {
			t.Fatal(err)
		}
		back, err := Read(&b)
		if err != nil {
			t.Fatal(err)
		}
		if r := Judge(back); !r.OK() {
			t.Fatalf("a history of the model is not clean when read back:\n%v\n%s", r, text(h))
		}
	})
}

func text(h *History) string {
	var b bytes.Buffer
	h.Write(&b)
	return b.String()
}

// TestRandomFaults: one false answer or event in a history is caught.
func TestRandomFaults(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := drawHistory(t)
		var at []int
		for i, l := range h.Lines {
			if l.Kind == KindReturn && l.Result.Err == CodeOk && len(falsify(&l)) > 0 ||
				l.Kind == KindEvent {
				at = append(at, i)
			}
		}
		if len(at) == 0 {
			t.Skip("nothing to falsify")
		}
		i := rapid.SampledFrom(at).Draw(t, "line")
		l, conn := &h.Lines[i], h.Lines[i].Conn
		what, caughtUp := "", l.Kind == KindEvent && l.Zxid == -1
		if l.Kind == KindEvent {
			what = rapid.SampledFrom([]string{"drop", "double", "type", "path"}).Draw(t, "fault")
			switch what {
			case "drop":
				h.Lines = slices.Delete(h.Lines, i, i+1)
			case "double":
				h.Lines = slices.Insert(h.Lines, i, *l)
			case "type":
				l.Event = l.Event%4 + 1
			case "path":
				l.Path += "/not"
			}
		} else {
			fault := rapid.SampledFrom(falsify(l)).Draw(t, "fault")
			what = fault.name
			res := *l.Result
			l.Result = &res
			fault.change(&res)
		}
		if (what == "drop" || caughtUp) && !seenLater(h, i, conn) {
			t.Skip("nobody can know")
		}
		if r := Judge(h); r.OK() {
			t.Fatalf("%s at line %d is not caught:\n%s", what, i+2, text(h))
		}
	})
}

// seenLater says whether a connection that lost an event at a place could miss it: something came
// later, or it was open at the end.
func seenLater(h *History, at int, conn int64) bool {
	for _, l := range h.Lines[at:] {
		if l.Conn == conn && l.Kind == KindReturn && l.Zxid > 0 {
			return true
		}
		if l.Conn == conn && l.Kind == KindDisconnect {
			return false
		}
	}
	return false
}

type fault struct {
	name   string
	change func(*Result)
}

// falsify lists what can be changed in an answer so that it is surely false.
func falsify(l *Line) []fault {
	var fs []fault
	r := l.Result
	if r.Stat != nil {
		bump := func(name string, f func(*Stat)) {
			fs = append(fs, fault{name, func(r *Result) { s := *r.Stat; f(&s); r.Stat = &s }})
		}
		bump("version", func(s *Stat) { s.Version++ })
		bump("cversion", func(s *Stat) { s.Cversion++ })
		bump("mzxid", func(s *Stat) { s.Mzxid++ })
		bump("pzxid", func(s *Stat) { s.Pzxid-- })
		bump("owner", func(s *Stat) { s.EphemeralOwner++ })
		bump("mtime", func(s *Stat) { s.Mtime++ })
		fs = append(fs, fault{"err", func(r *Result) { *r = Result{Err: CodeNoNode} }})
	}
	if r.Data != nil {
		fs = append(fs, fault{"data", func(r *Result) { r.Data = append([]byte("no"), r.Data...) }})
	}
	if len(r.Children) > 0 {
		fs = append(fs, fault{"child lost", func(r *Result) { r.Children = r.Children[1:] }})
	}
	return fs
}

// BenchmarkJudge judges a world of 5,000 requests by 8 clients that watch each other.
func BenchmarkJudge(b *testing.B) {
	h := bigHistory()
	b.ReportAllocs()
	for b.Loop() {
		if r := Judge(h); !r.OK() {
			b.Fatal(r)
		}
	}
	b.ReportMetric(float64(len(h.Lines)), "lines")
}

func bigHistory() *History {
	s := newServer(Header{AnswerWithin: 1_000_000})
	var cs []*testConn
	for i := range int64(8) {
		cs = append(cs, s.connect(i+1, 0))
	}
	s.do(cs[0], Request{Op: OpCreate, Path: "/a", ACL: openACL})
	for i := range 5000 {
		c := cs[i%8]
		p := testPaths[i%5]
		switch i % 11 {
		case 0, 1:
			s.do(c, Request{Op: OpCreate, Path: "/a/s", Flags: int32(2 + i%2), ACL: openACL})
		case 2, 3:
			s.do(c, Request{Op: OpSetData, Path: p, Version: -1})
		case 4:
			s.do(c, Request{Op: OpGetChildren, Path: "/a", Watch: true})
		case 5:
			s.do(c, Request{Op: OpAddWatch, Path: p, Mode: int32(i % 2)})
		case 6:
			s.do(c, Request{Op: OpDelete, Path: p, Version: -1})
		case 7:
			s.do(c, Request{Op: OpCreate2, Path: p, ACL: openACL})
		case 8:
			s.do(c, Request{Op: OpSync, Path: "/"})
		default:
			s.do(c, Request{Op: OpGetData, Path: p, Watch: true})
		}
	}
	return s.settle()
}
