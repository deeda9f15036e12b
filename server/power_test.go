package server_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/vivariumdb/vivarium/internal/mutant"
	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
	"github.com/vivariumdb/vivarium/server"
	"github.com/vivariumdb/vivarium/server/config"
)

var power = struct {
	failures     *int
	seed         *uint64
	sync, mutant *string
}{
	flag.Int("failures", 30, "how often TestPower lets the power fail"),
	flag.Uint64("powerseed", 0, "what TestPower draws from; 0 is the time"),
	flag.String("forcesync", "yes", "no: as the key of the configuration"),
	flag.String("mutant", "", "a known bug; needs -tags mutants"),
}

// TestPower lets the power fail under a loaded server: before and after each write, sync, rename
// and reply, on a disk that keeps what was synced and little else. A server that starts on what
// is left must have all that was acknowledged, and be the same State as a naive replay. It tests
// itself: without syncs, and with a server that acknowledges before the sync, it must fail.
// `make power` lets the power fail 1,000 times.
func TestPower(t *testing.T) {
	p := newPowerTest(t)
	p.noSync = *power.sync == "no"
	if err := p.run(*power.failures); err != nil {
		t.Fatalf("%v\nseed %d\n%s", err, p.seed, p.table())
	}
	t.Logf("seed %d\n%s", p.seed, p.table())
	if p.noSync || *power.mutant != "" {
		return // the fault must show above
	}
	t.Run("without syncs", func(t *testing.T) {
		p := newPowerTest(t)
		p.noSync = true
		p.mustFail(200)
	})
	t.Run("acknowledged before the sync", func(t *testing.T) {
		p := newPowerTest(t)
		if mutant.Select("store-ack-before-sync") != nil {
			t.Skip("needs -tags mutants")
		}
		p.mustFail(200)
	})
}

// powerTest is one series of power failures.
type powerTest struct {
	t      *testing.T
	seed   uint64
	noSync bool

	runs  int
	lives [mostLives]int
	twice int // failures while a server started after one
	acked int64
	took  time.Duration
	rows  map[string]*powerRow
	total verdict
	by    [3]int // started from nothing, from the log alone, with a checkpoint
	kept  [3]int // nothing unsynced kept, some, all
}

// powerRow is a row of the table.
type powerRow struct {
	verdict
	before, after, wrong int
}

func newPowerTest(t *testing.T) *powerTest {
	if err := mutant.Select(*power.mutant); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mutant.Select("") })
	p := &powerTest{t: t, seed: *power.seed, rows: map[string]*powerRow{}}
	if p.seed == 0 {
		p.seed = uint64(time.Now().UnixNano())
	}
	for _, e := range effects {
		p.rows[e.name] = &powerRow{}
	}
	return p
}

// mustFail is run for a server with a fault: within most failures it has to be found out.
func (p *powerTest) mustFail(most int) {
	p.t.Helper()
	err := p.run(most)
	if err == nil {
		p.t.Fatalf("%d power failures, and nothing was found to be lost; seed %d", most, p.seed)
	}
	if !strings.Contains(err.Error(), "lost: ") {
		p.t.Fatalf("it names no write that was lost: %v; seed %d", err, p.seed)
	}
	p.t.Logf("must fail, and does: %v", err)
}

// broken says that the server has a fault on purpose.
func (p *powerTest) broken() bool { return p.noSync || mutant.Selected() != "" }

// early says that a failure is not the one waited for. A server that does not wait for its disk may
// leave one that is refused before anything was acknowledged, or lose a zxid that was seen in the
// answer to a read before the write's own answer is.
func (p *powerTest) early(err error) bool {
	unsynced := p.noSync || mutant.Selected() == "store-ack-before-sync"
	return unsynced && err != nil && !strings.Contains(err.Error(), "lost: ")
}

// run lets the power fail until it has done so as often as wanted.
func (p *powerTest) run(failures int) error {
	began := time.Now()
	defer func() { p.took = time.Since(began) }()
	for left := failures; left > 0; {
		p.runs++
		shots, err := p.one(uint64(p.runs), left)
		if err != nil {
			return fmt.Errorf("run %d: %w", p.runs, err)
		}
		left -= shots
		if p.runs > 20+failures {
			return errors.New("the power hardly ever fails")
		}
	}
	for name, row := range p.rows {
		if want := failures / 100; row.before < want || row.after < want {
			return fmt.Errorf("only %d power failures before and %d after %q: coverage is part of "+
				"the test", row.before, row.after, name)
		}
	}
	return nil
}

// powerRun is one server under load, with the settings drawn for it.
type powerRun struct {
	noSync bool
	logDir string
	// founding says that the power may fail before the server first serves.
	founding bool

	member replication.Config
	store  store.Options
}

func (p *powerTest) draw(random *rand.Rand) *powerRun {
	pick := func(list ...int64) int64 { return list[random.IntN(len(list))] }
	r := &powerRun{noSync: p.noSync}
	r.logDir = []string{"/data", "/log"}[random.IntN(2)]
	r.member = replication.Config{CheckpointBytes: pick(10<<10, 40<<10, 120<<10, 1<<30),
		IdleTicks: pick(1, 1000), TickMs: 10} // a start waits for a tick
	r.store = store.Options{SegmentSize: pick(8<<10, 32<<10, 128<<10),
		ReadySegments: int(pick(-1, 1, 3)), SpareSegments: int(pick(1, 4)),
		MarkBytes: pick(1<<10, 256<<10), MarkMs: pick(1, 100), MemTableSize: 1 << 20,
		IngestSize: pick(1<<10, 20<<10, 1<<20)}
	return r
}

