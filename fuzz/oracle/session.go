package main

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// replyTime is how long a server may take for the next frame. It is longer than any server
// needs, so that a missing reply is a difference and not a slow machine.
const replyTime = 15 * time.Second

// link is one connection to one server.
type link struct {
	c  net.Conn
	in *bufio.Reader
}

func dial(addr string) (*link, error) {
	c, err := net.DialTimeout("tcp", addr, replyTime)
	if err != nil {
		return nil, err
	}
	return &link{c: c, in: bufio.NewReaderSize(c, 16<<10)}, nil
}

func (l *link) close() { _ = l.c.Close() }

// frame reads one frame. At the end of the connection it is nil.
func (l *link) frame() ([]byte, error) {
	_ = l.c.SetReadDeadline(time.Now().Add(replyTime))
	var head [4]byte
	if _, err := io.ReadFull(l.in, head[:]); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, fmt.Errorf("no reply within %v", replyTime)
		}
		return nil, nil // closed or reset: which of them is a matter of timing
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	if _, err := io.ReadFull(l.in, b); err != nil {
		return nil, nil
	}
	return b, nil
}

// replies reads frames until want of them are no events, or the connection has ended. With
// toEnd it reads on until then.
func (l *link) replies(want int, toEnd bool) (frames [][]byte, ended bool, err error) {
	for want > 0 || toEnd {
		b, err := l.frame()
		if err != nil {
			return frames, false, err
		}
		if b == nil {
			return frames, true, nil
		}
		if !isEvent(b) {
			want--
		}
		frames = append(frames, b)
	}
	return frames, false, nil
}

// told is a zxid that both servers named in the same place.
type told [2]int64

// session is one session on both servers.
type session struct {
	links    [2]*link // nil without a connection
	ids      [2]int64 // 0 without a session
	password [2][]byte
	dead     told // the ids of the session before, which was closed
	told     []told
	xid      int32
}

func (s *session) connected() bool { return s.links[theirs] != nil }

// disconnect closes the connections without a word.
func (s *session) disconnect() {
	for side, l := range s.links {
		if l != nil {
			l.close()
		}
		s.links[side] = nil
	}
}

// zxid returns the zxid for one side that seen means.
func (s *session) zxid(side int, at seen) int64 {
	switch {
	case at == seenFuture:
		return 1 << 60
	case at < 0 || len(s.told) == 0:
		return 0
	}
	return s.told[max(len(s.told)-1-int(at), 0)][side]
}

// hear notes the zxids that two frames named.
func (s *session) hear(a, b []byte) {
	var pair told
	for side, frame := range [][]byte{a, b} {
		r := wire.NewReader(frame)
		r.Int()
		pair[side] = r.Long()
	}
	if pair[theirs] > 0 && pair[ours] > 0 {
		s.told = append(s.told, pair)
	}
}
