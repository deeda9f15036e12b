package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivariumdb/vivarium/client"
	"github.com/vivariumdb/vivarium/wire"
)

// sessionTimeout outlives the whole proof: the sessions of killed clients must not end while they
// are compared.
const sessionTimeout = time.Hour

// owner is a session of the load that is to be found again.
type owner struct {
	ID        int64
	Password  []byte
	TimeoutMs int32
}

// load keeps a server busy with every kind of znode.
type load struct {
	addr    string
	killed  atomic.Bool // nobody may come back
	clients []*client.Client
	mu      sync.Mutex
	owners  map[int64]owner
	dirs    int
	writes  atomic.Int64 // that were answered
}

// Sizes of the load: connections, and writers on each.
const (
	busyClients = 6
	lanes       = 4
)

// connect opens a session and notes what is needed to take it up again.
func (l *load) connect(ctx context.Context) (*client.Client, error) {
	return client.Dial(ctx, client.Options{Servers: l.addr, SessionTimeout: sessionTimeout,
		DialServer: func(ctx context.Context, server string) (net.Conn, error) {
			if l.killed.Load() {
				return nil, errors.New("the server was killed")
			}
			nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", server)
			if err != nil {
				return nil, err
			}
			return &tap{Conn: nc, l: l}, nil
		}})
}

// tap is a connection that looks at the first frame that comes: the answer to the handshake.
type tap struct {
	net.Conn
	l     *load
	first []byte
	done  bool
}

func (t *tap) Read(b []byte) (int, error) {
	n, err := t.Conn.Read(b)
	if t.done || n == 0 {
		return n, err
	}
	t.first = append(t.first, b[:n]...)
	if len(t.first) < 4 || len(t.first)-4 < int(binary.BigEndian.Uint32(t.first)) {
		return n, err
	}
	t.done = true
	var a wire.ConnectResponse
	r := wire.NewReader(t.first[4 : 4+binary.BigEndian.Uint32(t.first)])
	if a.Decode(&r); r.Err() == nil && a.SessionID != 0 {
		t.l.mu.Lock()
		t.l.owners[a.SessionID] = owner{a.SessionID, bytes.Clone(a.Password), a.TimeoutMs}
		t.l.mu.Unlock()
	}
	return n, err
}

// The lists of access rights that are in use.
var (
	bob  = client.ID{Scheme: "digest", ID: "bob:" + digestOf("bob:secret")}
	all  = client.ID{Scheme: "world", ID: "anyone"}
	here = client.ID{Scheme: "ip", ID: "127.0.0.1/8"}
	away = client.ID{Scheme: "ip", ID: "10.1.2.3"}
	acls = [][]client.ACL{
		nil,
		{{Perms: client.PermAll, ID: bob}},
		{{Perms: client.PermRead, ID: all}},
		{{Perms: client.PermAll, ID: here}},
		{{Perms: client.PermAll, ID: away}},
		{{Perms: client.PermRead | client.PermWrite, ID: all}, {Perms: client.PermAll, ID: bob},
			{Perms: client.PermAdmin, ID: here}},
		{{Perms: client.PermRead, ID: away}, {Perms: client.PermDelete | client.PermCreate,
			ID: all}},
	}
)

// prepare makes what the writers work in.
func (l *load) prepare(ctx context.Context) error {
	for range busyClients {
		c, err := l.connect(ctx)
		if err != nil {
			return err
		}
		l.clients = append(l.clients, c)
	}
	c := l.clients[0]
	// The load may change what it has locked; the rights are held against each other later.
	for _, each := range l.clients {
		if err := each.AddAuth(ctx, "digest", []byte(superUser)); err != nil {
			return err
		}
	}
	make := func(path string, data []byte) error {
		_, err := c.Create(ctx, path, data, client.Persistent, nil)
		return err
	}
	for _, path := range []string{"/seq", "/w", "/box", "/ttl", "/acl", "/q", "/names"} {
		if err := make(path, []byte(path)); err != nil {
			return err
		}
	}
	for i, name := range []string{"ü", "空 の 名", "a b c", "%2F", "..x", strings.Repeat("n", 900)} {
		data := []byte(name)
		if i == 0 {
			data = nil // null is not empty
		}
		if err := make("/names/"+name, data); err != nil {
			return err
		}
	}
	limits := []string{"count=5,bytes=-1=;byteHardLimit=9000000", "count=-1,bytes=100",
		"count=1000000,bytes=1000000000", "count=7,bytes=7=;byteHardLimit=7;countHardLimit=7"}
	for i, limit := range limits {
		path := fmt.Sprintf("/q/%d", i)
		quota := "/zookeeper/quota" + path
		parents := []string{path, quota}
		if i == 0 {
			parents = []string{path, "/zookeeper/quota/q", quota}
		}
		for _, path := range parents {
			if err := make(path, nil); err != nil {
				return err
			}
		}
		err := errors.Join(make(quota+"/zookeeper_limits", []byte(limit)),
			make(quota+"/zookeeper_stats", []byte("count=1,bytes=0")))
		if err != nil {
			return err
		}
	}
	return nil
}

// run writes until the server has so many znodes, and then kills it in the midst of it.
func (l *load) run(ctx context.Context, znodes int, kill func()) error {
	l.dirs = max(20, znodes/400)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	for i, c := range l.clients {
		for lane := range lanes {
			working.Go(func() { l.work(ctx, c, i, lane) })
		}
	}
	working.Go(func() { l.visit(ctx) })
	err := l.waitFor(ctx, znodes)
	l.killed.Store(true)
	kill()
	cancel()
	working.Wait()
	return err
}

