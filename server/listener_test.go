package server_test

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/wire"
)

// plain hides what a TCP connection can do besides net.Conn, as one with TLS does.
type plain struct{ net.Conn }

// odd is a listener that fails now and then and gives plain connections.
type odd struct {
	net.Listener
	n atomic.Int64
}

func (l *odd) Accept() (net.Conn, error) {
	if l.n.Add(1)%3 != 0 {
		return nil, errors.New("too many open files")
	}
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return plain{nc}, nil
}

// TestOddListener: errors of accept are waited out, and a connection that can only block is
// served like any other.
func TestOddListener(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, server.Options{Listener: &odd{Listener: inner}})
	for range 3 {
		c := connect(t, s.Addr())
		c.must(wire.OpCreate, creation("/a-", make([]byte, 900000), wire.FlagEphemeralSequential))
		var b []byte
		for xid := range int32(200) {
			b = request(b, xid, wire.OpSetData, set("/", nil))
			b = request(b, xid, wire.OpGetData, get("/"))
		}
		if _, err := c.nc.Write(b); err != nil {
			t.Fatal(err)
		}
		for i := range int32(400) {
			if p, err := c.reply(); err != nil || p.Xid != i/2 || p.Err != 0 {
				t.Fatalf("reply %d: %+v, %v", i, p, err)
			}
		}
		c.must(wire.OpCloseSession, nil)
		c.nc.Close()
	}
	if got := word(t, s.Addr(), "ruok"); got != "imok" {
		t.Errorf("ruok was answered %q", got)
	}
	if n := len(s.log.all(said("accept"))); n == 0 {
		t.Error("the errors are not in the log")
	}
}
