package wire

import (
	"encoding/binary"
	"errors"
)

const (
	// DefaultMaxBuffer is jute.maxbuffer's default on a server: the longest payload of a frame,
	// in bytes, without its header.
	DefaultMaxBuffer = 1048575

	// FrameHeaderLen is the number of bytes that carry a frame's length.
	FrameHeaderLen = 4

	// SetWatchesChunk is how many bytes of paths clients put into one setWatches before they
	// begin another (PROTOCOL 1.9).
	SetWatchesChunk = 128 << 10

	// TelnetClose, in place of the first frame's length, is a telnet client that was
	// interrupted: the connection is to be closed.
	TelnetClose uint32 = 0xfff4fffd
)

// ErrFrameLength is a frame whose length is negative or beyond jute.maxbuffer. The connection
// is dropped without a reply (PROTOCOL 1.1, "Len error").
var ErrFrameLength = errors.New("read frame: length out of range")

// FrameLength reads the header of the frame that b begins with. It returns the size of the
// whole frame, header included, or 0 if b does not yet hold the header. b may well be shorter
// than the frame. A payload longer than maxBuffer bytes is ErrFrameLength; so nothing needs to
// be allocated before the length has been judged.
func FrameLength(b []byte, maxBuffer int) (n int, err error) {
	if len(b) < FrameHeaderLen {
		return 0, nil
	}
	length := int32(binary.BigEndian.Uint32(b))
	if length < 0 || int(length) > maxBuffer {
		return 0, ErrFrameLength
	}
	return FrameHeaderLen + int(length), nil
}

// BeginFrame reserves the header of a frame at the end of b. The payload is appended next, and
// EndFrame is called with the same at.
func BeginFrame(b []byte) (frame []byte, at int) {
	return append(b, 0, 0, 0, 0), len(b)
}

// EndFrame writes the length of all that was appended since BeginFrame returned at. Replies
// are not held to jute.maxbuffer, as in ZooKeeper.
func EndFrame(b []byte, at int) []byte {
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-FrameHeaderLen))
	return b
}
