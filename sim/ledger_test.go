package sim

import (
	"testing"

	"github.com/vivariumdb/vivarium/linearizability"
)

// judged plays entries into a ledger and says whether it objects.
func judged(entries func(w *World)) bool {
	w := &World{}
	entries(w)
	w.ledger.judge(w)
	return len(w.violations) > 0
}

func result(code linearizability.Code, path string) *answer {
	return &answer{res: &linearizability.Result{Err: code, Path: path,
		Stat: &linearizability.Stat{}}}
}

const lost = linearizability.CodeConnectionLoss

func TestLedgerOfLocks(t *testing.T) {
	for _, test := range []struct {
		name  string
		notes func(w *World, f *fence)
		bad   bool
	}{
		{"one after the other", func(w *World, f *fence) {
			f.acquired(w, 10, 12)
			f.wrote(w, 10, 13)
			f.released(w, 10, 15)
			f.acquired(w, 14, 15)
		}, false},
		{"answers in another order", func(w *World, f *fence) {
			f.acquired(w, 14, 15)
			f.wrote(w, 14, 17)
			f.wrote(w, 10, 13)
			f.acquired(w, 10, 12)
		}, false},
		{"two at once", func(w *World, f *fence) {
			f.acquired(w, 10, 12)
			f.acquired(w, 11, 12)
		}, true},
		{"a write of who has lost it", func(w *World, f *fence) {
			f.acquired(w, 10, 12)
			f.acquired(w, 14, 15)
			f.wrote(w, 10, 16)
		}, true},
		{"taken before it was given back", func(w *World, f *fence) {
			f.acquired(w, 14, 15)
			f.released(w, 10, 17)
		}, true},
		{"read after a later one wrote", func(w *World, f *fence) {
			f.sighted(w, 14, 20)
			f.sighted(w, 10, 21)
		}, true},
	} {
		if got := judged(func(w *World) { test.notes(w, &w.ledger.lock) }); got != test.bad {
			t.Errorf("%s: objected to %v, want %v", test.name, got, test.bad)
		}
	}
}

func TestLedgerOfQueues(t *testing.T) {
	left := func(w *World, names ...string) {
		w.ledger.left = map[string]*linearizability.Result{"/queue": {Children: names}}
	}
	put := func(w *World, item, path string, code linearizability.Code) {
		w.ledger.items.puts(item)
		w.ledger.items.put(item, result(code, path))
	}
	take := func(w *World, item, path string, code linearizability.Code) {
		w.ledger.items.takes(path)
		w.ledger.items.took(w, path, item, result(code, ""))
	}
	for _, test := range []struct {
		name  string
		notes func(w *World)
		bad   bool
	}{
		{"put, taken, left", func(w *World) {
			put(w, "a", "/queue/i-1", 0)
			put(w, "b", "/queue/i-2", 0)
			take(w, "a", "/queue/i-1", 0)
			take(w, "a", "/queue/i-1", linearizability.CodeNoNode)
			left(w, "i-2")
		}, false},
		{"answers that were lost", func(w *World) {
			put(w, "a", "", lost)
			put(w, "b", "/queue/i-2", 0)
			take(w, "a", "/queue/i-1", 0)
			take(w, "b", "/queue/i-2", lost)
			left(w)
		}, false},
		{"taken twice", func(w *World) {
			put(w, "a", "/queue/i-1", 0)
			take(w, "a", "/queue/i-1", 0)
			take(w, "a", "/queue/i-1", 0)
		}, true},
		{"put once, there twice", func(w *World) {
			put(w, "a", "", lost)
			take(w, "a", "/queue/i-1", 0)
			take(w, "a", "/queue/i-2", 0)
		}, true},
		{"never put", func(w *World) { take(w, "a", "/queue/i-1", 0) }, true},
		{"neither taken nor left", func(w *World) {
			put(w, "a", "/queue/i-1", 0)
			left(w)
		}, true},
		{"taken and left", func(w *World) {
			put(w, "a", "/queue/i-1", 0)
			take(w, "a", "/queue/i-1", 0)
			left(w, "i-1")
		}, true},
	} {
		if got := judged(test.notes); got != test.bad {
			t.Errorf("%s: objected to %v, want %v", test.name, got, test.bad)
		}
	}
}

func TestLedgerOfCounters(t *testing.T) {
	made := func(w *World, n int64, version int32, code linearizability.Code) {
		w.ledger.counts.makes()
		w.ledger.counts.made(w, n, &answer{res: &linearizability.Result{Err: code,
			Stat: &linearizability.Stat{Version: version}}})
	}
	left := func(w *World, version int32) {
		w.ledger.left = map[string]*linearizability.Result{"/counter": {
			Stat: &linearizability.Stat{Version: version}}}
	}
	for _, test := range []struct {
		name  string
		notes func(w *World)
		bad   bool
	}{
		{"two changes and one that may be", func(w *World) {
			made(w, 1, 1, 0)
			made(w, 2, 0, lost)
			made(w, 3, 3, 0)
			left(w, 3)
		}, false},
		{"one that was lost", func(w *World) { made(w, 1, 1, 0); made(w, 2, 2, 0); left(w, 1) },
			true},
		{"one too many", func(w *World) { made(w, 1, 1, 0); left(w, 2) }, true},
		{"a version made twice", func(w *World) { made(w, 1, 1, 0); made(w, 1, 1, 0) }, true},
		{"a value that skips", func(w *World) { w.ledger.counted(w, 4, 3) }, true},
	} {
		if got := judged(test.notes); got != test.bad {
			t.Errorf("%s: objected to %v, want %v", test.name, got, test.bad)
		}
	}
}

func TestLedgerOfBanksAndBarriers(t *testing.T) {
	accounts := func(money ...string) *linearizability.Result {
		res := &linearizability.Result{}
		for _, m := range money {
			part := linearizability.Result{Data: []byte(m)}
			if m != "" {
				part.Stat = &linearizability.Stat{}
			}
			res.Parts = append(res.Parts, part)
		}
		return res
	}
	for _, test := range []struct {
		name  string
		notes func(w *World)
		bad   bool
	}{
		{"all there", func(w *World) {
			w.ledger.balance(w, accounts("90", "110", "100", "0", "200"))
		}, false},
		{"half a transfer", func(w *World) {
			w.ledger.balance(w, accounts("90", "100", "100", "0", "200"))
		}, true},
		{"not opened", func(w *World) { w.ledger.noAccounts(w, accounts("", "", "", "", "")) },
			false},
		{"half opened", func(w *World) { w.ledger.noAccounts(w, accounts("", "", "5", "", "")) },
			true},
		{"enough have come", func(w *World) {
			w.ledger.comes(1, "a")
			w.ledger.comes(1, "b")
			w.ledger.passes(w, 1)
		}, false},
		{"one has come twice", func(w *World) {
			w.ledger.comes(1, "a")
			w.ledger.comes(1, "a")
			w.ledger.passes(w, 1)
		}, true},
	} {
		if got := judged(test.notes); got != test.bad {
			t.Errorf("%s: objected to %v, want %v", test.name, got, test.bad)
		}
	}
}