// waitFor polls the number of znodes.
func (l *load) waitFor(ctx context.Context, znodes int) error {
	poll := time.NewTicker(500 * time.Millisecond)
	defer poll.Stop()
	stalled, before := 0, int64(0)
	for {
		n, err := l.clients[0].AllChildrenNumber(ctx, "/")
		if err != nil {
			return fmt.Errorf("under load: %w", err)
		}
		if n >= znodes {
			return nil
		}
		if now := l.writes.Load(); now > before {
			before, stalled = now, 0
		} else if stalled++; stalled > 100 {
			return fmt.Errorf("the load has come to a halt after %d writes", now)
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (l *load) work(ctx context.Context, c *client.Client, i, lane int) {
	r := rand.New(rand.NewPCG(uint64(i), uint64(lane)))
	for ctx.Err() == nil && !l.killed.Load() {
		err := l.write(ctx, c, r, fmt.Sprintf("%d-%d", i, lane))
		if errors.Is(err, client.ErrConnectionLoss) {
			return
		}
		l.writes.Add(1)
	}
}

// visit lets sessions come, own something, and go.
func (l *load) visit(ctx context.Context) {
	for n := 0; ctx.Err() == nil && !l.killed.Load(); n++ {
		c, err := l.connect(ctx)
		if err != nil {
			return
		}
		for i := range 5 {
			_, _ = c.Create(ctx, fmt.Sprintf("/w/visitor-%d-%d", n, i), nil, client.Ephemeral, nil)
		}
		gone := make(chan struct{})
		go func() { _ = c.Close(); close(gone) }()
		select {
		case <-gone:
		case <-ctx.Done():
			return
		}
	}
}

// write makes one write, which may well fail.
func (l *load) write(ctx context.Context, c *client.Client, r *rand.Rand, lane string) error {
	dir := fmt.Sprintf("/w/%s-%d", lane, r.IntN(l.dirs))
	leaf := fmt.Sprintf("%s/%d", dir, r.IntN(40))
	box := fmt.Sprintf("/box/%s-%d", lane, r.IntN(200))
	data := bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(300))
	acl := acls[r.IntN(len(acls))]
	var err error
	switch r.IntN(22) {
	case 0:
		_, err = c.Create(ctx, dir, nil, client.Persistent, nil)
	case 1, 2, 3, 4:
		_, err = c.Create(ctx, leaf, data, client.Persistent, nil)
	case 5:
		_, err = c.Create(ctx, "/seq/n-", data, client.PersistentSequential, nil)
	case 6:
		_, err = c.Create(ctx, dir+"/s-", data, client.PersistentSequential, nil)
	case 7:
		_, err = c.Create(ctx, dir+"/e-", nil, client.EphemeralSequential, acl)
	case 8, 9:
		err = l.writeTTL(ctx, c, r, lane, data)
	case 10:
		_, _, err = c.CreateContainer(ctx, box, data, acl)
	case 11:
		_, _, err = c.Create2(ctx, box+"/in", data, client.Persistent, nil)
	case 12:
		err = c.Delete(ctx, box+"/in", -1)
	case 13, 14:
		_, err = c.Set(ctx, leaf, data, -1)
	case 15, 16:
		err = c.Delete(ctx, leaf, -1)
	case 17:
		if acl == nil {
			acl = wire.OpenACL()
		}
		_, err = c.SetACL(ctx, leaf, acl, -1)
	case 18:
		_, err = c.Create(ctx, fmt.Sprintf("/acl/%s-%d", lane, r.IntN(500)), data,
			client.Persistent, acl)
	case 19:
		_, err = c.Create(ctx, fmt.Sprintf("/q/%d/%s-%d", r.IntN(4), lane, r.IntN(300)), data,
			client.Persistent, nil)
	case 20:
		_, err = c.Multi(ctx, client.CreateOp(leaf+"m", data, client.Persistent, nil),
			client.SetOp("/seq", data, -1), client.DeleteOp(leaf+"m", -1),
			client.CreateOp(leaf+"m", nil, client.Ephemeral, nil))
	case 21:
		_, err = c.Multi(ctx, client.CreateOp(leaf+"f", data, client.Persistent, nil),
			client.CheckOp(dir, 77))
	}
	return err
}

// writeTTL makes znodes that have outlived their time long before they are looked at, and others
// that live for days; some of each have children, which keep them.
func (l *load) writeTTL(ctx context.Context, c *client.Client, r *rand.Rand, lane string,
	data []byte) error {

	n := r.IntN(300)
	var err error
	switch r.IntN(5) {
	case 0, 1:
		_, _, err = c.CreateTTL(ctx, fmt.Sprintf("%s%s-%d", shortLived, lane, n), data,
			time.Millisecond, false, nil)
	case 2:
		_, _, err = c.CreateTTL(ctx, fmt.Sprintf("/ttl/long-%s-%d", lane, n), data,
			time.Duration(1+r.Int64N(1e4))*time.Hour, false, nil)
	case 3:
		_, _, err = c.CreateTTL(ctx, "/ttl/long-", data, time.Duration(24+r.Int64N(1e4))*time.Hour,
			true, nil)
	case 4:
		_, err = c.Create(ctx, fmt.Sprintf("%s%s-%d/kept", shortLived, lane, n%50), nil,
			client.Persistent, nil)
	}
	return err
}

// shortLived begins the paths of znodes whose time to live is over.
const shortLived = "/ttl/short-"

// readAll reads what a connection says until it is closed.
func readAll(nc net.Conn) (string, error) {
	b, err := io.ReadAll(nc)
	return string(b), err
}
