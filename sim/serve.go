package sim

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// serverConn is the process's side of one connection.
type serverConn struct {
	h    *host
	conn *core.Conn
	end  *end

	in      []byte // read from the link, not fed yet
	whole   []byte // the memory of in
	out     []byte // taken from the connection, not written yet
	sent    uint64 // bytes written in all
	feeding bool   // a feed is under way
	writing bool   // so is a flush
	closing bool   // to be closed once out is written
	waiting bool   // the machine would not take more
	since   int64  // then it began to wait
}

// accept takes a connection that the machine's kernel has accepted.
func (h *host) accept(e *end, ip netip.Addr) {
	if h.stopping {
		e.close(linearizability.CauseServer)
		return
	}
	h.nextConn++
	conn, cause := h.member.Local.Open(core.ConnInfo{ID: h.nextConn,
		Remote: netip.AddrPortFrom(ip, uint16(h.nextConn)), Random: h.life.id(), NowMs: h.mono()})
	h.judgeTaken(ip, cause)
	if cause != core.CauseNone {
		h.nextConn--
		h.w.count.add(faultRefused)
		e.close(linearizability.CauseServer)
		return
	}
	sc := &serverConn{h: h, conn: conn, end: e}
	h.conns[conn.ID()] = sc
	epoch := h.epoch
	alive := func(do func()) func() {
		return func() {
			if h.epoch == epoch {
				do()
			}
		}
	}
	e.readable = alive(sc.feed)
	e.writable = alive(sc.flush)
	gone := alive(sc.lost)
	e.gone = func(string) { gone() }
	if e.over {
		sc.lost()
		return
	}
	sc.feed()
}

// tend looks after the connections that apply or a sweep did something to.
func (h *host) tend(touched []*core.Conn) {
	for _, c := range touched {
		h.judgeOwed(c)
		if sc := h.conns[c.ID()]; sc != nil {
			given := h.member.Local.Outstanding()
			if h.pace.chance(700) && h.member.Local.Resume(c) {
				h.w.abstract.resumed(sc, given)
				h.wake()
			}
			sc.waiting = false
			sc.flush()
			sc.feed()
		}
	}
}

// lost learns that the peer is gone. The machine forgets the connection a little later.
func (sc *serverConn) lost() {
	h := sc.h
	h.soon(h.w.k.FeedUs, func() { sc.forget() })
}

func (sc *serverConn) forget() {
	h := sc.h
	if h.conns[sc.conn.ID()] != sc {
		return
	}
	delete(h.conns, sc.conn.ID())
	h.member.Local.Closed(sc.conn)
	h.tend(h.member.Local.TakeTouched(nil))
	if h.member.Local.Inbox.Waiting() {
		h.wake()
	}
}

// feed gives what has arrived to the machine, soon.
func (sc *serverConn) feed() {
	if sc.feeding || sc.closing {
		return
	}
	sc.feeding = true
	sc.h.soon(sc.h.w.k.FeedUs, func() {
		sc.feeding = false
		if sc.h.conns[sc.conn.ID()] == sc && !sc.closing {
			sc.feedSome()
		}
	})
}

// feedSome calls Feed a bounded number of times.
func (sc *serverConn) feedSome() {
	h, local := sc.h, sc.h.member.Local
	h.boundary(faultCrashFeed)
	more := true
	for budget := 1 + h.pace.Int64N(h.w.k.FeedBudget); more && budget > 0; budget-- {
		more = sc.step(local)
	}
	h.boundary(faultCrashFeed)
	if local.Inbox.Waiting() {
		h.wake()
	}
	sc.flush()
	if more {
		sc.feed()
	}
	if sc.end.finished() && len(sc.in) == 0 {
		sc.lost()
	}
}

// step does what the machine needs next and says whether there may be more to do.
func (sc *serverConn) step(local *core.Local) (more bool) {
	h, c := sc.h, sc.conn
	switch need := c.Next(local, sc.in, h.mono()); {
	case need.Feedable():
		sync := c.Established() && !c.Session().IsReadOnly() && isSync(sc.in)
		touched, given := c.TouchedMs(), local.Outstanding()
		why := sc.unreadable()
		n := c.Feed(local, sc.in, h.mono())
		sc.judgeRead(n, why)
		if c.TouchedMs() > touched && !c.Session().IsReadOnly() {
			h.vigil.hears(c.Session(), h.w.clock.now)
		}
		if sync && n > 0 && c.Queued() == 0 && c.Cause() == core.CauseNone {
			h.w.violate("reads", "a sync is answered before anybody was asked")
		}
		h.w.abstract.fed(sc, sc.in[:n], given)
		sc.scribble(n)
		return true
	case need == core.NeedBytes:
		if want := c.Want(); want > 0 && want <= len(sc.in) {
			h.w.violate("driver", fmt.Sprintf("%d bytes are wanted, %d are there", want,
				len(sc.in)))
		}
		if h.pace.chance(100) {
			h.spare = c.Lend(h.spare)
		}
		return sc.read()
	case need == core.NeedWait:
		if !sc.waiting {
			sc.waiting, sc.since = true, h.w.clock.now
			h.w.count.add(countBackPressure)
		}
		return false
	case need == core.NeedWord:
		h.w.count.add(countWords)
		h.look(sc)
		sc.out = append(sc.out, "imok"...)
		sc.closing = true
		return false
	case need == core.NeedClose:
		sc.judgeEnd()
		if c.Cause() == core.CauseSlowReader {
			sc.out = nil // it does not read: nothing is sent any more
		}
		sc.closing = true
		return false
	}
	h.w.violate("driver", "Next asked for something that is not known")
	return false
}