func (r *powerRun) options(fs vfs.FS) server.Options {
	return server.Options{FS: fs, Member: r.member, Store: r.store, Config: &config.Config{
		DataDir: "/data", DataLogDir: r.logDir, NoSync: r.noSync, ClientAddress: "127.0.0.1:0",
		MaxClientConns: config.Unlimited, MinSessionTimeout: 150 * time.Millisecond,
		ContainerCheckInterval: 100 * time.Millisecond}}
}

// mostLives is how often a server under load goes on from what a power failure left.
const mostLives = 3

// place is a server under load: the run, and which life of its disk, from 1.
type place struct {
	run  uint64
	life int
}

// one is a run on an empty disk.
func (p *powerTest) one(number uint64, left int) (shots int, err error) {
	random := rand.New(rand.NewPCG(p.seed, number))
	r, o := p.draw(random), newOutage(vfs.NewCrashableMem())
	r.founding = number%6 == 2
	return p.life(r, o, random, left, place{number, 1})
}

// life loads a server, lets the power fail at the boundaries drawn, and judges each failure. It may
// go on from one of them.
func (p *powerTest) life(r *powerRun, o *outage, random *rand.Rand, left int, place place) (int,
	error) {
	if left <= 0 {
		return 0, nil
	}
	p.lives[place.life-1]++
	o.draw(rand.New(rand.NewPCG(p.seed, place.run<<8|uint64(place.life))), left, p.wanted)
	acked, err := p.load(r, o, random)
	if err != nil {
		return 0, err
	}
	p.acked += acked
	j, err := newJudge(r, o, newModel(), random)
	if err != nil {
		return 0, err
	}
	for _, s := range o.shots {
		v, err := j.judge(s, random.IntN(4) == 0)
		if p.count(s, v, err); err == nil {
			_, err = j.second(s)
			p.twice += len(s.again.shots)
		}
		if err != nil && !p.early(err) {
			return 0, fmt.Errorf("%v: %w", s, err)
		}
	}
	if n := len(o.shots); n > 0 && place.life < mostLives && !p.broken() {
		s := o.shots[random.IntN(n)]
		place.life++
		more, err := p.life(r, j.heir(s, s.image), random, left-n, place)
		return n + more, err
	}
	return len(o.shots), nil
}

// wanted keeps the boundaries even: who is far ahead of the last waits.
func (p *powerTest) wanted(b boundary) bool {
	count := func(row *powerRow) int {
		if b.after {
			return row.after
		}
		return row.before
	}
	least := count(p.rows[b.effect])
	for _, row := range p.rows {
		least = min(least, count(row))
	}
	return count(p.rows[b.effect]) <= least+8
}

// load runs a server under load until all failures that were drawn have come, or enough was
// written without the last of them.
func (p *powerTest) load(r *powerRun, o *outage, random *rand.Rand) (int64, error) {
	const enough = 4000
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	if r.founding {
		o.arm()
	}
	options := r.options(watchedFS{o.disk, o})
	options.Listener = &watchedListener{Listener: listener, o: o}
	l, err := begin(options)
	if err != nil {
		return 0, err
	}
	o.arm()
	var acked atomic.Int64
	callers := make([]error, 4)
	var all sync.WaitGroup
	for i := range callers {
		c := &caller{o: o, addr: l.Addr().String(), id: i, acked: &acked,
			random: rand.New(rand.NewPCG(random.Uint64(), uint64(i)))}
		all.Go(func() { callers[i] = c.run() })
	}
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for done := false; !done; {
		select {
		case <-o.full:
			done = true
		case err := <-l.done:
			l.over, l.err = true, fmt.Errorf("the loaded server ended: %w", err)
			done = true
		case <-tick.C:
			done = acked.Load() >= enough
		}
	}
	err = l.end()
	all.Wait()
	return acked.Load(), errors.Join(append(callers, err)...)
}

func (p *powerTest) count(s *shot, v verdict, err error) {
	row := p.rows[s.at.effect]
	if s.at.after {
		row.after++
	} else {
		row.before++
	}
	if err != nil {
		row.wrong++
		return
	}
	row.add(v)
	p.total.add(v)
	p.by[v.from]++
	switch s.kept {
	case 0:
		p.kept[0]++
	case 100:
		p.kept[2]++
	default:
		p.kept[1]++
	}
}

// table is what people read.
func (p *powerTest) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-16s %7s %7s %9s %8s %9s %7s %11s %6s\n", "power fails at", "before", "after",
		"writes", "multis", "sessions", "ended", "ephemerals", "wrong")
	line := func(name string, r *powerRow) {
		fmt.Fprintf(&b, "%-16s %7d %7d %9d %8d %9d %7d %11d %6d\n", name, r.before, r.after,
			r.writes, r.multis, r.sessions, r.ended, r.ephemerals, r.wrong)
	}
	sum := &powerRow{verdict: p.total}
	for _, name := range slices.Sorted(maps.Keys(p.rows)) {
		r := p.rows[name]
		line(name, r)
		sum.before += r.before
		sum.after += r.after
		sum.wrong += r.wrong
	}
	line("all", sum)
	fmt.Fprintf(&b, "%d servers under load on empty disks, %v on what a power failure left; "+
		"%d writes acknowledged, %d znodes compared\n", p.lives[0], p.lives[1:], p.acked,
		p.total.nodes)
	fmt.Fprintf(&b, "started with nothing %d, from the log alone %d, with a checkpoint %d; "+
		"%d entries replayed; the power failed again while it started %d\n", p.by[0], p.by[1],
		p.by[2], p.total.replayed, p.twice)
	fmt.Fprintf(&b, "of what was not synced kept nothing %d, some %d, all %d; took %v\n",
		p.kept[0], p.kept[1], p.kept[2], p.took.Round(time.Millisecond))
	return b.String()
}
