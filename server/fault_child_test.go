package server_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// faultLoad writes until its server is gone, and knows what was acknowledged.
type faultLoad struct {
	workers []worker
	acked   func() int64
	done    sync.WaitGroup
}

// loadUntilGone starts writing: numbers into a znode, padded with pad bytes, and into pairs.
func loadUntilGone(t *testing.T, c *child, pad int) *faultLoad {
	t.Helper()
	r, p := &register{path: "/register", pad: pad}, &pair{path: "/pair"}
	l := &faultLoad{workers: []worker{r, p}, acked: func() int64 { return r.acked.Load() }}
	for _, w := range l.workers {
		conn := connect(t, c.addr)
		if err := w.check(conn); err != nil {
			t.Fatal(err)
		}
		window := make(chan struct{}, 10)
		gone := make(chan struct{})
		l.done.Go(func() {
			for xid := int32(1); ; xid++ {
				select {
				case window <- struct{}{}:
				case <-gone:
					return
				}
				if _, err := conn.nc.Write(w.next(nil, xid)); err != nil {
					return
				}
			}
		})
		l.done.Go(func() {
			defer close(gone)
			for {
				answer, err := conn.reply()
				if err != nil {
					return
				}
				if err := w.ack(answer); err != nil {
					t.Error(err)
				}
				<-window
			}
		})
	}
	return l
}

// judgeEnd waits until the server has given up, and looks at how: with an error, a line that says
// why, and everything acknowledged there for the next start.
func (l *faultLoad) judgeEnd(t *testing.T, c *child, cfg, cause string) {
	t.Helper()
	<-c.done
	l.done.Wait()
	var exit *exec.ExitError
	if !errors.As(c.err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the server ended with %v, want exit status 1", c.err)
	}
	lines := c.log.all(said("stopping: nothing can be acknowledged any more"))
	if len(lines) != 1 || !strings.Contains(fmt.Sprint(lines[0]["error"]), cause) {
		t.Errorf("it says %v, want one line that names %q", lines, cause)
	}
	if text := c.log.text(); strings.Contains(text, "panic") || strings.Contains(text, "SIG") {
		t.Errorf("it did not end cleanly")
	}
	acked := l.acked()
	again := spawn(t, cfg)
	conn := connect(t, again.addr)
	for _, w := range l.workers {
		if err := w.check(conn); err != nil {
			t.Error(err)
		}
	}
	conn.must(wire.OpSetData, set("/register", []byte("healthy")))
	if err := again.end(syscall.SIGTERM); err != nil {
		t.Errorf("the next start ended with %v", err)
	}
	t.Logf("exit status 1, %q; %d writes acknowledged, all there after a restart",
		lines[0]["error"], acked)
}

// TestDiskFaults makes single system calls of the command fail, as a disk that breaks does, with
// strace. The first failure is the end: the server exits, nothing is tried again on that file, and
// nothing acknowledged is lost. The calls behind the first one would succeed: a sync that is tried
// again after an error succeeds on Linux without having written anything.
func TestDiskFaults(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if raceFlag != nil {
		t.Skip("strace and the race detector together take minutes")
	}
	for _, test := range []struct {
		call, errno, says string
		pad               int
		stop              bool // it takes the checkpoint of an orderly stop to get there
	}{
		{call: "fdatasync", errno: "EIO", says: "input/output error"},
		{call: "fdatasync", errno: "ENOSPC", says: "no space left on device"},
		{call: "pwrite64", errno: "EIO", says: "input/output error"},
		{call: "pwrite64", errno: "ENOSPC", says: "no space left on device"},
		{call: "pwrite64", errno: "EDQUOT", says: "disk quota exceeded"},
		{call: "/^rename", errno: "EIO", says: "input/output error", pad: 900 << 10},
		{call: "/^rename", errno: "ENOSPC", says: "no space left on device", pad: 900 << 10},
		{call: "fsync", errno: "EIO", says: "input/output error", stop: true},
		{call: "fsync", errno: "ENOSPC", says: "no space left on device", stop: true},
	} {
		t.Run(strings.Trim(test.call, "/^")+" "+test.errno, func(t *testing.T) {
			if *power.failures < 1000 && test.errno != "EIO" {
				t.Skip("all errors in make power")
			}
			cfg := zooCfg(t, t.TempDir())
			c := spawn(t, cfg)
			l := loadUntilGone(t, c, test.pad)
			for start := l.acked(); l.acked() < start+20; {
				if !alive(c) {
					t.Fatal("the server ended by itself")
				}
			}
			table := filepath.Join(t.TempDir(), "strace")
			trace := attach(t, strace, c, table, test.call, test.errno)
			if test.stop {
				c.cmd.Process.Signal(syscall.SIGTERM)
			}
			l.judgeEnd(t, c, cfg, test.says)
			<-trace
			text, err := os.ReadFile(table)
			if err != nil {
				t.Fatal(err)
			}
			if again, failures := secondTry(string(text)); again != "" || failures == 0 {
				t.Errorf("%d calls failed, and then %q succeeded", failures, again)
			}
		})
	}
}

