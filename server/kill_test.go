package server_test

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

var (
	kills    = flag.Int("kills", 5, "how often TestKill kills the server")
	killSeed = flag.Uint64("killseed", 0, "what TestKill draws from; 0 is the time")
)

// TestKill kills the server with SIGKILL at random moments while clients write in pipelines,
// and judges what is there after the restart: every acknowledged write, nothing twice, no half
// of a multi, no zxid that went down, every session. 50 times, as a release wants it:
//
//	go test ./server -run TestKill -kills 50 -v
func TestKill(t *testing.T) {
	if testing.Short() {
		*kills = min(*kills, 2)
	}
	seed := *killSeed
	if seed == 0 {
		seed = uint64(time.Now().UnixNano())
	}
	t.Logf("replay the choices with: go test ./server -run TestKill -kills %d -killseed %d",
		*kills, seed)
	random := rand.New(rand.NewPCG(seed, 1))
	cfg := zooCfg(t, t.TempDir())
	var load killLoad
	for i := range 4 {
		load.workers = append(load.workers,
			&register{path: fmt.Sprintf("/register-%d", i)},
			&sequence{dir: fmt.Sprintf("/sequence-%d", i)},
			&pair{path: fmt.Sprintf("/pair-%d", i)},
			&ephemeral{path: fmt.Sprintf("/ephemeral-%d", i)})
	}
	// So much log that checkpoints are made and the log is cut between kills.
	long := &register{path: "/long", pad: 500 << 10}
	load.workers = append(load.workers, long)
	early, saves := 0, 0
	for round := range *kills {
		for random.IntN(4) == 0 {
			// A start that is killed before it is done must do no harm either.
			c := launch(t, nil, "serve", "-o", "json", "--config", cfg)
			if _, err := c.log.wait(said("starting")); err != nil {
				t.Fatal(err)
			}
			c.end(syscall.SIGKILL)
			early++
		}
		c := spawn(t, cfg)
		if err := load.check(t, c); err != nil {
			t.Fatalf("after %d kills: %v", round, err)
		}
		load.round(t, c, 1+random.Int64N(1<<uint(4+random.IntN(11))))
		saves += len(c.log.all(said("state saved")))
	}
	c := spawn(t, cfg)
	if err := load.check(t, c); err != nil {
		t.Fatalf("after %d kills: %v", *kills, err)
	}
	t.Logf("%d kills under load and %d while starting, %d checkpoints between them: all of %d "+
		"acknowledged writes are there, %d of them of 500 KB", *kills, early, saves,
		load.acked.Load(), long.acked.Load())
}

// killLoad is the clients, and what they were told.
type killLoad struct {
	workers []worker
	acked   atomic.Int64
	zxid    int64 // the latest that anybody was told
}

// worker is a client that writes. check judges what it finds after a restart, and begins where
// the last life ended. next gives the next write; ack is told the reply of the oldest that was
// not acknowledged.
type worker interface {
	check(c *client) error
	next(b []byte, xid int32) []byte
	ack(p reply) error
}

// check connects every worker to a server that has just started.
func (l *killLoad) check(t *testing.T, s *child) error {
	for _, w := range l.workers {
		c := connect(t, s.addr)
		if err := w.check(c); err != nil {
			return err
		}
		if p := c.must(wire.OpExists, get("/")); p.Zxid < l.zxid {
			return fmt.Errorf("zxid %x, after %x was told", p.Zxid, l.zxid)
		}
		c.nc.Close()
	}
	return nil
}

// round lets all workers write until some writes were acknowledged, and then kills.
func (l *killLoad) round(t *testing.T, s *child, acks int64) {
	target := l.acked.Load() + acks
	enough := make(chan struct{})
	var once sync.Once
	var all sync.WaitGroup
	zxids := make([]int64, len(l.workers))
	errs := make([]error, len(l.workers))
	var conns []*client
	for range l.workers {
		conns = append(conns, connect(t, s.addr))
	}
	for i, w := range l.workers {
		c, inflight := conns[i], make(chan struct{}, 50)
		all.Go(func() {
			for xid := int32(1); ; xid++ {
				inflight <- struct{}{}
				if _, err := c.nc.Write(w.next(nil, xid)); err != nil {
					return
				}
			}
		})
		all.Go(func() {
			defer c.nc.Close()
			for {
				p, err := c.reply()
				if err != nil {
					// Lets the writer find out.
					c.nc.Close()
					for len(inflight) > 0 {
						<-inflight
					}
					return
				}
				if p.Zxid < zxids[i] {
					errs[i] = fmt.Errorf("zxid %x after %x on one connection", p.Zxid, zxids[i])
				}
				zxids[i] = p.Zxid
				if err := w.ack(p); err != nil {
					errs[i] = err
				}
				<-inflight
				if l.acked.Add(1) >= target {
					once.Do(func() { close(enough) })
				}
			}
		})
	}
	<-enough
	s.end(syscall.SIGKILL)
	all.Wait()
	for i := range l.workers {
		l.zxid = max(l.zxid, zxids[i])
		if errs[i] != nil {
			t.Errorf("worker %d: %v", i, errs[i])
		}
	}
}

