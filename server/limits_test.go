package server_test

import (
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// stuck is a disk whose log can be made to hang in its sync, as a failing device does.
type stuck struct {
	vfs.FS
	mu   sync.Mutex
	free chan struct{} // nil: not stuck
}

func newStuck() *stuck {
	s := &stuck{}
	s.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData && strings.Contains(op.Path, "vivarium/log-") {
			s.mu.Lock()
			free := s.free
			s.mu.Unlock()
			if free != nil {
				<-free
			}
		}
		return nil
	}))
	return s
}

func (s *stuck) hang() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = make(chan struct{})
}

func (s *stuck) goOn() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.free != nil {
		close(s.free)
		s.free = nil
	}
}

// onStuck runs a server on such a disk.
func onStuck(t *testing.T, c config.Config, settings core.Settings) (*inside, *stuck) {
	t.Helper()
	disk := newStuck()
	c.DataDir = "/data"
	s := start(t, server.Options{Config: &c, FS: disk.FS,
		Member: replication.Config{Settings: settings}})
	t.Cleanup(disk.goOn) // before the server is stopped
	return s, disk
}

// number is the first number in what a word answers behind a text, -1 if there is none.
func number(t *testing.T, s *inside, ask, behind string) int {
	t.Helper()
	m := regexp.MustCompile(regexp.QuoteMeta(behind) + `(\d+)`).FindStringSubmatch(
		word(t, s.Addr(), ask))
	if m == nil {
		return -1
	}
	n, _ := strconv.Atoi(m[1])
	return n
}

// settles waits until value has stayed the same for some looks, and returns it.
func settles(value func() int) int {
	last, same := value(), 0
	for same < 20 {
		if now := value(); now != last {
			last, same = now, 0
		} else {
			same++
		}
	}
	return last
}

func TestMaxConnections(t *testing.T) {
	for _, test := range []struct {
		name, cause string
		cfg         config.Config
	}{
		{"maxClientCnxns", "maxClientCnxns reached", config.Config{MaxClientConns: 3}},
		{"maxCnxns", "maxCnxns reached", config.Config{MaxConns: 3}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := start(t, server.Options{Config: &test.cfg})
			var list []*client
			for range 3 {
				list = append(list, connect(t, s.Addr()))
			}
			for range 5 {
				c := dial(t, s.Addr())
				c.gone()
				c.nc.Close()
			}
			if _, err := s.log.wait(func(m map[string]any) bool {
				return m["msg"] == "connection refused" && m["cause"] == test.cause
			}); err != nil {
				t.Error(err)
			}
			for _, c := range list {
				c.must(wire.OpExists, get("/"))
			}
			// There is room again when one has left, and the server has noticed.
			list[0].must(wire.OpCloseSession, nil)
			for dial(t, s.Addr()).handshake(wire.ConnectRequest{TimeoutMs: 5000}) != nil {
				continue
			}
		})
	}
}

func TestMaxBuffer(t *testing.T) {
	s := start(t, server.Options{Config: &config.Config{MaxBuffer: 5000}})
	c := connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/a", nil, 0))
	// The frame is xid, type, path with length, data with length, and version.
	const around = 4 + 4 + 4 + 2 + 4 + 4
	c.must(wire.OpSetData, set("/a", make([]byte, 5000-around)))
	for range 200 { // an answer may be longer
		c.must(wire.OpCreate, creation("/a/child-with-a-rather-long-name-", nil,
			wire.FlagPersistentSequential))
	}
	if p := c.must(wire.OpGetChildren, get("/a")); len(p.body) < 5000 {
		t.Errorf("children in %d bytes", len(p.body))
	}
	c.nc.Write(request(nil, 9, wire.OpSetData, set("/a", make([]byte, 5001-around))))
	if got, err := io.ReadAll(c.r); len(got) > 0 || err != nil {
		t.Errorf("a frame of 5001 bytes was answered with %x, %v", got, err)
	}
	c = connect(t, s.Addr())
	p := c.must(wire.OpGetData, get("/a"))
	r := wire.NewReader(p.body)
	if data := r.Buffer(); len(data) != 5000-around {
		t.Errorf("%d bytes there, want the last that was acknowledged", len(data))
	}
}

func TestHandshakeTimeout(t *testing.T) {
	s := start(t, server.Options{Config: &config.Config{HandshakeTimeout: time.Second}})
	silent, half, open := dial(t, s.Addr()), dial(t, s.Addr()), connect(t, s.Addr())
	half.nc.Write([]byte{0, 0, 0, 45, 0, 0})
	silent.gone()
	half.gone()
	if _, err := s.log.wait(closedFor("no session within the handshake time-out")); err != nil {
		t.Error(err)
	}
	open.must(wire.OpExists, get("/"))
	if n := number(t, s, "mntr", "zk_sessionless_connections_expired\t"); n != 2 {
		t.Errorf("%d connections without a session expired, want 2", n)
	}
}

