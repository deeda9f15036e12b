package core

import (
	"encoding/binary"
	"testing"

	"github.com/vivariumdb/vivarium/internal/invariant"
	"github.com/vivariumdb/vivarium/wire"
)

// script makes choices out of bytes; when they are used up all choices are 0.
type script []byte

func (s *script) byte() byte {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return b
}

// below is a choice of n.
func (s *script) below(n int) int { return int(s.byte()) % n }

// bytes takes up to n bytes.
func (s *script) bytes(n int) []byte {
	b := (*s)[:min(n, len(*s))]
	*s = (*s)[len(b):]
	return b
}

// fuzzed is a server's half whose clients do what a script says.
type fuzzed struct {
	*desk
	script
	conns []*Conn
	in    map[*Conn][]byte // what is received and not taken yet
	zxids map[*Conn]int64  // the last in a reply
	ends  map[*Conn]bool
}

// FuzzConn lets clients send arbitrary bytes and plausible requests, in pieces, while commands
// are applied and time goes by: nothing panics, what comes back is whole frames whose zxids do
// not fall, and the digest is that of the State.
func FuzzConn(f *testing.F) {
	f.Add([]byte{0, 0, 1, 3, 0, 0, 4, 4, 1, 3, 0, 2, 4, 5, 0, 3, 0, 9, 1, 4, 6, 0})
	f.Add([]byte{7, 0, 0, 2, 0, 5, 'r', 'u', 'o', 'k', 0, 2, 0, 8, 0, 0, 0, 4, 255, 255, 255, 254})
	f.Add([]byte{3, 0, 0, 0, 1, 4, 3, 0, 1, 3, 0, 4, 3, 1, 2, 3, 1, 12, 4, 6, 9, 3, 0, 5, 8, 4})
	f.Fuzz(func(t *testing.T, data []byte) {
		s := script(data)
		settings := s.byte()
		x := &fuzzed{script: s, in: map[*Conn][]byte{}, zxids: map[*Conn]int64{},
			ends: map[*Conn]bool{}, desk: newDesk(t, Settings{SkipACL: settings&1 != 0,
				MaxBuffer: 2000, MaxQueued: 4 + int(settings&2)*10, MaxOutstanding: 8,
				SoftUnsent: 3000, EnforceQuota: settings&4 != 0, ReconfigEnabled: true})}
		for range 300 {
			if len(x.script) == 0 {
				break
			}
			x.step()
		}
		x.commit()
		for _, c := range x.conns {
			x.check(c)
		}
		st := x.l.State
		if invariant.Enabled && st.Digest() != st.digestFromScratch() {
			t.Fatal("the digest is not that of the State")
		}
	})
}

func (x *fuzzed) step() {
	if len(x.conns) == 0 || x.below(8) == 0 {
		x.open()
		return
	}
	c := x.conns[x.below(len(x.conns))]
	switch x.below(10) {
	case 0:
		x.take(c, x.bytes(1+x.below(40)))
	case 1, 2, 3, 4, 5:
		x.take(c, x.request())
	case 6:
		x.now += int64(x.byte()) * 100
		x.l.TouchWaiting()
		x.l.Sweep(x.now)
	case 7:
		x.check(c)
	case 8:
		x.close(c)
	default:
		x.commit()
	}
	for _, c := range x.conns {
		x.take(c, nil)
	}
}

func (x *fuzzed) open() {
	if len(x.conns) > 6 {
		return
	}
	x.ids++
	c, _ := x.l.Open(ConnInfo{ID: x.ids, Random: [16]byte{byte(x.ids)}, NowMs: x.now})
	if c == nil {
		return
	}
	x.conns = append(x.conns, c)
	q := wire.ConnectRequest{TimeoutMs: 10000}
	switch x.below(8) {
	case 0:
		return // whatever comes
	case 1:
		q.SessionID, q.Password = int64(x.byte()), x.bytes(16)
	case 2:
		for _, other := range x.conns {
			if other.session != 0 {
				q.SessionID, q.Password = int64(other.session), other.password
			}
		}
	case 3:
		q.LastZxidSeen = int64(x.byte()) << x.below(60)
	}
	b, at := wire.BeginFrame(nil)
	x.take(c, wire.EndFrame(q.AppendTo(b), at))
}

// take lets a connection receive bytes, and take of what is there what it wants.
func (x *fuzzed) take(c *Conn, b []byte) {
	if !x.ends[c] {
		x.in[c] = x.feed(c, append(x.in[c], b...))
	}
}

