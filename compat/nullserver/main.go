// Command nullserver is the limit that other servers are measured against: it has the framing of
// ZooKeeper's protocol and does no work. It reads bursts, decodes headers, answers every read with
// the same KiB, flushes once a burst, and syncs once a burst that has writes in it. It keeps
// nothing; every request succeeds.
//
//	go run ./compat/nullserver -listen 127.0.0.1:2181 -log file
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"github.com/vivariumdb/vivarium/wire"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:2181", "`address` of the clients")
	path := flag.String("log", "", "`file` that writes are synced to; made anew")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *listen, *path); err != nil {
		fmt.Fprintln(os.Stderr, "nullserver:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, listen, path string) error {
	if path == "" {
		return errors.New("-log file is needed: what is written has to be synced somewhere")
	}
	log, err := newJournal(path)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	fmt.Fprintln(os.Stderr, "serving on", l.Addr())
	var session atomic.Int64
	for {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		c := &connection{nc: nc, log: log, session: session.Add(1)}
		go c.serve()
	}
}

// connection is one client.
type connection struct {
	nc      net.Conn
	log     *journal
	session int64
	out     []byte
	open    bool // the handshake is over
}

// readBytes is the longest burst.
const readBytes = 64 << 10

// value is what every read is told.
var value = make([]byte, 1024)

// serve answers burst after burst. It ends when the client closes its session, or with any error:
// nobody waits to hear of it.
func (c *connection) serve() {
	defer c.nc.Close()
	in, have := make([]byte, readBytes), 0
	for {
		n, err := c.nc.Read(in[have:])
		if err != nil {
			return
		}
		have += n
		used, wrote, ended := c.answer(in[:have])
		if used == 0 && have == len(in) {
			return // a request longer than the buffer: none of the benchmark's
		}
		if wrote {
			c.log.append(in[:used])
		}
		have = copy(in, in[used:have])
		if len(c.out) > 0 {
			if _, err := c.nc.Write(c.out); err != nil {
				return
			}
			c.out = c.out[:0]
		}
		if ended {
			return
		}
	}
}

// answer answers the whole requests in b and says how many bytes they were, whether there were
// writes, and whether the session is closed.
func (c *connection) answer(b []byte) (used int, wrote, ended bool) {
	for !ended {
		n, err := wire.FrameLength(b[used:], wire.DefaultMaxBuffer)
		if err != nil {
			return used, wrote, true
		}
		if n == 0 || len(b)-used < n {
			break
		}
		frame := b[used+wire.FrameHeaderLen : used+n]
		used += n
		if !c.open {
			c.open = true
			c.welcome(frame)
			continue
		}
		var q wire.RequestHeader
		r := wire.NewReader(frame)
		q.Decode(&r)
		write := c.reply(q)
		wrote = wrote || write
		ended = q.Op == wire.OpCloseSession
	}
	return used, wrote, ended
}

// welcome accepts any handshake.
func (c *connection) welcome(frame []byte) {
	var q wire.ConnectRequest
	r := wire.NewReader(frame)
	q.Decode(&r)
	answer := wire.ConnectResponse{TimeoutMs: q.TimeoutMs, SessionID: c.session,
		Password: make([]byte, wire.PasswordLen), HasReadOnly: q.HasReadOnly}
	b, at := wire.BeginFrame(c.out)
	c.out = wire.EndFrame(answer.AppendTo(b), at)
}

// reply answers one request and says whether it is a write.
func (c *connection) reply(q wire.RequestHeader) (write bool) {
	b, at := wire.BeginFrame(c.out)
	header := wire.ReplyHeader{Xid: q.Xid, Zxid: 1}
	b = header.AppendTo(b)
	var stat wire.Stat
	switch q.Op {
	case wire.OpPing:
	case wire.OpGetData:
		b = stat.AppendTo(wire.AppendBuffer(b, value))
	default:
		write = true
		b = stat.AppendTo(b)
	}
	c.out = wire.EndFrame(b, at)
	return write
}
