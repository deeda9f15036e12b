package server_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// caller is one client of the load. It sends everything that leaves a trace on a disk, in a
// pipeline, and now and then ends its session, loses its connection, or lets a session die.
type caller struct {
	o      *outage
	addr   string
	id     int
	random *rand.Rand
	acked  *atomic.Int64 // of all callers together

	nc       net.Conn
	r        *bufio.Reader
	session  int64
	password []byte
	seen     int64
	xid      int32
	number   int

	mu    sync.Mutex
	names []string // sequential znodes that it was told of and has not deleted
}

// run goes on until the server is gone. An error is what it should not have answered.
func (c *caller) run() error {
	for first := true; ; first = false {
		if c.connect(0) != nil {
			return nil
		}
		if first {
			c.request(wire.OpCreate, creation(fmt.Sprintf("/w%d", c.id), nil, 0))
			c.request(wire.OpCreate, creation("/seq", nil, 0))
			for _, half := range []string{"a", "b"} {
				c.request(wire.OpCreate, creation(c.pair(half), []byte("0"), 0))
			}
			if c.drain(4) != nil {
				return nil
			}
		}
		for {
			if gone, err := c.phase(); gone || err != nil {
				return err
			}
			what := c.random.IntN(8)
			if what == 0 { // a session that ends
				c.xid += 2
				c.nc.Write(request(nil, c.xid, wire.OpCloseSession, nil))
				c.drain(1)
				c.nc.Close()
				break
			}
			if what < 3 { // a connection that is lost
				c.nc.Close()
				if c.connect(c.session) != nil {
					return nil
				}
			}
			if what == 3 {
				c.ghost()
			}
		}
	}
}

func (c *caller) pair(half string) string { return fmt.Sprintf("/pair-%d-%s", c.id, half) }

// connect opens a session, or attaches to the one given.
func (c *caller) connect(session int64) error {
	q := wire.ConnectRequest{TimeoutMs: 40000}
	if session != 0 {
		q.SessionID, q.Password, q.LastZxidSeen = session, c.password, c.seen
	} else {
		c.xid = 0
	}
	return c.handshake(q)
}

func (c *caller) handshake(q wire.ConnectRequest) error {
	nc, err := net.Dial("tcp", c.addr)
	if err != nil {
		return err
	}
	nc.SetDeadline(time.Now().Add(10 * patience))
	c.nc, c.r = nc, bufio.NewReader(nc)
	b, at := wire.BeginFrame(nil)
	if _, err := nc.Write(wire.EndFrame(q.AppendTo(b), at)); err != nil {
		return err
	}
	frame, err := c.frame()
	if err != nil {
		return err
	}
	var a wire.ConnectResponse
	r := wire.NewReader(frame)
	if a.Decode(&r); r.Err() != nil || a.SessionID == 0 {
		return errNoSession
	}
	c.session, c.password = a.SessionID, bytes.Clone(a.Password)
	c.o.acks.mu.Lock()
	c.o.acks.passwords[c.session] = c.password
	c.o.acks.mu.Unlock()
	told := ack{session: c.session, attach: q.SessionID != 0, create: q.SessionID == 0}
	if told.create {
		told.zxid = c.session // which is its zxid
	}
	c.o.acks.add(told)
	return nil
}

func (c *caller) frame() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(c.r, b)
	return b, err
}

// request sends one write that stands alone.
func (c *caller) request(op wire.OpCode, q record) {
	c.xid += 2
	c.nc.Write(request(nil, c.xid, op, q))
}

// drain reads n answers.
func (c *caller) drain(n int) error {
	for n > 0 {
		got, err := c.answer()
		if err != nil {
			return err
		}
		n -= got
	}
	return nil
}

// answer reads one frame; of events there is none to be counted.
func (c *caller) answer() (int, error) {
	b, err := c.frame()
	if err != nil {
		return 0, err
	}
	var h wire.ReplyHeader
	r := wire.NewReader(b)
	h.Decode(&r)
	if h.Xid == wire.XidNotification {
		return 0, r.Err()
	}
	if c.o.acks.reply(c.session, b); h.Xid%2 == 0 && h.Xid > 0 {
		c.acked.Add(1)
	}
	c.seen = max(c.seen, h.Zxid)
	if body := r.Rest(); h.Err == 0 && len(body) > 9 && string(body[4:9]) == "/seq/" {
		c.mu.Lock()
		c.names = append(c.names, string(body[4:]))
		c.mu.Unlock()
	}
	return 1, r.Err()
}

// ghost opens a session with an ephemeral znode and lets it expire.
func (c *caller) ghost() {
	g := &caller{o: c.o, addr: c.addr, acked: c.acked, random: c.random}
	if g.handshake(wire.ConnectRequest{TimeoutMs: 1}) != nil {
		return
	}
	g.request(wire.OpCreate, creation(fmt.Sprintf("/ghost-%x", g.session), []byte("boo"),
		wire.FlagEphemeral))
	g.drain(1)
	g.nc.Close()
}

// phase sends some requests in a pipeline and reads the answers. gone is the end of the server.
func (c *caller) phase() (gone bool, err error) {
	const window = 24
	n := 20 + c.random.IntN(200)
	slots := make(chan struct{}, window)
	stop := make(chan struct{})
	var writing sync.WaitGroup
	writing.Go(func() {
		for i := 0; i < n; {
			var b []byte
			for range min(1+c.random.IntN(8), n-i) {
				select {
				case slots <- struct{}{}:
				case <-stop:
					return
				}
				b = c.next(b)
				i++
			}
			if _, err := c.nc.Write(b); err != nil {
				return
			}
		}
	})
	for range n {
		for got := 0; got == 0; {
			if got, err = c.answer(); err != nil {
				close(stop)
				c.nc.Close()
				writing.Wait()
				return true, nil
			}
		}
		<-slots
	}
	writing.Wait()
	return false, nil
}

