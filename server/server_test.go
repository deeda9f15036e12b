package server_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

func TestStartSaysWhatItIs(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.Options{Config: &config.Config{DataDir: dir},
		Version: server.Version{Release: "1.2.3", Commit: "abc"}})
	first, err := s.log.wait(said("starting"))
	if err != nil {
		t.Fatal(err)
	}
	serving, err := s.log.wait(said("serving"))
	if err != nil {
		t.Fatal(err)
	}
	if first["version"] != "1.2.3-abc" || first["dataDir"] != dir ||
		first["address"] != s.Addr().String() || serving["znodes"] != 5.0 || serving["took"] == "" {
		t.Errorf("said %v and %v", first, serving)
	}
}

func TestClosedConnectionsAreLogged(t *testing.T) {
	s := start(t, server.Options{})
	for _, test := range []struct {
		cause string
		do    func(c *client)
	}{
		{"client closed its session", func(c *client) { c.must(wire.OpCloseSession, nil) }},
		{"client closed the connection", func(c *client) { c.nc.Close() }},
		{"unknown request type", func(c *client) { c.call(wire.OpCode(999), nil) }},
		{"authentication failed", func(c *client) {
			c.xid = -5
			c.call(wire.OpAuth, &wire.AuthRequest{Scheme: "nope"})
		}},
		{"frame length negative or above jute.maxbuffer", func(c *client) {
			c.nc.Write([]byte{0xff, 0, 0, 0})
		}},
		{"malformed request", func(c *client) { c.nc.Write([]byte{0, 0, 0, 2, 1, 2}) }},
	} {
		c := connect(t, s.Addr())
		client := c.nc.LocalAddr().String()
		test.do(c)
		line, err := s.log.wait(func(m map[string]any) bool {
			return m["msg"] == "connection closed" && m["client"] == client
		})
		if err != nil {
			t.Fatal(err)
		}
		if line["cause"] != test.cause || line["session"] == "0x0" {
			t.Errorf("%s: logged %v", test.cause, line)
		}
	}
}

// TestRepliesBeforeTheEnd: what was answered reaches the client although the server closes the
// connection with requests unread, which resets it.
func TestRepliesBeforeTheEnd(t *testing.T) {
	s := start(t, server.Options{})
	for range 50 {
		c := connect(t, s.Addr())
		b := request(nil, 1, wire.OpCreate, creation("/a", nil, wire.FlagEphemeralSequential))
		b = request(b, 2, wire.OpCloseSession, nil)
		for range 1000 {
			b = request(b, 3, wire.OpGetData, get("/"))
		}
		if _, err := c.nc.Write(b); err != nil {
			t.Fatal(err)
		}
		for xid := int32(1); xid <= 2; xid++ {
			if p, err := c.reply(); err != nil || p.Xid != xid || p.Err != 0 {
				t.Fatalf("reply %d: %+v, %v", xid, p, err)
			}
		}
		if _, err := c.frame(); err == nil {
			t.Fatal("something was answered after the session was closed")
		}
	}
}

// TestOneByteAtATime: requests may come in any pieces, and so many of them that an answer is
// under way while the next is received.
func TestOneByteAtATime(t *testing.T) {
	s := start(t, server.Options{})
	c := connect(t, s.Addr())
	b := request(nil, 1, wire.OpCreate, creation("/a", []byte("data"), 0))
	for i := range int32(20) {
		b = request(b, 2+2*i, wire.OpSetData, set("/a", []byte{byte(i)}))
		b = request(b, 3+2*i, wire.OpGetData, get("/a"))
	}
	go func() {
		for i := range b {
			if _, err := c.nc.Write(b[i : i+1]); err != nil {
				return
			}
		}
	}()
	for xid := int32(1); xid <= 41; xid++ {
		p, err := c.reply()
		if err != nil || p.Xid != xid || p.Err != 0 {
			t.Fatalf("reply %d: %+v, %v", xid, p, err)
		}
		if xid == 1 || xid%2 == 0 {
			continue
		}
		r := wire.NewReader(p.body)
		if data := r.Buffer(); len(data) != 1 || data[0] != byte(xid/2-1) {
			t.Fatalf("read %d gave %v", xid, data)
		}
	}
}

func TestEverythingSurvivesARestart(t *testing.T) {
	dir := t.TempDir()
	cfg := func() server.Options {
		return server.Options{Config: &config.Config{DataDir: dir}}
	}
	s := start(t, cfg())
	c := connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/a", []byte("1"), 0))
	c.must(wire.OpCreate, creation("/e", nil, wire.FlagEphemeral))
	last := c.must(wire.OpSetData, set("/a", []byte("2"))).Zxid
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.log.wait(closedFor("server stopping")); err != nil {
		t.Error(err)
	}

	s = start(t, cfg())
	line, err := s.log.wait(said("serving"))
	if err != nil {
		t.Fatal(err)
	}
	if line["replayed"] != 0.0 || line["sessions"] != 1.0 || line["znodes"] != 7.0 {
		t.Errorf("after an orderly stop the next start says %v", line)
	}
	again := dial(t, s.Addr())
	if err := again.handshake(wire.ConnectRequest{TimeoutMs: 20000, SessionID: c.session,
		Password: c.password, LastZxidSeen: last}); err != nil {
		t.Fatalf("the session did not survive: %v", err)
	}
	p := again.must(wire.OpGetData, get("/a"))
	r := wire.NewReader(p.body)
	if data := string(r.Buffer()); data != "2" || p.Zxid < last {
		t.Errorf("data %q at %x, want \"2\" at %x or later", data, p.Zxid, last)
	}
	again.must(wire.OpExists, get("/e"))
}