func alive(c *child) bool {
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// attach makes the first call of each of the server's threads fail from now on. The channel is
// closed when strace has ended, which it does with the server.
func attach(t *testing.T, strace string, c *child, table, call, errno string) <-chan struct{} {
	t.Helper()
	log := newJournal()
	cmd := exec.Command(strace, "-f", "-y", "-o", table, "-e", "trace="+call, "-e",
		fmt.Sprintf("inject=%s:error=%s:when=1", call, errno),
		"-p", strconv.Itoa(c.cmd.Process.Pid))
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		cmd.Wait()
		log.close()
		close(done)
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-done
	})
	if _, err := log.wait(func(line map[string]any) bool {
		return strings.Contains(fmt.Sprint(line["msg"]), "attached")
	}); err != nil {
		t.Skipf("strace cannot attach: %v", err)
	}
	return done
}

// secondTry looks through what strace saw for a call that succeeds on a file behind one that was
// made to fail on it. failures says how many were.
func secondTry(text string) (again string, failures int) {
	file := regexp.MustCompile(`<(/[^>]+)>|"(/[^"]+)"`)
	succeeded := regexp.MustCompile(`= \d+$`)
	failed := map[string]bool{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		name := file.FindString(line)
		switch {
		case strings.Contains(line, "(INJECTED)"):
			failed[name] = true
			failures++
		case name != "" && failed[name] && succeeded.MatchString(line):
			return line, failures
		}
	}
	return "", failures
}

// TestSecondTry: the check can fail.
func TestSecondTry(t *testing.T) {
	const failed = "12 fdatasync(7</d/log-1>) = -1 EIO (Input/output error) (INJECTED)\n"
	for _, test := range []struct {
		text, again string
	}{
		{failed, ""},
		{"12 fdatasync(7</d/log-1>) = 0\n" + failed, ""},
		{failed + "12 fdatasync(8</d/mark>) = 0\n", ""},
		{failed + "13 fdatasync(7</d/log-1>) = 0\n", "13 fdatasync(7</d/log-1>) = 0"},
		{failed + "12 pwrite64(7</d/log-1>, \"\"..., 40, 56) = 40\n",
			"12 pwrite64(7</d/log-1>, \"\"..., 40, 56) = 40"},
	} {
		if again, failures := secondTry(test.text); again != test.again || failures != 1 {
			t.Errorf("secondTry(%q) = %q, %d, want %q, 1", test.text, again, failures, test.again)
		}
	}
}

// TestDiskFull runs the command on a small file system of its own until that is full.
func TestDiskFull(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=200m"); err != nil {
		t.Skipf("needs to mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	ballast := filepath.Join(dir, "ballast")
	cfg := zooCfg(t, filepath.Join(dir, "data"))

	// No room to begin with: the first start says so, the next one begins anew.
	fill(t, ballast, 60<<20)
	c := launch(t, nil, "serve", "-o", "json", "--config", cfg)
	<-c.done
	if text := c.log.text(); c.err == nil || !strings.Contains(text, "no space left on device") ||
		!strings.Contains(text, dir) {
		t.Errorf("a start without room: %v\n%s", c.err, text)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}

	// No room for the next checkpoint.
	c = spawn(t, cfg)
	l := loadUntilGone(t, c, 900<<10)
	for l.acked() == 0 {
		runtime.Gosched() // the first value is longer than the one before
	}
	fill(t, ballast, 0)
	<-c.done
	l.done.Wait()
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	l.judgeEnd(t, c, cfg, "no space left on device")
}

// fill writes a file that leaves so much room on its file system.
func fill(t *testing.T, name string, leave uint64) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 64<<10)
	for {
		var st syscall.Statfs_t
		if err := syscall.Statfs(filepath.Dir(name), &st); err != nil {
			t.Fatal(err)
		}
		if st.Bavail*uint64(st.Bsize) <= leave {
			return
		}
		if _, err := f.Write(block); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
