package sim

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/wire"
)

// However many watches there are, no request that sets them again is longer than a server takes,
// and each path that fits a request at all is in one.
func TestDivideKeepsToMaxBuffer(t *testing.T) {
	for most := 200; most <= 1000; most += 50 {
		fits := "/" + strings.Repeat("p", most-41)
		lists := map[watchKind][]string{watchPersistent: {fits, fits + "p"}}
		want := map[watchKind][]string{watchPersistent: {fits}}
		for i := range 100 {
			k := []watchKind{watchData, watchExist, watchChild, watchRecursive}[i%4]
			lists[k] = append(lists[k], fmt.Sprintf("/r0/n0/deep/f%d", i*i))
			want[k] = lists[k]
		}
		have := map[watchKind][]string{}
		for i, part := range divide(lists, most) {
			q := wire.SetWatches2Request{Data: part[watchData], Exist: part[watchExist],
				Child: part[watchChild], Persistent: part[watchPersistent],
				PersistentRecursive: part[watchRecursive]}
			h := wire.RequestHeader{Xid: wire.XidSetWatches, Op: wire.OpSetWatches2}
			if n := len(q.AppendTo(h.AppendTo(nil))); n > most {
				t.Errorf("most %d: request %d has %d bytes", most, i, n)
			}
			for k := range watchKinds {
				have[k] = append(have[k], part[k]...)
			}
		}
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("most %d: watches that are set (-want +got):\n%s", most, diff)
		}
	}
}
