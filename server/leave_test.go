package server_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/wire"
)

// timed is a listener whose connections can only block, and count what is written between two
// deadlines for writing.
type timed struct {
	net.Listener
	most atomic.Int64
}

type timedConn struct {
	net.Conn
	l     *timed
	mu    sync.Mutex
	bytes int64 // since the last deadline,
	set   bool  // of which there was one
}

func (l *timed) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &timedConn{Conn: nc, l: l}, nil
}

func (c *timedConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.bytes, c.set = 0, true
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

func (c *timedConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	if c.set {
		c.bytes += int64(len(b))
		c.l.most.Store(max(c.l.most.Load(), c.bytes))
	}
	c.mu.Unlock()
	return c.Conn.Write(b)
}

// TestLongWord: the answer to a four-letter word is as long as the server is large. A client that
// takes it slowly has time for each part of it, not one time for all.
func TestLongWord(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &timed{Listener: inner}
	s := start(t, server.Options{Listener: l})
	c := connect(t, s.Addr())
	const n, size = 10, 500_000
	for i := range n {
		c.call(wire.OpExists, &wire.PathWatchRequest{
			Path: fmt.Sprintf("/%d%s", i, strings.Repeat("a", size)), Watch: true})
	}
	if got := len(word(t, s.Addr(), "wchp")); got < n*size {
		t.Errorf("%d bytes are answered, want %d", got, n*size)
	}
	const part = 128 << 10
	if most := l.most.Load(); most == 0 || most > part {
		t.Errorf("%d bytes had to be taken before one deadline, want %d at most", most, part)
	}
}

// full is a listener whose connections take nothing of a reply at its first two attempts, and all
// of it at the third, as one does whose client reads meanwhile.
type full struct {
	net.Listener
	calls     atomic.Int64 // since it is to be so; below 0: it is not
	full, all uintptr
}

type fullConn struct {
	*net.TCPConn
	l *full
}

type fullRaw struct {
	syscall.RawConn
	l *full
}

func (l *full) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return fullConn{nc.(*net.TCPConn), l}, nil
}

func (c fullConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return fullRaw{raw, c.l}, err
}

func (r fullRaw) Write(f func(uintptr) bool) error {
	if r.l.calls.Load() >= 0 {
		switch r.l.calls.Add(1) {
		case 1, 2:
			f(r.l.full)
			return nil
		case 3:
			f(r.l.all)
			return nil
		}
	}
	return r.RawConn.Write(f)
}

// TestFeederWroteAll: who waits for its socket to take what is owed goes on when it has written
// that itself, and does not wait for the next sweep.
func TestFeederWroteAll(t *testing.T) {
	server.NoSweeps(t)
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := syscall.Pipe2(pipe[:], syscall.O_NONBLOCK|syscall.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = syscall.Write(pipe[1], make([]byte, 4096))
	}
	null, err := syscall.Open("/dev/null", syscall.O_WRONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		for _, fd := range []int{pipe[0], pipe[1], null} {
			syscall.Close(fd)
		}
	}()
	l := &full{Listener: inner, full: uintptr(pipe[1]), all: uintptr(null)}
	l.calls.Store(-1 << 40)
	s := start(t, server.Options{Listener: l})
	c := connect(t, s.Addr())
	c.must(wire.OpCreate, creation("/big", make([]byte, 700_000), 0))
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // or another one may write in time
	c.nc.SetReadDeadline(time.Now().Add(patience))
	for round := range 30 {
		l.calls.Store(0)
		b := request(nil, 100, wire.OpGetData, get("/big"))
		if _, err := c.nc.Write(request(b, 101, wire.OpExists, get("/"))); err != nil {
			t.Fatal(err)
		}
		for xid := int32(0); xid != 101; {
			p, err := c.reply()
			if err != nil {
				t.Fatalf("round %d: the second request is not answered: %v", round, err)
			}
			xid = p.Xid
		}
		l.calls.Store(-1 << 40)
	}
}
