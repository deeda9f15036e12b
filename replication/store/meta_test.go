package store

import (
	"bytes"
	"errors"
	"testing"

	"go.etcd.io/raft/v3/raftpb"
)

// TestDecodeMetaIsStrict: a header of a checkpoint is what appendMeta writes, whole and with
// nothing behind it. A flag that is neither 0 nor 1 is damage, not another way to say yes.
func TestDecodeMetaIsStrict(t *testing.T) {
	plain := Meta{Position: Position{2, 9}, Generation: 3, Header: []byte("head"),
		ConfState: &raftpb.ConfState{Voters: []uint64{1, 2, 300}, Learners: []uint64{4}}}
	received, auto := plain, plain
	received.Received = true
	auto.ConfState = &raftpb.ConfState{Voters: []uint64{1, 2, 300}, Learners: []uint64{4},
		AutoLeave: new(true)}
	good := appendMeta(nil, plain)
	set := func(b []byte, at int, v byte) []byte {
		b = bytes.Clone(b)
		b[at] = v
		return b
	}
	// The first byte in which the header of m differs, by a flag only.
	flag := func(m Meta) (at int) {
		for with := appendMeta(nil, m); good[at] == with[at]; {
			at++
		}
		return at
	}
	type test struct {
		name string
		in   []byte
		ok   bool
	}
	tests := []test{
		{"plain", good, true},
		{"received", appendMeta(nil, received), true},
		{"auto leave", appendMeta(nil, auto), true},
		{"received 2", set(good, flag(received), 2), false},
		{"received 255", set(good, flag(received), 255), false},
		{"auto leave 2", set(good, flag(auto), 2), false},
		{"auto leave 255", set(good, flag(auto), 255), false},
		{"something behind the end", append(bytes.Clone(good), 0), false},
		{"more voters than bytes", set(good, flag(received)+17, 100), false},
	}
	for n := range good {
		tests = append(tests, test{"cut", good[:n], false})
	}
	for _, test := range tests {
		m, err := decodeMeta(test.in)
		if (err == nil) != test.ok || err != nil && !errors.Is(err, errFormat) {
			t.Errorf("%s: decodeMeta(%x) = %+v, %v; want it accepted: %v", test.name, test.in, m,
				err, test.ok)
		}
	}
	var version *VersionError
	if _, err := decodeMeta(set(good, 0, metaVersion+1)); !errors.As(err, &version) {
		t.Errorf("decodeMeta of version %d = %v, want a VersionError", metaVersion+1, err)
	}
}
