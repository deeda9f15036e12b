package server_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// TestSyncs counts system calls under strace: no batch of writes is acknowledged without an
// fdatasync of its own, and writes that wait together share one.
func TestSyncs(t *testing.T) {
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skip("needs strace")
	}
	if raceFlag != nil {
		t.Skip("strace and the race detector together take minutes")
	}
	dir, table := t.TempDir(), filepath.Join(t.TempDir(), "strace")
	c := launch(t, []string{strace, "-f", "-c", "-o", table, "-e",
		"trace=fdatasync,fsync,pwrite64,write"},
		"serve", "-o", "json", "--config", zooCfg(t, dir))
	if _, err := c.log.wait(said("serving")); err != nil {
		t.Skipf("the server does not run under strace: %v", err)
	}
	c.addr = address(t, c)
	batches := func() int {
		m := regexp.MustCompile(`(?m)^zk_cnt_fsynctime\t(\d+)$`).
			FindStringSubmatch(word(t, c.addr, "mntr"))
		n, _ := strconv.Atoi(m[1])
		return n
	}
	const alone, together = 100, 2000
	one := connect(t, c.addr)
	one.must(wire.OpCreate, creation("/a", nil, 0))
	before := batches()
	for range alone {
		one.must(wire.OpSetData, set("/a", []byte("x")))
	}
	single := batches() - before
	if single < alone {
		t.Errorf("%d writes, each acknowledged before the next was sent, in %d batches",
			alone, single)
	}
	before = batches()
	go func() {
		var b []byte
		for i := range int32(together) {
			b = request(b, i, wire.OpSetData, set("/a", []byte("y")))
		}
		one.nc.Write(b)
	}()
	for range together {
		if p, err := one.reply(); err != nil || p.Err != 0 {
			t.Fatal(p, err)
		}
	}
	grouped := batches() - before
	if grouped >= together {
		t.Errorf("%d pipelined writes in %d batches", together, grouped)
	}
	total := batches()
	calls := c.traced(dir, table)
	if calls["fdatasync"] < total {
		t.Errorf("%d batches and %d fdatasync", total, calls["fdatasync"])
	}
	t.Logf("%d writes one by one: %d batches; %d writes pipelined: %d batches", alone, single,
		together, grouped)
	t.Logf("fdatasync %d (%d of them the mark and checkpoints), fsync %d, pwrite64 %d, write %d; "+
		"batches acknowledged %d", calls["fdatasync"], calls["fdatasync"]-total, calls["fsync"],
		calls["pwrite64"], calls["write"], total)
}

// traced stops a server with its data in dir that runs under strace, and returns what strace
// counted into table.
func (c *child) traced(dir, table string) map[string]int {
	c.t.Helper()
	pid, err := os.ReadFile(filepath.Join(dir, "vivarium.lock"))
	if err != nil {
		c.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		c.t.Fatal(err)
	}
	syscall.Kill(n, syscall.SIGTERM)
	<-c.done
	text, err := os.ReadFile(table)
	if err != nil {
		c.t.Fatal(err)
	}
	return straceCalls(string(text))
}

// straceCalls reads the table that strace -c prints: the calls stand in the fourth column, the
// name in the last.
func straceCalls(table string) map[string]int {
	calls := make(map[string]int)
	for line := range strings.Lines(table) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if n, err := strconv.Atoi(f[3]); err == nil {
			calls[f[len(f)-1]] = n
		}
	}
	return calls
}

// address is where a child listens, by its log.
func address(t testing.TB, c *child) (addr tcpAddr) {
	t.Helper()
	line, err := c.log.wait(said("serving"))
	if err != nil {
		t.Fatal(err)
	}
	return tcpAddr(fmt.Sprint(line["address"]))
}

// tcpAddr is a net.Addr by its text.
type tcpAddr string

func (a tcpAddr) Network() string { return "tcp" }
func (a tcpAddr) String() string  { return string(a) }
