package sim

import (
	"testing"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// A judge who expects something else of a session than what it is asked for must object to what it
// does: so it would to a session that does not do what it is asked for.
func TestConduct(t *testing.T) {
	for _, test := range []struct {
		want  string // part of what the judge says
		alter func(*protocolClient)
	}{
		{"it greets with", func(c *protocolClient) { c.cfg.SessionTimeoutMs++ }},
		{"it greets with", func(c *protocolClient) { c.cfg.ReadOnly = !c.cfg.ReadOnly }},
		{"its server takes", func(c *protocolClient) { c.cfg.MaxRequest = 30 }},
		{"it has said nothing for", func(c *protocolClient) { c.twin.timeout /= 4 }},
		{"it has heard nothing for", func(c *protocolClient) { c.twin.timeout /= 100 }},
		{"its caller was told", func(c *protocolClient) { c.twin.state = wire.StateExpired }},
		{"without a connection", func(c *protocolClient) { c.twin.served = false }},
		{"its server is read-only", func(c *protocolClient) { c.twin.readOnly = true }},
		{"and it goes on", func(c *protocolClient) { c.twin.refused = true }},
		{"it dials server", func(c *protocolClient) { c.twin.server = serverOf(next(c)) }},
	} {
		k := Ensemble(3, 6000)
		k.Clients, k.ProtocolClients, k.ResetMs, k.MinTimeoutMs = 1, 3, 1000, 2000
		k.MaxTimeoutMs, k.WeightWatch, k.ThinkUs = 4000, 100, 20_000
		r := Run(Options{Seed: 1, Knobs: &k, Script: func(s *Stage) {
			s.w.populate()
			for at := int64(1500); at < 4000; at += 7 {
				s.At(at, func() {
					for _, c := range s.w.clients {
						c, ok := c.(*protocolClient)
						if ok && c.s.State() == wire.StateSyncConnected && c.open > 0 {
							test.alter(c)
						}
					}
				})
			}
		}})
		if !objects(r, test.want) {
			t.Errorf("nobody says that a session %q: %v", test.want, r.Violations)
		}
	}
}

// next is the server that the session dials next.
func next(c *protocolClient) string {
	for i, name := range c.cfg.Servers {
		if serverOf(name) == c.twin.server {
			return c.cfg.Servers[(i+1)%len(c.cfg.Servers)]
		}
	}
	return c.cfg.Servers[0]
}

// A session that dials without a pause is objected to, one that has heard somebody is not.
func TestDialsWithoutPause(t *testing.T) {
	for _, hears := range []bool{false, true} {
		w := &World{}
		c := &protocolClient{w: w, cfg: protocol.Config{Servers: []string{"1", "2"}}}
		c.s, _ = protocol.New(c.cfg, 0)
		tw := newTwin(c)
		for i := range int64(100) {
			tw.dials(1 + i%2)
			w.clock.now += millisecond
			if hears {
				tw.hears(&arrival{xid: wire.XidPing})
			}
		}
		if bad := len(w.violations) > 0; bad == hears {
			t.Errorf("100 dials in 100 ms, each heard: %v; objected to: %v", hears, bad)
		}
	}
}

// An answer is told as it came.
func TestAnswersAreToldAsTheyCame(t *testing.T) {
	for _, test := range []struct {
		told protocol.Reply
		ok   bool
	}{
		{protocol.Reply{Op: wire.OpDelete, Zxid: 5}, true},
		{protocol.Reply{Op: wire.OpDelete}, false},
		{protocol.Reply{Op: wire.OpDelete, Zxid: 5, Err: wire.CodeNoNode}, false},
		{protocol.Reply{Op: wire.OpCreate, Zxid: 5, Body: wire.AppendString(nil, "/a")}, false},
	} {
		c := &protocolClient{w: &World{}, cfg: protocol.Config{Servers: []string{"1"}}}
		c.s, _ = protocol.New(c.cfg, 0)
		tw := newTwin(c)
		tw.answers[0] = &arrival{op: wire.OpDelete, zxid: 5,
			result: &linearizability.Result{}}
		tw.answeredAs(&test.told)
		if ok := len(c.w.violations) == 0; ok != test.ok {
			t.Errorf("%+v is told of an answer at zxid 5: fine %v, want %v", test.told, ok, test.ok)
		}
	}
}

// Watches are not removed for which others wait, or will when they are answered.
func TestWatchesOfOthersStay(t *testing.T) {
	read := wire.PathWatchRequest{Path: "/a", Watch: true}
	under := &asking{op: wire.OpExists, body: read.AppendTo(nil), watcher: 2}
	for _, test := range []struct {
		waits func(*twin)
		ok    bool
	}{
		{func(*twin) {}, true},
		{func(tw *twin) { tw.armed[watchExist]["/a"] = []protocol.WatcherID{2} }, false},
		{func(tw *twin) { tw.armed[watchChild]["/a"] = []protocol.WatcherID{2} }, true},
		{func(tw *twin) { tw.armed[watchData]["/b"] = []protocol.WatcherID{2} }, true},
		{func(tw *twin) { tw.byXid[7] = under }, false},
		{func(tw *twin) { tw.byXid[7] = &asking{op: under.op, body: under.body} }, true},
	} {
		c := &protocolClient{w: &World{}, cfg: protocol.Config{Servers: []string{"1"}}}
		c.s, _ = protocol.New(c.cfg, 0)
		tw := newTwin(c)
		tw.dialled()
		test.waits(tw)
		q := wire.WatcherRequest{Path: "/a", Type: wire.WatcherData}
		tw.says(wire.RequestHeader{Xid: 8, Op: wire.OpRemoveWatches}, q.AppendTo(nil), nil)
		if ok := len(c.w.violations) == 0; ok != test.ok {
			t.Errorf("a removal while %d wait and %d are under way: fine %v, want %v",
				len(tw.armed[watchData])+len(tw.armed[watchExist]), len(tw.byXid), ok, test.ok)
		}
	}
}
