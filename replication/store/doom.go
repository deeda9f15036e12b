package store

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
)

// doom is the end of a disk: the first error, which is final.
//
// It is also how the disk survives pebble's way of giving up. Pebble calls Logger.Fatalf and
// expects never to return, in our goroutine or in one of its own; or it reports a BackgroundError
// and tries again without end, while whoever waits for the flush hangs. So a call into pebble runs
// in a goroutine of its own (guard); a fatal report ends the goroutine it comes from, with whatever
// locks it holds, and lets go of all that wait. What then stays behind stays until the process
// ends, which a doomed disk says it should do now.
type doom struct {
	once  sync.Once
	cause error         // set before fired is closed
	fired chan struct{} // closed at the end
}

func newDoom() *doom { return &doom{fired: make(chan struct{})} }

// err returns the final error, or nil.
func (d *doom) err() error {
	select {
	case <-d.fired:
		return d.cause
	default:
		return nil
	}
}

// fail makes err, of op, the final error if there is none, and returns the one that is.
func (d *doom) fail(op string, err error) error {
	d.once.Do(func() {
		d.cause = &FailedError{Op: op, Err: err}
		close(d.fired)
	})
	return d.err()
}

// close ends the disk in peace; it returns an earlier end if there was one.
func (d *doom) close() error {
	var first bool
	d.once.Do(func() {
		first = true
		d.cause = ErrClosed
		close(d.fired)
	})
	if first {
		return nil
	}
	return d.err()
}

// inBackground is called by pebble when it cannot go on. It does not return.
func (d *doom) inBackground(err error) {
	_ = d.fail("checkpoint", err)
	runtime.Goexit()
}

// guard runs f, a call into pebble, until it returns or the disk is doomed.
func (d *doom) guard(f func() error) error {
	if err := d.err(); err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		err := errEnded
		defer func() {
			if r := recover(); r != nil {
				err = fmt.Errorf("pebble: %v", r)
			}
			done <- err
		}()
		err = f()
	}()
	select {
	case err := <-done:
		if errors.Is(err, errEnded) {
			return d.err() // Fatalf was called in f's own goroutine
		}
		return err
	case <-d.fired:
		return d.err()
	}
}

var errEnded = errors.New("goroutine ended")
