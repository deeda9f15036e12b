package sim_test

import (
	"slices"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/sim"
	"github.com/vivariumdb/vivarium/wire"
)

// play runs a scenario in a quiet world and demands that the judges find nothing.
func play(t *testing.T, k sim.Knobs, script func(*sim.Stage)) *sim.Result {
	t.Helper()
	r := sim.Run(sim.Options{Seed: 1, Knobs: &k, Script: script})
	for _, v := range r.Violations {
		t.Errorf("violation %v", v)
	}
	return r
}

func create(path string, flags int32) sim.Request {
	return sim.NewRequest(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: wire.OpenACL(),
		Flags: flags})
}

func set(path, data string) sim.Request {
	return sim.NewRequest(wire.OpSetData, &wire.SetDataRequest{Path: path, Data: []byte(data),
		Version: -1})
}

func remove(path string) sim.Request {
	return sim.NewRequest(wire.OpDelete, &wire.DeleteRequest{Path: path, Version: -1})
}

func get(path string, watch bool) sim.Request {
	return sim.NewRequest(wire.OpGetData, &wire.PathWatchRequest{Path: path, Watch: watch})
}

func exists(path string, watch bool) sim.Request {
	return sim.NewRequest(wire.OpExists, &wire.PathWatchRequest{Path: path, Watch: watch})
}

func addWatch(path string) sim.Request {
	return sim.NewRequest(wire.OpAddWatch, &wire.AddWatchRequest{Path: path})
}

// find returns the place of the first thing heard that fits, or fails.
func find(t *testing.T, heard []sim.Heard, what string, fits func(sim.Heard) bool) int {
	t.Helper()
	i := slices.IndexFunc(heard, fits)
	if i < 0 {
		t.Fatalf("heard no %s in %+v", what, heard)
	}
	return i
}

func event(e linearizability.EventType, path string) func(sim.Heard) bool {
	return func(h sim.Heard) bool { return h.Event == e && h.Path == path }
}

func reply(op wire.OpCode, path string) func(sim.Heard) bool {
	return func(h sim.Heard) bool { return h.Event == 0 && h.Op == op && h.Path == path }
}

// DESIGN section 3, rules 1 and 2: a read behind a write sees it and no later one, and its watch
// is armed at that very point.
func TestPipelinedWriteReadWrite(t *testing.T) {
	var a sim.Actor
	play(t, sim.Quiet(1000), func(s *sim.Stage) {
		a = s.Actor()
		s.At(200, func() { a.Send(create("/x", 0)) })
		s.At(400, func() { a.Send(set("/x", "one"), get("/x", true), set("/x", "two")) })
	})
	heard := a.Heard()
	read := find(t, heard, "reply to the read", reply(wire.OpGetData, "/x"))
	first := find(t, heard, "reply to the first write", reply(wire.OpSetData, "/x"))
	changed := find(t, heard, "event", event(linearizability.EventNodeDataChanged, "/x"))
	second := first + 1 + find(t, heard[first+1:], "reply to the second write",
		reply(wire.OpSetData, "/x"))
	if got := string(heard[read].Result.Data); got != "one" {
		t.Errorf("the read between the writes got %q, want %q", got, "one")
	}
	if heard[read].Zxid != heard[first].Zxid {
		t.Errorf("the read is answered at zxid %#x, want that of the first write, %#x",
			heard[read].Zxid, heard[first].Zxid)
	}
	if !(first < read && read < changed && changed < second) {
		t.Errorf("order is write %d, read %d, event %d, write %d; want it rising", first, read,
			changed, second)
	}
}

func TestCrashBetweenWriteAndSync(t *testing.T) {
	for _, test := range []struct {
		boundary string
		nth      int
		kept     bool // whether the write that was under way is there afterwards
	}{
		{"fault: crash within a disk's operation", 1, false},
		{"fault: crash behind an append's sync", 1, true},
		{"fault: crash before an acknowledgement reaches the loop", 1, true},
	} {
		var a, b sim.Actor
		k := sim.Quiet(4000)
		k.MinTimeoutMs, k.MaxTimeoutMs = 3000, 3000
		r := play(t, k, func(s *sim.Stage) {
			a, b = s.Actor(), s.Actor()
			s.At(300, func() { a.Send(create("/acknowledged", 0)) })
			s.At(1000, func() {
				s.CrashAt(test.boundary, test.nth, true)
				a.Send(create("/underway", 0))
			})
			s.At(3000, func() {
				b.Send(exists("/acknowledged", false), exists("/underway", false))
			})
		})
		if r.Count("crashes") != 1 {
			t.Fatalf("%s: %d crashes, want 1", test.boundary, r.Count("crashes"))
		}
		heard := b.Heard()
		got := heard[find(t, heard, "answer", reply(wire.OpExists, "/acknowledged"))].Result.Err
		if got != linearizability.CodeOk {
			t.Errorf("%s: an acknowledged write is lost", test.boundary)
		}
		got = heard[find(t, heard, "answer", reply(wire.OpExists, "/underway"))].Result.Err
		if (got == linearizability.CodeOk) != test.kept {
			t.Errorf("%s: the write under way: err %d, want it kept %v", test.boundary, got,
				test.kept)
		}
	}
}

