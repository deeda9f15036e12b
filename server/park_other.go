//go:build !linux

package server

// parking is for Linux only: elsewhere each connection waits by itself.
type parking struct{}

func newParking() (*parking, error)                { return &parking{}, nil }
func (p *parking) add(*connection, int, bool) bool { return false }
func (p *parking) remove(int)                      {}
func (p *parking) run()                            {}
func (p *parking) close()                          {}
