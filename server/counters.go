package server

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server/fourletter"
)

// counters are what the member does not count.
type counters struct {
	rejected    atomic.Int64 // connections
	silent      atomic.Int64 // connections without a session for too long
	slow        atomic.Int64 // connections whose clients did not read
	traceMask   atomic.Int64
	syncs       summary // of the log, in ms
	checkpoints summary // in ms
	load        summary // of the State at the start, in ms
	saved       atomic.Pointer[saved]
}

// ended counts why a connection ended.
func (c *counters) ended(cause core.Cause) {
	switch cause {
	case core.CauseHandshakeTimeout:
		c.silent.Add(1)
	case core.CauseSlowReader:
		c.slow.Add(1)
	}
}

// reset lets all begin anew that srst does, in ZooKeeper everything but gauges.
func (c *counters) reset() {
	for _, n := range []*atomic.Int64{&c.rejected, &c.silent, &c.slow} {
		n.Store(0)
	}
	for _, m := range []*summary{&c.syncs, &c.checkpoints, &c.load} {
		m.reset()
	}
}

// summary collects observations.
type summary struct {
	mu sync.Mutex
	s  fourletter.Summary
}

func (m *summary) add(v int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.s.Count == 0 || v < m.s.Min {
		m.s.Min = v
	}
	m.s.Max = max(m.s.Max, v)
	m.s.Count++
	m.s.Sum += v
}

func (m *summary) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.s = fourletter.Summary{}
}

func (m *summary) get() fourletter.Summary {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.s
}

// digestRing keeps the last digests for the word hash, as many as ZooKeeper does.
type digestRing struct {
	mu   sync.Mutex
	list []fourletter.Digest
}

const keptDigests = 1024

func (r *digestRing) add(list []replication.ZxidDigest) {
	if len(list) == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range list {
		// The word has 64 bits. Ours has more, and is another function than ZooKeeper's: the
		// lines of two members of ours can be compared, never those of ours with ZooKeeper's.
		r.list = append(r.list, fourletter.Digest{Zxid: int64(d.Zxid),
			Digest: int64(binary.BigEndian.Uint64(d.Digest[8:]) >> 1)})
	}
	if over := len(r.list) - keptDigests; over > 0 {
		r.list = append(r.list[:0], r.list[over:]...)
	}
}

func (r *digestRing) get() []fourletter.Digest {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]fourletter.Digest(nil), r.list...)
}
