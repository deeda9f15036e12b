package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/sim"
)

// TestCheckWorlds: check says of a world's history what the world said itself, also of one that
// has a bug in it. (The bugs are in builds with -tags mutants only.)
func TestCheckWorlds(t *testing.T) {
	bug := ""
	if mutant.Enabled {
		bug = "tree-pzxid-not-updated"
	}
	defer mutant.Select("")
	for _, c := range []struct{ mutant string }{{""}, {bug}} {
		if err := mutant.Select(c.mutant); err != nil {
			t.Fatal(err)
		}
		objected := false
		for seed := uint64(1); seed <= 3; seed++ {
			world := sim.Run(sim.Options{Seed: seed})
			name := filepath.Join(t.TempDir(), "world.jsonl")
			var b bytes.Buffer
			if err := world.History.Write(&b); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(name, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			h, err := readHistory(nil, name)
			if err != nil {
				t.Fatal(err)
			}
			judged := world.Judged
			var got verdict
			want := newVerdict(name, h, &judged, false)
			root, out := newRoot(), &bytes.Buffer{}
			root.SetOut(out)
			root.SetArgs([]string{"check", "-o", "json", name})
			if err := root.Execute(); (err == nil) != want.OK {
				t.Errorf("mutant %q, seed %d: check = %v, the world's judges found %v", c.mutant,
					seed, err, judged.Violations)
			}
			if err := json.Unmarshal(out.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			got.shown = want.shown
			if d := cmp.Diff(want, &got, cmp.AllowUnexported(verdict{})); d != "" {
				t.Errorf("mutant %q, seed %d: -the world's judges +check:\n%s", c.mutant, seed, d)
			}
			objected = objected || !got.OK
		}
		if objected != (c.mutant != "") {
			t.Errorf("mutant %q: a judge has objected: %v", c.mutant, objected)
		}
	}
}