// isSync says whether the next frame is a whole sync.
func isSync(in []byte) bool {
	return len(in) >= 12 && int(binary.BigEndian.Uint32(in)) <= len(in)-4 &&
		wire.OpCode(binary.BigEndian.Uint32(in[8:])) == wire.OpSync
}

// unread says since when the server does not read an open connection of a session, for reasons of
// its own. A pause begins it anew.
func (h *host) unread(session core.SessionID) (since int64, ok bool) {
	for id := core.ConnID(1); id <= h.nextConn; id++ {
		sc := h.conns[id]
		if sc != nil && sc.conn.Session() == session && sc.waiting && !sc.end.over &&
			sc.conn.Cause() == core.CauseNone &&
			!sc.end.link.black {
			return max(sc.since, h.pausedAt), true
		}
	}
	return 0, false
}

// look reads what four-letter words show, and holds it against what is known here.
func (h *host) look(sc *serverConn) {
	local := h.member.Local
	local.WordReceived(sc.conn)
	local.WordAnswered(sc.conn)
	h.show()
	bad := func(what string, have, want int) {
		h.w.violate("words", fmt.Sprintf("%s is %d, want %d", what, have, want))
	}
	if n := local.ConnCount(); n != len(h.conns) {
		bad("the number of connections", n, len(h.conns))
	}
	queued := 0
	for _, c := range local.Conns() {
		stats := c.Stats()
		queued += c.Queued()
		if stats.Sent < 0 || stats.Received < 0 || c.OpenedMs() > h.mono() {
			bad("a counter of "+c.ID().String(), -1, 0)
		}
	}
	if n := local.Outstanding(); n > queued && local.ConnCount() > 0 && n > 10000 {
		bad("the number of outstanding requests", n, queued)
	}
	conns, paths, watches := local.Watches.Counts()
	rows, seen := local.Watches.Rows(), 0
	for _, row := range rows {
		seen += len(row.Sessions)
	}
	if len(rows) != paths {
		bad("the number of paths watched", paths, len(rows))
	}
	if seen != watches {
		bad("the number of watches", watches, seen)
	}
	if conns > len(h.conns) {
		bad("the number of connections that watch", conns, len(h.conns))
	}
	writes, reads := local.Waited()
	if writes.Quantile(0.99) < 0 || reads.Quantile(0.5) < 0 {
		bad("a latency", -1, 0)
	}
	if t := local.Totals(); t.Received < 0 || t.Sent < 0 {
		bad("a total", -1, 0)
	}
	switch h.pace.IntN(4) {
	case 0:
		local.ResetTotals()
	case 1:
		local.ResetConnStats()
	}
}

// scribble takes n bytes off the input and spoils them: they are the driver's again, and who
// still looks at them is found out.
func (sc *serverConn) scribble(n int) {
	if n == 0 {
		return
	}
	sc.h.w.count.add(faultScribble)
	sc.end.link.reel.take(n)
	for i := range sc.in[:n] {
		sc.in[i] = 0xdb
	}
	sc.in = sc.in[n:]
}

// read takes bytes from the link.
func (sc *serverConn) read() bool {
	h := sc.h
	limit := int(1 + h.pace.Int64N(h.w.k.FeedBytes))
	if limit == 1 {
		h.w.count.add(faultOneByteFeed)
	}
	b := sc.end.read(limit)
	if len(b) == 0 {
		return false
	}
	if len(sc.in) == 0 {
		sc.in = sc.whole[:0]
	}
	sc.in = append(sc.in, b...)
	if cap(sc.in) > cap(sc.whole) {
		sc.whole = sc.in
	}
	return true
}

// flush writes what the machine has to say, soon.
func (sc *serverConn) flush() {
	if sc.writing || len(sc.out) == 0 && !sc.conn.HasOutput() && !sc.closing {
		return
	}
	sc.writing = true
	sc.h.soon(sc.h.w.k.FlushUs, func() {
		sc.writing = false
		if sc.h.conns[sc.conn.ID()] == sc {
			sc.flushSome()
		}
	})
}

func (sc *serverConn) flushSome() {
	h := sc.h
	if len(sc.out) == 0 {
		sc.out = sc.conn.Take(h.spare)
		h.spare = nil
	}
	if len(sc.out) > 0 && sc.writeSome() == 0 {
		if sc.closing {
			sc.linger()
		}
		return // the link says when there is room
	}
	if len(sc.out) > 0 || sc.conn.HasOutput() {
		sc.flush()
		return
	}
	if sc.closing {
		sc.close()
	}
}

// writeSome writes a part of out.
func (sc *serverConn) writeSome() int {
	h := sc.h
	h.boundary(faultCrashSend)
	sc.end.link.generation = uint64(sc.conn.Generation())
	limit := min(len(sc.out), int(1+h.pace.Int64N(h.w.k.FlushBytes)))
	n := sc.end.write(sc.out[:limit])
	h.w.trace.add(h.w.clock.now, traceSend, sc.end.link.id, sc.out[:n])
	sc.end.link.reel.write(n)
	sc.sent += uint64(n)
	if n == len(sc.out) {
		h.spare, sc.out = sc.out[:0], nil
	} else {
		sc.out = sc.out[n:]
	}
	if n > 0 {
		sc.conn.Wrote(sc.sent)
		h.boundary(faultCrashSend)
		sc.waiting = false
		sc.feed()
	}
	return n
}

// linger gives a client that does not read some time to take the last words.
func (sc *serverConn) linger() {
	sc.h.after(2000*millisecond, func() {
		if sc.h.conns[sc.conn.ID()] == sc {
			sc.close()
		}
	})
}

func (sc *serverConn) close() {
	sc.end.close(linearizability.CauseServer)
	sc.forget()
}