// TestOutstanding: while the disk hangs, no more writes are taken than globalOutstandingLimit
// and one for each connection; reads go on; in the end everything is answered.
func TestOutstanding(t *testing.T) {
	const limit, clients, each = 50, 10, 200
	s, disk := onStuck(t, config.Config{MaxOutstanding: limit}, core.Settings{})
	reader := connect(t, s.Addr())
	var list []*client
	for range clients {
		list = append(list, connect(t, s.Addr()))
	}
	disk.hang()
	for _, c := range list {
		var b []byte
		for xid := range int32(each) {
			b = request(b, xid, wire.OpSetData, set("/", nil))
		}
		if _, err := c.nc.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	outstanding := func() int { return number(t, s, "srvr", "Outstanding: ") }
	for outstanding() < limit {
		continue // what was sent has to be read first
	}
	n := settles(outstanding)
	if n < limit || n > limit+clients {
		t.Errorf("%d writes were taken, want %d and at most one more per connection", n, limit)
	}
	reader.must(wire.OpGetData, get("/"))
	disk.goOn()
	for i, c := range list {
		for xid := range int32(each) {
			if p, err := c.reply(); err != nil || p.Xid != xid || p.Err != 0 {
				t.Fatalf("client %d, reply %d: %+v, %v", i, xid, p, err)
			}
		}
	}
}

// TestOutstandingBytes: the same for long writes.
func TestOutstandingBytes(t *testing.T) {
	const clients, size = 20, 500000
	s, disk := onStuck(t, config.Config{}, core.Settings{MaxOutstandingBytes: 2 << 20})
	var list []*client
	for i := range clients {
		c := connect(t, s.Addr())
		c.must(wire.OpCreate, creation(fmt.Sprintf("/%d", i), nil, 0))
		list = append(list, c)
	}
	disk.hang()
	var all sync.WaitGroup
	for i, c := range list {
		all.Go(func() {
			p, err := c.try(wire.OpSetData, set(fmt.Sprintf("/%d", i), make([]byte, size)))
			if err != nil || p.Err != 0 {
				t.Errorf("client %d: %+v, %v", i, p, err)
			}
		})
	}
	outstanding := func() int { return number(t, s, "srvr", "Outstanding: ") }
	for outstanding() < 1 {
		continue // the clients have to send first
	}
	n := settles(outstanding)
	if n < 1 || n > 2<<20/size {
		t.Errorf("%d writes of %d bytes were taken, the bound is 2 MiB", n, size)
	}
	disk.goOn()
	all.Wait()
}

// TestInputBytes: long frames are received one after the other when there is room for one.
func TestInputBytes(t *testing.T) {
	s := start(t, server.Options{Member: replication.Config{
		Settings: core.Settings{MaxInputBytes: 1 << 20}}})
	var all sync.WaitGroup
	for i := range 20 {
		c := connect(t, s.Addr())
		path := fmt.Sprintf("/%d", i)
		c.must(wire.OpCreate, creation(path, nil, 0))
		all.Go(func() {
			for range 3 {
				p, err := c.try(wire.OpSetData, set(path, make([]byte, 900000)))
				if err != nil || p.Err != 0 {
					t.Errorf("client %d: %+v, %v", i, p, err)
				}
			}
		})
	}
	all.Wait()
}

// TestQueue: what one connection may have waiting is bounded.
func TestQueue(t *testing.T) {
	const bound, sent = 500, 20000
	s, disk := onStuck(t, config.Config{}, core.Settings{MaxQueued: bound})
	c := connect(t, s.Addr())
	disk.hang()
	go func() {
		b := request(nil, 0, wire.OpSetData, set("/", nil))
		for xid := int32(1); xid < sent; xid++ {
			b = request(b, xid, wire.OpGetData, get("/"))
		}
		c.nc.Write(b)
	}()
	queued := func() int { return number(t, s, "cons", "[1](queued=") }
	for queued() < bound {
		continue
	}
	if n := settles(queued); n != bound {
		t.Errorf("%d requests wait, the bound is %d", n, bound)
	}
	disk.goOn()
	for xid := range int32(sent) {
		if p, err := c.reply(); err != nil || p.Xid != xid || p.Err != 0 {
			t.Fatalf("reply %d: %+v, %v", xid, p, err)
		}
	}
}

// TestWaitingClientsLive: a client that the server does not read because of what it owes it
// is not taken for dead.
func TestWaitingClientsLive(t *testing.T) {
	s, disk := onStuck(t, config.Config{MinSessionTimeout: 300 * time.Millisecond,
		MaxSessionTimeout: 300 * time.Millisecond}, core.Settings{MaxQueued: 10})
	c, idle := connect(t, s.Addr()), connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/e", nil, wire.FlagEphemeral))
	disk.hang()
	b := request(nil, 0, wire.OpSetData, set("/e", nil))
	for xid := range int32(100) {
		b = request(b, 1+xid, wire.OpGetData, get("/e"))
	}
	c.nc.Write(b)
	for number(t, s, "cons", "[1](queued=1") < 0 {
		continue
	}
	// The other session is silent as well, and its end is decided meanwhile; it is applied when
	// the disk goes on.
	uptime := func() int { return number(t, s, "mntr", "zk_uptime\t") }
	for until := uptime() + 1000; uptime() < until; {
		continue
	}
	disk.goOn()
	idle.gone()
	for xid := range int32(101) {
		if p, err := c.reply(); err != nil || p.Xid != xid || p.Err != 0 {
			t.Fatalf("reply %d: %+v, %v", xid, p, err)
		}
	}
}
