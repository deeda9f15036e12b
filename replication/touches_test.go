package replication

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/core"
)

func TestTouchesAreKept(t *testing.T) {
	var k touches
	k.add([]core.SessionID{3, 1, 3})
	if got, want := k.report(), []core.SessionID{1, 3}; !cmp.Equal(got, want) {
		t.Errorf("the first report is %v, want %v", got, want)
	}
	k.add([]core.SessionID{2})
	k.report()
	k.report()
	k.heard(1)
	k.rewind()
	if got, want := k.report(), []core.SessionID{2}; !cmp.Equal(got, want) {
		t.Errorf("behind a loss %v is told again, want %v: the first report was heard", got, want)
	}
	k.heard(k.number)
	k.rewind()
	if got := k.report(); len(got) > 0 {
		t.Errorf("%v is told again, which was heard", got)
	}
}

// TestTouchesAreBounded: sessions bound what is kept, not time.
func TestTouchesAreBounded(t *testing.T) {
	const sessions = 1000
	var ids []core.SessionID
	for id := range core.SessionID(sessions) {
		ids = append(ids, id)
	}
	var k touches
	most := 0
	count := func() {
		n := cap(k.fresh)
		for _, r := range k.reports {
			n += len(r.ids)
		}
		most = max(most, n)
	}
	for range 1000 { // no leader
		k.add(ids)
		count()
	}
	for range 1000 { // a leader that shows nothing
		k.add(ids)
		k.report()
		count()
	}
	if limit := 2 * (mostReports + 2) * sessions; most > limit {
		t.Errorf("%d signs of life of %d sessions are kept, want at most %d", most, sessions,
			limit)
	}
	k.rewind()
	if got := k.report(); !slices.Equal(got, ids) {
		t.Errorf("%d sessions are told of at last, want %d", len(got), len(ids))
	}
}