func TestExpiryDeletesEphemerals(t *testing.T) {
	var b sim.Actor
	r := play(t, sim.Quiet(4000), func(s *sim.Stage) {
		a := s.Actor()
		b = s.Actor()
		s.At(200, func() { a.Send(create("/e", wire.FlagEphemeral)) })
		s.At(400, func() { b.Send(exists("/e", true)) })
		s.At(500, func() { a.Silence(3000) })
	})
	heard := b.Heard()
	find(t, heard, "deletion", event(linearizability.EventNodeDeleted, "/e"))
	if n := r.Count("sessions expired"); n == 0 {
		t.Error("no session expired")
	}
}

func TestBackPressureKeepsSessionAlive(t *testing.T) {
	k := sim.Quiet(9000)
	k.SoftUnsent, k.Window = 100, 1000
	r := play(t, k, func(s *sim.Stage) {
		a, b := s.Actor(), s.Actor()
		s.At(200, func() { a.Send(addWatch("/x")) })
		s.At(300, func() { a.Deafen(7000) })
		s.At(400, func() {
			for range 50 {
				b.Send(create("/x", 0), remove("/x"))
			}
		})
	})
	if n := r.Count("sessions expired"); n != 0 {
		t.Errorf("%d sessions expired, want none: the server did not read", n)
	}
}

func TestSlowReaderIsClosed(t *testing.T) {
	k := sim.Quiet(4000)
	k.SoftUnsent, k.HardUnsent, k.Window = 100, 3000, 1000
	var a sim.Actor
	r := play(t, k, func(s *sim.Stage) {
		a = s.Actor()
		b := s.Actor()
		s.At(200, func() { a.Send(addWatch("/x")) })
		s.At(300, func() { a.Deafen(1500) })
		s.At(400, func() {
			for range 60 {
				b.Send(create("/x", 0), remove("/x"))
			}
		})
	})
	closed := slices.ContainsFunc(r.History.Lines, func(l linearizability.Line) bool {
		return l.Kind == linearizability.KindDisconnect && l.Client == 1 && l.At < 3900_000 &&
			l.Text == linearizability.CauseServer
	})
	if !closed {
		t.Error("a client with more unsent than the hard bound is not closed")
	}
}

func TestClockJumpExpiresNobody(t *testing.T) {
	const year = 365 * 24 * 3600 * 1000
	for _, jump := range []int64{year, -year} {
		r := play(t, sim.Quiet(4000), func(s *sim.Stage) {
			a := s.Actor()
			s.At(200, func() { a.Send(create("/e", wire.FlagEphemeral)) })
			s.At(500, func() { s.JumpClock(jump) })
			s.At(1000, func() { a.Send(set("/e", "still there")) })
			s.At(2500, func() { s.JumpClock(-jump) })
		})
		if n := r.Count("sessions expired"); n != 0 {
			t.Errorf("clock jumped by %d ms: %d sessions expired, want none", jump, n)
		}
	}
}

func TestSetWatchesReportsDeletion(t *testing.T) {
	k := sim.Quiet(3000)
	var a sim.Actor
	play(t, k, func(s *sim.Stage) {
		a = s.Actor()
		b := s.Actor()
		s.At(200, func() { a.Send(create("/x", 0), get("/x", true)) })
		s.At(400, func() { a.Disconnect(400) })
		s.At(600, func() { b.Send(remove("/x")) })
	})
	heard := a.Heard()
	deleted := find(t, heard, "deletion", event(linearizability.EventNodeDeleted, "/x"))
	if heard[deleted].Zxid != -1 {
		t.Errorf("the event of setWatches has zxid %#x, want -1", heard[deleted].Zxid)
	}
	set := find(t, heard, "answer to setWatches", func(h sim.Heard) bool {
		return h.Op == wire.OpSetWatches || h.Op == wire.OpSetWatches2
	})
	if deleted > set {
		t.Error("the event comes behind the answer to setWatches")
	}
}
