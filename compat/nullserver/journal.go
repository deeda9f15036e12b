package main

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// journal is a file that is written round and round, so that a sync finds no new blocks. One
// goroutine writes and syncs what has come meanwhile, as one batch.
type journal struct {
	file *os.File
	kick chan struct{}
	mu   sync.Mutex
	next *batch // guarded by mu: what comes while another one is synced
}

// batch is what one sync makes durable.
type batch struct {
	bytes []byte
	done  chan struct{} // closed then
}

// journalBytes is the length of the file.
const journalBytes = 64 << 20

func newJournal(path string) (*journal, error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	zeros := make([]byte, 1<<20)
	for at := int64(0); at < journalBytes; at += int64(len(zeros)) {
		if _, err := file.WriteAt(zeros, at); err != nil {
			return nil, err
		}
	}
	if err := file.Sync(); err != nil {
		return nil, err
	}
	j := &journal{file: file, kick: make(chan struct{}, 1), next: newBatch(nil)}
	go j.write()
	return j, nil
}

func newBatch(memory []byte) *batch {
	return &batch{bytes: memory[:0], done: make(chan struct{})}
}

// append waits until b is durable.
func (j *journal) append(b []byte) {
	j.mu.Lock()
	mine := j.next
	mine.bytes = append(mine.bytes, b...)
	j.mu.Unlock()
	select {
	case j.kick <- struct{}{}:
	default:
	}
	<-mine.done
}

// write runs as long as the process, which ends with the first error.
func (j *journal) write() {
	var at int64
	var spare []byte
	for range j.kick {
		j.mu.Lock()
		now := j.next
		j.next = newBatch(spare)
		j.mu.Unlock()
		if len(now.bytes) > 0 {
			if at+int64(len(now.bytes)) > journalBytes {
				at = 0
			}
			_, err := j.file.WriteAt(now.bytes, at)
			at += int64(len(now.bytes))
			if err == nil {
				err = syscall.Fdatasync(int(j.file.Fd()))
			}
			if err != nil {
				fmt.Fprintln(os.Stderr, "nullserver:", err)
				os.Exit(1)
			}
		}
		close(now.done)
		spare = now.bytes
	}
}
