package load

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// run is one measurement.
type run struct {
	Options
	tree    tree
	deck    *deck
	began   time.Time // the clock of now counts from here
	from    int64     // what is counted lies between from and to
	to      int64
	before  int64 // resident bytes before the first connection
	tallies []tally
	sent    []int // requests of each connection; of create each made a znode
	planted bool  // there may be znodes of this run: its root,
	made    int   // and so many that prepare has asked for
}

// now is in nanoseconds and never jumps.
func (r *run) now() int64 { return int64(time.Since(r.began)) }

// counts says whether what ended at ns is counted.
func (r *run) counts(ns int64) bool { return ns >= r.from && ns < r.to }

// Run does one workload. It fails if the service cannot be reached or breaks a connection; an
// answer that is an error only counts in Result.Errors.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	r := &run{Options: o.withDefaults(), began: time.Now()}
	r.tree.value = make([]byte, r.ValueBytes)
	for i := range r.tree.value {
		r.tree.value[i] = byte('a' + i%26)
	}
	var name [4]byte
	rand.Read(name[:])
	r.tree.root = "/bench-" + hex.EncodeToString(name[:])
	use, err := usageOf(r.Pids)
	if err != nil {
		return nil, err
	}
	r.before = use.residentBytes
	var result *Result
	if err = r.prepare(ctx); err != nil {
		err = fmt.Errorf("prepare: %w", err)
	} else {
		result, err = r.measure(ctx)
	}
	if r.planted && !r.Keep {
		// Also who has interrupted it wants nothing left behind, or to know what is.
		if cleanErr := r.clean(context.WithoutCancel(ctx)); cleanErr != nil {
			err = errors.Join(err, fmt.Errorf("remove %s: %w", r.tree.root, cleanErr))
		}
	}
	if err != nil {
		return nil, err
	}
	return result, nil
}

// prepare makes the znodes that the workload needs.
func (r *run) prepare(ctx context.Context) error {
	r.sent = make([]int, r.Connections)
	r.deck = r.tree.sharedDeck(&r.Options)
	return r.setup(ctx, func(s *session) error {
		small, tail := createTail([]byte{}), createTail(r.tree.value)
		if r.Workload == Lists {
			tail = small
		}
		r.planted = true
		err := s.do(ctx, 1, func(int) request { return create(r.tree.root, small) })
		if err != nil || r.Workload == Connects || r.Workload == Idle {
			return err
		}
		if r.Workload == Create {
			return s.do(ctx, r.Connections, func(i int) request {
				r.made = i + 1
				return create(r.tree.own(i), small)
			})
		}
		return s.do(ctx, r.nodes(), func(i int) request {
			r.made = i + 1
			return create(r.tree.node(i), tail)
		})
	})
}

// nodes is how many znodes the workload needs.
func (r *run) nodes() int {
	switch r.Workload {
	case Watches:
		return 1
	case Create, Connects, Idle:
		return 0
	}
	return r.Nodes
}

// setup calls do with a session of its own.
func (r *run) setup(ctx context.Context, do func(*session) error) error {
	s, err := dial(ctx, &r.Options, 0, inputBytes)
	if err != nil {
		return err
	}
	defer s.end()
	return do(s)
}

// inputBytes is the input buffer of a connection with requests in flight.
const inputBytes = 64 << 10

// clean removes what prepare and the run made.
func (r *run) clean(ctx context.Context) error {
	return r.setup(ctx, func(s *session) error {
		if err := r.cleanCreated(ctx, s); err != nil {
			return err
		}
		err := s.do(ctx, r.made, func(i int) request {
			if r.Workload == Create {
				return remove(r.tree.own(i))
			}
			return remove(r.tree.node(i))
		}, wire.CodeNoNode)
		if err != nil {
			return err
		}
		return s.do(ctx, 1, func(int) request { return remove(r.tree.root) }, wire.CodeNoNode)
	})
}

// cleanCreated removes what the workload create made. No other workload makes znodes, and a
// delete of one that never was takes a place in the log all the same.
func (r *run) cleanCreated(ctx context.Context, s *session) error {
	if r.Workload != Create {
		return nil
	}
	for i, n := range r.sent {
		own := r.tree.own(i)
		err := s.do(ctx, n, func(k int) request {
			return remove(fmt.Sprintf("%s/n%0*d", own, digits, k))
		}, wire.CodeNoNode)
		if err != nil {
			return err
		}
	}
	return nil
}

