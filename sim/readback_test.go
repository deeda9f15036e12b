package sim

import (
	"net/netip"
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
)

func TestReadBackAsksAgain(t *testing.T) {
	k := Quiet(1000)
	k.Recipes = 1
	g := newGenerator(&World{k: k}, newRNG(1, "test"), netip.AddrFrom4([4]byte{10}))
	want := len(g.everything()) + 1
	// What a connection leaves without an answer is asked again, in halves, and then one by one.
	var b readback
	for conn, batch := int64(1), want; batch > 0; conn++ {
		if got := len(b.next(conn, g)); got != max(batch, 1) {
			t.Fatalf("on connection %d, %d are asked, want %d", conn, got, max(batch, 1))
		}
		batch /= 2
	}
	answered := 0
	for last := b.on; !b.done(); answered++ {
		if n := b.batch; n != 1 {
			t.Fatalf("%d are asked at once after a connection that broke on one, want 1", n)
		}
		b.next(last, g)
	}
	if answered != want {
		t.Errorf("%d are answered one by one, want %d", answered, want)
	}
}

// A server that closes whoever is owed much keeps nobody from reading back what recipes left.
func TestReadBackFromServerOfFewBytes(t *testing.T) {
	k := Quiet(3000)
	k.Clients, k.Recipes, k.WeightCounter, k.ThinkUs = 1, 3, 1, 100_000
	k.Roots, k.Names, k.DataBytes, k.HardUnsent, k.WeightTree = 4, 4, 200, 150, 5
	k.Pipeline, k.Burst, k.FlushUs = 200, 10, 5000
	r := Run(Options{Seed: 3, Knobs: &k})
	for _, v := range r.Violations {
		t.Errorf("violation %v", v)
	}
	closed := 0
	for _, l := range r.History.Lines {
		if l.Kind == linearizability.KindDisconnect && l.At > 3_000_000 &&
			l.Text == linearizability.CauseServer {
			closed++
		}
	}
	if closed < 5 || r.Count("counter raised") == 0 {
		t.Errorf("%d connections closed in the end, the counter raised %d times: nothing is shown",
			closed, r.Count("counter raised"))
	}
}

// An end in which nobody has read what recipes left is no good end.
func TestLedgerWithoutReader(t *testing.T) {
	nobody := func(w *World) { w.k.Recipes = 1 }
	if !judged(nobody) {
		t.Error("nobody has read anything back, and the ledger is content")
	}
}
