package sim

import (
	"testing"
)

func TestSeeds(t *testing.T) {
	for seed := range uint64(20) {
		r := Run(Options{Seed: seed})
		for i, v := range r.Violations {
			if i < 5 {
				t.Errorf("seed %d: %v", seed, v)
			}
		}
		t.Logf("seed %d: %s virtual %d ms; %s", seed, r.Trace, r.Virtual/1000, r.Judged.String()[:60])
	}
}
