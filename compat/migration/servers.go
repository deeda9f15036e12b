package main

import (
	"bufio"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// superUser may read everything: rights are compared, not obeyed, while the tree is walked.
const superUser = "super:migration"

// digestOf is the hash that ZooKeeper keeps of user:password.
func digestOf(credentials string) string {
	sum := sha1.Sum([]byte(credentials))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// patience is how long a server may take to start or to stop.
const patience = 3 * time.Minute

// never is when containers and old znodes are looked for, where they must stay.
const never = "3600000"

// server is a process, ours or ZooKeeper's.
type server struct {
	name string
	addr string
	cmd  *exec.Cmd
	log  *os.File
	gone chan struct{}
}

// settings are the properties that both kinds of server are started with.
func settings(checkMs string, more ...string) []string {
	return append([]string{"zookeeper.extendedTypesEnabled=true",
		"zookeeper.4lw.commands.whitelist=*", "znode.container.checkIntervalMs=" + checkMs,
		"znode.container.maxPerMinute=1000000",
		"zookeeper.DigestAuthenticationProvider.superDigest=super:" + digestOf(superUser)}, more...)
}

// startZooKeeper starts a real server on a data directory.
func (m *migration) startZooKeeper(ctx context.Context, name, data string,
	properties []string) (*server, error) {

	args := []string{"-Xmx1g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
		"-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.PrepRequestProcessor=error",
		"-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.ContainerManager=info"}
	for _, p := range properties {
		args = append(args, "-D"+p)
	}
	args = append(args, "-cp", m.jars, "org.apache.zookeeper.server.quorum.QuorumPeerMain")
	// The last thing that a server says before it serves.
	return m.start(ctx, name, data, "java", args, "Using checkIntervalMs")
}

// startVivarium starts ours.
func (m *migration) startVivarium(ctx context.Context, name, data string,
	properties []string) (*server, error) {

	args := []string{"serve"}
	for _, p := range properties {
		args = append(args, "-D", p)
	}
	return m.start(ctx, name, data, m.program, append(args, "--config"), "msg=serving")
}

// start runs a server, whose last argument is its configuration, and waits until it says ready.
func (m *migration) start(ctx context.Context, name, data, program string, args []string,
	ready string) (*server, error) {

	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	config := filepath.Join(m.work, name+".cfg")
	text := fmt.Sprintf("tickTime=2000\ndataDir=%s\nclientPort=%s\nclientPortAddress=127.0.0.1\n"+
		"admin.enableServer=false\nmaxSessionTimeout=%d\nmaxClientCnxns=0\n", data, port,
		sessionTimeout.Milliseconds())
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return nil, err
	}
	s := &server{name: name, addr: addr, gone: make(chan struct{})}
	if s.log, err = os.Create(filepath.Join(m.work, name+".log")); err != nil {
		return nil, err
	}
	s.cmd = exec.CommandContext(ctx, program, append(args, config)...)
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	output, err := s.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	up := make(chan struct{})
	go func() {
		defer close(s.gone)
		defer s.log.Close()
		lines, said := bufio.NewScanner(output), false
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			fmt.Fprintln(s.log, lines.Text())
			if !said && strings.Contains(lines.Text(), ready) {
				said = true
				close(up)
			}
		}
		_ = s.cmd.Wait()
	}()
	select {
	case <-up:
		return s, nil
	case <-s.gone:
		return nil, fmt.Errorf("%s has ended: see %s", name, s.log.Name())
	case <-time.After(patience):
		s.kill()
		return nil, fmt.Errorf("%s does not come up: see %s", name, s.log.Name())
	}
}

// kill is kill -9.
func (s *server) kill() {
	_ = s.cmd.Process.Kill()
	<-s.gone
}

// stop is an orderly end.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("stop %s: %w", s.name, err)
	}
	select {
	case <-s.gone:
		return nil
	case <-time.After(patience):
		s.kill()
		return fmt.Errorf("%s does not stop", s.name)
	}
}

// freeAddress is one on loopback that nobody listens on.
func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// word asks a four-letter word.
func (s *server) word(word string) (string, error) {
	nc, err := net.Dial("tcp", s.addr)
	if err != nil {
		return "", err
	}
	defer nc.Close()
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		return "", err
	}
	if _, err := nc.Write([]byte(word)); err != nil {
		return "", err
	}
	text, err := readAll(nc)
	if text == "" && err == nil {
		err = errors.New("no answer")
	}
	return text, err
}
