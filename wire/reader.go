package wire

import (
	"encoding/binary"
	"errors"
	"unsafe"
)

// The errors a Reader can end in. They carry no text of the input, so that refusing a frame
// costs nothing.
var (
	// ErrTruncated: the record needs more bytes than there are. A vector that claims more
	// elements than the remaining bytes could hold is truncated too.
	ErrTruncated = errors.New("decode record: input ends early")

	// ErrNegativeLength: a length of a buffer or string below -1, which alone means null.
	ErrNegativeLength = errors.New("decode record: negative length")

	// ErrMultiOp: an operation that may not stand inside a multi, or reads mixed with writes.
	ErrMultiOp = errors.New("decode record: operation not allowed in a multi")
)

// Reader takes the values of jute records from a slice, in order. The first failure sticks:
// every later call returns zero values, so a Decode method reads its fields straight through
// and the caller looks at Err once.
//
// Strings and buffers are views of the input, not copies. See the package comment for how long
// they live.
type Reader struct {
	b   []byte
	err error
}

// NewReader returns a Reader over b. The reader never writes to b and never looks beyond it.
func NewReader(b []byte) Reader {
	return Reader{b: b}
}

// Err returns the first error, or nil while everything read was there.
func (r *Reader) Err() error { return r.err }

// Len returns the number of bytes left. It is 0 after an error.
func (r *Reader) Len() int { return len(r.b) }

// Int reads a 4-byte big-endian integer.
func (r *Reader) Int() int32 {
	if len(r.b) < 4 {
		r.fail(ErrTruncated)
		return 0
	}
	v := int32(binary.BigEndian.Uint32(r.b))
	r.b = r.b[4:]
	return v
}

// Long reads an 8-byte big-endian integer.
func (r *Reader) Long() int64 {
	if len(r.b) < 8 {
		r.fail(ErrTruncated)
		return 0
	}
	v := int64(binary.BigEndian.Uint64(r.b))
	r.b = r.b[8:]
	return v
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if len(r.b) < 1 {
		r.fail(ErrTruncated)
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// Bool reads one byte; every value but 0 is true, as for Java's DataInput.
func (r *Reader) Bool() bool { return r.Byte() != 0 }

// Buffer reads a length and that many bytes. A null buffer is nil, an empty one is not. The
// result is a view of the input with no spare capacity.
func (r *Reader) Buffer() []byte {
	n := r.Int()
	if n == -1 || r.err != nil {
		return nil
	}
	if n < 0 {
		r.fail(ErrNegativeLength)
		return nil
	}
	if int(n) > len(r.b) {
		r.fail(ErrTruncated)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// String reads a ustring; a null string is "". The bytes are not judged: Java writes
// characters beyond U+FFFF as two 3-byte surrogates and other clients write plain UTF-8.
//
// The result is a view of the input. Note that String makes *Reader look like a fmt.Stringer,
// so printing a *Reader consumes from it.
func (r *Reader) String() string {
	return view(r.Buffer())
}

// NullableString reads a ustring and tells null (false) from empty.
func (r *Reader) NullableString() (s string, ok bool) {
	b := r.Buffer()
	return view(b), b != nil
}

// Strings reads a vector of ustrings into the capacity of dst, whose old elements are lost.
// A null vector is nil, an empty one is not.
func (r *Reader) Strings(dst []string) []string {
	n, ok := r.count(4)
	if !ok {
		return nil
	}
	dst = reuse(dst, n)
	for range n {
		dst = append(dst, r.String())
	}
	if r.err != nil {
		return nil
	}
	return dst
}

// Rest takes all bytes that are left, as a view of the input.
func (r *Reader) Rest() []byte {
	v := r.b[:len(r.b):len(r.b)]
	r.b = r.b[len(r.b):]
	return v
}

// count reads the length of a vector whose elements take at least least bytes each. It is
// false for a null vector and after an error. A true count is a fit size for an allocation:
// it is bounded by the bytes that really arrived.
func (r *Reader) count(least int) (int, bool) {
	n := r.Int()
	if n == -1 || r.err != nil {
		return 0, false
	}
	if n < 0 {
		// ZooKeeper takes every other negative count for an empty list, unlike a negative length
		// of a buffer (seen in testdata, steps create-aclcount and exists-negative).
		return 0, true
	}
	if int(n) > len(r.b)/least {
		r.fail(ErrTruncated)
		return 0, false
	}
	return int(n), true
}

// fail keeps the first error and drops the input, so that every later read fails as well.
func (r *Reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// view returns a string that shares b's memory. This is the package's one use of unsafe. It is
// sound because the package comment obliges callers to leave the input alone while anything
// decoded from it is in use; it spares the read path one allocation per path.
func view(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

// reuse returns an empty, non-nil slice with room for n elements, dst's own memory if it is
// large enough.
func reuse[T any](dst []T, n int) []T {
	if dst != nil && cap(dst) >= n {
		return dst[:0]
	}
	return make([]T, 0, n)
}
