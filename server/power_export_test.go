package server

import "github.com/vivariumdb/vivarium/core"

// Standing is where the State stands: what a test compares with a replay of its own.
func (s *Server) Standing() (index uint64, zxid core.Zxid, digest [16]byte) {
	s.state.RLock()
	defer s.state.RUnlock()
	state := s.member.Local.State
	return state.Index(), state.LastZxid(), state.Digest()
}