// register writes the numbers from 1 into a znode, so that data and version are the same.
type register struct {
	path        string
	pad         int
	sent, acked atomic.Int64
}

func (r *register) check(c *client) error {
	if r.sent.Load() == 0 {
		if p := c.call(wire.OpCreate, creation(r.path, digits(0), 0)); p.Err != 0 {
			return fmt.Errorf("create %s: %v", r.path, p.Err)
		}
		return nil
	}
	value, version, err := read(c, r.path)
	if err != nil {
		return err
	}
	if value != version || value < r.acked.Load() || value > r.sent.Load() {
		return fmt.Errorf("%s is %d at version %d, acknowledged %d, sent %d", r.path, value,
			version, r.acked.Load(), r.sent.Load())
	}
	r.sent.Store(value)
	r.acked.Store(value)
	return nil
}

// digits are always as many: a value that grew would be refused when the disk gets low.
func digits(n int64) []byte { return fmt.Appendf(nil, "%010d", n) }

func (r *register) next(b []byte, xid int32) []byte {
	text := digits(r.sent.Add(1))
	text = append(append(text, ' '), bytes.Repeat([]byte{'.'}, r.pad)...)
	return request(b, xid, wire.OpSetData, set(r.path, text))
}

func (r *register) ack(p reply) error {
	if p.Err != 0 {
		return fmt.Errorf("set %s: %v", r.path, p.Err)
	}
	r.acked.Add(1)
	return nil
}

// read returns the number at path and the znode's version.
func read(c *client, path string) (value, version int64, err error) {
	p := c.call(wire.OpGetData, get(path))
	if p.Err != 0 {
		return 0, 0, fmt.Errorf("%s: %v", path, p.Err)
	}
	var a wire.GetDataResponse
	r := wire.NewReader(p.body)
	if a.Decode(&r); r.Err() != nil {
		return 0, 0, r.Err()
	}
	text, _, _ := strings.Cut(string(a.Data), " ")
	value, err = strconv.ParseInt(text, 10, 64)
	return value, int64(a.Stat.Version), err
}

// sequence creates sequential znodes and remembers the names that it was told.
type sequence struct {
	dir   string
	sent  atomic.Int64
	names []string
}

func (s *sequence) check(c *client) error {
	if s.sent.Load() == 0 {
		s.sent.Add(1)
		if p := c.call(wire.OpCreate, creation(s.dir, nil, 0)); p.Err != 0 {
			return fmt.Errorf("create %s: %v", s.dir, p.Err)
		}
		return nil
	}
	p := c.call(wire.OpGetChildren, get(s.dir))
	var a wire.ChildrenResponse
	r := wire.NewReader(p.body)
	if a.Decode(&r); p.Err != 0 || r.Err() != nil {
		return fmt.Errorf("children of %s: %v, %v", s.dir, p.Err, r.Err())
	}
	is := make(map[string]bool)
	for _, name := range a.Children {
		is[s.dir+"/"+name] = true
	}
	for _, name := range s.names {
		if !is[name] {
			return fmt.Errorf("%s was acknowledged and is not there", name)
		}
	}
	// Numbers are given without a gap: one that was acknowledged twice would leave one.
	for i := range a.Children {
		if name := fmt.Sprintf("%s/n-%010d", s.dir, i); !is[name] {
			return fmt.Errorf("%d children of %s, and not %s", len(a.Children), s.dir, name)
		}
	}
	if int64(len(a.Children)) >= s.sent.Load() {
		return fmt.Errorf("%d children of %s, %d requested", len(a.Children), s.dir, s.sent.Load())
	}
	s.sent.Store(int64(len(a.Children)) + 1)
	return nil
}

