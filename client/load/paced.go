package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// paced is one connection of an open loop: the pacer sends on it, a goroutine of its own
// receives.
type paced struct {
	*run
	s     *session
	deck  deck
	tally *tally
	// due says when the requests in flight should have been sent: a ring, in which sent and
	// answered count on. The pacer alone writes sent, the receiver alone answered.
	due            [inFlight]atomic.Int64
	sent, answered atomic.Int64
	stopped        atomic.Bool // nothing more will be sent
}

// inFlight bounds what waits for an answer on one connection of an open loop. At the bound the
// pacer waits; what is due meanwhile is sent late, and its latency counts from when it was due.
const inFlight = 4096

// paced sends at Options.Rate over all connections in turn.
func (r *run) paced(ctx context.Context, sessions []*session) error {
	list := make([]*paced, len(sessions))
	var receivers sync.WaitGroup
	errs := make([]error, len(sessions)+1)
	for i, s := range sessions {
		p := &paced{run: r, s: s, tally: &r.tallies[i],
			deck: r.tree.deckOf(&r.Options, i, r.deck)}
		list[i] = p
		receivers.Go(func() { errs[i] = p.receive() })
	}
	errs[len(sessions)] = r.pace(ctx, list)
	for i, p := range list {
		p.stopped.Store(true)
		r.sent[i] = int(p.sent.Load())
		// Who waits for an answer that will not come is woken; who is owed one gets time.
		wait := dialTime
		if p.answered.Load() == p.sent.Load() {
			wait = 0
		}
		p.s.nc.SetReadDeadline(time.Now().Add(wait))
	}
	receivers.Wait()
	for _, s := range sessions {
		if ctx.Err() == nil {
			s.end()
		}
	}
	return errors.Join(errs...)
}

// pace sends what is due until the run ends. It has a thread to itself: the runtime's timers are
// only good for a millisecond.
func (r *run) pace(ctx context.Context, list []*paced) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	late := &r.tallies[len(r.tallies)-1].late
	*late = hdrhistogram.New(leastNs, mostNs, 2)
	first := r.now()
	for n := int64(0); ; n++ {
		due := first + int64(float64(n)/r.Rate*1e9)
		if due >= r.to || ctx.Err() != nil {
			return nil
		}
		if wait := due - r.now(); wait > 0 {
			nap(time.Duration(wait))
		}
		p := list[n%int64(len(list))]
		for p.sent.Load()-p.answered.Load() == inFlight && ctx.Err() == nil {
			nap(50 * time.Microsecond)
		}
		if now := r.now(); r.counts(due) {
			_ = (*late).RecordValue(min(max(now-due, leastNs), mostNs))
		}
		if err := p.send(due); err != nil {
			return err
		}
	}
}

func (p *paced) send(due int64) error {
	n := p.sent.Load()
	p.due[n%inFlight].Store(due)
	p.s.add(p.deck.draw(p.s.dice()), int(n))
	p.sent.Store(n + 1)
	return p.s.flush()
}

// receive takes answers in until all that was sent is answered. What was due while the run was
// measured counts, whenever its answer comes.
func (p *paced) receive() error {
	for {
		if n := p.answered.Load(); p.stopped.Load() && n == p.sent.Load() {
			return nil
		}
		if err := p.s.fill(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) && p.stopped.Load() &&
				p.answered.Load() == p.sent.Load() {
				return nil
			}
			return err
		}
		now := p.now()
		for answer, ok := p.s.next(); ok; answer, ok = p.s.next() {
			if answer.xid < 0 {
				continue
			}
			n := p.answered.Load()
			if want := xidOf(int(n)); answer.xid != want {
				return fmt.Errorf("reply %d where %d is due", answer.xid, want)
			}
			if due := p.due[n%inFlight].Load(); p.counts(due) {
				p.tally.count(answer.err, now-due)
			}
			p.answered.Store(n + 1)
		}
	}
}
