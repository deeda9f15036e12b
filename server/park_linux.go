package server

import (
	"fmt"
	"os"
	"sync"
	"syscall"
)

// parking is where connections are parked: an epoll set that tells when one has input.
//
// A connection may be visited for nothing, by an event of its descriptor's former owner.
type parking struct {
	set  int
	file *os.File // set, so that the runtime's poller waits for it

	mu     sync.Mutex
	places map[int]*connection // those that have been here, by descriptor
}

// newParking returns a parking even with an error: then it has no place for anybody.
func newParking() (*parking, error) {
	p := &parking{set: -1, places: make(map[int]*connection)}
	set, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return p, fmt.Errorf("create an epoll set: %w", err)
	}
	if err := syscall.SetNonblock(set, true); err != nil {
		syscall.Close(set)
		return p, fmt.Errorf("set the epoll set to not block: %w", err)
	}
	p.set, p.file = set, os.NewFile(uintptr(set), "parking")
	return p, nil
}

// add watches the descriptor of c for one event. known says that it was added before. A false
// answer means that the system refuses, and that c has to wait by itself.
func (p *parking) add(c *connection, fd int, known bool) bool {
	const events = syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT
	op := syscall.EPOLL_CTL_MOD
	if !known {
		op = syscall.EPOLL_CTL_ADD
		p.mu.Lock()
		p.places[fd] = c
		p.mu.Unlock()
	}
	event := syscall.EpollEvent{Events: events, Fd: int32(fd)}
	if err := syscall.EpollCtl(p.set, op, fd, &event); err != nil { // EBADF: there is no set
		p.remove(fd)
		return false
	}
	return true
}

// remove frees the place of fd. The set forgets a descriptor when it is closed.
func (p *parking) remove(fd int) {
	p.mu.Lock()
	delete(p.places, fd)
	p.mu.Unlock()
}

// run visits who has input, until close. Several may run it: one waits, the others visit.
func (p *parking) run() {
	if p.file == nil {
		return
	}
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	var events [16]syscall.EpollEvent
	for {
		n := 0
		err := raw.Read(func(uintptr) bool {
			n, _ = syscall.EpollWait(p.set, events[:], 0)
			return n > 0
		})
		if err != nil {
			return
		}
		for _, e := range events[:n] {
			p.mu.Lock()
			c := p.places[int(e.Fd)]
			p.mu.Unlock()
			if c != nil {
				c.visit()
			}
		}
	}
}

func (p *parking) close() {
	if p.file != nil {
		p.file.Close()
	}
}
