package sim

import (
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/wire"
)

// A judge who is told other settings than a process has must object to what that does: so it would
// to a process that does not keep to its own.
func TestManners(t *testing.T) {
	for _, test := range []struct {
		want string // part of what the judge says
		tell func(*core.Settings)
	}{
		{"takes a connection of", func(s *core.Settings) { s.MaxConnections = 1 }},
		{"takes a connection of", func(s *core.Settings) { s.MaxConnectionsPerIP = 1 }},
		{"requests of it wait", func(s *core.Settings) { s.MaxQueued = 1 }},
		{"bytes are owed to it", func(s *core.Settings) { s.SoftUnsent = 1 }},
		{"to which", func(s *core.Settings) { s.HardUnsent = 1 }},
		{"reads a frame of", func(s *core.Settings) { s.MaxBuffer = 20 }},
		{"has no session since", func(s *core.Settings) { s.HandshakeMs = 1 }},
		{"it is open for", func(s *core.Settings) { s.HandshakeMs = 1 << 40 }},
		{"its settings are", func(s *core.Settings) { s.EnforceQuota = !s.EnforceQuota }},
		{"its settings are", func(s *core.Settings) { s.SkipACL = !s.SkipACL }},
		{"its settings are", func(s *core.Settings) { s.NoExtendedTypes = !s.NoExtendedTypes }},
	} {
		k := draw(3)
		k.Hosts, k.Clients, k.GarbageMs, k.HandshakeMs = 1, 5, 100, 1500
		k.CrashBoundaries, k.StopMs, k.DurationMs, k.FlushUs = 0, 0, 5000, 3000
		r := Run(Options{Seed: 3, Knobs: &k, Script: func(s *Stage) {
			s.w.populate()
			s.At(10, func() { test.tell(&s.w.hosts[0].settings) })
		}})
		if !objects(r, test.want) {
			t.Errorf("nobody says that a process %q: %v", test.want, r.Violations)
		}
	}
}

func objects(r *Result, words string) bool {
	for _, v := range r.Violations {
		if strings.Contains(v.Text, words) {
			return true
		}
	}
	return false
}

// A process that keeps its clients no more must have had no leader for as long as it is to keep
// them.
func TestServesWithLeader(t *testing.T) {
	k := Ensemble(3, 6000)
	k.SyncLimitMs = 1000
	cut := func(most int64) *Result {
		return Run(Options{Seed: 1, Knobs: &k, Script: func(s *Stage) {
			s.At(2000, func() { s.Cut(s.Others(s.Leader())[0], 3000) })
			s.At(2900, func() { s.w.k.SyncLimitMs = most })
		}})
	}
	if r := cut(1000); len(r.Violations) > 0 {
		t.Errorf("a member that is cut off for long is objected to: %v", r.Violations)
	}
	if r := cut(5000); !objects(r, "keeps its clients no more") {
		t.Errorf("nobody objects to a member that lets its clients go too early: %v", r.Violations)
	}
}

// What has outlived its time is overdue, and nothing else is.
func TestOverdue(t *testing.T) {
	b := core.NewBuilder()
	const container, ttl = -1 << 63, -1 << 56
	for _, img := range []core.Image{{Path: "/"}, {Path: "/used", Owner: container, Created: 1},
		{Path: "/fresh", Owner: container}, {Path: "/full", Owner: container, Created: 1},
		{Path: "/full/x"}, {Path: "/old", Owner: ttl | 100, Mtime: 899},
		{Path: "/young", Owner: ttl | 100, Mtime: 900}, {Path: "/parent", Owner: ttl | 100},
		{Path: "/parent/x"}, {Path: "/plain"}, {Path: "/zookeeper"},
		{Path: "/zookeeper/config"}, {Path: "/zookeeper/quota"}} {
		img.ACL = wire.OpenACL()
		if err := b.AddNode(img); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(core.Founding{Index: 1, Term: 1, LastZxid: 1 << 32, ClockMs: 1000})
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(overdue(s), ", "); got != "/old, /used" {
		t.Errorf("overdue are %q, want /old and /used", got)
	}
}
