package core

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/wire"
)

// entries applies entries of 64 commands each, b.N commands in all; command makes the i-th.
func entries(b *testing.B, m *machine, command func(dst []byte, i int) []byte) {
	b.Helper()
	const size = 64
	var data [][]byte
	for i := 0; i < b.N; i += size {
		n := min(size, b.N-i)
		e := AppendBatchHeader(m.header(), m.origin, m.seq+1, uint64(n))
		for j := range n {
			e = command(e, i+j)
		}
		m.seq += uint64(n)
		data = append(data, e)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var out Outcome
	for _, e := range data {
		m.index++
		if err := m.s.Begin(m.index, m.term, e); err != nil {
			b.Fatal(err)
		}
		for m.s.Next(m.origin, &out) {
			if out.Err != wire.CodeOk || out.Skipped {
				b.Fatalf("%+v", out)
			}
		}
	}
}

func BenchmarkApplySetData1KiB(b *testing.B) {
	m := newMachine(b)
	c := m.connect()
	for i := range 1000 {
		must(b, c.create(fmt.Sprintf("/node-%d", i), "", 0))
	}
	bodies := make([][]byte, 1000)
	for i := range bodies {
		q := wire.SetDataRequest{Path: fmt.Sprintf("/node-%d", i), Data: make([]byte, 1024),
			Version: -1}
		bodies[i] = q.AppendTo(nil)
	}
	entries(b, m, func(dst []byte, i int) []byte {
		return AppendRequest(dst, c.id, c.generation, m.flags, int32(i), wire.OpSetData,
			bodies[i%1000])
	})
}

func BenchmarkApplyCreate(b *testing.B) {
	m := newMachine(b)
	c := m.connect()
	for i := range 100 {
		must(b, c.create(fmt.Sprintf("/dir-%d", i), "", 0))
	}
	entries(b, m, func(dst []byte, i int) []byte {
		q := wire.CreateRequest{Path: fmt.Sprintf("/dir-%d/node-%d", i%100, i), ACL: wire.OpenACL(),
			Data: []byte("0123456789abcdef0123456789abcdef")}
		return AppendRequest(dst, c.id, c.generation, m.flags, int32(i), wire.OpCreate,
			q.AppendTo(nil))
	})
}

// BenchmarkApplyChurn creates and deletes ephemerals, as locks do.
func BenchmarkApplyChurn(b *testing.B) {
	m := newMachine(b)
	c := m.connect()
	must(b, c.create("/lock", "", 0))
	create := wire.CreateRequest{Path: "/lock/a", ACL: wire.OpenACL(), Flags: 1}
	remove := wire.DeleteRequest{Path: "/lock/a", Version: -1}
	entries(b, m, func(dst []byte, i int) []byte {
		if i%2 == 0 {
			return AppendRequest(dst, c.id, c.generation, m.flags, int32(i), wire.OpCreate,
				create.AppendTo(nil))
		}
		return AppendRequest(dst, c.id, c.generation, m.flags, int32(i), wire.OpDelete,
			remove.AppendTo(nil))
	})
}

// BenchmarkCheckpoint captures a State of 100,000 znodes, all changed.
func BenchmarkCheckpoint(b *testing.B) {
	m := newMachine(b)
	c := m.connect()
	for i := range 100_000 {
		must(b, c.create(fmt.Sprintf("/node-%d", i), "0123456789abcdef0123456789abcdef", 0))
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for _, n := range m.s.root.children {
			m.s.change(n)
			m.s.changed(n)
		}
		b.StartTimer()
		m.s.Freeze()
		var step Capture
		for done := false; !done; step.Reset() {
			done = m.s.Capture(&step, 1000)
		}
	}
}

// BenchmarkLoad loads a State of 100,000 znodes.
func BenchmarkLoad(b *testing.B) {
	m := newMachine(b)
	c := m.connect()
	for i := range 100_000 {
		must(b, c.create(fmt.Sprintf("/node-%06d", i), "0123456789abcdef0123456789abcdef", 0))
	}
	disk := newStore()
	disk.checkpoint(m.s)
	keys := disk.keys()
	b.ReportAllocs()
	for b.Loop() {
		l := NewLoader()
		for _, k := range keys {
			if err := l.Add([]byte(k), disk.records[k]); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := l.Finish(disk.header); err != nil {
			b.Fatal(err)
		}
	}
}
