package zkdata

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/adler32"
	"io"

	"github.com/vivariumdb/vivarium/wire"
)

// maxField bounds one field of a snapshot and one record of a log. jute.maxbuffer is 1 MiB by
// default; nobody runs with one of a gigabyte.
const maxField = 1 << 30

// stream reads the jute values of a snapshot one after the other. The first failure sticks, as
// with wire.Reader, which it does for input that is too long to be held.
type stream struct {
	name   string
	r      *bufio.Reader
	sum    hash.Hash32 // over all that was read
	offset int64
	err    error
	small  [8]byte
}

func newStream(name string, r io.Reader) *stream {
	return &stream{name: name, r: bufio.NewReaderSize(r, 256<<10), sum: adler32.New()}
}

// fail notes what is wrong at the place that was reached.
func (s *stream) fail(format string, args ...any) {
	if s.err == nil {
		s.err = &CorruptError{File: s.name, Offset: s.offset, What: fmt.Sprintf(format, args...)}
	}
}

// full reads all of b.
func (s *stream) full(b []byte) bool {
	if s.err != nil {
		return false
	}
	n, err := io.ReadFull(s.r, b)
	s.sum.Write(b[:n])
	if err != nil {
		s.broken(err)
		return false
	}
	s.offset += int64(n)
	return true
}

// broken tells the end of a file and damage in a compressed one from a disk that fails.
func (s *stream) broken(err error) {
	var inner *formatError
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		s.fail("the file ends early")
	case errors.As(err, &inner), isGzipDamage(err):
		s.fail("%v", err)
	case s.err == nil:
		s.err = fmt.Errorf("read %s: %w", s.name, err)
	}
}

func (s *stream) int() int32 {
	if !s.full(s.small[:4]) {
		return 0
	}
	return int32(binary.BigEndian.Uint32(s.small[:]))
}

func (s *stream) long() int64 {
	if !s.full(s.small[:8]) {
		return 0
	}
	return int64(binary.BigEndian.Uint64(s.small[:]))
}

// buffer reads a length and as many bytes, in memory of its own; nil is null.
func (s *stream) buffer() []byte {
	n := s.int()
	switch {
	case s.err != nil || n == -1:
		return nil
	case n < 0 || n > maxField:
		s.offset -= 4
		s.fail("a length of %d", n)
		return nil
	}
	const step = 1 << 20
	b := make([]byte, min(n, step))
	for at := 0; ; {
		if !s.full(b[at:]) {
			return nil
		}
		if at = len(b); at == int(n) {
			return b
		}
		// As much again as has really come.
		b = append(b, make([]byte, min(int(n)-at, at))...)
	}
}

func (s *stream) string() string { return string(s.buffer()) }

// acls reads a list of access control entries. A null list is empty.
func (s *stream) acls() []wire.ACL {
	n := s.int()
	var list []wire.ACL
	for i := int32(0); i < n && s.err == nil; i++ {
		list = append(list, wire.ACL{Perms: wire.Perm(s.int()),
			ID: wire.ID{Scheme: s.string(), ID: s.string()}})
	}
	return list
}

// seal reads the checksum over everything before it.
func (s *stream) seal() {
	want, at := int64(s.sum.Sum32()), s.offset
	got, slash := s.long(), s.string()
	if s.err == nil && (got != want || slash != "/") {
		s.offset = at
		s.fail("the checksum is %#x, that of the content %#x", uint64(got), want)
	}
}
