package load

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// fake grants every session, answers every request with success and counts the requests.
type fake struct {
	listener net.Listener
	conns    sync.WaitGroup

	mu     sync.Mutex
	counts map[wire.OpCode]int
}

// newFake serves on a free port of the loopback until the test ends.
func newFake(t *testing.T) *fake {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{listener: listener, counts: map[wire.OpCode]int{}}
	f.conns.Go(func() {
		for {
			nc, err := listener.Accept()
			if err != nil {
				return
			}
			f.conns.Go(func() { f.serve(nc) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		f.conns.Wait()
	})
	return f
}

// serve answers one connection until it ends.
func (f *fake) serve(nc net.Conn) {
	defer nc.Close()
	in := bufio.NewReader(nc)
	for first := true; ; first = false {
		var length [wire.FrameHeaderLen]byte
		if _, err := io.ReadFull(in, length[:]); err != nil {
			return
		}
		payload := make([]byte, binary.BigEndian.Uint32(length[:]))
		if _, err := io.ReadFull(in, payload); err != nil {
			return
		}
		out, at := wire.BeginFrame(nil)
		if first {
			m := wire.ConnectResponse{TimeoutMs: 30_000, SessionID: 1,
				Password: make([]byte, wire.PasswordLen), HasReadOnly: true}
			out = m.AppendTo(out)
		} else {
			var q wire.RequestHeader
			r := wire.NewReader(payload)
			q.Decode(&r)
			f.mu.Lock()
			f.counts[q.Op]++
			f.mu.Unlock()
			m := wire.ReplyHeader{Xid: q.Xid, Zxid: 1}
			out = m.AppendTo(out)
		}
		if _, err := nc.Write(wire.EndFrame(out, at)); err != nil {
			return
		}
	}
}

// writes returns how often znodes were created and deleted.
func (f *fake) writes() map[wire.OpCode]int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return map[wire.OpCode]int{wire.OpCreate: f.counts[wire.OpCreate],
		wire.OpDelete: f.counts[wire.OpDelete]}
}

// TestRunRemovesWhatItMade and asks for no other delete: each is a write, replicated and synced.
func TestRunRemovesWhatItMade(t *testing.T) {
	const connections, nodes = 3, 10
	for _, o := range []Options{
		{Workload: Read},
		{Workload: Write},
		{Workload: Read, Rate: 2000},
	} {
		f := newFake(t)
		o.Servers, o.Connections, o.Nodes = []string{f.listener.Addr().String()}, connections, nodes
		o.Warmup, o.Duration = time.Millisecond, 20*time.Millisecond
		if _, err := Run(t.Context(), o); err != nil {
			t.Fatalf("Run(%s): %v", o.Workload, err)
		}
		want := map[wire.OpCode]int{wire.OpCreate: 1 + nodes, wire.OpDelete: 1 + nodes}
		if diff := cmp.Diff(want, f.writes()); diff != "" {
			t.Errorf("Run(%s at %g/s) (-want +got):\n%s", o.Workload, o.Rate, diff)
		}
	}
}

// TestCountIsKept whatever the number of connections that share it.
func TestCountIsKept(t *testing.T) {
	const connections = 16
	for _, count := range []int{1, 10, 16, 100} {
		f := newFake(t)
		result, err := Run(t.Context(), Options{Servers: []string{f.listener.Addr().String()},
			Workload: Create, Connections: connections, Count: count})
		if err != nil {
			t.Fatalf("Run of %d: %v", count, err)
		}
		if result.Operations != int64(count) {
			t.Errorf("%d operations for a count of %d", result.Operations, count)
		}
		znodes := 1 + connections + count
		want := map[wire.OpCode]int{wire.OpCreate: znodes, wire.OpDelete: znodes}
		if diff := cmp.Diff(want, f.writes()); diff != "" {
			t.Errorf("count %d (-want +got):\n%s", count, diff)
		}
	}
}