var aclVariants = [][]wire.ACL{
	wire.OpenACL(),
	append(wire.OpenACL(), wire.ACL{Perms: wire.PermRead,
		ID: wire.ID{Scheme: "ip", ID: "127.0.0.1"}}),
	append(wire.OpenACL(), wire.ACL{Perms: wire.PermAdmin,
		ID: wire.ID{Scheme: "digest", ID: "us:er"}}),
}

// next appends one request.
func (c *caller) next(b []byte) []byte {
	own := fmt.Sprintf("/w%d/n%d", c.id, c.random.IntN(12))
	write := func(op wire.OpCode, q record) []byte {
		c.xid += 2
		return request(b, c.xid, op, q)
	}
	version := int32(-1)
	if c.random.IntN(10) == 0 {
		version = int32(c.random.IntN(3))
	}
	switch n := c.random.IntN(100); {
	case n < 22:
		return write(wire.OpSetData, &wire.SetDataRequest{Path: own, Data: c.data(),
			Version: version})
	case n < 36:
		q := creation(own, c.data(), 0)
		q.ACL = aclVariants[c.random.IntN(len(aclVariants))]
		return write(wire.OpCreate, q)
	case n < 44:
		return write(wire.OpDelete, &wire.DeleteRequest{Path: own, Version: version})
	case n < 58:
		return write(wire.OpMulti, c.multi(own))
	case n < 66:
		return write(wire.OpCreate, creation("/seq/n-", []byte("s"),
			[]int32{wire.FlagPersistentSequential, wire.FlagEphemeralSequential}[n%2]))
	case n < 74:
		if name := c.told(); name != "" {
			return write(wire.OpDelete, &wire.DeleteRequest{Path: name, Version: -1})
		}
		// Not /seq itself: it would count anew once it is made again.
		return write(wire.OpDelete, &wire.DeleteRequest{Path: c.pair("a"), Version: 1 << 30})
	case n < 78:
		return write(wire.OpCreate, creation(fmt.Sprintf("/w%d/e%d", c.id, c.random.IntN(4)), nil,
			wire.FlagEphemeral))
	case n < 80:
		return write(wire.OpCreate, creation(fmt.Sprintf("/w%d/e%d/x", c.id, c.random.IntN(4)),
			nil, 0))
	case n < 84:
		return write(wire.OpSetACL, &wire.SetACLRequest{Path: own, Version: version,
			ACL: aclVariants[c.random.IntN(len(aclVariants))]})
	case n < 87:
		return write(wire.OpCreateContainer, creation(fmt.Sprintf("/w%d/box", c.id), nil,
			wire.FlagContainer))
	case n < 90:
		return write(wire.OpCreate, creation(fmt.Sprintf("/w%d/box/x", c.id), nil,
			wire.FlagEphemeral))
	case n < 92:
		return write(wire.OpDelete, &wire.DeleteRequest{Version: -1,
			Path: fmt.Sprintf("/w%d/box/x", c.id)})
	}
	// A read has the odd xid behind the last write's; the write after it skips one.
	c.xid += 2
	op := []wire.OpCode{wire.OpGetData, wire.OpExists, wire.OpGetChildren2}[c.random.IntN(3)]
	return request(b, c.xid-1, op, &wire.PathWatchRequest{Path: own,
		Watch: c.random.IntN(2) == 0})
}

func (c *caller) data() []byte {
	c.number++
	size := c.random.IntN(60)
	if c.random.IntN(30) == 0 {
		size = c.random.IntN(6000)
	}
	return append(fmt.Appendf(nil, "%d of %d ", c.number, c.id), make([]byte, size)...)
}

// told takes a sequential znode that may be deleted.
func (c *caller) told() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.names) < 5 {
		return ""
	}
	name := c.names[0]
	c.names = c.names[1:]
	return name
}

// multi writes the same into both halves of a pair, or fails behind that.
func (c *caller) multi(own string) *wire.MultiRequest {
	data := c.data()
	q := &wire.MultiRequest{Ops: []wire.MultiOp{
		{Op: wire.OpSetData, SetData: *set(c.pair("a"), data)},
		{Op: wire.OpSetData, SetData: *set(c.pair("b"), data)}}}
	open := wire.CreateTTLRequest{Path: own, Data: data, ACL: wire.OpenACL()}
	switch c.random.IntN(5) {
	case 0: // creates or deletes, as the znode is there or not
		q.Ops = append(q.Ops, wire.MultiOp{Op: wire.OpCreate, Create: open})
	case 1:
		q.Ops = append(q.Ops, wire.MultiOp{Op: wire.OpDelete,
			Delete: wire.DeleteRequest{Path: own, Version: -1}})
	case 2:
		open.Path, open.Flags = "/seq/m-", wire.FlagPersistentSequential
		q.Ops = append(q.Ops, wire.MultiOp{Op: wire.OpCreate, Create: open},
			wire.MultiOp{Op: wire.OpCheck, Check: wire.CheckRequest{Path: own,
				Version: int32(c.random.IntN(3))}})
	}
	return q
}