func TestSecondServerIsRefused(t *testing.T) {
	dir, logs := t.TempDir(), t.TempDir()
	start(t, server.Options{Config: &config.Config{DataDir: dir, DataLogDir: logs}})
	for _, c := range []config.Config{{DataDir: dir}, {DataDir: t.TempDir(), DataLogDir: logs}} {
		_, err := open(t, &server.Options{Config: &c})
		if err == nil || !strings.Contains(err.Error(), "is in use by pid ") {
			t.Errorf("%+v: error %v, want the pid", c, err)
		}
	}
}

// TestOnlyTheOwnerSeesTheData also with a umask that forbids nothing.
func TestOnlyTheOwnerSeesTheData(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "made", "by", "us")
	s := start(t, server.Options{Config: &config.Config{DataDir: dir,
		DataLogDir: filepath.Join(dir, "log")}})
	c := connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/a", make([]byte, 1<<20-100), 0))
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	files := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		}
		files++
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
}

func TestZooKeepersDataIsRefused(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "version-2"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := open(t, &server.Options{Config: &config.Config{DataDir: dir}})
	if !errors.Is(err, store.ErrZooKeeperData) || !strings.Contains(err.Error(), "dataDir") {
		t.Errorf("error %v, want one that says the way out", err)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 1 {
		t.Errorf("left behind: %v, %v", names, err)
	}
}

func TestPortInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	dir := t.TempDir()
	c := &config.Config{DataDir: dir, ClientAddress: taken.Addr().String()}
	_, err = open(t, &server.Options{Config: c})
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), "clientPort") {
		t.Errorf("error %v, want one that names the address and the key", err)
	}
	start(t, server.Options{Config: &config.Config{DataDir: dir}}) // nothing is left locked
}

// TestStopAnswersFirst: requests that were taken when the stop began are answered, and are
// there after the next start.
func TestStopAnswersFirst(t *testing.T) {
	dir := t.TempDir()
	s := start(t, server.Options{Config: &config.Config{DataDir: dir}})
	const clients, each = 8, 200
	acked := make([]int, clients)
	ended := make(chan error, clients)
	for i := range clients {
		c := connect(t, s.Addr())
		c.must(wire.OpCreate, creation(path(i), nil, 0))
		go func() {
			var b []byte
			for n := range int32(each) {
				b = request(b, n, wire.OpSetData, set(path(i), nil))
			}
			c.nc.Write(b)
			for {
				p, err := c.reply()
				if err != nil || p.Err != 0 {
					ended <- nil
					return
				}
				acked[i]++
			}
		}()
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for range clients {
		<-ended
	}
	s = start(t, server.Options{Config: &config.Config{DataDir: dir}})
	c := connect(t, s.Addr())
	var is []int
	for i := range clients {
		p := c.must(wire.OpExists, get(path(i)))
		var st wire.Stat
		r := wire.NewReader(p.body)
		st.Decode(&r)
		is = append(is, int(st.Version))
	}
	// Every request was either not taken at all or answered: neither more nor less is there.
	if diff := cmp.Diff(acked, is); diff != "" {
		t.Errorf("writes answered and writes there differ:\n%s", diff)
	}
	if line, err := s.log.wait(said("serving")); err != nil || line["replayed"] != 0.0 {
		t.Errorf("replayed after an orderly stop: %v, %v", line, err)
	}
}

func path(i int) string { return "/p" + string(rune('a'+i)) }

// TestNothingIsLeftRunning: whoever starts a goroutine waits for it, also behind clients that
// do not read, that are in the midst of something, or that never said anything.
func TestNothingIsLeftRunning(t *testing.T) {
	s := start(t, server.Options{})
	stuck := connect(t, s.Addr())
	stuck.must(wire.OpCreate, creation("/big", make([]byte, 1000000), 0))
	go func() {
		var b []byte
		for range 200 {
			b = request(b, 1, wire.OpGetData, get("/big"))
		}
		stuck.nc.Write(b)
	}()
	connect(t, s.Addr()).nc.Write([]byte{0, 0, 1, 0, 1})
	dial(t, s.Addr())
	connect(t, s.Addr()).must(wire.OpAddWatch,
		&wire.AddWatchRequest{Path: "/", Mode: wire.ModePersistentRecursive})
	for number(t, s, "cons", "[5](queued=") < 0 {
		continue // until one of them has a reply that its client does not take
	}
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	for _, g := range strings.Split(string(stacks), "\n\n") {
		if strings.Contains(g, "/server.(*") {
			t.Errorf("still running:\n%s", g)
		}
	}
}

// TestStopWhileStarting: a stop that is asked for before anybody is served is in order, too.
func TestStopWhileStarting(t *testing.T) {
	dir := t.TempDir()
	for range 5 {
		s, err := open(t, &server.Options{Config: &config.Config{DataDir: dir}})
		if err != nil {
			t.Fatal(err)
		}
		stopped, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Run(stopped); err != nil {
			t.Error(err)
		}
	}
	connect(t, start(t, server.Options{Config: &config.Config{DataDir: dir}}).Addr())
}

func TestWrongConfigIsRefused(t *testing.T) {
	_, err := server.New(server.Options{Config: &config.Config{DataDir: t.TempDir(),
		MinSessionTimeout: 2, MaxSessionTimeout: 1}})
	if err == nil || !strings.Contains(err.Error(), "minSessionTimeout") {
		t.Errorf("error %v, want one that names the key", err)
	}
}
