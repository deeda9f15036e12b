package server

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"time"

	"github.com/vivariumdb/vivarium/core"
)

// Run serves until ctx ends and returns nil, or until a final error and returns that. It is
// called once.
func (s *Server) Run(ctx context.Context) error {
	s.log.Info("starting", "version", s.version.text(), "serves", "ZooKeeper "+ZooKeeperRelease,
		"address", s.listener.Addr().String(), "dataDir", s.cfg.DataDir,
		"dataLogDir", s.cfg.DataLogDir)
	if s.cfg.NoSync {
		s.log.Warn("unsafe: forceSync=no acknowledges writes that a power failure will lose")
	}
	stop, stopStorage := make(chan struct{}), make(chan struct{})
	stopAccept := make(chan struct{})
	var storage sync.WaitGroup
	storage.Go(func() { s.runLog(stopStorage) })
	storage.Go(func() { s.runMark(stopStorage) })
	storage.Go(func() { s.runCheckpoints(stopStorage) })
	control := s.startControl() // before apply can say that the server is serving
	s.stages.Go(func() { s.runLoop(stop) })
	s.wakeLoop() // to register need not wait for a tick
	s.stages.Go(s.runApply)
	s.stages.Go(s.runFlush)
	var err error
	if s.parking, err = newParking(); err != nil {
		s.log.Warn("silent connections will cost a goroutine each", "error", err)
	}
	for range runtime.GOMAXPROCS(0) {
		s.stages.Go(s.parking.run)
	}
	s.feeders.Go(func() { s.accept(stopAccept) })

	select {
	case <-ctx.Done():
		err = s.stopOrderly()
	case err = <-s.fatal:
	}
	if err != nil {
		s.log.Error("stopping: nothing can be acknowledged any more", "error", err)
	}
	s.draining.Store(true)
	control.close()
	close(stopAccept)
	s.listener.Close()
	s.closeConnections()
	s.feeders.Wait()
	s.parking.close()
	s.applyWork.close()
	s.flushWork.close()
	close(stop)
	s.stages.Wait()
	close(stopStorage)
	storage.Wait()
	select {
	case late := <-s.fatal:
		if err == nil {
			err = late
		}
	default:
	}
	if closeErr := s.disk.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("close store: %w", closeErr)
	}
	s.lock.release(false)
	s.log.Info("stopped", "zxid", s.member.Local.State.LastZxid().String(),
		"uptime", time.Since(s.started).Round(time.Millisecond).String())
	return err
}

// stopOrderly takes no new work, waits until what was taken is answered, and saves the State.
// Both waits have an end: a stop must not hang on a client that does not read. An error is
// final.
func (s *Server) stopOrderly() error {
	const forReplies, forState = 3 * time.Second, 60 * time.Second
	s.log.Info("stopping: no new requests; replies out, state saved")
	s.draining.Store(true)
	s.listener.Close()
	s.state.Lock()
	s.member.Local.Drain()
	s.state.Unlock()
	if err := s.waitAnswered(forReplies); err != nil {
		return err
	}
	s.state.RLock()
	w := &save{index: s.member.Local.State.Index(), done: make(chan struct{})}
	s.state.RUnlock()
	s.loopWork.put(loopNews{save: w})
	select {
	case <-w.done:
		return nil
	case err := <-s.fatal:
		return err
	case <-time.After(forState):
		s.log.Warn("the state was not saved in time; the next start replays the log")
		return nil
	}
}

// waitAnswered waits until every request that was taken has its reply in the client's socket,
// or a client has not taken it in time.
func (s *Server) waitAnswered(most time.Duration) error {
	deadline := time.NewTimer(most)
	defer deadline.Stop()
	poll := time.NewTicker(5 * time.Millisecond)
	defer poll.Stop()
	for !s.answered() {
		select {
		case <-poll.C:
		case err := <-s.fatal:
			return err
		case <-deadline.C:
			s.log.Warn("stopping with replies that their clients did not take")
			return nil
		}
	}
	return nil
}

func (s *Server) answered() bool {
	s.state.Lock()
	defer s.state.Unlock()
	if !s.member.Local.Answered() {
		return false
	}
	for _, conn := range s.member.Local.Conns() {
		if conn.Owner().(*connection).out.pending() {
			return false
		}
	}
	return true
}

// closeConnections ends every connection and makes their goroutines notice.
func (s *Server) closeConnections() {
	s.state.Lock()
	local := s.member.Local
	list := local.Conns()
	local.CloseAll(core.CauseServerStopping)
	local.TakeTouched(nil)
	s.state.Unlock()
	for _, conn := range list {
		conn.Owner().(*connection).kickOut()
	}
}
