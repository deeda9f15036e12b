package load

import (
	"syscall"
	"time"
)

// nap blocks the thread for d, to some 50 us.
func nap(d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	// A signal may end it early: then what is due is sent early by as much.
	_ = syscall.Nanosleep(&ts, nil)
}
