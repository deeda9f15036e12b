// Package frugal holds what decodes bytes of others to memory in proportion to these bytes: a few
// that claim to be many must not make a process ask for gigabytes. It is for tests only.
package frugal

import (
	"runtime"
	"testing"
)

// Slack is what a decoder may take beside what its input is good for.
const Slack = 1 << 16

// Check fails the test if do, which decodes input, takes more than times the input's bytes and
// Slack. Nothing else of the test may run meanwhile.
func Check(t testing.TB, input []byte, times int, do func()) {
	t.Helper()
	if took := Allocated(do); took > uint64(times)*uint64(len(input))+Slack {
		t.Fatalf("decoding %d bytes took %d bytes of memory: %x", len(input), took, input)
	}
}

// Allocated is how many bytes of memory do takes, those that it gives back included.
func Allocated(do func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
