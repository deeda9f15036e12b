package server

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/vivariumdb/vivarium/replication"
	"github.com/vivariumdb/vivarium/replication/store"
)

// runLog makes appends durable: what waits shares one write and one sync, unless it is very much.
func (s *Server) runLog(stop <-chan struct{}) {
	var appends []*replication.Append
	for {
		select {
		case <-stop:
			return
		case <-s.logWork.ready:
		}
		appends, _ = s.logWork.take(appends)
		for rest := appends; len(rest) > 0; {
			batch, n := store.Join(rest)
			if !s.writeLog(batch) {
				return
			}
			s.loopWork.put(loopNews{stored: slices.Clone(rest[:n])})
			rest = rest[n:]
		}
	}
}

// writeLog makes a batch durable, and says whether it is.
func (s *Server) writeLog(batch store.Batch) bool {
	began := time.Now()
	if err := s.disk.Append(batch); err != nil {
		s.fail(fmt.Errorf("append to the log: %w", err))
		return false
	}
	if took := time.Since(began); len(batch.Entries) > 0 {
		s.counters.syncs.add(took.Milliseconds())
		if took > s.cfg.FsyncWarning {
			s.log.Warn("slow sync of the log", "took", took.Round(time.Millisecond).String(),
				"entries", len(batch.Entries))
		}
	}
	return true
}

// runMark writes the mark beside the log, off the path of the acknowledgements, and looks once a
// second how much room there is.
func (s *Server) runMark(stop <-chan struct{}) {
	tick := time.NewTicker(time.Duration(s.member.Config().TickMs) * time.Millisecond)
	defer tick.Stop()
	const often = 1000 // milliseconds
	looked := int64(-often)
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if now := s.monoMs(); now-looked >= often {
			looked = now
			s.lookForRoom()
		}
		if err := s.disk.Mark(s.monoMs()); err != nil {
			s.fail(fmt.Errorf("write mark: %w", err))
			return
		}
	}
}

// lookForRoom tells the loop how much room is left. A file system that does not know has room.
func (s *Server) lookForRoom() {
	usage, err := s.disk.Usage()
	if err != nil || usage.TotalBytes == 0 {
		return
	}
	free := int64(min(usage.AvailBytes, math.MaxInt64))
	s.loopWork.put(loopNews{freeBytes: max(free, 1)})
}

// checkpointWork is for the checkpoint goroutine: one to be written, or a cut.
type checkpointWork struct {
	write *replication.Checkpoint
	cut   uint64
}

// runCheckpoints writes checkpoints and cuts the log behind them.
func (s *Server) runCheckpoints(stop <-chan struct{}) {
	var todo []checkpointWork
	for {
		select {
		case <-stop:
			return
		case <-s.checkWork.ready:
		}
		todo, _ = s.checkWork.take(todo)
		for _, w := range todo {
			if err := s.checkpointStep(w); err != nil {
				s.fail(err)
				return
			}
		}
	}
}

func (s *Server) checkpointStep(w checkpointWork) error {
	if w.cut > 0 {
		if err := s.disk.Cut(w.cut); err != nil {
			return fmt.Errorf("cut the log at %d: %w", w.cut, err)
		}
	}
	if w.write == nil {
		return nil
	}
	began := time.Now()
	if err := s.disk.WriteCheckpoint(store.FromMember(w.write)); err != nil {
		return fmt.Errorf("write checkpoint at %d: %w", w.write.Index, err)
	}
	took := time.Since(began)
	s.counters.checkpoints.add(took.Milliseconds())
	s.counters.saved.Store(&saved{index: w.write.Index, at: time.Now()})
	s.log.Info("state saved", "index", w.write.Index, "changes", len(w.write.Records),
		"took", took.Round(time.Millisecond).String())
	s.loopWork.put(loopNews{checkpointed: w.write.Index})
	return nil
}
