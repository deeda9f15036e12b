package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vivariumdb/vivarium/client"
)

// process is this program as people start it.
func process(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &exec.Cmd{Path: self, Args: append([]string{"vivarium"}, args...)}
}

// interrupted sends a signal to a process that is busy, and checks that it has ended by it.
func interrupted(t *testing.T, cmd *exec.Cmd, s syscall.Signal) {
	t.Helper()
	if err := cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := cmd.Wait(); !errors.As(err, &exit) {
		t.Fatalf("%v after %v: %v", cmd.Args, s, err)
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	if !ok || status.Signal() != s && status.ExitStatus() != 128+int(s) {
		t.Errorf("%v ended with %v, want %v", cmd.Args, exit, s)
	}
}

// TestFirstSignalEndsCheck while it reads.
func TestFirstSignalEndsCheck(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		cmd := process(t, "check", "-")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		// More than a pipe holds: once it is written the process has begun to read.
		if _, err := io.WriteString(in, strings.Repeat(" ", 1<<20)); err != nil {
			t.Fatal(err)
		}
		interrupted(t, cmd, s)
		in.Close()
	}
}

// TestFirstSignalEndsSave of a server that hangs in the midst of its snapshot: nothing of it is
// left behind.
func TestFirstSignalEndsSave(t *testing.T) {
	whole := largeSnapshot(t)
	data, to := filepath.Join(t.TempDir(), "data"), t.TempDir()
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(data) // a socket's address has no room for long paths
	l, err := net.Listen("unix", "vivarium.sock")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		var said bytes.Buffer
		cmd := process(t, "snapshot", "save", "--data-dir", data, filepath.Join(to, "backup.viv"))
		cmd.Stderr = &said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		// More than a socket holds: once it is written the process has begun to save.
		if _, err := fmt.Fprintf(nc, "ok\n%s", whole[:len(whole)/2]); err != nil {
			t.Fatal(err)
		}
		interrupted(t, cmd, s)
		nc.Close()
		if left, err := os.ReadDir(to); err != nil || len(left) > 0 {
			t.Errorf("after %v there is %v, %v, want nothing\n%s", s, left, err, said.String())
		}
	}
}

// largeSnapshot is one of some MiB.
func largeSnapshot(t *testing.T) []byte {
	t.Helper()
	addr, dir := freeAddress(t), filepath.Join(t.TempDir(), "data")
	us := startOurs(t, dir, addr)
	c := dial(t, addr)
	random := rand.NewChaCha8([32]byte{1})
	for i := range 4 {
		value := make([]byte, 1<<20-1000)
		_, _ = random.Read(value) // it never fails
		path := fmt.Sprintf("/large-%d", i)
		if _, err := c.Create(t.Context(), path, value, client.Persistent, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := us.stop(); err != nil {
		t.Fatal(err)
	}
	return snapshotOf(t, dir, filepath.Join(t.TempDir(), "backup.viv"))
}

// TestLogWithoutReader: the server goes on, and stops in order.
func TestLogWithoutReader(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "zoo.cfg")
	text := fmt.Sprintf("dataDir=%s\nclientPort=0\nclientPortAddress=127.0.0.1\n", dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := process(t, "serve", "--config", file)
	logged, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for in := bufio.NewScanner(logged); in.Scan(); {
		if strings.Contains(in.Text(), "msg=serving") {
			break
		}
	}
	logged.Close()
	// A stop is logged.
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the server ended with %v, want in order", err)
	}
}
