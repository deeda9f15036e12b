package sim

import "testing"

// TestAbstract runs worlds whose behaviours are told, and looks for what each module has to hear
// of. That the specification admits them is `make tla-traces`.
func TestAbstract(t *testing.T) {
	seen, told := map[string]int{}, 0
	for seed := uint64(1); seed <= 16; seed++ {
		k := AbstractKnobs(seed)
		r := Run(Options{Seed: seed, Knobs: &k, Abstract: true})
		if r.Failed() {
			t.Fatalf("seed %d: %v", seed, r.Violations[0])
		}
		for _, a := range r.Abstract {
			told++
			for i := range a.Lines {
				seen[a.Module+" "+a.Lines[i].Action]++
			}
		}
	}
	for _, name := range []string{"Reconnect", "Send", "SendClose", "Feed", "Lose", "Commit",
		"Apply", "Expire", "Read", "Heard", "Opened", "Told"} {
		if seen["Sessions "+name] == 0 {
			t.Errorf("%d behaviours show no %s: %v", told, name, seen)
		}
	}
	for _, name := range []string{"Read", "Write", "Sync", "CommitOwn", "CommitOther", "Apply",
		"Confirm", "GiveHeld", "Replied", "Told"} {
		if seen["Delivery "+name] == 0 {
			t.Errorf("%d behaviours show no %s of a connection: %v", told, name, seen)
		}
	}
	for _, name := range []string{"Change", "Apply", "Jump", "Reconnect", "Read", "Ping",
		"Receive", "Break", "SetWatches"} {
		if seen["Watches "+name] == 0 {
			t.Errorf("%d behaviours show no %s of a watch: %v", told, name, seen)
		}
	}
	for _, name := range []string{"Damage", "Wipe", "Rejoin", "Swap", "RefusedByLeader",
		"Campaign", "AskForVotes"} {
		if seen["Recovery "+name] == 0 {
			t.Errorf("%d behaviours show no %s: %v", told, name, seen)
		}
	}
}

// TestAbstractOff holds what is told to what is asked for.
func TestAbstractOff(t *testing.T) {
	k := Quiet(500)
	k.Clients = 1
	if r := Run(Options{Seed: 1, Knobs: &k}); r.Abstract != nil {
		t.Errorf("nobody has asked for %d behaviours", len(r.Abstract))
	}
}

// TestAcknowledgedBeforeItCameBack: a leader that is slow still has to take in what a member has
// acknowledged when that one is back without it, and is to be told what it had acknowledged. (Seed
// 907818408 of 7c58e0e: the leader counted on what the member had lost.)
func TestAcknowledgedBeforeItCameBack(t *testing.T) {
	for seed := range uint64(12) {
		k := AbstractKnobs(seed)
		loseDisks(&k, newRNG(seed, "lose"))
		k.LoopUs = 5000
		if r := Run(Options{Seed: seed, Knobs: &k, Abstract: true}); r.Failed() {
			t.Errorf("seed %d: %v", seed, r.Violations[0])
		}
	}
}
