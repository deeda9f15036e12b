package load

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// frameOf takes the header and the body out of a frame, whose length must be right.
func frameOf(t *testing.T, b []byte) (wire.RequestHeader, wire.Reader) {
	t.Helper()
	n, err := wire.FrameLength(b, wire.DefaultMaxBuffer)
	if err != nil || n != len(b) {
		t.Fatalf("frame of %d bytes says %d, %v", len(b), n, err)
	}
	r := wire.NewReader(b[wire.FrameHeaderLen:])
	var q wire.RequestHeader
	q.Decode(&r)
	return q, r
}

func TestFramesSayWhatTheyShould(t *testing.T) {
	value := []byte("value")
	for _, test := range []struct {
		name string
		q    request
		op   wire.OpCode
		body interface{ Decode(*wire.Reader) }
		want any
	}{
		{"getData", getData("/a/b"), wire.OpGetData, &wire.PathWatchRequest{},
			&wire.PathWatchRequest{Path: "/a/b"}},
		{"list", list("/a"), wire.OpGetChildren2, &wire.PathWatchRequest{},
			&wire.PathWatchRequest{Path: "/a"}},
		{"delete", remove("/a"), wire.OpDelete, &wire.DeleteRequest{},
			&wire.DeleteRequest{Path: "/a", Version: -1}},
		{"setData", setData("/a/b", setDataTail(value)), wire.OpSetData, &wire.SetDataRequest{},
			&wire.SetDataRequest{Path: "/a/b", Data: value, Version: -1}},
		{"create", create("/a/b", createTail(value)), wire.OpCreate, &wire.CreateRequest{},
			&wire.CreateRequest{Path: "/a/b", Data: value, ACL: wire.OpenACL()}},
		{"addWatch", addWatch("/a"), wire.OpAddWatch, &wire.AddWatchRequest{},
			&wire.AddWatchRequest{Path: "/a", Mode: wire.ModePersistent}},
	} {
		header, r := frameOf(t, test.q.appendTo(nil, 77, 0))
		if header.Xid != 77 || header.Op != test.op {
			t.Errorf("%s: header %+v, want xid 77 of %v", test.name, header, test.op)
		}
		test.body.Decode(&r)
		if r.Err() != nil || r.Len() != 0 {
			t.Errorf("%s: %d bytes left, error %v", test.name, r.Len(), r.Err())
		}
		if diff := cmp.Diff(test.want, test.body); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}

func TestNumbersGoIntoTheName(t *testing.T) {
	q := numbered(create("/a/n0000000000", createTail([]byte("v"))))
	b := []byte("before")
	for _, test := range []struct {
		number int
		want   string
	}{{0, "/a/n0000000000"}, {7, "/a/n0000000007"}, {1234567890, "/a/n1234567890"}} {
		b = q.appendTo(b[:len("before")], 1, test.number)
		var got wire.CreateRequest
		_, r := frameOf(t, b[len("before"):])
		if got.Decode(&r); got.Path != test.want {
			t.Errorf("number %d: path %q, want %q", test.number, got.Path, test.want)
		}
	}
}

func TestDeckKeepsTheShareOfWrites(t *testing.T) {
	o := Options{Workload: Mixed, Nodes: 100, WritePercent: 25}.withDefaults()
	tree := tree{root: "/bench", value: []byte("v")}
	d := tree.sharedDeck(&o)
	s := session{random: 1}
	const draws = 100_000
	writes := 0
	for range draws {
		header, _ := frameOf(t, d.draw(s.dice()).appendTo(nil, 1, 0))
		if header.Op == wire.OpSetData {
			writes++
		}
	}
	if writes < draws*24/100 || writes > draws*26/100 {
		t.Errorf("%d of %d draws are writes, want a quarter", writes, draws)
	}
}

func TestOptionsAreJudged(t *testing.T) {
	for _, test := range []struct {
		o    Options
		want string // in the error; "" is valid
	}{
		{Options{}, ""},
		{Options{Workload: "delete"}, `workload "delete"`},
		{Options{Connections: -1}, "connections -1: 1 to"},
		{Options{Workload: Watches, Rate: 5}, "watches has no open loop"},
		{Options{Workload: Multi, MultiOps: 1000, ValueBytes: 10_000}, "over 1 MiB"},
		{Options{Count: 5}, "a count is for the workload create"},
		{Options{Rate: -1}, "rate -1"},
		{Options{Rate: math.NaN()}, "rate NaN"},
		{Options{Rate: math.Inf(1)}, "rate +Inf"},
		{Options{ValueBytes: maxValue}, ""},
		{Options{ValueBytes: maxValue + 1}, "value bytes 1047552: 1 to 1047551"},
		{Options{Warmup: NoWarmup}, ""},
		{Options{Warmup: -time.Second}, "a time is negative"},
	} {
		err := test.o.Validate()
		switch {
		case test.want == "" && err != nil:
			t.Errorf("Validate(%+v) = %v, want none", test.o, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("Validate(%+v) = %v, want %q in it", test.o, err, test.want)
		}
	}
}

// TestNoRequestIsTooLong for a server's jute.maxbuffer, whatever Validate lets pass.
func TestNoRequestIsTooLong(t *testing.T) {
	for _, o := range []Options{
		{Workload: Write, ValueBytes: maxValue, Nodes: 1},
		{Workload: Create, ValueBytes: maxValue},
		{Workload: Multi, ValueBytes: maxValue/4 - opRoom, Nodes: 4},
		{Workload: Multi, ValueBytes: maxValue/maxMultiOps - opRoom, MultiOps: maxMultiOps},
	} {
		if err := o.Validate(); err != nil {
			t.Errorf("%s of %d bytes: %v", o.Workload, o.ValueBytes, err)
		}
		o = o.withDefaults()
		tree := tree{root: "/bench-01234567", value: make([]byte, o.ValueBytes)}
		shared := tree.sharedDeck(&o)
		d := tree.deckOf(&o, MaxConnections, shared)
		n := len(d.draw(0).appendTo(nil, 1, maxNodes)) - wire.FrameHeaderLen
		if n > wire.DefaultMaxBuffer {
			t.Errorf("%s of %d bytes: a request of %d", o.Workload, o.ValueBytes, n)
		}
	}
}

// TestAppendAllocatesNothing keeps the generator cheap.
func TestAppendAllocatesNothing(t *testing.T) {
	o := Options{Workload: Mixed, Nodes: 100}.withDefaults()
	tree := tree{root: "/bench", value: make([]byte, 1024)}
	d := tree.sharedDeck(&o)
	s := session{random: 1, out: make([]byte, 0, 4096)}
	tally := newTally()
	if n := testing.AllocsPerRun(1000, func() {
		s.out = s.out[:0]
		s.add(d.draw(s.dice()), 0)
		tally.record(12345)
	}); n != 0 {
		t.Errorf("%v allocations for a request, want none", n)
	}
}
