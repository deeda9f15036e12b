package sim

import (
	"strings"
	"testing"
)

// TestCrashStaysInTime leaves half of the clients out of worlds: crashes stay where they were. Each
// world counts once: what many crashes of one were aimed at, as a checkpoint on its way to a host,
// may never come without these clients.
func TestCrashStaysInTime(t *testing.T) {
	shares, worlds := 0.0, 0.0
	for seed := uint64(1); seed < 16; seed++ {
		came, all := 0, 0
		whole := Run(Options{Seed: seed, Record: true})
		p := &Plan{Seed: seed, Keep: []Decision{}}
		spots := map[string]Spot{}
		for _, d := range whole.Decisions {
			who, client := strings.CutPrefix(actorOf(d.ID), "client ")
			if client && who[len(who)-1]%2 == 0 {
				continue
			}
			p.Keep = append(p.Keep, d)
			if strings.HasPrefix(d.ID, crashOf) {
				all++
				spots[d.ID] = d.Spot
			}
		}
		for _, d := range Run(Options{Seed: seed, Record: true, Plan: p}).Decisions {
			was, ok := spots[d.ID]
			if !ok {
				continue
			}
			if d.Spot.Kind != was.Kind || d.Spot.At < was.At {
				t.Errorf("seed %d: %s comes at %v, it was at %v", seed, d.ID, d.Spot, was)
			}
			if d.Spot.At < was.At+second {
				came++
			}
		}
		if all > 0 {
			t.Logf("seed %d: %d of %d crashes come within a second", seed, came, all)
			shares += float64(came) / float64(all)
			worlds++
		}
	}
	if worlds < 5 || shares < worlds/2 {
		t.Errorf("%.1f of the crashes in %.0f worlds come within a second, want half of them",
			shares/worlds, worlds)
	}
}
