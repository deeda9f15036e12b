package server_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// TestDiskErrors lets one operation of a loaded server's disk fail, before or after it has taken
// place, and every one behind it succeed. The server stops, or the operation was one that nothing
// hangs on; the log and the mark are never touched again after an error. Then the power fails as
// well, and what is left is judged as TestPower judges it.
func TestDiskErrors(t *testing.T) {
	p := newPowerTest(t)
	text := fmt.Sprintf("seed %d\n%-24s %8s %8s %8s %8s", p.seed, "fails", "stopped", "went on",
		"too rare", "writes")
	for _, e := range effects {
		if e.name == "send reply" || e.name == "read request" {
			continue
		}
		for _, after := range []bool{false, true} {
			b := boundary{e.name, after}
			var stopped, wentOn, rare, writes int
			for n, errno := range []error{syscall.EIO, syscall.ENOSPC} {
				if *power.failures < 1000 && after != (n == 1) {
					continue // the rest in make power
				}
				random := rand.New(rand.NewPCG(p.seed, uint64(len(text)+n)))
				f, err := p.failOnce(b, random.IntN(e.often/5), errno, random)
				if err != nil {
					t.Errorf("%v %v: %v; seed %d", errno, b, err, p.seed)
				}
				writes += f.writes
				switch {
				case f.stopped:
					stopped++
				case f.came:
					wentOn++
				default:
					rare++
				}
			}
			text += fmt.Sprintf("\n%-24v %8d %8d %8d %8d", b, stopped, wentOn, rare, writes)
		}
	}
	t.Log(text)
}

// failure is what came of an operation that failed.
type failure struct {
	came, stopped bool
	writes        int
}

// mustStop says whether a server whose operation has failed cannot go on.
func mustStop(effect string) bool {
	return strings.HasSuffix(effect, " log") || strings.HasSuffix(effect, " mark")
}

func (p *powerTest) failOnce(b boundary, nth int, errno error, random *rand.Rand) (failure,
	error) {
	r := p.draw(random)
	r.member.CheckpointBytes, r.store.MarkMs = 20<<10, 1
	o := newOutage(vfs.NewCrashableMem())
	o.draw(random, 1, func(boundary) bool { return false })
	o.breaks, o.nth, o.errno, o.later = b, nth, errno, map[string]int{}
	_, err := p.load(r, o, random)
	broken, later := o.since(b.effect)
	f := failure{came: broken, stopped: err != nil}
	switch {
	case err != nil && !(broken && errors.Is(err, errno)):
		return f, fmt.Errorf("the server ended with %w", err)
	case err == nil && broken && mustStop(b.effect):
		return f, errors.New("the server went on")
	case mustStop(b.effect) && later > 0:
		return f, fmt.Errorf("after the error there were %d of %q", later, b.effect)
	}
	j, err := newJudge(r, o, newModel(), random)
	if err != nil {
		return f, err
	}
	for _, kept := range []int{0, 100} {
		lost := vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: random}
		s := &shot{at: b, nth: nth, kept: kept, acks: o.acks.len(), image: o.disk.CrashClone(lost)}
		v, err := j.judge(s, false)
		if err != nil {
			return f, fmt.Errorf("with %d %% of what was not synced: %w", kept, err)
		}
		f.writes += v.writes
	}
	return f, nil
}
