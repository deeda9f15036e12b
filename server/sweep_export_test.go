package server

import "testing"

// NoSweeps keeps the servers of a test from sweeping.
func NoSweeps(t testing.TB) {
	was := sweepMs
	sweepMs = 1 << 60
	t.Cleanup(func() { sweepMs = was })
}
