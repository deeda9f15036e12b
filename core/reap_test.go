package core

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

func TestReapable(t *testing.T) {
	m := newMachine(t)
	m.clock = 1000
	c := m.connect()
	container := func(path string) {
		t.Helper()
		must(t, c.do(wire.OpCreateContainer, &wire.CreateRequest{Path: path, ACL: wire.OpenACL()}))
	}
	withTTL := func(path string, ms int64) {
		t.Helper()
		must(t, c.do(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: path, ACL: wire.OpenACL(),
			Flags: wire.FlagTTL, TTLMs: ms}))
	}
	for _, path := range []string{"/used", "/full", "/never"} {
		container(path)
	}
	withTTL("/ttl", 100)
	withTTL("/ttl-with-child", 100)
	must(t, c.create("/used/x", "", 0))
	must(t, c.delete("/used/x", -1))
	must(t, c.create("/full/x", "", 0))
	must(t, c.create("/ttl-with-child/x", "", 0))
	must(t, c.create("/plain", "", 0))
	must(t, c.create("/plain/x", "", 0))
	must(t, c.delete("/plain/x", -1))
	ttlEnds := m.stat("/ttl").Mtime + 100
	for _, test := range []struct {
		now, neverUsed int64
		want           []string
	}{
		{ttlEnds, 0, []string{"/used"}},
		{ttlEnds + 1, 0, []string{"/ttl", "/used"}},
		{ttlEnds + 1, 1000, []string{"/ttl", "/used"}},
		{ttlEnds + 1, 10, []string{"/never", "/ttl", "/used"}},
	} {
		var got []string
		for _, r := range m.s.AppendReapable(nil, test.now, test.neverUsed, 100, 1<<20) {
			got = append(got, r.Path)
			if n := m.s.lookup(r.Path); n.czxid != r.Czxid {
				t.Errorf("%s has czxid %v, not %v", r.Path, n.czxid, r.Czxid)
			}
		}
		if d := diff(test.want, got); d != "" {
			t.Errorf("at %d, never used for %d: %s", test.now, test.neverUsed, d)
		}
	}
	m.clock = ttlEnds
	must(t, c.set("/ttl", "renewed", -1))
	if got := m.s.AppendReapable(nil, ttlEnds+1, 0, 100, 1<<20); len(got) != 1 {
		t.Errorf("each setData renews a TTL, yet %v", got)
	}
}

// TestReapableIsBounded: what is found at once becomes one entry, however many are to go and
// however long the path is that they lie below. The oldest go first, so that nothing is passed over
// for ever.
func TestReapableIsBounded(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	below := "/" + strings.Repeat("n", 1000)
	must(t, c.create(below, "", 0))
	for n := range 9 {
		path := fmt.Sprintf("%s/%d", below, 9-n)
		must(t, c.do(wire.OpCreateContainer,
			&wire.CreateRequest{Path: path, ACL: wire.OpenACL()}))
		must(t, c.create(path+"/x", "", 0))
		must(t, c.delete(path+"/x", -1))
	}
	for _, test := range []struct {
		most, mostBytes int
		want            string
	}{
		{100, 1 << 20, "1 2 3 4 5 6 7 8 9"}, {9, 9 * 1003, "1 2 3 4 5 6 7 8 9"},
		{4, 1 << 20, "6 7 8 9"}, {100, 4 * 1003, "6 7 8 9"}, {100, 4*1003 - 1, "7 8 9"},
		{100, 10, "9"},
	} {
		var got []string
		for _, r := range m.s.AppendReapable(nil, m.clock, 0, test.most, test.mostBytes) {
			got = append(got, strings.TrimPrefix(r.Path, below+"/"))
		}
		if got := strings.Join(got, " "); got != test.want {
			t.Errorf("at most %d and %d bytes: %s, want %s", test.most, test.mostBytes, got,
				test.want)
		}
	}
}

// TestReapLooksAgain: apply "checks the node again" (DESIGN section 4), by the State's clock.
func TestReapLooksAgain(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.do(wire.OpCreateContainer, &wire.CreateRequest{Path: "/c", ACL: wire.OpenACL()}))
	must(t, c.create("/c/x", "", 0))
	must(t, c.delete("/c/x", -1))
	must(t, c.do(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/t", ACL: wire.OpenACL(),
		Flags: wire.FlagTTL, TTLMs: 100}))
	found := m.s.AppendReapable(nil, m.clock+1000, 0, 100, 1<<20)
	if len(found) != 2 {
		t.Fatalf("reapable: %v", found)
	}
	reap := func(r Reap) Outcome { return m.housekeep(0, AppendReap(nil, r.Path, r.Czxid, 0)) }
	skipped := func(what string, r Reap) {
		t.Helper()
		before := m.s.LastZxid()
		if out := reap(r); out.Reason != ReasonNotReapable || m.s.LastZxid() != before {
			t.Errorf("%s: %+v, want it skipped", what, out)
		}
	}
	must(t, c.create("/c/y", "", 0))
	skipped("a container with a child created meanwhile", found[0])
	must(t, c.delete("/c/y", -1))
	skipped("a TTL znode whose time is not up by the State's clock", found[1])
	skipped("another znode of that path", Reap{Path: "/c", Czxid: found[0].Czxid + 1})
	skipped("a plain znode", Reap{Path: "/", Czxid: 0})
	skipped("nothing", Reap{Path: "/none", Czxid: 1})
	out := must(t, reap(found[0]))
	if d := diff([]string{"NodeDeleted /c", "NodeChildrenChanged /"}, events(out)); d != "" ||
		out.Zxid != m.s.LastZxid() || out.Own {
		t.Errorf("reap: %+v %s", out, d)
	}
	m.clock += 1000
	must(t, reap(found[1]))
	if got := fmt.Sprint(m.s.ContainerCount(), m.s.TTLCount(), m.s.NodeCount()); got != "0 0 5" {
		t.Errorf("containers, TTLs and znodes left: %s, want 0 0 5", got)
	}
	m.checkDigest()
}
