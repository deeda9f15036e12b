package server_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// child is a server in a process of its own, as people run it.
type child struct {
	t    testing.TB
	cmd  *exec.Cmd
	log  *journal
	addr net.Addr
	done chan struct{}
	err  error // of Wait, once done is closed
}

var built struct {
	once sync.Once
	path string
	err  error
	text []byte
}

// executable builds the command once for all tests.
func executable(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "vivarium-test-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "vivarium")
		args := append([]string{"build"}, raceFlag...)
		args = append(args, "-o", built.path, "../cmd/vivarium")
		built.text, built.err = exec.Command("go", args...).CombinedOutput()
	})
	if built.err != nil {
		t.Fatalf("build: %v\n%s", built.err, built.text)
	}
	return built.path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// zooCfg writes a configuration file with the data in dir.
func zooCfg(t testing.TB, dir string, lines ...string) string {
	t.Helper()
	text := "dataDir=" + dir + "\nclientPort=0\nclientPortAddress=127.0.0.1\n" +
		"maxClientCnxns=0\n4lw.commands.whitelist=*\n" + strings.Join(lines, "\n") + "\n"
	name := filepath.Join(t.TempDir(), "zoo.cfg")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// spawn runs the command until the test ends, and waits until it serves.
func spawn(t testing.TB, cfg string, args ...string) *child {
	t.Helper()
	c := launch(t, nil, append([]string{"serve", "-o", "json", "--config", cfg}, args...)...)
	c.addr = address(t, c)
	return c
}

// launch starts the command. wrap stands before it on the command line.
func launch(t testing.TB, wrap []string, args ...string) *child {
	t.Helper()
	line := append(append(wrap, executable(t)), args...)
	c := &child{t: t, log: newJournal(), done: make(chan struct{}),
		cmd: exec.Command(line[0], line[1:]...)}
	c.cmd.Stderr = c.log
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.cmd.Wait()
		c.log.close()
		close(c.done)
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.done
		if t.Failed() {
			text := c.log.text()
			t.Logf("log of the server:\n%s", text[max(0, len(text)-8000):])
		}
	})
	return c
}

// end sends a signal and waits for the end of the process.
func (c *child) end(sig syscall.Signal) error {
	c.cmd.Process.Signal(sig)
	<-c.done
	return c.err
}

// memory is what the process holds now, and what it held at most, in MiB.
func (c *child) memory() (now, most int) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		c.t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		switch {
		case strings.HasPrefix(line, "VmRSS:"):
			now, _ = strconv.Atoi(f[1])
		case strings.HasPrefix(line, "VmHWM:"):
			most, _ = strconv.Atoi(f[1])
		}
	}
	return now >> 10, most >> 10
}
