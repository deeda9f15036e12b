package main

import (
	"context"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// twins starts two servers of ours in this process: a pair that does not differ.
func twins(t *testing.T) *pair {
	t.Helper()
	p := &pair{dir: t.TempDir()}
	for side := range 2 {
		file, _, err := p.configure([]string{"one", "other"}[side])
		if err != nil {
			t.Fatal(err)
		}
		cfg, _, err := config.Load(config.Sources{File: file})
		if err != nil {
			t.Fatal(err)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		cfg.DataDir = filepath.Join(p.dir, sideNames[side])
		cfg.DataLogDir = cfg.DataDir
		s, err := server.New(server.Options{Config: cfg, Listener: l,
			Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- s.Run(ctx) }()
		t.Cleanup(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("server: %v", err)
			}
		})
		<-s.Serving()
		p.addrs[side] = s.Addr().String()
	}
	return p
}

// TestTwins: cases are played to their end, and two servers of ours are one.
func TestTwins(t *testing.T) {
	p := twins(t)
	cover := newCoverage()
	for n := range 12 {
		d, err := play(p, generate(caseSeed(1, n)), rootName(n), cover, nil)
		if err != nil {
			t.Fatal(err)
		}
		if d != nil {
			t.Fatalf("case %d differs from itself at %v", n, d)
		}
	}
	if rare := cover.missing(1); rare != "" {
		t.Logf("not seen in %d requests: %s", cover.requests, rare)
	}
	if cover.requests < 1000 || cover.writes < 300 {
		t.Errorf("%d requests, %d of them writes, were compared", cover.requests, cover.writes)
	}
}

// TestShrink: of a case whose end differs, only what it takes to show it is left. The difference
// is a znode that only one of the servers has been given.
func TestShrink(t *testing.T) {
	p := twins(t)
	create := wire.CreateRequest{Path: "/only", ACL: wire.OpenACL()}
	l, err := dial(p.addrs[ours])
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	hello := wire.ConnectRequest{TimeoutMs: 30000, Password: make([]byte, 16), HasReadOnly: true}
	b, at := wire.BeginFrame(nil)
	b = wire.EndFrame(hello.AppendTo(b), at)
	b = (&Request{Op: wire.OpCreate, Body: create.AppendTo(nil)}).appendTo(b, 1, 0, "")
	if _, err := l.c.Write(b); err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.replies(2, false); err != nil {
		t.Fatal(err)
	}
	c := generate(caseSeed(1, 3))
	c.Steps = c.Steps[:15]
	q := wire.PathWatchRequest{Path: "/only"}
	c.Steps = append(c.Steps, Step{Kind: connect, Session: 1}, Step{Kind: resume, Session: 1},
		Step{Kind: burst, Session: 1, Requests: []Request{{Op: wire.OpPing},
			{Op: wire.OpExists, Body: q.AppendTo(nil)}, {Op: wire.OpPing}}})
	small, d, _, err := shrink(context.Background(), p, c)
	if err != nil {
		t.Fatal(err)
	}
	if d == nil || !strings.Contains(d.String(), "NoNode") {
		t.Fatalf("shrunk to %v, want the difference of exists", d)
	}
	if got := small.requests(); got > 3 {
		t.Errorf("shrunk to %d requests, want a connect and one or two more:\n%s", got,
			renderCase(small))
	}
}

// TestSettings: a line given takes the place of the one with the same key.
func TestSettings(t *testing.T) {
	p := &pair{dir: t.TempDir(), lines: settings{"enforceQuota=false", "new=1", "tickTime=500"}}
	file, _, err := p.configure("server")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line, want := range map[string]int{"enforceQuota=false\n": 1, "enforceQuota=": 1,
		"new=1\n": 1, "tickTime=500\n": 1, "tickTime=": 1, "dataDir=": 1, "snapCount=": 1} {
		if got := strings.Count(string(text), line); got != want {
			t.Errorf("%q stands %d times in the configuration, want %d:\n%s", line, got, want, text)
		}
	}
}

func TestSameSeedSameCase(t *testing.T) {
	if diff := cmp.Diff(generate(77), generate(77)); diff != "" {
		t.Errorf("generate(77) differs from generate(77):\n%s", diff)
	}
}

// header appends the header of a reply.
func header(xid int32, zxid int64, code wire.ErrorCode) []byte {
	h := wire.ReplyHeader{Xid: xid, Zxid: zxid, Err: code}
	return h.AppendTo(nil)
}

func stat(change func(*wire.Stat)) []byte {
	s := wire.Stat{Czxid: 5, Mzxid: 6, Ctime: 100, Mtime: 200, Version: 1, Cversion: 2,
		EphemeralOwner: 0, DataLength: 3, NumChildren: 1, Pzxid: 7}
	change(&s)
	return s.AppendTo(header(1, 8, wire.CodeOk))
}

// TestCompare: every field of a reply is looked at.
func TestCompare(t *testing.T) {
	same := func(*wire.Stat) {}
	for _, tt := range []struct {
		name string
		b    []byte
		want string // what the difference starts with, "" for none
	}{
		{"nothing", stat(same), ""},
		{"czxid", stat(func(s *wire.Stat) { s.Czxid = 9 }), "czxid"},
		{"mzxid", stat(func(s *wire.Stat) { s.Mzxid = 5 }), "mzxid"},
		{"ctime", stat(func(s *wire.Stat) { s.Ctime = 999 }), ""},
		{"version", stat(func(s *wire.Stat) { s.Version = 0 }), "version"},
		{"cversion", stat(func(s *wire.Stat) { s.Cversion = 0 }), "cversion"},
		{"aversion", stat(func(s *wire.Stat) { s.Aversion = 1 }), "aversion"},
		{"owner", stat(func(s *wire.Stat) { s.EphemeralOwner = 9 }), "ephemeralOwner"},
		{"length", stat(func(s *wire.Stat) { s.DataLength = 0 }), "dataLength"},
		{"children", stat(func(s *wire.Stat) { s.NumChildren = 0 }), "numChildren"},
		{"pzxid", stat(func(s *wire.Stat) { s.Pzxid = 8 }), "pzxid"},
		{"xid", append(header(2, 8, 0), stat(same)[16:]...), "xid"},
		{"zxid", append(header(1, 7, 0), stat(same)[16:]...), "pzxid"},
		{"error", header(1, 8, wire.CodeNoNode), "error"},
		{"more", append(stat(same), 0), "length"},
		{"less", stat(same)[:80], "pzxid"},
	} {
		got := newMapping().compareReply(wire.OpExists, stat(same), tt.b)
		if !strings.HasPrefix(got, tt.want) || (got == "") != (tt.want == "") {
			t.Errorf("%s: difference %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestOneTimePerTransaction: times are a server's own, but each transaction has one.
func TestOneTimePerTransaction(t *testing.T) {
	m := newMapping()
	a := stat(func(*wire.Stat) {})
	if got := m.compareReply(wire.OpExists, a, a); got != "" {
		t.Fatal(got)
	}
	b := stat(func(s *wire.Stat) { s.Ctime++ })
	if got := m.compareReply(wire.OpExists, a, b); !strings.HasPrefix(got, "ctime") {
		t.Errorf("another time of the same transaction: %q", got)
	}
}

func TestPairedZxids(t *testing.T) {
	m := newMapping()
	for _, tt := range []struct {
		a, b int64
		ok   bool
	}{{3, 30, true}, {3, 30, true}, {3, 31, false}, {4, 30, false}, {5, 29, false},
		{5, 50, true}, {0, 0, true}, {0, 1, false}, {-1, -1, true}, {-1, 60, false}} {
		if got := m.zxid(tt.a, tt.b); (got == "") != tt.ok {
			t.Errorf("zxid(%d, %d) = %q, want ok %v", tt.a, tt.b, got, tt.ok)
		}
	}
}

// TestSortEnds: only the events of a closed session are sorted, each run by itself.
func TestSortEnds(t *testing.T) {
	event := func(zxid int64, path string) []byte {
		e := wire.WatcherEvent{Type: wire.EventNodeDeleted, State: 3, Path: path}
		return e.AppendTo(header(wire.XidNotification, zxid, wire.CodeOk))
	}
	frames := [][]byte{event(1, "/b"), event(1, "/a"), event(2, "/d"), event(2, "/c"),
		header(1, 2, wire.CodeOk), event(2, "/z"), event(2, "/y")}
	sortEnds(frames, map[int64]bool{2: true})
	var got []string
	for _, f := range frames {
		if isEvent(f) {
			_, e := eventOf(f)
			got = append(got, e.Path)
		}
	}
	if diff := cmp.Diff([]string{"/b", "/a", "/c", "/d", "/y", "/z"}, got); diff != "" {
		t.Errorf("order of events (-want +got):\n%s", diff)
	}
}
