package server

import (
	"crypto/rand"
	"errors"
	"net"
	"time"

	"github.com/vivariumdb/vivarium/core"
)

// accept takes connections until the listener is closed. An error that passes, as that of a
// process out of descriptors, is waited out: others close meanwhile.
func (s *Server) accept(stop <-chan struct{}) {
	const least, most = 5 * time.Millisecond, time.Second
	pause := least
	for {
		nc, err := s.listener.Accept()
		if err == nil {
			pause = least
			s.welcome(nc)
			continue
		}
		if errors.Is(err, net.ErrClosed) || s.draining.Load() {
			return
		}
		s.log.Error("accept", "error", err, "next", pause.String())
		select {
		case <-time.After(pause):
		case <-stop:
			return
		}
		pause = min(2*pause, most)
	}
}

// welcome opens a connection and starts its goroutine.
func (s *Server) welcome(nc net.Conn) {
	c := newConnection(s, nc)
	if s.crowded(c) {
		s.counters.rejected.Add(1)
		s.log.Warn("connection refused", "client", addrPort(nc.RemoteAddr()).String(), "cause",
			"descriptors are short: the rest is for the disk (ulimit -n, LimitNOFILE)")
		nc.Close()
		return
	}
	info := core.ConnInfo{ID: core.ConnID(s.nextID.Add(1)), Remote: addrPort(nc.RemoteAddr()),
		NowMs: s.monoMs(), Owner: c}
	rand.Read(info.Random[:])
	cause := core.CauseServerStopping
	s.state.Lock()
	if !s.draining.Load() {
		c.conn, cause = s.member.Local.Open(info)
	}
	s.state.Unlock()
	if c.conn == nil {
		s.counters.rejected.Add(1)
		s.log.Warn("connection refused", "client", info.Remote.String(), "cause", cause.String())
		nc.Close()
		return
	}
	s.feeders.Add(1) // until finish
	go c.serve()
}

// crowded says whether c has one of the descriptors that are kept for files. The log and the
// checkpoints open some all the time, and one that cannot be opened ends the server: clients must
// not be able to take the last. A descriptor is always the lowest that is free, so as long as none
// of the highest is a client's, they are there.
func (s *Server) crowded(c *connection) bool {
	if c.raw == nil || s.descriptors <= 0 {
		return false
	}
	over := false
	err := c.raw.Control(func(fd uintptr) { over = int64(fd) >= s.descriptors })
	return over && err == nil
}

// clientDescriptors is below which number a client's descriptor has to be; 0 is no bound. What is
// kept has room for the thousand tables that the checkpoints' store has open at most, and of a
// low bound for a share.
func clientDescriptors() int64 {
	const share, most = 4, 1200
	limit := maxDescriptors()
	return limit - min(limit/share, most)
}
