package load

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net"
	"time"

	"github.com/vivariumdb/vivarium/wire"
)

// session is one connection with its session, used by one goroutine.
type session struct {
	nc     net.Conn
	in     []byte // what was read lies in in[from:to]
	from   int
	to     int
	left   int // bytes of the reply begun that have not come yet
	begun  reply
	out    []byte
	issued int // requests so far
	random uint64
}

// reply is the header of an answer or an event.
type reply struct {
	xid int32
	err wire.ErrorCode
}

// replyHeader is the length of a frame's length and a reply's header.
const replyHeader = wire.FrameHeaderLen + 16

// dialTime is how long connecting and each answer of a setup may take.
const dialTime = 10 * time.Second

// dial opens a session. Its input buffer has inputBytes.
func dial(ctx context.Context, o *Options, i, inputBytes int) (*session, error) {
	d := net.Dialer{Timeout: dialTime}
	address := o.Servers[i%len(o.Servers)]
	nc, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	s := &session{nc: nc, in: make([]byte, inputBytes),
		random: uint64(i+1) * 0x9e3779b97f4a7c15}
	if err := s.handshake(o); err != nil {
		nc.Close()
		return nil, fmt.Errorf("open a session at %s: %w", address, err)
	}
	return s, nil
}

func (s *session) handshake(o *Options) error {
	b, at := wire.BeginFrame(s.out[:0])
	q := wire.ConnectRequest{TimeoutMs: int32(o.SessionTimeout.Milliseconds()),
		Password: make([]byte, wire.PasswordLen), HasReadOnly: true}
	s.out = wire.EndFrame(q.AppendTo(b), at)
	if err := s.nc.SetDeadline(time.Now().Add(dialTime)); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	for {
		n, err := wire.FrameLength(s.in[s.from:s.to], wire.DefaultMaxBuffer)
		if err != nil {
			return err
		}
		if n > 0 && s.to-s.from >= n {
			var answer wire.ConnectResponse
			r := wire.NewReader(s.in[s.from+wire.FrameHeaderLen : s.from+n])
			answer.Decode(&r)
			s.from += n
			if r.Err() == nil && answer.TimeoutMs <= 0 {
				return errors.New("the server refused it")
			}
			return errors.Join(r.Err(), s.nc.SetDeadline(time.Time{}))
		}
		if err := s.fill(); err != nil {
			return err
		}
	}
}

// fill waits for input and reads some.
func (s *session) fill() error {
	if s.from == s.to {
		s.from, s.to = 0, 0
	} else if s.to == len(s.in) {
		s.to = copy(s.in, s.in[s.from:s.to])
		s.from = 0
	}
	n, err := s.nc.Read(s.in[s.to:])
	s.to += n
	if n > 0 {
		return nil
	}
	return err
}

// next returns the header of the next answer that has come whole. Bodies are passed over, and
// may be longer than the buffer.
func (s *session) next() (reply, bool) {
	if s.left == 0 {
		b := s.in[s.from:s.to]
		if len(b) < replyHeader {
			return reply{}, false
		}
		s.left = wire.FrameHeaderLen + int(binary.BigEndian.Uint32(b))
		s.begun = reply{xid: int32(binary.BigEndian.Uint32(b[4:])),
			err: wire.ErrorCode(int32(binary.BigEndian.Uint32(b[16:])))}
	}
	n := min(s.left, s.to-s.from)
	s.from += n
	s.left -= n
	return s.begun, s.left == 0 && n > 0
}

// flush writes what was appended to out.
func (s *session) flush() error {
	_, err := s.nc.Write(s.out)
	s.out = s.out[:0]
	return err
}

// dice is a random number by xorshift: the same sequence in each run.
func (s *session) dice() uint64 {
	s.random ^= s.random << 13
	s.random ^= s.random >> 7
	s.random ^= s.random << 17
	return s.random
}

// add appends a request to out.
func (s *session) add(q *request, number int) {
	s.out = q.appendTo(s.out, xidOf(s.issued), number)
	s.issued++
}

// xidOf is the transaction id of a connection's request n. It is never that of closeFrame.
func xidOf(n int) int32 { return int32(n%(math.MaxInt32-1) + 1) }

// do sends the requests of a setup, many at a time, and waits for all answers. An answer that
// is an error not in allowed ends it.
func (s *session) do(ctx context.Context, n int, q func(i int) request,
	allowed ...wire.ErrorCode) error {
	const window = 128
	stop := context.AfterFunc(ctx, func() { s.nc.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	for done, sent := 0, 0; done < n; {
		for ; sent < n && sent-done < window; sent++ {
			next := q(sent)
			s.add(&next, 0)
		}
		if err := s.flush(); err != nil {
			return err
		}
		for before := done; done == before; {
			if err := s.nc.SetReadDeadline(time.Now().Add(dialTime)); err != nil {
				return err
			}
			if err := s.fill(); err != nil {
				return err
			}
			for r, ok := s.next(); ok; r, ok = s.next() {
				if r.xid < 0 {
					continue
				}
				done++
				if err := check(r.err, allowed); err != nil {
					return err
				}
			}
		}
	}
	return s.nc.SetDeadline(time.Time{})
}

func check(code wire.ErrorCode, allowed []wire.ErrorCode) error {
	if code == wire.CodeOk {
		return nil
	}
	for _, a := range allowed {
		if a == code {
			return nil
		}
	}
	return fmt.Errorf("the server answers %v", code)
}

// end closes the session and the connection. What goes wrong now is of no interest: the session
// expires by itself.
func (s *session) end() {
	s.nc.SetDeadline(time.Now().Add(dialTime))
	s.out = append(s.out[:0], closeFrame...)
	if s.flush() == nil {
		for {
			r, ok := s.next()
			if ok && r.xid >= 0 || !ok && s.fill() != nil {
				break
			}
		}
	}
	s.drop()
}

// drop closes the connection at once, so that many of them leave no ports in TIME_WAIT.
func (s *session) drop() {
	if tcp, ok := s.nc.(*net.TCPConn); ok {
		tcp.SetLinger(0)
	}
	s.nc.Close()
}

// closeFrame and pingFrame are the two requests that need nothing of their own.
var (
	closeFrame = bare(math.MaxInt32, wire.OpCloseSession)
	pingFrame  = bare(wire.XidPing, wire.OpPing)
)

func bare(xid int32, op wire.OpCode) []byte {
	b, at := wire.BeginFrame(nil)
	header := wire.RequestHeader{Xid: xid, Op: op}
	return wire.EndFrame(header.AppendTo(b), at)
}
