package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

// The two sides of every comparison.
const (
	theirs = iota // ZooKeeper
	ours          // Vivarium
)

var sideNames = [2]string{"ZooKeeper", "Vivarium"}

// Time limits of the servers.
const (
	startTime = 60 * time.Second
	stopTime  = 5 * time.Second
)

// superCredentials may do everything on both servers.
const superCredentials = "super:secret"

// zooCfg is the configuration of both servers. Sessions live long enough not to expire while a
// case is played, and the reaper of containers sleeps: when it runs is nobody's promise.
const zooCfg = `tickTime=2000
minSessionTimeout=20000
maxSessionTimeout=60000
dataDir=%s
clientPort=%d
clientPortAddress=127.0.0.1
maxClientCnxns=0
admin.enableServer=false
forceSync=no
snapCount=10000000
extendedTypesEnabled=true
enforceQuota=true
4lw.commands.whitelist=*
znode.container.checkIntervalMs=86400000
DigestAuthenticationProvider.superDigest=%s
`

// A pair is one server of each kind, both without data when they start.
type pair struct {
	dir   string
	lines settings // of zoo.cfg, in place of those of zooCfg with the same keys
	addrs [2]string
	stops [2]func()
}

// startPair starts both servers. planted names a mutant of ours, "" for none.
func startPair(ctx context.Context, planted string, lines settings) (*pair, error) {
	dir, err := os.MkdirTemp("", "oracle-")
	if err != nil {
		return nil, err
	}
	p := &pair{dir: dir, lines: lines}
	if err := p.start(ctx, planted); err != nil {
		p.stop()
		return nil, err
	}
	return p, nil
}

func (p *pair) start(ctx context.Context, planted string) error {
	jars, err := zooKeeperJars(ctx)
	if err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	for side, name := range sideNames {
		file, addr, err := p.configure(name)
		if err != nil {
			return err
		}
		args := []string{self, "-serve", file, "-mutant", planted}
		if side == theirs {
			args = []string{"java", "-XX:+UseSerialGC", "-Xmx768m", "-Dfile.encoding=UTF-8",
				"-Djava.awt.headless=true", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
				"-Dzookeeper.digest.enabled=false",
				"-Dznode.container.checkIntervalMs=86400000", "-cp", filepath.Join(jars, "*"),
				"org.apache.zookeeper.server.quorum.QuorumPeerMain", file}
		}
		p.addrs[side] = addr
		if p.stops[side], err = launch(args, filepath.Join(p.dir, name+".log")); err != nil {
			return fmt.Errorf("start %s: %w", name, err)
		}
	}
	for side, name := range sideNames {
		if err := awaitServing(ctx, p.addrs[side]); err != nil {
			log, _ := os.ReadFile(filepath.Join(p.dir, name+".log"))
			return fmt.Errorf("start %s: %w\n%s", name, err, log)
		}
	}
	return nil
}

// configure writes the zoo.cfg of one server, for a port that is free now.
func (p *pair) configure(name string) (file, addr string, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", "", err
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return "", "", err
	}
	data := filepath.Join(p.dir, name)
	if err := os.Mkdir(data, 0o700); err != nil {
		return "", "", err
	}
	file = filepath.Join(p.dir, name+".cfg")
	text := fmt.Sprintf(zooCfg, data, port, core.DigestID("", superCredentials))
	for _, line := range p.lines {
		key, _, _ := strings.Cut(line, "=")
		if at := strings.Index("\n"+text, "\n"+key+"="); at >= 0 {
			end := at + strings.IndexByte(text[at:], '\n') + 1
			text = text[:at] + text[end:]
		}
		text += line + "\n"
	}
	return file, fmt.Sprintf("127.0.0.1:%d", port), os.WriteFile(file, []byte(text), 0o600)
}

// stop ends both servers and removes their data.
func (p *pair) stop() {
	for _, stop := range p.stops {
		if stop != nil {
			stop()
		}
	}
	_ = os.RemoveAll(p.dir)
}

// launch starts a process of its own group, whose output goes to a file.
func launch(args []string, log string) (stop func(), err error) {
	out, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(err, out.Close())
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // it is told to end; how it does is of no interest
		_ = out.Close()
		close(ended)
	}()
	return func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(stopTime):
			_ = cmd.Process.Kill()
			<-ended
		}
	}, nil
}

// awaitServing waits until the server answers srvr as one that serves.
func awaitServing(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	for {
		if strings.Contains(word(addr, "srvr"), "Mode: standalone") {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// word returns the answer to a four-letter word, "" if there is none.
func word(addr, text string) string {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return ""
	}
	defer func() { _ = c.Close() }()
	_ = c.SetDeadline(time.Now().Add(time.Second))
	if _, err := io.WriteString(c, text); err != nil {
		return ""
	}
	answer, _ := io.ReadAll(c)
	return string(answer)
}

// zooKeeperJars returns the folder with the jars of compat/zookeeper/pom.xml. It is the cache
// that `make compat` fills; here Maven is asked if it is empty.
func zooKeeperJars(ctx context.Context) (string, error) {
	root, err := os.Getwd()
	if err != nil {
		return "", err
	}
	jars := filepath.Join(root, ".cache", "compat", "zookeeper")
	pom := filepath.Join(root, "compat", "zookeeper", "pom.xml")
	text, err := os.ReadFile(pom)
	if err != nil {
		return "", fmt.Errorf("run this in the root of the project: %w", err)
	}
	// The key is that of compat/suites, so that either finds what the other has fetched.
	stamp := filepath.Join(jars, "compat-key")
	want := fmt.Sprintf("%x\n", sha256.Sum256(text))
	if got, err := os.ReadFile(stamp); err == nil && string(got) == want {
		return jars, nil
	}
	cmd := exec.CommandContext(ctx, "mvn", "-B", "-q", "-f", pom,
		"dependency:copy-dependencies", "-DoutputDirectory="+jars)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("fetch ZooKeeper with Maven: %w\n%s", err, out)
	}
	return jars, os.WriteFile(stamp, []byte(want), 0o644)
}

// serve is the child process: a Vivarium with one mutant, until ctx ends.
func serve(ctx context.Context, file, planted string) error {
	if err := mutant.Select(planted); err != nil {
		return err
	}
	cfg, _, err := config.Load(config.Sources{File: file})
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	s, err := server.New(server.Options{Config: cfg, Logger: logger})
	if err != nil {
		return err
	}
	return s.Run(ctx)
}
