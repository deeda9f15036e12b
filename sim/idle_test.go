package sim

import (
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// A leader may have left some of what it found for the next time if that was as much as it may
// remove at once, but not if what came next would have had room as well.
func TestFindsMayBeCut(t *testing.T) {
	reap := func(paths ...string) (commands []core.Command) {
		for _, p := range paths {
			commands = append(commands, core.Command{Kind: core.KindReap, Path: p})
		}
		return commands
	}
	for _, test := range []struct {
		first, second []core.Command
		most          int64
		want          bool
	}{
		{reap("/a1", "/a2"), reap("/a3"), 8, true},
		{reap("/a1", "/a2"), reap("/a3"), 9, false},
		{reap("/a1", "/a2"), reap("/a3", "/longer"), 9, true},
		{reap("/a1", "/a2"), reap("/a3"), 0, false},
		{nil, reap("/a1", "/a2"), 6, false},
	} {
		var f finds
		f.notes(1, test.first)
		f.notes(2, test.second)
		f.notes(2, test.second) // another command of the same entry
		if got := f.cut(test.most); got != test.want {
			t.Errorf("%d commands, then %d, %d bytes at a time: cut %t, want %t", len(test.first),
				len(test.second), test.most, got, test.want)
		}
	}
}
