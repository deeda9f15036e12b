package core

import (
	"errors"
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// createAs encodes a create as the seq-th command of a stream.
func createAs(m *machine, o Origin, seq uint64, c *client, paths ...string) []byte {
	e := AppendBatchHeader(m.header(), o, seq, uint64(len(paths)))
	for _, path := range paths {
		q := wire.CreateRequest{Path: path, ACL: wire.OpenACL()}
		e = AppendRequest(e, c.id, c.generation, m.flags, 1, wire.OpCreate, q.AppendTo(nil))
	}
	return e
}

// reasons lists why each outcome was skipped, "" for those that were not.
func reasons(all []Outcome) []string {
	var list []string
	for _, o := range all {
		list = append(list, o.Reason.String())
	}
	return list
}

// The tests of this file quote DESIGN section 4.

// "apply accepts it only if that registration is still the current one"
func TestHelloReplacesTheCurrentRegistration(t *testing.T) {
	m := newMachine(t)
	first := m.origin.Registration
	if first != 1 {
		t.Errorf("first registration is %v, want the index of its entry, 1", first)
	}
	for _, test := range []struct {
		id       RaftID
		replaces Registration
		ok       bool
	}{
		{1, 0, false}, {1, first + 1, false}, {2, first, false}, {1, first, true},
		{1, first, false}, {2, 0, true}, {2, 0, false},
	} {
		index := m.index + 1
		out := m.hello(test.id, [16]byte{9}, test.replaces)
		if out.Skipped == test.ok {
			t.Errorf("hello(%d, replaces %v) skipped = %v", test.id, test.replaces, out.Skipped)
		}
		if !test.ok {
			if out.Reason != ReasonHello || len(out.Facts) != 0 {
				t.Errorf("hello(%d, replaces %v) = %+v", test.id, test.replaces, out)
			}
			continue
		}
		want := Fact{Kind: FactRegistered, RaftID: test.id, Registration: Registration(index),
			Nonce: [16]byte{9}}
		if len(out.Facts) != 1 || out.Facts[0] != want {
			t.Errorf("facts %+v, want %+v", out.Facts, want)
		}
		at := StreamInfo{Origin: Origin{test.id, want.Registration}, Nonce: want.Nonce}
		if got := m.s.Stream(test.id); got != at {
			t.Errorf("Stream(%d) = %+v, want %+v", test.id, got, at)
		}
	}
}

// "the registration is the index of that entry: ... nothing a dead process's delayed hello can
// displace"
func TestTwoHellosInOneEntry(t *testing.T) {
	m := newMachine(t)
	e := m.header()
	for range 2 {
		e = AppendBatchHeader(e, Origin{RaftID: 5}, 0, 1)
		e = AppendHello(e, 5, [16]byte{}, 0)
	}
	if got := diff([]string{"", "hello"}, reasons(m.entry(e))); got != "" {
		t.Error(got)
	}
}

// "At apply, a batch continues exactly where its stream stopped"
func TestBatchContinues(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	out := m.entry(createAs(m, m.origin, m.seq+1, c, "/a", "/b"))
	if d := diff([]string{"", ""}, reasons(out)); d != "" {
		t.Error(d)
	}
	for i, o := range out {
		if o.Seq != m.seq+1+uint64(i) || !o.Own || o.Origin != m.origin {
			t.Errorf("outcome %d is %+v, want it own with seq %d", i, o, m.seq+1+uint64(i))
		}
	}
}

// "or the part already applied is skipped"
func TestBatchAppliedInPart(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	m.entry(createAs(m, m.origin, m.seq+1, c, "/a", "/b"))
	before := m.s.LastZxid()
	out := m.entry(createAs(m, m.origin, m.seq+1, c, "/a", "/b", "/c"))
	if d := diff([]string{"duplicate", "duplicate", ""}, reasons(out)); d != "" {
		t.Error(d)
	}
	if out[2].Zxid != before+1 || out[0].Own || out[0].Zxid != 0 || out[0].Seq != m.seq+1 {
		t.Errorf("outcomes %+v", out)
	}
}

// "or (a gap, also at the start; another registration; a member removed) all of it is ignored
// and changes nothing"
func TestBatchIgnored(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	old := m.origin
	second := m.register(2)
	for _, test := range []struct {
		name   string
		origin Origin
		seq    uint64
		want   Reason
	}{
		{"a gap", old, m.seq + 2, ReasonGap},
		{"a gap at the start", second, 2, ReasonGap},
		{"another registration", Origin{1, old.Registration + 1}, m.seq + 1, ReasonRegistration},
		{"a member without a stream", Origin{3, 1}, 1, ReasonRegistration},
	} {
		digest, zxid := m.s.Digest(), m.s.LastZxid()
		out := m.entry(createAs(m, test.origin, test.seq, c, "/a", "/b"))
		want := []string{test.want.String(), test.want.String()}
		if d := diff(want, reasons(out)); d != "" {
			t.Errorf("%s: %s", test.name, d)
		}
		if m.s.Digest() != digest || m.s.LastZxid() != zxid {
			t.Errorf("%s: the State has changed", test.name)
		}
	}
	m.register(1)
	out := m.entry(createAs(m, old, m.seq+1, c, "/a"))
	if d := diff([]string{"registration"}, reasons(out)); d != "" {
		t.Errorf("a registration that was replaced: %s", d)
	}
}

// "Closing generation g, and reaping ... carry the term of the decision; apply ignores them in
// an entry of another term"
func TestHousekeepingOfAnotherTerm(t *testing.T) {
	m := newMachine(t)
	m.term = 3
	c := m.connect()
	for _, term := range []uint64{2, 4} {
		out := m.housekeep(term, AppendExpire(nil, c.id, c.generation))
		if out.Reason != ReasonTerm || m.s.SessionCount() != 1 {
			t.Errorf("expire of term %d in term 3: %+v", term, out)
		}
	}
	must(t, m.housekeep(3, AppendExpire(nil, c.id, c.generation)))
}

func TestBeginRefuses(t *testing.T) {
	m := newMachine(t)
	c := m.connect()
	good := createAs(m, m.origin, m.seq+1, c, "/a")
	digest, clock := m.s.Digest(), m.s.Clock()
	cases := map[string][]byte{
		"another version":                append([]byte{3}, good[1:]...),
		"only a version":                 {1},
		"bad batch":                      append(AppendEntryHeader(nil, 1), 1),
		"no commands":                    AppendBatchHeader(m.header(), m.origin, 1, 0),
		"too many":                       AppendBatchHeader(m.header(), m.origin, 1, 1<<40),
		"seq 0":                          createAs(m, m.origin, 0, c, "/a"),
		"a request without registration": createAs(m, Origin{RaftID: 1}, 1, c, "/a"),
		"a hello in a stream": AppendHello(AppendBatchHeader(AppendEntryHeader(nil, 1), m.origin,
			1, 1), 1, [16]byte{}, 0),
		"another's hello": AppendHello(AppendBatchHeader(AppendEntryHeader(nil, 1),
			Origin{RaftID: 2}, 0, 1), 1, [16]byte{}, 0),
		"an expire in a stream": AppendExpire(AppendBatchHeader(AppendEntryHeader(nil, 1), m.origin,
			1, 1), 1, 1),
		"an unknown kind": append(AppendBatchHeader(m.header(), m.origin, 1, 1), 1, 99),
	}
	for n := range len(good) {
		whole, err := DecodeEntry(good[:n])
		if err != nil {
			cases[fmt.Sprintf("cut at %d", n)] = good[:n]
		} else if len(whole.Batches) != 0 {
			t.Errorf("DecodeEntry(%x) = %+v", good[:n], whole)
		}
	}
	for name, data := range cases {
		if err := m.s.Begin(m.index+1, m.term, data); !errors.Is(err, ErrEntry) {
			t.Fatalf("%s: Begin(%x) = %v, want ErrEntry", name, data, err)
		}
	}
	if m.s.Digest() != digest || m.s.Clock() != clock {
		t.Error("a malformed entry has changed the State")
	}
}

// TestEmptyEntry: raft's own entries have no data and still count.
func TestEmptyEntry(t *testing.T) {
	s := NewState()
	var out Outcome
	for index := uint64(1); index <= 3; index++ {
		if err := s.Begin(index, 7, nil); err != nil {
			t.Fatal(err)
		}
		if s.Next(Origin{}, &out) {
			t.Errorf("an empty entry has outcome %+v", out)
		}
	}
	if s.Index() != 3 || s.Term() != 7 || s.LastZxid() != 0 {
		t.Errorf("index %d term %d zxid %v, want 3, 7 and 0", s.Index(), s.Term(), s.LastZxid())
	}
}
