package frugal_test

import (
	"fmt"
	"testing"

	"github.com/vivariumdb/vivarium/internal/frugal"
)

// witness is a test that fails instead of this one.
type witness struct {
	testing.TB
	said string
}

func (w *witness) Helper() {}

func (w *witness) Fatalf(format string, args ...any) { w.said = fmt.Sprintf(format, args...) }

var sink []byte

func TestCheck(t *testing.T) {
	input := make([]byte, 1<<12)
	for _, c := range []struct {
		times, takes int
		fails        bool
	}{
		{0, 0, false}, {0, frugal.Slack / 2, false}, {0, 2 * frugal.Slack, true},
		{32, frugal.Slack, false}, {32, 2 * frugal.Slack, false}, {32, 4 * frugal.Slack, true},
	} {
		w := &witness{TB: t}
		frugal.Check(w, input, c.times, func() { sink = make([]byte, c.takes) })
		if got := w.said != ""; got != c.fails {
			t.Errorf("%d times %d bytes may be taken, %d are: fails %v, want %v: %.60s", c.times,
				len(input), c.takes, got, c.fails, w.said)
		}
	}
}
