package server

import (
	"bufio"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// failing is a listener that first has no descriptors, then gives the connections of list.
type failing struct {
	net.Listener
	errors int
	list   chan net.Conn
}

func (l *failing) Accept() (net.Conn, error) {
	if l.errors > 0 {
		l.errors--
		return nil, errors.New("too many open files")
	}
	if nc, ok := <-l.list; ok {
		return nc, nil
	}
	return nil, net.ErrClosed
}

// TestControlOutlivesErrors: a tool is answered after there were no descriptors for a while.
func TestControlOutlivesErrors(t *testing.T) {
	l := &failing{errors: 3, list: make(chan net.Conn)}
	c := &control{s: &Server{log: slog.New(slog.DiscardHandler)}, listener: l,
		stop: make(chan struct{})}
	c.work.Go(c.accept)
	tool, nc := net.Pipe()
	over := make(chan struct{})
	go func() {
		defer close(over)
		c.work.Wait()
	}()
	select {
	case l.list <- nc:
		if _, err := tool.Write([]byte("nothing\n")); err != nil {
			t.Error(err)
		}
		line, err := bufio.NewReader(tool).ReadString('\n')
		if !strings.Contains(line, "unknown word") || err != nil {
			t.Errorf("answered %q, %v", line, err)
		}
	case <-over:
		t.Error("nobody is answered any more")
	}
	close(l.list)
	close(c.stop)
	<-over
}
