package sim

import (
	"strings"
	"testing"

	"github.com/vivariumdb/vivarium/core"
)

// A digest that differs is no news to work with: what differs is said.
func TestDifference(t *testing.T) {
	build := func(timeoutMs int32, extra bool) *core.State {
		b := core.NewBuilder()
		_ = core.NewState().Walk(b.AddNode)
		if err := b.AddSession(core.SessionID(0x200000001), timeoutMs, [32]byte{}); err != nil {
			t.Fatal(err)
		}
		if extra {
			if err := b.AddSession(core.SessionID(0x200000002), 100, [32]byte{}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Finish(core.Founding{Index: 1, Term: 1})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for _, c := range []struct {
		name       string
		have, want *core.State
		text       string
	}{
		{"a field", build(400, false), build(500, false), "time-out 400 ms"},
		{"missing", build(400, false), build(400, true), "session 0x200000002 is missing"},
		{"too much", build(400, true), build(400, false), "session 0x200000002 should not be"},
		{"nothing that is looked at", build(400, true), build(400, true), "no znode"},
	} {
		if got := difference(c.have, c.want); !strings.Contains(got, c.text) {
			t.Errorf("%s: difference is %q, want one with %q", c.name, got, c.text)
		}
	}
}
