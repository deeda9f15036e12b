package core

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// images are those of a small tree: a session's ephemeral, a container, a TTL znode, a quota.
func images() []Image {
	open := wire.OpenACL()
	locked := []wire.ACL{{Perms: wire.PermRead, ID: worldAnyone}}
	return []Image{
		{Path: "/", Data: []byte{}, ACL: open, Created: 2, Pzxid: 5},
		{Path: "/a", Data: []byte("data"), ACL: locked, Czxid: 4, Mzxid: 9, Pzxid: 8, Ctime: 1,
			Mtime: 2, Version: 3, Aversion: 4, Created: 7},
		{Path: "/a/b", ACL: open, Czxid: 5, Mzxid: 5, Pzxid: 5, Owner: 77},
		{Path: "/a/box", ACL: open, Owner: containerOwner},
		{Path: "/a/ttl", Data: []byte{}, ACL: locked, Owner: ttlOwner | 1000},
		{Path: "/zookeeper", ACL: open},
		{Path: "/zookeeper/quota", ACL: open},
		{Path: "/zookeeper/quota/a", ACL: open},
		{Path: "/zookeeper/quota/a/zookeeper_limits", Data: []byte("count=9"), ACL: open},
		{Path: "/zookeeper/quota/a/zookeeper_stats", Data: []byte("count=1"), ACL: open},
	}
}

func build(t *testing.T) *State {
	t.Helper()
	b := NewBuilder()
	if err := b.AddSession(77, 4000, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	for _, img := range images() {
		if err := b.AddNode(img); err != nil {
			t.Fatal(err)
		}
	}
	b.CountQuotas()
	s, err := b.Finish(Founding{Index: 1, Term: 3, LastZxid: 0x300000007, ClockMs: 99})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBuild builds a State, and finds in it what was put in, and the digest that a State with
// this content has.
func TestBuild(t *testing.T) {
	s := build(t)
	want := images()
	want[len(want)-1].Data = []byte("count=4,bytes=4")
	config := Image{Path: "/zookeeper/config", Data: []byte{}, Aversion: -1,
		ACL: []wire.ACL{{Perms: wire.PermRead, ID: worldAnyone}}}
	want = append(want[:6:6], append([]Image{config}, want[6:]...)...)
	var got []Image
	_ = s.Walk(func(img Image) error {
		got = append(got, img)
		return nil
	})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("znodes (-want +got):\n%s", diff)
	}
	if s.Digest() != s.digestFromScratch() {
		t.Error("the digest is not that of the State")
	}
	if zxid := s.nextZxid(); zxid != 0x300000008 {
		t.Errorf("the next zxid is %v", zxid)
	}
	if s.EphemeralCount() != 1 || s.ContainerCount() != 1 || s.TTLCount() != 1 ||
		s.ACLCount() != 2 || s.NodeCount() != len(want)+1 {
		t.Errorf("counts: %d %d %d %d %d", s.EphemeralCount(), s.ContainerCount(), s.TTLCount(),
			s.ACLCount(), s.NodeCount())
	}
}

// TestBuildRefuses tries what would break an invariant of the State.
func TestBuildRefuses(t *testing.T) {
	open := wire.OpenACL()
	for _, test := range []struct {
		img  Image
		want string
	}{
		{Image{Path: "/x/y", ACL: open}, "its parent is missing"},
		{Image{Path: "/", ACL: open}, "twice"},
		{Image{Path: "/a", ACL: open}, "twice"},
		{Image{Path: "/e", ACL: open, Owner: 5}, "its session 0x5 is missing"},
		{Image{Path: "/n\x00n", ACL: open}, "no znode may have this path"},
		{Image{Path: "n", ACL: open}, "no znode may have this path"},
		{Image{Path: "/n/", ACL: open}, "no znode may have this path"},
		{Image{Path: "/n"}, "its ACL is empty"},
	} {
		b := NewBuilder()
		for _, img := range images()[:2] {
			if err := b.AddNode(img); err != nil {
				t.Fatal(err)
			}
		}
		err := b.AddNode(test.img)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("AddNode(%+v) = %v, want %q", test.img, err, test.want)
		}
	}
	b := NewBuilder()
	for _, id := range []SessionID{0, SessionID(containerOwner), SessionID(ttlOwner | 7)} {
		if err := b.AddSession(id, 1, [32]byte{}); err == nil {
			t.Errorf("AddSession(%v): no error", id)
		}
	}
	if _, err := b.Finish(Founding{}); err == nil {
		t.Error("Finish without a root: no error")
	}
}

// TestDump loads what Dump gives: the same State.
func TestDump(t *testing.T) {
	s := build(t)
	loader := NewLoader()
	header, err := s.Dump(func(r Record) error { return loader.Add(r.Key, r.Value) })
	if err != nil {
		t.Fatal(err)
	}
	again, err := loader.Finish(header)
	if err != nil {
		t.Fatal(err)
	}
	if again.Digest() != s.Digest() || again.LastZxid() != s.LastZxid() {
		t.Errorf("loaded: digest %x zxid %v, dumped %x %v", again.Digest(), again.LastZxid(),
			s.Digest(), s.LastZxid())
	}
	other, err := again.Refound(1, 1003)
	if err != nil {
		t.Fatal(err)
	}
	if zxid := other.nextZxid(); zxid != 1003<<32|1 {
		t.Errorf("the next zxid after Refound is %v", zxid)
	}
	if other.Digest() != other.digestFromScratch() || other.SessionCount() != 1 {
		t.Error("Refound: the digest is not that of the State, or the session is lost")
	}
}
