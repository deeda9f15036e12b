package core

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// store is a checkpoint store.
type store struct {
	records map[string][]byte
	header  []byte
}

func newStore() *store { return &store{records: map[string][]byte{}} }

func (d *store) keys() []string { return slices.Sorted(maps.Keys(d.records)) }

// take writes what a step has captured.
func (d *store) take(c *Capture) {
	for _, r := range c.Records {
		if r.Delete {
			delete(d.records, string(r.Key))
		} else {
			d.records[string(r.Key)] = r.Value
		}
	}
	if c.Header != nil {
		d.header = c.Header
	}
	c.Reset()
}

// checkpoint writes a whole checkpoint and returns the number of records.
func (d *store) checkpoint(s *State) int {
	s.Freeze()
	var c Capture
	for done := false; !done; {
		done = s.Capture(&c, 100)
	}
	n := len(c.Records)
	d.take(&c)
	return n
}

func (d *store) load() (*State, error) {
	l := NewLoader()
	for _, k := range d.keys() {
		if err := l.Add([]byte(k), d.records[k]); err != nil {
			return nil, err
		}
	}
	return l.Finish(d.header)
}

func (d *store) mustLoad(t *testing.T) *State {
	t.Helper()
	s, err := d.load()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestCheckpointOfFoundingState(t *testing.T) {
	d := newStore()
	s := NewState()
	d.checkpoint(s)
	if got, want := dumpState(d.mustLoad(t)), newModel().dump(); got != want {
		t.Errorf("loaded %s, want %s", got, want)
	}
	if n := d.checkpoint(s); n != 0 {
		t.Errorf("a checkpoint of no changes has %d records", n)
	}
}

// TestCheckpointIsOfTheFreeze: "a frozen node is captured before it is changed" (DESIGN 5).
func TestCheckpointIsOfTheFreeze(t *testing.T) {
	m := newMachine(t)
	c := m.connect(wire.ID{Scheme: "digest", ID: "u:x"})
	other := m.connect()
	for i := range 20 {
		must(t, c.create(fmt.Sprintf("/n%d", i), "old", 0))
	}
	must(t, other.create("/e", "", wire.FlagEphemeral))
	d := newStore()
	d.checkpoint(m.s)
	for i := range 10 {
		must(t, c.set(fmt.Sprintf("/n%d", i), "frozen", -1))
	}
	must(t, c.delete("/n19", -1))
	must(t, c.create("/new", "", 0))
	want, digest := dumpState(m.s), m.s.Digest()
	m.s.Freeze()
	// All kinds of changes to frozen items before any is captured, and between the steps.
	must(t, c.set("/n0", "later", -1))
	must(t, c.delete("/n1", -1))
	must(t, c.delete("/n2", -1))
	must(t, c.create("/n2", "again", 0))
	must(t, c.create("/n19", "again", 0))
	must(t, c.delete("/new", -1))
	must(t, c.do(wire.OpSetACL, &wire.SetACLRequest{Path: "/n3", Version: -1,
		ACL: []wire.ACL{{Perms: wire.PermAll, ID: wire.ID{Scheme: "auth"}}}}))
	c.attach(wire.ID{Scheme: "digest", ID: "u:x"}, wire.ID{Scheme: "ip", ID: "10.0.0.1"})
	must(t, other.close())
	var step Capture
	for i := 3; !m.s.Capture(&step, 2); i++ {
		if i < 10 {
			must(t, c.set(fmt.Sprintf("/n%d", i), "later", -1))
		}
		if len(step.Records) > 2 {
			t.Fatalf("a step of 2 captured %d records", len(step.Records))
		}
		d.take(&step)
	}
	d.take(&step)
	s := d.mustLoad(t)
	if diff := diff(want, dumpState(s)); diff != "" {
		t.Errorf("the checkpoint is not the State at its start: %s", diff)
	}
	if s.Digest() != digest {
		t.Errorf("digest %x, want %x", s.Digest(), digest)
	}
	d.checkpoint(m.s)
	if diff := diff(dumpState(m.s), dumpState(d.mustLoad(t))); diff != "" {
		t.Errorf("the next checkpoint misses changes made during the first: %s", diff)
	}
}

// TestCheckpointCostsChanges: "persisting costs O(changes), never O(tree)" (DESIGN 2).
func TestCheckpointCostsChanges(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	for i := range 1000 {
		must(t, c.create(fmt.Sprintf("/n%d", i), "", 0))
	}
	d := newStore()
	d.checkpoint(m.s)
	for range 50 {
		must(t, c.set("/n1", "x", -1))
		must(t, c.create("/n2/short", "lived", 0))
		must(t, c.delete("/n2/short", -1))
	}
	if got := m.s.Changed(); got != 2 {
		t.Errorf("Changed() = %d, want 2", got)
	}
	if got := d.checkpoint(m.s); got != 2 {
		t.Errorf("the checkpoint has %d records, want 2: /n1 and /n2", got)
	}
	if diff := diff(dumpState(m.s), dumpState(d.mustLoad(t))); diff != "" {
		t.Error(diff)
	}
}

// TestLoadedStateGoesOn compares a State with one loaded from its checkpoint, from there on.
func TestLoadedStateGoesOn(t *testing.T) {
	m := newMachine(t)
	c := m.connect(wire.ID{Scheme: "digest", ID: "u:x"})
	for flags, path := range []string{"/a", "/e", "/s-", "/es-"} {
		must(t, c.create(path, "", int32(flags)))
	}
	must(t, c.do(wire.OpCreateContainer, &wire.CreateRequest{Path: "/c", ACL: wire.OpenACL()}))
	must(t, c.do(wire.OpCreateTTL, &wire.CreateTTLRequest{Path: "/t", ACL: wire.OpenACL(),
		Flags: wire.FlagTTL, TTLMs: 5}))
	d := newStore()
	d.checkpoint(m.s)
	loaded := d.mustLoad(t)
	if loaded.Index() != m.s.Index() || loaded.Stream(1) != m.s.Stream(1) {
		t.Errorf("loaded index %d stream %+v, want %d %+v", loaded.Index(), loaded.Stream(1),
			m.s.Index(), m.s.Stream(1))
	}
	original := m.s
	for _, s := range []*State{original, loaded} {
		m.s = s
		index, seq, clock := m.index, m.seq, m.clock
		must(t, c.create("/a", "", 2))
		must(t, c.create("/c/x", "", 0))
		must(t, c.delete("/c/x", -1))
		if got := s.AppendReapable(nil, m.clock+100, 0, 100, 1<<20); len(got) != 2 {
			t.Errorf("AppendReapable gives %v, want /c and /t", got)
		}
		must(t, c.close())
		if s == original {
			m.index, m.seq, m.clock = index, seq, clock
		}
	}
	if diff := diff(dumpState(original), dumpState(loaded)); diff != "" {
		t.Error(diff)
	}
	if original.Digest() != loaded.Digest() {
		t.Errorf("digests differ: %x, %x", original.Digest(), loaded.Digest())
	}
}

// TestLoaderRefuses damages a checkpoint in every way that can be told.
func TestLoaderRefuses(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	must(t, c.create("/a", "data", 0))
	must(t, c.create("/a/b", "", wire.FlagEphemeral))
	whole := newStore()
	whole.checkpoint(m.s)
	session := string(appendIDKey(nil, keySession, uint64(c.id)))
	node := func(path string) string { return string(appendNodeKey(nil, m.s.lookup(path))) }
	for _, test := range []struct {
		name   string
		damage func(d *store)
		want   string
	}{
		{"data changed", func(d *store) {
			v := slices.Clone(d.records[node("/a")])
			v[len(v)-1]++
			d.records[node("/a")] = v
		}, "digest"},
		{"node missing", func(d *store) { delete(d.records, node("/a/b")) }, "counts"},
		{"parent missing", func(d *store) { delete(d.records, node("/a")) }, "without its parent"},
		{"root missing", func(d *store) { delete(d.records, node("/")) }, "without its parent"},
		{"session missing", func(d *store) { delete(d.records, session) }, "without its session"},
		{"record empty", func(d *store) { d.records[node("/a")] = nil }, "unknown version"},
		{"record truncated", func(d *store) { d.records[node("/a")] = d.records[node("/a")][:5] },
			"bad znode"},
		{"session truncated", func(d *store) { d.records[session] = d.records[session][:20] },
			"bad session"},
		{"unknown kind", func(d *store) { d.records["\x09x"] = []byte{1} }, "unknown kind"},
		{"header missing", func(d *store) { d.header = nil }, "version"},
		{"header truncated", func(d *store) { d.header = d.header[:len(d.header)-1] }, "malformed"},
		{"header of later version", func(d *store) {
			d.header = slices.Clone(d.header)
			d.header[0] = 9
		}, "version 9"},
		{"header of an ensemble", func(d *store) {
			d.header = slices.Clone(d.header)
			d.header[0] = membersVersion
		}, "malformed"},
	} {
		d := &store{records: maps.Clone(whole.records), header: whole.header}
		test.damage(d)
		_, err := d.load()
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: load gives %v, want an error with %q", test.name, err, test.want)
		}
		var record *RecordError
		var digest *DigestError
		if !errors.As(err, &record) && !errors.As(err, &digest) {
			t.Errorf("%s: error %T is of no known type", test.name, err)
		}
	}
	l := NewLoader()
	if err := l.Add([]byte(node("/")), whole.records[node("/")]); err == nil {
		t.Error("a znode before its ACL was accepted")
	}
}