func (x *fuzzed) close(c *Conn) {
	x.check(c)
	x.ends[c] = true
	x.l.Closed(c)
	for i := range x.conns {
		if x.conns[i] == c {
			x.conns = append(x.conns[:i], x.conns[i+1:]...)
			return
		}
	}
}

// request is a frame that a client may send. Half of what there is of them is plausible.
func (x *fuzzed) request() []byte {
	paths := [...]string{"/", "/a", "/b", "/a/b", "/zookeeper/quota/a", "/c-", "", "/zookeeper"}
	path, version := paths[x.below(len(paths))], int32(x.below(4))-1
	data, watch := x.bytes(x.below(8)), x.below(2) == 1
	create := wire.CreateRequest{Path: path, Data: data, ACL: wire.OpenACL(),
		Flags: int32(x.below(8))}
	xid := int32(x.byte())
	switch x.below(14) {
	case 0, 1:
		return frame(xid, wire.OpCreate2, &create)
	case 2:
		return frame(xid, wire.OpCreateTTL, &wire.CreateTTLRequest{Path: path, Data: data,
			ACL: wire.OpenACL(), Flags: 5, TTLMs: 9})
	case 3:
		return frame(xid, wire.OpDelete, &wire.DeleteRequest{Path: path, Version: version})
	case 4:
		return frame(xid, wire.OpSetData, &wire.SetDataRequest{Path: path, Data: data,
			Version: version})
	case 5, 6:
		reads := [...]wire.OpCode{wire.OpExists, wire.OpGetData, wire.OpGetChildren,
			wire.OpGetChildren2}
		return frame(xid, reads[x.below(len(reads))], &wire.PathWatchRequest{Path: path,
			Watch: watch})
	case 7:
		return frame(wire.XidSetWatches, wire.OpSetWatches, &wire.SetWatchesRequest{
			RelativeZxid: int64(x.byte()), Data: []string{path}, Child: []string{path}})
	case 8:
		return frame(xid, wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{
			{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: path, ACL: wire.OpenACL()}},
			{Op: wire.OpCheck, Check: wire.CheckRequest{Path: path, Version: version}},
			{Op: wire.OpDelete, Delete: wire.DeleteRequest{Path: path, Version: version}}}})
	case 9:
		return frame(wire.XidAuth, wire.OpAuth, &wire.AuthRequest{Scheme: "digest", Auth: data})
	case 10:
		return frame(xid, wire.OpSync, &wire.PathRequest{Path: path})
	case 11:
		return frame(xid, wire.OpCloseSession, nil)
	case 12:
		return frame(xid, wire.OpAddWatch, &wire.AddWatchRequest{Path: path,
			Mode: int32(x.below(3))})
	}
	b, at := wire.BeginFrame(nil)
	h := wire.RequestHeader{Xid: xid, Op: wire.OpCode(int8(x.byte()))}
	return wire.EndFrame(append(h.AppendTo(b), x.bytes(x.below(40))...), at)
}

// check takes what a client is sent.
func (x *fuzzed) check(c *Conn) {
	for out := c.Take(nil); len(out) > 0; {
		if len(out) < 4 || len(out)-4 < int(binary.BigEndian.Uint32(out)) {
			x.t.Fatalf("%x is no whole frame", out)
		}
		n := 4 + int(binary.BigEndian.Uint32(out))
		body := out[4:n]
		out = out[n:]
		if _, begun := x.zxids[c]; !begun {
			x.zxids[c] = 0 // the answer to the handshake
			continue
		}
		r := wire.NewReader(body)
		var h wire.ReplyHeader
		if h.Decode(&r); r.Err() != nil {
			x.t.Fatalf("%x is no reply", body)
		}
		noToken := string(r.Rest()) == "\xff\xff\xff\xff" // the answer to SASL
		if h.Zxid <= 0 && (h.Xid == wire.XidNotification || h.Err == wire.CodeUnimplemented ||
			h.Err == wire.CodeAuthFailed || h.Xid == wire.XidAuth || noToken) {
			continue // ZooKeeper gives these none either
		}
		if h.Zxid < x.zxids[c] {
			x.t.Fatalf("zxid %d behind %d: %x", h.Zxid, x.zxids[c], body)
		}
		x.zxids[c] = h.Zxid
	}
}
