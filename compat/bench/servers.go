package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The servers, in the order of each round.
const (
	zooKeeper  = "ZooKeeper"
	vivarium   = "Vivarium"
	nullServer = "null"
)

// bench is one run of the command.
type bench struct {
	flags
	root, cache string
	began       time.Time
	servers     []*server
}

// server is a process under load.
type server struct {
	name    string
	address string
	profile string // where Vivarium's profiles are
	cmd     *exec.Cmd
	exited  chan struct{}
}

// bin returns the path of a binary that build made.
func (b *bench) bin(name string) string { return filepath.Join(b.cache, "bin", name) }

// build builds what is measured, and fetches ZooKeeper if it is not there.
func (b *bench) build(ctx context.Context) error {
	_, err := b.output(ctx, "go", "build", "-o", filepath.Join(b.cache, "bin")+"/",
		"./cmd/vivarium", "./compat/nullserver")
	if err != nil {
		return err
	}
	if _, err := b.jars(); err == nil {
		return nil
	}
	_, err = b.output(ctx, "mvn", "-B", "-f", "compat/zookeeper/pom.xml",
		"dependency:copy-dependencies", "-DoutputDirectory="+b.jarFolder())
	if err != nil {
		return fmt.Errorf("fetch ZooKeeper by Maven: %w", err)
	}
	_, err = b.jars()
	return err
}

// jarFolder is where `make compat` has its jars too.
func (b *bench) jarFolder() string {
	return filepath.Join(b.root, ".cache", "compat", "zookeeper")
}

// jars returns the version of ZooKeeper whose jars are there.
func (b *bench) jars() (version string, err error) {
	found, err := filepath.Glob(filepath.Join(b.jarFolder(), "zookeeper-[0-9]*.jar"))
	if err != nil || len(found) != 1 {
		return "", errors.Join(err, fmt.Errorf("no ZooKeeper in %s", b.jarFolder()))
	}
	name := strings.TrimSuffix(filepath.Base(found[0]), ".jar")
	return strings.TrimPrefix(name, "zookeeper-"), nil
}

// output runs a command at the root and returns what it prints.
func (b *bench) output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.root
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s%s", name, strings.Join(args, " "), err, out, &stderr)
	}
	return string(out), nil
}

// startAll starts the three servers. Those that were started are returned with an error too.
func (b *bench) startAll(ctx context.Context) ([]*server, error) {
	var list []*server
	for _, name := range []string{zooKeeper, vivarium, nullServer} {
		s, err := b.start(ctx, name, true)
		if err != nil {
			return list, fmt.Errorf("start %s: %w", name, err)
		}
		list = append(list, s)
	}
	return list, nil
}

// javaHeap is what ZooKeeper may use: twice its default, so that it is not the heap that is
// measured.
const javaHeap = "-Xmx2g"

// start starts a server, in an empty folder if fresh, and waits until it opens sessions.
func (b *bench) start(ctx context.Context, name string, fresh bool) (*server, error) {
	dir := filepath.Join(b.cache, strings.ToLower(name))
	if fresh {
		if err := os.RemoveAll(dir); err != nil {
			return nil, err
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "data"), 0o755); err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPort=%d\nclientPortAddress=127.0.0.1\n"+
		"maxClientCnxns=0\nadmin.enableServer=false\n", filepath.Join(dir, "data"), port)
	if err := os.WriteFile(config, []byte(text), 0o644); err != nil {
		return nil, err
	}
	s := &server{name: name, address: "127.0.0.1:" + strconv.Itoa(port),
		exited: make(chan struct{})}
	switch name {
	case zooKeeper:
		s.cmd = exec.Command("java", javaHeap, "-Djava.awt.headless=true",
			"-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp",
			filepath.Join(b.jarFolder(), "*"),
			"org.apache.zookeeper.server.quorum.QuorumPeerMain", config)
	case vivarium:
		if port, err = freePort(); err != nil {
			return nil, err
		}
		s.profile = "127.0.0.1:" + strconv.Itoa(port)
		s.cmd = exec.Command(b.bin("vivarium"), "serve", "--config", config,
			"--profile", s.profile)
	case nullServer:
		s.cmd = exec.Command(b.bin("nullserver"), "-listen", s.address,
			"-log", filepath.Join(dir, "log"))
	}
	log, err := os.Create(filepath.Join(dir, "output"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd.Stdout, s.cmd.Stderr = log, log
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		s.cmd.Wait()
		close(s.exited)
	}()
	if err := b.await(ctx, s); err != nil {
		s.stop()
		return nil, fmt.Errorf("%w; see %s", err, log.Name())
	}
	return s, nil
}

// await waits until the server opens a session.
func (b *bench) await(ctx context.Context, s *server) error {
	deadline := time.Now().Add(time.Minute)
	for {
		if opens(s.address) {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return errors.New("it does not open a session within a minute")
		}
	}
}

// stop ends the server and waits for that.
func (s *server) stop() {
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-s.exited
	}
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}
