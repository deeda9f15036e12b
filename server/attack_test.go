package server_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// The attacks run against a server in a process of its own, next to a client whose requests
// must go on being answered. What the server holds is measured by the kernel; the bounds are
// fixed and generous, and what was measured is logged.

// besieged is a server under attack.
type besieged struct {
	*child
	dog *watchdog
}

func besiege(t *testing.T, lines ...string) *besieged {
	t.Helper()
	b := &besieged{child: spawn(t, zooCfg(t, t.TempDir(), lines...))}
	b.dog = watch(t, b.addr)
	return b
}

// held judges how the server came through.
func (b *besieged) held(limitMiB int) {
	b.t.Helper()
	b.dog.lives()
	requests, slowest := b.dog.end()
	now, most := b.memory()
	if raceFlag == nil && most > limitMiB {
		b.t.Errorf("the server held %d MiB, want at most %d", most, limitMiB)
	}
	b.t.Logf("memory %d MiB, at most %d; %d requests of another client answered, slowest %v",
		now, most, requests, slowest.Round(time.Millisecond))
	odd := b.log.all(func(line map[string]any) bool { return line["level"] == nil })
	if len(odd) > 0 {
		b.t.Errorf("the server said %v", odd)
	}
}

// attackers runs n attackers at once and waits for them.
func attackers(n int, attack func(i int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { attack(i) })
	}
	all.Wait()
}

