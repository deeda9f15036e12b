package sim

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// FuzzReadPlan: a list of decisions that can be read is written as what is read as the same. What
// is noted for people may differ.
func FuzzReadPlan(f *testing.F) {
	var b bytes.Buffer
	p := &Plan{Seed: 7, Mutant: "m", Luck: 2, Calm: true, Knobs: []string{"SyncUs=5"},
		EndUs: 3_000_417, Gaps: []Gap{{1, 2}}, Notes: []string{"a note"},
		Keep: []Decision{{ID: "client 3#17.1.1", At: 12, What: "create /a"},
			{ID: "crash of 3#2", Spot: Spot{1_000_005, 2, "crash around a mark"}}}}
	if err := p.Write(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.String())
	f.Add("seed 1\nkeep nothing\nend 0.5\nknob Hosts=3 # three\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ReadPlan(strings.NewReader(text))
		if err != nil {
			return
		}
		var b bytes.Buffer
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		again, err := ReadPlan(strings.NewReader(b.String()))
		if err != nil {
			t.Fatalf("%q is written as %q: %v", text, b.String(), err)
		}
		opts := cmp.Options{cmpopts.IgnoreFields(Plan{}, "Notes"),
			cmpopts.IgnoreFields(Decision{}, "At", "What")}
		if diff := cmp.Diff(p, again, opts); diff != "" {
			t.Fatalf("%q is written as %q (-want +got):\n%s", text, b.String(), diff)
		}
	})
}
