package main

import (
	"testing"
	"time"
)

// TestWatch: who computes without end is ended.
func TestWatch(t *testing.T) {
	ended := make(chan struct{})
	stop := watch(time.Millisecond, func(time.Duration) { close(ended) })
	defer stop()
	for over := false; !over; {
		select {
		case <-ended:
			over = true
		default:
		}
	}
}
