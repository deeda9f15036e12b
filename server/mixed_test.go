package server_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
	"github.com/vivariumdb/vivarium/wire"
)

// TestMixedLoad lets everything meet that has a lock: pipelines, watches, syncs, multis, ends
// and moves of sessions, expiry, words, checkpoints, connections that break. It is for the race
// detector; what it judges is that every request is answered in its turn, that no zxid falls,
// and that a client's own writes are seen by its reads.
func TestMixedLoad(t *testing.T) {
	s := start(t, server.Options{
		Config: &config.Config{MinSessionTimeout: 300 * time.Millisecond},
		Member: replication.Config{CheckpointBytes: 16 << 10, IdleTicks: 1}})
	rounds := 20
	if testing.Short() {
		rounds = 8
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	connect(t, s.Addr()).must(wire.OpCreate, creation("/shared", nil, 0))
	var all sync.WaitGroup
	for i := range 12 {
		m := &mixed{t: t, s: s, id: i, random: rand.New(rand.NewPCG(seed, uint64(i)))}
		all.Go(func() {
			m.open()
			for range rounds {
				m.round()
			}
		})
	}
	words := make(chan struct{})
	var asking sync.WaitGroup
	for _, w := range []string{"mntr", "cons", "dump", "wchs", "wchp", "stat", "crst", "srst"} {
		asking.Go(func() {
			for {
				select {
				case <-words:
					return
				default:
					word(t, s.Addr(), w)
				}
			}
		})
	}
	all.Wait()
	close(words)
	asking.Wait()
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	t.Logf("%d checkpoints", len(s.log.all(said("state saved"))))
}

// mixed is one client of the mixed load.
type mixed struct {
	t      *testing.T
	s      *inside
	id     int
	random *rand.Rand
	c      *client
	value  int
	zxid   int64
}

func (m *mixed) path() string { return fmt.Sprintf("/mixed-%d", m.id) }

// open begins a session, and makes the client's znode if it is not there.
func (m *mixed) open() {
	m.c = connect(m.t, m.s.Addr())
	if p := m.c.call(wire.OpCreate, creation(m.path(), nil, 0)); p.Err != 0 &&
		p.Err != wire.CodeNodeExists {
		m.t.Errorf("create: %v", p.Err)
	}
}

func (m *mixed) round() {
	switch m.random.IntN(8) {
	case 0: // a new session after a proper end
		m.c.must(wire.OpCloseSession, nil)
		m.c.gone()
		m.open()
	case 1: // the same session on another connection, while the old one is still open
		old := m.c
		m.c = dial(m.t, m.s.Addr())
		if err := m.c.handshake(wire.ConnectRequest{TimeoutMs: 20000, SessionID: old.session,
			Password: old.password, LastZxidSeen: m.zxid}); err != nil {
			m.t.Errorf("attach: %v", err)
			m.open()
		}
		old.nc.Close()
	case 2: // a session that nobody ends
		c := dial(m.t, m.s.Addr())
		if err := c.handshake(wire.ConnectRequest{TimeoutMs: 1}); err != nil {
			m.t.Errorf("handshake: %v", err)
		}
		c.must(wire.OpCreate, creation("/shared/e", nil, wire.FlagEphemeralSequential))
		c.nc.Close()
	case 3: // watches, and what was missed
		m.c.must(wire.OpAddWatch, &wire.AddWatchRequest{Path: "/shared",
			Mode: wire.ModePersistentRecursive})
		m.c.xid = wire.XidSetWatches - 1
		m.c.must(wire.OpSetWatches, &wire.SetWatchesRequest{Data: []string{"/shared", m.path()},
			Exist: []string{"/none"}, Child: []string{"/"}})
		m.c.xid = 0
	default:
		m.pipeline()
	}
}

// pipeline sends a mix of requests and judges their answers.
func (m *mixed) pipeline() {
	var b []byte
	n := 1 + m.random.Int32N(60)
	want := make([]int, n) // what a read has to give, -1 for no read
	for xid := range n {
		want[xid] = -1
		switch m.random.IntN(6) {
		case 0:
			m.value++
			b = request(b, xid, wire.OpSetData, set(m.path(), fmt.Append(nil, m.value)))
		case 1:
			m.value++
			b = request(b, xid, wire.OpMulti, &wire.MultiRequest{Ops: []wire.MultiOp{
				{Op: wire.OpSetData, SetData: *set(m.path(), fmt.Append(nil, m.value))},
				{Op: wire.OpSetData, SetData: *set("/shared", fmt.Append(nil, m.value))}}})
		case 2:
			b = request(b, xid, wire.OpSync, &wire.PathRequest{Path: "/"})
		case 3:
			b = request(b, xid, wire.OpGetChildren, &wire.PathWatchRequest{Path: "/shared",
				Watch: true})
		default:
			want[xid] = m.value
			b = request(b, xid, wire.OpGetData, &wire.PathWatchRequest{Path: m.path(), Watch: true})
		}
	}
	if _, err := m.c.nc.Write(b); err != nil {
		m.t.Errorf("client %d: %v", m.id, err)
		return
	}
	for xid := int32(0); xid < n; {
		p, err := m.c.reply()
		if err != nil || p.Xid != xid && p.Xid != wire.XidNotification {
			m.t.Errorf("client %d: reply to %d: %+v, %v", m.id, xid, p, err)
			return
		}
		if p.Xid == wire.XidNotification {
			continue
		}
		if p.Zxid < m.zxid || p.Err != 0 {
			m.t.Errorf("client %d: reply to %d: %v, zxid %x after %x", m.id, xid, p.Err,
				p.Zxid, m.zxid)
		}
		m.zxid = p.Zxid
		if want[xid] > 0 {
			r := wire.NewReader(p.body)
			if got := string(r.Buffer()); got != fmt.Sprint(want[xid]) {
				m.t.Errorf("client %d read %s after it wrote %d", m.id, got, want[xid])
			}
		}
		xid++
	}
}