// measure opens the connections, lets them go and reads what the servers use meanwhile.
func (r *run) measure(ctx context.Context) (*Result, error) {
	sessions, err := r.open(ctx)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	// A deadline in the past ends whatever a connection waits for.
	stop := context.AfterFunc(ctx, func() {
		for _, s := range sessions {
			s.nc.SetDeadline(time.Unix(1, 0))
		}
	})
	r.tallies = make([]tally, max(r.Connections, 1)+1)
	for i := range r.tallies {
		r.tallies[i] = newTally()
	}
	r.from = r.now() + int64(max(r.Warmup, 0))
	r.to = r.from + int64(r.Duration)
	if r.Count > 0 {
		r.from, r.to = r.now(), 1<<62
	}
	var workers sync.WaitGroup
	fail := func(err error) {
		if err != nil {
			cancel(err)
		}
	}
	r.start(ctx, sessions, &workers, fail)
	meter, err := r.meter(ctx, &workers)
	fail(err)
	workers.Wait()
	stop()
	for _, s := range sessions {
		s.drop()
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return r.result(meter), nil
}

// open connects as many sessions as the workload keeps.
func (r *run) open(ctx context.Context) ([]*session, error) {
	if r.Workload == Connects {
		return nil, nil
	}
	size := inputBytes
	if r.Workload == Idle || r.Workload == Watches {
		size = 1 << 10
	}
	sessions := make([]*session, 0, r.Connections)
	for i := range r.Connections {
		s, err := dial(ctx, &r.Options, i, size)
		if err != nil {
			for _, s := range sessions {
				s.drop()
			}
			return nil, fmt.Errorf("connection %d: %w", i+1, err)
		}
		sessions = append(sessions, s)
	}
	return sessions, nil
}

// start starts the goroutines of the workload.
func (r *run) start(ctx context.Context, sessions []*session, workers *sync.WaitGroup,
	fail func(error)) {
	switch {
	case r.Workload == Connects:
		for i := range r.Connections {
			workers.Go(func() { fail(r.connects(ctx, i)) })
		}
	case r.Workload == Idle:
		workers.Go(func() { fail(r.idle(ctx, sessions)) })
	case r.Workload == Watches:
		workers.Go(func() { fail(r.watches(ctx, sessions)) })
	case r.Rate > 0:
		workers.Go(func() { fail(r.paced(ctx, sessions)) })
	default:
		for i, s := range sessions {
			c := &closed{run: r, s: s, tally: &r.tallies[i],
				share: share(r.Count, r.Connections, i),
				deck:  r.tree.deckOf(&r.Options, i, r.deck), sent: make([]int64, r.Pipeline)}
			workers.Go(func() {
				fail(c.loop())
				r.sent[i] = c.number
				if ctx.Err() == nil {
					s.end()
				}
			})
		}
	}
}

// metered is what was used while it was counted.
type metered struct {
	span   time.Duration
	server usage // CPU of the span, memory at its end
	client time.Duration
}

// meter reads what is used from the beginning to the end of what is counted.
func (r *run) meter(ctx context.Context, workers *sync.WaitGroup) (metered, error) {
	sleepUntil(ctx, r.from-r.now())
	own := []int{os.Getpid()}
	before, err := usageOf(r.Pids)
	client, clientErr := usageOf(own)
	began := r.now()
	if err = errors.Join(err, clientErr); err != nil {
		return metered{}, err
	}
	if r.Count > 0 {
		workers.Wait()
	} else {
		sleepUntil(ctx, r.to-r.now())
	}
	after, err := usageOf(r.Pids)
	clientAfter, clientErr := usageOf(own)
	m := metered{span: time.Duration(r.now() - began), server: after,
		client: clientAfter.cpu - client.cpu}
	m.server.cpu -= before.cpu
	return m, errors.Join(err, clientErr)
}

func sleepUntil(ctx context.Context, ns int64) {
	t := time.NewTimer(time.Duration(ns))
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (r *run) result(m metered) *Result {
	sum := newTally()
	for i := range r.tallies {
		sum.merge(&r.tallies[i])
	}
	span := time.Duration(r.to - r.from)
	if r.Count > 0 {
		span = m.span
	}
	result := sum.result(&r.Options, span)
	per := float64(max(sum.operations, 1)) * 1e3
	result.ClientCPUUs = float64(m.client) / per
	if len(r.Pids) > 0 {
		result.Server = &ServerUsage{CPUUs: float64(m.server.cpu) / per,
			BeforeBytes: r.before, AfterBytes: m.server.residentBytes}
	}
	return result
}
