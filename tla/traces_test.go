package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/sim"
)

func TestWriteLine(t *testing.T) {
	l := sim.AbstractLine{Action: "Commit", Fields: []sim.AbstractField{{Name: "s", Value: 2},
		{Name: "ok", Value: true}, {Name: "kind", Value: "close"},
		{Name: "gone", Value: []int{1, 3}},
		{Name: "log", Value: sim.Terms{1, 1}}, {Name: "none", Value: []int{}}}}
	want := `[a |-> "Commit", s |-> 2, ok |-> TRUE, kind |-> "close", gone |-> {1, 3}, ` +
		`log |-> <<1, 1>>, none |-> {}]`
	var b strings.Builder
	writeLine(&b, &l)
	if got := b.String(); got != want {
		t.Errorf("writeLine = %s, want %s", got, want)
	}
}

func TestNextActions(t *testing.T) {
	got, err := nextActions(".", "SessionsMoves")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Reconnect", "Commit", "Apply", "Send", "SendClose", "Read", "Feed", "Lose",
		"Expire"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the actions of SessionsMoves (-want +got):\n%s", diff)
	}
}

func TestVerdictRefuted(t *testing.T) {
	tr := Trace{Lines: make([]sim.AbstractLine, 5)}
	for _, c := range []struct{ taken, want int }{{5, 0}, {4, 5}, {0, 1}} {
		if got := (Verdict{c.taken}).Refuted(tr); got != c.want {
			t.Errorf("with %d of 5 lines taken Refuted = %d, want %d", c.taken, got, c.want)
		}
	}
}

// TestFirstDifference holds an alteration to be looked for where the trace is another one: of two
// equal lines it does not show which is gone.
func TestFirstDifference(t *testing.T) {
	trace := func(actions ...string) (lines []sim.AbstractLine) {
		for _, a := range actions {
			lines = append(lines, sim.AbstractLine{Action: a})
		}
		return lines
	}
	other := trace("Sync", "Sync", "Commit")
	other[1].Fields = []sim.AbstractField{{Name: "gone", Value: []int{1, 3}}}
	same := slices.Clone(other)
	same[1].Fields = []sim.AbstractField{{Name: "gone", Value: []int{1, 3}}}
	for _, c := range []struct {
		name string
		a, b []sim.AbstractLine
		want int
	}{
		{"another action", trace("Sync", "Commit"), trace("Sync", "Apply"), 1},
		{"one of two equal lines gone", trace("Sync", "Sync", "Read"), trace("Sync", "Read"), 1},
		{"another value", trace("Sync", "Sync", "Commit"), other, 1},
		{"the same values", other, same, 3},
		{"the end gone", trace("Sync", "Commit"), trace("Sync"), 1},
		{"nothing of it", nil, trace("Sync"), 0},
	} {
		if got := firstDifference(c.a, c.b); got != c.want {
			t.Errorf("%s: firstDifference = %d, want %d", c.name, got, c.want)
		}
	}
}

// TestReadVerdicts holds every trace to be spoken of: one that is not may not pass for admitted.
func TestReadVerdicts(t *testing.T) {
	text := "<<\"line\", 1, 1>>\n<<\"line\", 2, 1>>\n<<\"line\", 2, 2>>\n<<\"line\", 2, 3>>\n"
	got, err := readVerdicts(text, 2)
	if diff := cmp.Diff([]Verdict{{0}, {2}}, got); diff != "" || err != nil {
		t.Errorf("readVerdicts(%q): %v (-want +got):\n%s", text, err, diff)
	}
	if got, err := readVerdicts(text, 3); err == nil {
		t.Errorf("of 3 traces of which only 2 are told, readVerdicts = %v", got)
	}
}

// TestRare holds a trace to count if it shows what none before it has.
func TestRare(t *testing.T) {
	r, err := newRare(deliverySpec, ".")
	if err != nil || len(r.actions) == 0 || len(r.alterations) == 0 {
		t.Fatalf("newRare = %+v, %v", r, err)
	}
	sync := Trace{Lines: []sim.AbstractLine{{Action: "Sync"}}}
	if !r.shown(sync) || r.shown(sync) {
		t.Error("a first Sync has to count, and a second not")
	}
	told := Trace{Lines: []sim.AbstractLine{{Action: "Told"}}} // which is no action
	if !r.shown(told) || r.shown(told) {
		t.Error("what is the first to be altered in some way has to count, and the second not")
	}
}

// TestUntold holds every model about sessions to be told by traces, or to be named as one that is
// not.
func TestUntold(t *testing.T) {
	paths, err := filepath.Glob("Sessions*.tla")
	if err != nil || len(paths) == 0 {
		t.Fatalf("models about sessions: %v, %v", paths, err)
	}
	named := map[string]bool{}
	for _, s := range traceSpecs {
		named[s.Model] = true
	}
	for _, m := range untold {
		named[m.Model] = true
	}
	for _, path := range paths {
		if !named[strings.TrimSuffix(path, ".tla")] {
			t.Errorf("%s is neither told nor named as untold", path)
		}
	}
}
