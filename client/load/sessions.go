package load

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// connects opens and closes sessions until the run ends. A latency is that of the whole: TCP
// connection, creation of the session, its close.
func (r *run) connects(ctx context.Context, i int) error {
	t := &r.tallies[i]
	for began := r.now(); began < r.to && ctx.Err() == nil; began = r.now() {
		s, err := dial(ctx, &r.Options, i, 512)
		if err != nil {
			return err
		}
		s.end()
		if now := r.now(); r.counts(now) {
			t.record(now - began)
		}
	}
	return nil
}

// idle keeps the sessions alive until the run ends.
func (r *run) idle(ctx context.Context, sessions []*session) error {
	tally := &r.tallies[0]
	tally.operations = int64(len(sessions))
	var readers sync.WaitGroup
	for _, s := range sessions {
		readers.Go(func() { s.discard() })
	}
	err := func() error {
		for ctx.Err() == nil && r.now() < r.to {
			sleepUntil(ctx, min(int64(r.SessionTimeout/3), r.to-r.now()))
			for _, s := range sessions {
				s.out = append(s.out[:0], pingFrame...)
				if err := s.flush(); err != nil {
					return err
				}
			}
		}
		return nil
	}()
	for _, s := range sessions {
		s.nc.SetReadDeadline(time.Unix(1, 0))
	}
	readers.Wait()
	return err
}

// discard reads until the connection or its deadline ends.
func (s *session) discard() {
	for {
		s.from, s.to = 0, 0
		if s.fill() != nil {
			return
		}
	}
}

// fan is a round of the workload watches: all watch one znode, which is changed, and the next
// change is made when the last of them has its event.
type fan struct {
	changed atomic.Int64  // when
	missing atomic.Int64  // watchers that have no event yet
	done    chan struct{} // one token when there are none
}

// watches changes a znode again and again until the run ends. Each event is an operation.
func (r *run) watches(ctx context.Context, sessions []*session) error {
	f := &fan{done: make(chan struct{}, 1)}
	changer, err := dial(ctx, &r.Options, len(sessions), inputBytes)
	if err != nil {
		return err
	}
	defer changer.drop()
	for _, s := range sessions {
		watch := addWatch(r.tree.node(0))
		if err := s.do(ctx, 1, func(int) request { return watch }); err != nil {
			return err
		}
	}
	var watchers sync.WaitGroup
	for i, s := range sessions {
		watchers.Go(func() { r.watch(s, &r.tallies[i], f) })
	}
	set := setData(r.tree.node(0), setDataTail(r.tree.value))
	for ctx.Err() == nil && err == nil && r.now() < r.to {
		f.missing.Store(int64(len(sessions)))
		f.changed.Store(r.now())
		err = changer.do(ctx, 1, func(int) request { return set })
		for waiting := err == nil; waiting; waiting = f.missing.Load() > 0 && err == nil {
			err = f.wait(ctx)
		}
	}
	for _, s := range sessions {
		s.nc.SetReadDeadline(time.Unix(1, 0))
	}
	watchers.Wait()
	return err
}

// wait waits for the end of a round.
func (f *fan) wait(ctx context.Context) error {
	t := time.NewTimer(dialTime)
	defer t.Stop()
	select {
	case <-f.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return errors.New("an event did not come")
	}
}

// watch takes events in until the connection's deadline passes.
func (r *run) watch(s *session, t *tally, f *fan) {
	for {
		if err := s.fill(); err != nil {
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.errors++
				t.first = wire.CodeConnectionLoss
			}
			return
		}
		now := r.now()
		for event, ok := s.next(); ok; event, ok = s.next() {
			if event.xid != wire.XidNotification {
				continue
			}
			if r.counts(now) {
				t.record(now - f.changed.Load())
			}
			if f.missing.Add(-1) == 0 {
				f.done <- struct{}{}
			}
		}
	}
}
