package sim

import (
	"fmt"
	"slices"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// ledger is what the recipes of a world have noted: what was known to be done, and what may have
// been. What must hold of it is judged as soon as it is noted, or at the end, when somebody has
// read what is left.
type ledger struct {
	counts tally
	items  items
	lock   fence
	office fence
	coming map[string]bool                    // who is known to come to a barrier,
	came   map[int]int                        // and how many, by its round
	left   map[string]*linearizability.Result // what the auditor has read, by its path
}

// tally is what is known of a counter.
type tally struct {
	versions map[int32]bool // that somebody made
	unknown  int64          // how many there may be besides
}

// counted judges a reading: every change adds one, so that the value is the version.
func (l *ledger) counted(w *World, n int64, version int32) {
	if n != int64(version) {
		w.violate("recipes", fmt.Sprintf("the counter is %d in version %d", n, version))
	}
}

// makes notes that a change is about to be made.
func (t *tally) makes() { t.unknown++ }

// made notes what became of it.
func (t *tally) made(w *World, n int64, a *answer) {
	if !a.unknown() {
		t.unknown--
	}
	if !a.ok() {
		return
	}
	version := a.res.Stat.Version
	if n != int64(version) || t.versions[version] {
		w.violate("recipes", fmt.Sprintf("the counter was set to %d in version %d, which was made "+
			"before: %v", n, version, t.versions[version]))
	}
	if t.versions == nil {
		t.versions = map[int32]bool{}
	}
	t.versions[version] = true
	w.count.add(countCounted)
}

// noAccounts judges an answer without the first account: then there are none.
func (l *ledger) noAccounts(w *World, res *linearizability.Result) {
	for i := range res.Parts {
		if res.Parts[i].Stat != nil {
			w.violate("recipes", fmt.Sprintf("account %d was opened, the first was not", i))
		}
	}
}

// balance judges an answer with all accounts: no money is made or lost.
func (l *ledger) balance(w *World, res *linearizability.Result) {
	sum := int64(0)
	for i := range res.Parts {
		sum += number(res.Parts[i].Data)
	}
	if sum != bankAccounts*bankEach {
		w.violate("recipes", fmt.Sprintf("%d is in all accounts, %d was paid in", sum,
			bankAccounts*bankEach))
	}
}

// items are those of a queue.
type items struct {
	known map[string]string // paths that are known to have been put, and what is in them
	lost  map[string]bool   // items of which it is not known whether they were put
	taken map[string]bool   // paths that were taken,
	maybe map[string]int    // and those that may have been, by how many
	data  map[string]string // what was taken, and where
}

// puts notes that an item is about to be put.
func (q *items) puts(item string) {
	q.open()
	q.lost[item] = true
}

func (q *items) open() {
	if q.known == nil {
		*q = items{known: map[string]string{}, lost: map[string]bool{}, taken: map[string]bool{},
			maybe: map[string]int{}, data: map[string]string{}}
	}
}

// put notes what became of it.
func (q *items) put(item string, a *answer) {
	if !a.unknown() {
		delete(q.lost, item)
	}
	if a.ok() {
		q.known[a.res.Path] = item
	}
}

// takes notes that an item is about to be taken.
func (q *items) takes(path string) {
	q.open()
	q.maybe[path]++
}

// took notes what became of it. Nobody else has taken it, nor one like it.
func (q *items) took(w *World, path, item string, a *answer) {
	if !a.unknown() {
		q.maybe[path]--
	}
	switch {
	case a.ok() && q.taken[path]:
		w.violate("recipes", fmt.Sprintf("%s is taken twice", path))
	case a.ok() && q.data[item] != "":
		w.violate("recipes", fmt.Sprintf("item %s was put once, and is taken from %s and %s", item,
			q.data[item], path))
	case a.ok():
		q.taken[path], q.data[item] = true, path
		w.count.add(countConsumed)
	}
}

// judge says what must hold in the end: each item was put, and is taken or is still there.
func (q *items) judge(w *World, left *linearizability.Result) {
	for _, item := range sortedKeys(q.data) {
		path := q.data[item]
		if q.known[path] != item && !q.lost[item] {
			w.violate("recipes", fmt.Sprintf("item %s was taken from %s, and never put there",
				item, path))
		}
	}
	if left == nil {
		return
	}
	for _, path := range sortedKeys(q.known) {
		there := slices.Contains(left.Children, path[len("/queue/"):])
		if q.taken[path] && there || !q.taken[path] && q.maybe[path] == 0 && !there {
			w.violate("recipes", fmt.Sprintf("%s: taken %v, left in the end %v", path,
				q.taken[path], there))
		}
	}
}

// fence is what is known of a lock, or an office, whose holders bear tokens: the czxids of their
// znodes, which rise.
type fence struct {
	proofs []proof // by their zxids
}

// proof is a zxid at which a token held the lock.
type proof struct{ token, zxid int64 }

// acquired notes that at a zxid the holder saw itself to be first.
func (f *fence) acquired(w *World, token, zxid int64) { f.held(w, "acquired", token, zxid) }

// wrote notes a write under the lock.
func (f *fence) wrote(w *World, token, zxid int64) { f.held(w, "wrote", token, zxid) }

// released notes the zxid with which the holder's znode went: just before, it was still his.
func (f *fence) released(w *World, token, zxid int64) { f.held(w, "released", token, zxid-1) }

// held adds a zxid at which a token held the lock, and judges it: in the order of zxids tokens
// never fall. Answers come in any order, so that each is held against all others.
func (f *fence) held(w *World, how string, token, zxid int64) {
	at, _ := slices.BinarySearchFunc(f.proofs, zxid, func(p proof, z int64) int {
		return int(min(max(p.zxid-z, -1), 1))
	})
	f.proofs = slices.Insert(f.proofs, at, proof{token, zxid})
	for _, i := range []int{at - 1, at + 1} {
		if i < 0 || i >= len(f.proofs) {
			continue
		}
		other := f.proofs[i]
		if other.token != token && (other.zxid == zxid || (other.zxid < zxid) !=
			(other.token < token)) {
			w.violate("recipes", fmt.Sprintf("%#x %s the lock at zxid %#x, %#x held it at %#x",
				token, how, zxid, other.token, other.zxid))
		}
	}
}

// sighted judges what somebody has read: whose token it is wrote it then.
func (f *fence) sighted(w *World, token, mzxid int64) {
	if token != 0 {
		f.held(w, "wrote", token, mzxid)
	}
}

// comes notes that somebody is about to come to a barrier.
func (l *ledger) comes(round int, who string) {
	if l.came == nil {
		l.coming, l.came = map[string]bool{}, map[int]int{}
	}
	if !l.coming[who] {
		l.coming[who] = true
		l.came[round]++
	}
}

// passes judges that somebody passes a barrier.
func (l *ledger) passes(w *World, round int) {
	w.count.add(countBarriers)
	if n := l.came[round]; n < barrierSize {
		w.violate("recipes", fmt.Sprintf("barrier %d is passed, and %d have come", round, n))
	}
}

// learn keeps what the auditor reads of the paths of recipes.
func (l *ledger) learn(a *arrival) {
	if a.request == nil || a.result == nil || a.result.Err != linearizability.CodeOk &&
		a.result.Err != linearizability.CodeNoNode {
		return
	}
	path := a.request.Path
	if !(path == "/queue" && a.op == wire.OpGetChildren2) &&
		!(path == "/counter" && a.op == wire.OpGetData) {
		return
	}
	if l.left == nil {
		l.left = map[string]*linearizability.Result{}
	}
	l.left[path] = a.result
}

// judge says what must hold in the end, after everything was read by clients for whom nothing is
// under way any more.
func (l *ledger) judge(w *World) {
	for _, c := range w.clients {
		if c, ok := c.(*protocolClient); ok {
			c.leave()
		}
	}
	if len(w.violations) > 0 || w.short {
		return
	}
	for _, path := range []string{"/queue", "/counter"} {
		if w.k.Recipes > 0 && l.left[path] == nil {
			w.violate("recipes", "nobody could read "+path+" back in the end")
			return
		}
	}
	l.items.judge(w, l.left["/queue"])
	if counter := l.left["/counter"]; counter != nil {
		v := int64(0) // if nobody made it
		if counter.Stat != nil {
			v = int64(counter.Stat.Version)
		}
		made := int64(len(l.counts.versions))
		if v < made || v > made+l.counts.unknown {
			w.violate("recipes", fmt.Sprintf("the counter is %d in the end, %d changes were "+
				"acknowledged and %d may have been made", v, made, l.counts.unknown))
		}
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m { //order-free: sorted below
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
