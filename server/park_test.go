//go:build linux

package server_test

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/wire"
)

// feeders counts the goroutines that wait for the input of a connection.
func feeders() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "server.(*connection).serve(")
}

// waitParked waits until no connection has a goroutine.
func waitParked() {
	for feeders() > 0 {
		runtime.Gosched()
	}
}

// TestSilentClientsHaveNoGoroutine: they are answered all the same, in whatever pieces their
// requests come, and whoever ends the connection.
func TestSilentClientsHaveNoGoroutine(t *testing.T) {
	s := start(t, server.Options{})
	clients := make([]*client, 50)
	for i := range clients {
		clients[i] = connect(t, s.Addr())
	}
	silent := dial(t, s.Addr())
	waitParked()

	for _, c := range clients[10:] {
		c.must(wire.OpExists, get("/"))
	}
	waitParked() // not even these were quick

	half := request(nil, 7, wire.OpCreate, creation("/half", make([]byte, 5000), 0))
	for i, c := range clients[:10] {
		c.nc.Write(half[:1+i*400])
	}
	waitParked()
	for i, c := range clients[:10] {
		c.nc.Write(half[1+i*400:])
	}
	for i, c := range clients[:10] {
		if r, err := c.reply(); err != nil || r.Xid != 7 {
			t.Fatalf("client %d, request in two pieces: %+v, %v", i, r, err)
		}
	}

	// Another connection takes the session over: the server ends the first.
	old, again := clients[10], dial(t, s.Addr())
	err := again.handshake(wire.ConnectRequest{TimeoutMs: 20000, SessionID: old.session,
		Password: old.password})
	if err != nil {
		t.Fatalf("attach: %v", err)
	}
	old.gone()

	// A client that goes away is noticed.
	clients[11].nc.Close()
	clients[12].nc.(*net.TCPConn).SetLinger(0)
	clients[12].nc.Close()
	for range 3 {
		if _, err := s.log.wait(said("connection closed")); err != nil {
			t.Fatal(err)
		}
	}

	// An event finds who is silent.
	watcher := connect(t, s.Addr())
	watcher.call(wire.OpExists, &wire.PathWatchRequest{Path: "/new", Watch: true})
	again.must(wire.OpCreate, creation("/new", nil, 0))
	if r, err := watcher.reply(); err != nil || r.Xid != wire.XidNotification {
		t.Fatalf("event: %+v, %v", r, err)
	}

	// The end of the server finds all.
	if err := s.stop(); err != nil {
		t.Fatal(err)
	}
	for i, c := range append(clients[13:], silent) {
		if _, err := c.nc.Read(make([]byte, 1)); err != io.EOF && !isReset(err) {
			t.Errorf("client %d behind the end of the server: %v", i, err)
		}
	}
}

// TestBusyClientsKeepTheirGoroutine: who sends often is not parked between two requests.
func TestBusyClientsKeepTheirGoroutine(t *testing.T) {
	s := start(t, server.Options{})
	c := connect(t, s.Addr())
	for feeders() == 0 {
		c.must(wire.OpExists, get("/")) // as fast as it can
	}
}