func TestRandomBytes(t *testing.T) {
	b := besiege(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	attackers(8, func(i int) {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		for n := range 50 {
			var c *client
			if n%2 == 0 {
				c = dial(t, b.addr)
			} else {
				c = connect(t, b.addr)
			}
			junk := make([]byte, random.IntN(4000))
			for i := range junk {
				junk[i] = byte(random.Uint32() >> random.IntN(24))
			}
			if n%3 != 0 && len(junk) > 16 {
				// A length and an opcode that are right let it come further.
				binary.BigEndian.PutUint32(junk, uint32(len(junk)-4))
				binary.BigEndian.PutUint32(junk[8:], uint32(random.IntN(110)))
			}
			c.nc.Write(junk)
			c.nc.(*net.TCPConn).CloseWrite()
			io.Copy(io.Discard, c.r)
			c.nc.Close()
		}
	})
	b.held(300)
}

// TestLengths: frames that are negative or too long close the connection without an answer,
// before and after the handshake (PROTOCOL, "Seen on the wire", 17).
func TestLengths(t *testing.T) {
	b := besiege(t)
	for _, n := range []uint32{0xffffffff, 0x80000000, 0x7fffffff, 1048576, 1 << 24} {
		for _, session := range []bool{false, true} {
			c := dial(t, b.addr)
			if session {
				c = connect(t, b.addr)
			}
			c.nc.Write(binary.BigEndian.AppendUint32(nil, n))
			if got, err := io.ReadAll(c.r); len(got) > 0 || err != nil {
				t.Errorf("length %#x, session %v: answered %x, %v", n, session, got, err)
			}
		}
	}
	b.held(200)
}

// TestUnknownOpcodes are answered with Unimplemented and the request's xid, then the
// connection is closed (PROTOCOL, "Seen on the wire", 4).
func TestUnknownOpcodes(t *testing.T) {
	b := besiege(t)
	for _, op := range []wire.OpCode{-1, -10, -11, 0, 10, 13, 23, 99, 108, 1 << 30, -1 << 31} {
		c := connect(t, b.addr)
		if _, err := c.nc.Write(request(nil, 77, op, nil)); err != nil {
			t.Fatal(err)
		}
		p, err := c.reply()
		want := wire.ReplyHeader{Xid: 77, Zxid: -1, Err: wire.CodeUnimplemented}
		if op == wire.OpCloseSession {
			want = wire.ReplyHeader{Xid: 77, Zxid: p.Zxid}
		}
		if err != nil || p.ReplyHeader != want {
			t.Errorf("opcode %d: %+v, %v; want %+v", int32(op), p.ReplyHeader, err, want)
		}
		c.gone()
	}
	b.held(200)
}

// TestSilentConnections: thousands that never say anything are let go after the handshake
// time-out, and cost little until then.
func TestSilentConnections(t *testing.T) {
	b := besiege(t, "nio.sessionlessCnxnTimeout=2000")
	n := connections(t, 10000)
	before, _ := b.memory()
	list := make([]net.Conn, n)
	attackers(8, func(i int) {
		for k := i; k < n; k += 8 {
			nc, err := net.Dial("tcp", b.addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			list[k] = nc
		}
	})
	now, _ := b.memory()
	t.Logf("%d silent connections: %.1f KiB each", n, float64(now-before)*1024/float64(n))
	b.dog.lives()
	attackers(8, func(i int) {
		for k := i; k < n && list[k] != nil; k += 8 {
			if _, err := list[k].Read(make([]byte, 1)); err == nil {
				t.Error("a silent connection was told something")
			}
			list[k].Close()
		}
	})
	b.held(400)
}

// connections is how many a test may open, at most want.
func connections(t *testing.T, want int) int {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	n := min(want, int(limit.Cur)-500)
	if testing.Short() {
		n = min(n, 2000)
	}
	if n < want {
		t.Logf("%d connections instead of %d", n, want)
	}
	return n
}

// TestHalfFrames: a frame that is announced and does not come costs no memory and keeps nobody
// waiting who sends long ones.
func TestHalfFrames(t *testing.T) {
	b := besiege(t)
	n := connections(t, 10000)
	list := make([]net.Conn, n)
	attackers(8, func(i int) {
		for k := i; k < n; k += 8 {
			nc, err := net.Dial("tcp", b.addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			list[k] = nc
			half := binary.BigEndian.AppendUint32(nil, 1000000)
			nc.Write(append(half, make([]byte, 1500)...))
		}
	})
	long := connect(t, b.addr)
	long.must(wire.OpCreate, creation("/long", make([]byte, 1000000), 0))
	b.dog.lives()
	b.held(500)
	for _, nc := range list {
		nc.Close()
	}
}

// TestResets: connections that are reset at any moment leave nothing behind.
func TestResets(t *testing.T) {
	b := besiege(t)
	attackers(8, func(i int) {
		for n := range 500 {
			nc, err := net.Dial("tcp", b.addr.String())
			if err != nil {
				t.Error(err)
				return
			}
			nc.(*net.TCPConn).SetLinger(0) // a reset
			switch n % 4 {
			case 1:
				nc.Write([]byte{0, 0})
			case 2:
				q := wire.ConnectRequest{TimeoutMs: 5000}
				head, at := wire.BeginFrame(nil)
				nc.Write(wire.EndFrame(q.AppendTo(head), at))
			case 3:
				nc.Write([]byte("mntr"))
			}
			nc.Close()
		}
	})
	b.dog.lives()
	for {
		// They are noticed one by one; only the watchdog and who asks are left in the end.
		var conns int
		_, err := fmt.Sscanf(after(word(t, b.addr, "srvr"), "Connections: "), "%d", &conns)
		if err != nil {
			t.Fatal(err)
		}
		if conns <= 2 {
			break
		}
	}
	b.held(300)
}

func after(text, mark string) string {
	for i := range len(text) - len(mark) {
		if text[i:i+len(mark)] == mark {
			return text[i+len(mark):]
		}
	}
	return ""
}

// TestPipelineWithoutReading: a client that sends 100,000 requests and reads none of the
// answers is not read further, and not waited for.
func TestPipelineWithoutReading(t *testing.T) {
	if testing.Short() {
		t.Skip("moves gigabytes")
	}
	b := besiege(t)
	writer := connect(t, b.addr)
	writer.must(wire.OpCreate, creation("/big", make([]byte, 500000), 0))
	var list []*client
	for range 20 {
		list = append(list, connect(t, b.addr))
	}
	attackers(len(list), func(i int) {
		c := list[i]
		c.nc.SetWriteDeadline(time.Now().Add(3 * time.Second))
		var batch []byte
		for xid := range int32(1000) {
			switch i % 4 {
			case 0:
				batch = request(batch, xid, wire.OpGetData, get("/big"))
			case 1:
				batch = request(batch, xid, wire.OpExists, get("/"))
			case 2: // reads behind writes
				batch = request(batch, xid, wire.OpSetData, set("/", nil))
				batch = request(batch, xid, wire.OpGetData, get("/big"))
			case 3:
				batch = request(batch, xid, wire.OpSetData, set("/", nil))
			}
		}
		for range 100 {
			if _, err := c.nc.Write(batch); err != nil {
				return // not read any further, or closed
			}
		}
	})
	b.dog.lives()
	b.held(1500)
	// Who reads at last gets everything, unless it was closed for holding too much.
	for i, c := range list {
		for k := range 100 {
			p, err := c.reply()
			if i%4 == 2 && err != nil {
				break
			}
			if err != nil || p.Err != 0 {
				t.Fatalf("reply %d of %d: %+v, %v", k, i, p, err)
			}
		}
	}
}

// TestSlowReaders subscribe to everything that happens and read none of it. Events are never
// dropped: who does not read is closed.
func TestSlowReaders(t *testing.T) {
	if testing.Short() {
		t.Skip("moves gigabytes")
	}
	b := besiege(t)
	writer := connect(t, b.addr)
	name := "/" + longName(200000)
	everything := &wire.AddWatchRequest{Path: "/", Mode: wire.ModePersistentRecursive}
	var slow []*client
	for range 10 {
		c := connect(t, b.addr)
		c.must(wire.OpAddWatch, everything)
		slow = append(slow, c)
	}
	quick := connect(t, b.addr)
	quick.must(wire.OpAddWatch, everything)
	// 600 events of 200 KB for each of them are more than all may hold. Who reads keeps up.
	for i := range 600 {
		if i%2 == 0 {
			writer.must(wire.OpCreate, creation(name, nil, 0))
		} else {
			writer.must(wire.OpDelete, &wire.DeleteRequest{Path: name, Version: -1})
		}
		for {
			p, err := quick.reply()
			if err != nil || p.Xid != wire.XidNotification {
				t.Fatalf("who reads was told %+v, %v instead of event %d", p, err, i)
			}
			if len(p.body) > len(name) {
				break
			}
		}
	}
	// At most four can be left: what those hold is below the bound.
	closed, slowly := 0, closedFor("client does not read: too many unsent bytes")
	if _, err := b.log.wait(func(line map[string]any) bool {
		if slowly(line) {
			closed++
		}
		return closed == len(slow)-4
	}); err != nil {
		t.Fatal(err)
	}
	b.held(2500)
}

func longName(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'a' + byte(i%26)
	}
	return string(b)
}

// TestManyLongFrames: 200 clients send a request of 1 MiB each at the same time.
func TestManyLongFrames(t *testing.T) {
	if testing.Short() {
		t.Skip("moves gigabytes")
	}
	b := besiege(t)
	const clients = 200
	list := make([]*client, clients)
	for i := range list {
		list[i] = connect(t, b.addr)
		list[i].must(wire.OpCreate, creation(fmt.Sprintf("/long-%d", i), nil, wire.FlagEphemeral))
	}
	data := make([]byte, 1000000)
	attackers(clients, func(i int) {
		p, err := list[i].try(wire.OpSetData, set(fmt.Sprintf("/long-%d", i), data))
		if err != nil || p.Err != 0 {
			t.Errorf("client %d: %+v, %v", i, p, err)
		}
	})
	b.held(3000)
}

// TestOneByteAttackers: many who send their requests byte by byte, each in a packet.
func TestOneByteAttackers(t *testing.T) {
	b := besiege(t)
	attackers(50, func(i int) {
		c := connect(t, b.addr)
		c.nc.(*net.TCPConn).SetNoDelay(true)
		for xid := range int32(20) {
			for _, one := range request(nil, xid, wire.OpGetData, get("/")) {
				if _, err := c.nc.Write([]byte{one}); err != nil {
					t.Error(err)
					return
				}
			}
			if p, err := c.reply(); err != nil || p.Xid != xid {
				t.Errorf("reply to %d: %+v, %v", xid, p, err)
				return
			}
		}
	})
	b.held(200)
}