func (s *sequence) next(b []byte, xid int32) []byte {
	s.sent.Add(1)
	return request(b, xid, wire.OpCreate,
		creation(s.dir+"/n-", []byte("x"), wire.FlagPersistentSequential))
}

func (s *sequence) ack(p reply) error {
	r := wire.NewReader(p.body)
	name := strings.Clone(r.String())
	if p.Err != 0 || r.Err() != nil {
		return fmt.Errorf("create below %s: %v, %v", s.dir, p.Err, r.Err())
	}
	s.names = append(s.names, name)
	return nil
}

// pair writes the same number into two znodes at once.
type pair struct {
	path        string
	sent, acked atomic.Int64
}

func (w *pair) check(c *client) error {
	if w.sent.Load() == 0 {
		for _, half := range []string{"-a", "-b"} {
			if p := c.call(wire.OpCreate, creation(w.path+half, digits(0), 0)); p.Err != 0 {
				return fmt.Errorf("create %s: %v", w.path, p.Err)
			}
		}
		return nil
	}
	a, versionA, errA := read(c, w.path+"-a")
	b, versionB, errB := read(c, w.path+"-b")
	if errA != nil || errB != nil {
		return fmt.Errorf("%s: %v, %v", w.path, errA, errB)
	}
	if a != b || a != versionA || b != versionB || a < w.acked.Load() || a > w.sent.Load() {
		return fmt.Errorf("%s: halves %d and %d at versions %d and %d, acknowledged %d, sent %d",
			w.path, a, b, versionA, versionB, w.acked.Load(), w.sent.Load())
	}
	w.sent.Store(a)
	w.acked.Store(a)
	return nil
}

func (w *pair) next(b []byte, xid int32) []byte {
	text := digits(w.sent.Add(1))
	return request(b, xid, wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpSetData, SetData: *set(w.path+"-a", text)},
		{Op: wire.OpSetData, SetData: *set(w.path+"-b", text)}}})
}

func (w *pair) ack(p reply) error {
	var a wire.MultiResponse
	r := wire.NewReader(p.body)
	if a.Decode(&r); p.Err != 0 || r.Err() != nil || len(a.Results) != 2 || a.Results[0].Err != 0 {
		return fmt.Errorf("multi of %s: %v, %v, %+v", w.path, p.Err, r.Err(), a)
	}
	w.acked.Add(1)
	return nil
}

// ephemeral keeps one session over all lives of the server, with a znode that lives as long,
// and lets others go: theirs must stay away.
type ephemeral struct {
	path     string
	session  int64
	password []byte
	write    register
	closed   int
}

func (e *ephemeral) check(c *client) error {
	mine := dial(c.t, c.nc.RemoteAddr())
	defer mine.nc.Close()
	err := mine.handshake(wire.ConnectRequest{TimeoutMs: 40000, SessionID: e.session,
		Password: e.password})
	if err != nil {
		return fmt.Errorf("session 0x%x of %s: %v", e.session, e.path, err)
	}
	if e.session == 0 {
		e.session, e.password = mine.session, mine.password
		e.write.path = e.path
		mine.must(wire.OpCreate, creation(e.path+"-mine", nil, wire.FlagEphemeral))
	}
	if p := c.call(wire.OpExists, get(e.path+"-mine")); p.Err != 0 {
		return fmt.Errorf("%s-mine: %v, its session lives", e.path, p.Err)
	}
	for i := range e.closed {
		if p := c.call(wire.OpExists, get(e.other(i))); p.Err != wire.CodeNoNode {
			return fmt.Errorf("%s: %v, its session was closed", e.other(i), p.Err)
		}
	}
	other := dial(c.t, c.nc.RemoteAddr())
	defer other.nc.Close()
	if err := other.handshake(wire.ConnectRequest{TimeoutMs: 40000}); err != nil {
		return err
	}
	other.must(wire.OpCreate, creation(e.other(e.closed), nil, wire.FlagEphemeral))
	other.must(wire.OpCloseSession, nil)
	if _, err := other.r.ReadByte(); err != io.EOF {
		return fmt.Errorf("after its session was closed: %v", err)
	}
	e.closed++
	return e.write.check(c)
}

func (e *ephemeral) other(i int) string { return fmt.Sprintf("%s-other-%d", e.path, i) }

func (e *ephemeral) next(b []byte, xid int32) []byte { return e.write.next(b, xid) }
func (e *ephemeral) ack(p reply) error               { return e.write.ack(p) }
