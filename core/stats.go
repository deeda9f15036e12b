package core

import (
	"math/bits"

	"github.com/vivariumdb/vivarium/wire"
)

// ConnStats are the counters of one connection, as `cons` shows them, since it was opened or
// ResetConnStats was called. Times are those given to Feed and Deliver, in milliseconds.
type ConnStats struct {
	Received, Sent         int64
	LastOp                 wire.OpCode // OpNotification before the first request
	LastCxid               int32       // -1 before the first request
	LastZxid               Zxid        // -1 likewise
	LastResponse           int64       // 0 likewise
	LastLatency            int64
	MinLatency, MaxLatency int64
	Requests, TotalLatency int64
}

func newConnStats() ConnStats { return ConnStats{LastCxid: -1, LastZxid: -1} }

// Totals are a server's counters since it started or ResetTotals was called.
type Totals struct {
	Received, Sent         int64
	BytesReceived          int64
	Handshakes             int64
	Requests, TotalLatency int64
	MinLatency, MaxLatency int64
}

// add sums up two shares of the same server.
func (t *Totals) add(s *Totals) {
	if s.Requests > 0 && (t.Requests == 0 || s.MinLatency < t.MinLatency) {
		t.MinLatency = s.MinLatency
	}
	t.MaxLatency = max(t.MaxLatency, s.MaxLatency)
	t.Received += s.Received
	t.Sent += s.Sent
	t.BytesReceived += s.BytesReceived
	t.Handshakes += s.Handshakes
	t.Requests += s.Requests
	t.TotalLatency += s.TotalLatency
}

func (t *Totals) took(ms int64) {
	if t.Requests == 0 || ms < t.MinLatency {
		t.MinLatency = ms
	}
	t.MaxLatency = max(t.MaxLatency, ms)
	t.Requests++
	t.TotalLatency += ms
}

// Latencies count how long requests took that waited for something, by milliseconds: exactly
// below 16, and with an error of an eighth above.
type Latencies struct {
	Count, Sum, Min, Max int64
	buckets              [16 + 8*28]int64
}

func (h *Latencies) add(ms int64) {
	if h.Count == 0 || ms < h.Min {
		h.Min = ms
	}
	h.Max = max(h.Max, ms)
	h.Count++
	h.Sum += ms
	h.buckets[latencyBucket(ms)]++
}

func latencyBucket(ms int64) int {
	if ms < 16 {
		return int(max(0, ms))
	}
	ms = min(ms, 1<<31-1)
	shift := bits.Len64(uint64(ms)) - 4 // ms>>shift is 8 to 15
	return 16 + 8*(shift-1) + int(ms>>shift) - 8
}

// Quantile returns what the share q of all is not above, 0 if there is none.
func (h *Latencies) Quantile(q float64) int64 {
	rank := int64(q * float64(h.Count))
	for i, n := range h.buckets {
		if rank -= n; rank < 0 {
			if i < 16 {
				return int64(i)
			}
			shift := (i-16)/8 + 1
			return min(h.Max, (int64((i-16)%8)+9)<<shift-1)
		}
	}
	return h.Max
}

// Stats returns the connection's counters. The caller holds S exclusively.
func (c *Conn) Stats() ConnStats { return c.stats }

// received counts one packet of n bytes.
func (c *Conn) received(n int) {
	c.stats.Received++
	c.share.Received++
	c.share.BytesReceived += int64(n)
}

// sent counts one reply or event.
func (c *Conn) sent() {
	c.stats.Sent++
	c.share.Sent++
}

// began notes which request is being answered. Those with special xids are not a client's own
// operations, and an auth packet is none either: ZooKeeper does not show them.
func (c *Conn) began(q wire.RequestHeader) {
	if q.Op == wire.OpAuth {
		return
	}
	c.stats.LastOp = q.Op
	if q.Xid >= 0 {
		c.stats.LastCxid = q.Xid
	}
}

// ended counts one answered request. Pings count as well, as in ZooKeeper.
func (c *Conn) ended(at, now int64) {
	took := max(0, now-at)
	s := &c.stats
	if s.Requests == 0 || took < s.MinLatency {
		s.MinLatency = took
	}
	s.MaxLatency = max(s.MaxLatency, took)
	s.Requests++
	s.TotalLatency += took
	s.LastLatency, s.LastResponse = took, now
	c.share.took(took)
}

// created counts the creation of the connection's session, which to ZooKeeper is a request with
// the xid 0. Coming back to a session is none.
func (c *Conn) created(zxid Zxid, now int64) {
	c.began(wire.RequestHeader{Op: wire.OpCreateSession})
	c.stats.LastZxid = zxid
	c.ended(c.greetedAt, now)
}

// Totals sums up all connections there were. The caller holds S exclusively.
func (l *Local) Totals() Totals {
	t := l.retired
	for _, c := range l.conns { //order-free: a sum
		t.add(&c.share)
	}
	return t
}

// WordReceived and WordAnswered count a four-letter word as ZooKeeper does: one packet in, and
// one out that only the server counts. The caller holds S exclusively.
func (l *Local) WordReceived(c *Conn) { c.received(4) }
func (l *Local) WordAnswered(c *Conn) { c.share.Sent++ }

// Waited are the latencies of the requests that had to wait: of writes, and of the reads
// behind them. All other reads took no time. The caller holds S exclusively.
func (l *Local) Waited() (writes, reads Latencies) { return l.writes, l.reads }

// ResetTotals lets Totals and Waited begin anew. The caller holds S exclusively.
func (l *Local) ResetTotals() {
	l.retired, l.writes, l.reads = Totals{}, Latencies{}, Latencies{}
	for _, c := range l.conns { //order-free: each has its own
		c.share = Totals{}
	}
}

// ResetConnStats lets the Stats of all connections begin anew. The caller holds S exclusively.
func (l *Local) ResetConnStats() {
	for _, c := range l.conns { //order-free: each has its own
		c.stats = newConnStats()
	}
}
