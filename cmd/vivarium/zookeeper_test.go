package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/client"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

// patience is when a test gives up on something that must happen.
const patience = 2 * time.Minute

// classpath returns ZooKeeper's jars, or skips the test: they are those that VIVARIUM_ZOOKEEPER
// names as a class path, or those that `make compat-kit` keeps.
func classpath(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real ZooKeepers")
	}
	if _, err := exec.LookPath("java"); err != nil {
		t.Skip("there is no java to start a real ZooKeeper with")
	}
	if jars := os.Getenv("VIVARIUM_ZOOKEEPER"); jars != "" {
		return jars
	}
	kept, err := filepath.Abs("../../.cache/compat/zookeeper")
	if err != nil {
		t.Fatal(err)
	}
	if jars, _ := filepath.Glob(filepath.Join(kept, "zookeeper-3.9.*.jar")); len(jars) == 0 {
		t.Skip("VIVARIUM_ZOOKEEPER does not name the jars of a ZooKeeper 3.9, as in /some/lib/*")
	}
	return filepath.Join(kept, "*")
}

// zooKeeper is a real server.
type zooKeeper struct {
	t    *testing.T
	dir  string // dataDir
	addr string
	cmd  *exec.Cmd
	out  syncBuffer
}

// syncBuffer is what a process says. ready is closed when it says started.
type syncBuffer struct {
	mu    sync.Mutex
	b     bytes.Buffer
	ready chan struct{}
	isUp  bool
}

// started is the last thing that a server says before it serves. Who connects earlier may bring
// it down: it closes connections by a database that is not there yet.
const started = "Using checkIntervalMs"

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.isUp && bytes.Contains(p, []byte(started)) {
		s.isUp = true
		close(s.ready)
	}
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// startZooKeeper starts a real server on dataDir dir.
func startZooKeeper(t *testing.T, dir, addr string, properties ...string) *zooKeeper {
	t.Helper()
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "zoo.cfg")
	text := fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=%s\nclientPortAddress=127.0.0.1\n"+
		"admin.enableServer=false\nforceSync=no\nmaxSessionTimeout=120000\nmaxClientCnxns=0\n",
		dir, port)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	args := append([]string{"-Xmx512m", "-Dorg.slf4j.simpleLogger.defaultLogLevel=info",
		"-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.PrepRequestProcessor=warn",
		"-Dzookeeper.extendedTypesEnabled=true", "-Dzookeeper.skipACL=yes",
		"-Dznode.container.checkIntervalMs=3600000"}, properties...)
	z := &zooKeeper{t: t, dir: dir, addr: addr}
	z.out.ready = make(chan struct{})
	z.cmd = exec.Command("java", append(args, "-cp", classpath(t),
		"org.apache.zookeeper.server.quorum.QuorumPeerMain", file)...)
	z.cmd.Stdout, z.cmd.Stderr = &z.out, &z.out
	if err := z.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		z.kill()
		if t.Failed() {
			text := z.out.String()
			t.Logf("ZooKeeper said:\n%s", text[max(0, len(text)-4000):])
		}
	})
	select {
	case <-z.out.ready:
	case <-time.After(patience):
		t.Fatal("ZooKeeper does not come up")
	}
	return z
}

// kill is kill -9.
func (z *zooKeeper) kill() {
	_ = z.cmd.Process.Kill()
	_ = z.cmd.Wait()
}

// ours is a Vivarium in this process.
type ours struct {
	stop func() error
}

func startOurs(t *testing.T, dir, addr string) *ours {
	t.Helper()
	c := config.Defaults()
	c.DataDir, c.DataLogDir, c.ClientAddress = dir, dir, addr
	c.SkipACL, c.NoSync, c.MaxClientConns = true, true, config.Unlimited
	c.MaxSessionTimeout, c.ContainerCheckInterval = patience, time.Hour
	s, err := server.New(server.Options{Config: c, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() { _ = stop() })
	select {
	case <-s.Serving():
	case <-time.After(patience):
		t.Fatal("does not serve")
	}
	return &ours{stop: stop}
}

// freeAddress returns an address that nobody listens on.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func dial(t *testing.T, addr string) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Servers: addr, SessionTimeout: patience})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// znode is what the protocol shows of one.
type znode struct {
	Data []byte
	Null bool
	Stat client.Stat
	ACL  []client.ACL
	Kids []string
}

// dump reads every znode of a server, many at a time.
func dump(t *testing.T, c *client.Client) map[string]znode {
	t.Helper()
	var mu sync.Mutex
	var faults []error
	var readers sync.WaitGroup
	all := make(map[string]znode)
	slots := make(chan struct{}, 64)
	var read func(path string)
	read = func(path string) {
		slots <- struct{}{}
		data, stat, err := c.Get(t.Context(), path)
		kids, _, errKids := c.Children(t.Context(), path)
		acl, _, errACL := c.GetACL(t.Context(), path)
		<-slots
		mu.Lock()
		all[path] = znode{Data: data, Null: data == nil, Stat: stat, ACL: acl, Kids: kids}
		if err := errors.Join(err, errKids, errACL); err != nil {
			faults = append(faults, fmt.Errorf("read %q: %w", path, err))
		}
		mu.Unlock()
		for _, kid := range kids {
			readers.Go(func() { read(strings.TrimSuffix(path, "/") + "/" + kid) })
		}
	}
	read("/")
	readers.Wait()
	if err := errors.Join(faults...); err != nil {
		t.Fatal(err)
	}
	return all
}
