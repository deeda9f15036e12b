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
