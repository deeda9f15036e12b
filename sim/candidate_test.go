package sim

import "testing"

// Candidates die, the ensemble comes to a leader all the same, and no term has two.
func TestCandidatesDie(t *testing.T) {
	died := int64(0)
	for seed := uint64(1); seed < 6; seed++ {
		k := Quiet(5000)
		k.Hosts, k.Candidates, k.KillLeaderMs = 3, 800, 500
		r := Run(Options{Seed: seed, Knobs: &k})
		for _, v := range r.Violations {
			t.Errorf("seed %d: %v", seed, v)
		}
		died += r.Count(faultCandidate.String())
	}
	if died < 10 {
		t.Errorf("%d candidates died in 5 worlds", died)
	}
}
