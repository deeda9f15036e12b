package load

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/wire"
)

// TestNextPassesOverBodies cuts a stream of replies at every place.
func TestNextPassesOverBodies(t *testing.T) {
	var stream []byte
	want := []reply{{xid: 1}, {xid: -1}, {xid: 2, err: wire.CodeNoNode}, {xid: 3}}
	for i, size := range []int{0, 20, 0, 300} {
		b, at := wire.BeginFrame(stream)
		header := wire.ReplyHeader{Xid: want[i].xid, Zxid: 9, Err: want[i].err}
		stream = wire.EndFrame(append(header.AppendTo(b), make([]byte, size)...), at)
	}
	for cut := range len(stream) {
		// The buffer is shorter than the last reply.
		s := session{in: make([]byte, 64)}
		var got []reply
		for _, part := range [][]byte{stream[:cut], stream[cut:]} {
			for len(part) > 0 {
				if s.from == s.to {
					s.from, s.to = 0, 0
				} else {
					s.to = copy(s.in, s.in[s.from:s.to])
					s.from = 0
				}
				n := copy(s.in[s.to:], part)
				s.to, part = s.to+n, part[n:]
				for r, ok := s.next(); ok; r, ok = s.next() {
					got = append(got, r)
				}
			}
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(reply{})); diff != "" {
			t.Fatalf("cut at %d (-want +got):\n%s", cut, diff)
		}
	}
}
