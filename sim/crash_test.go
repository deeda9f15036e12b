package sim

import (
	"strings"
	"testing"
)

// TestCrashStaysInTime leaves half of the clients out of worlds: crashes stay where they were.
func TestCrashStaysInTime(t *testing.T) {
	came, all := 0, 0
	for seed := uint64(1); seed < 8; seed++ {
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
	}
	if t.Logf("%d of %d crashes come within a second", came, all); came*2 < all {
		t.Errorf("%d of %d crashes come within a second, want half of them", came, all)
	}
}
