// Package varint takes values from bytes that may be damaged or hostile: varints as
// encoding/binary appends them, what stands behind its length, and what has a fixed length.
//
// The first failure sticks. Every later call returns zero values and nothing is left, so whoever
// decodes a record reads its fields straight through and asks once, at the end, whether all was
// well (Done). Loops that are bounded by Count or Len end at a failure. Nothing panics, whatever
// the bytes are.
//
// What is returned as bytes is a view of the input without spare capacity: it lives as long as
// the input does, and who keeps it longer copies it. A varint may be written with more bytes than
// it needs, so equal values do not mean equal bytes.
package varint

import "encoding/binary"

// Reader takes values from a slice, in order. It never writes to it.
type Reader struct {
	b   []byte // Invariant: empty if bad
	bad bool
}

// NewReader returns a Reader over b.
func NewReader(b []byte) Reader { return Reader{b: b} }

// Fail makes the Reader bad: for callers to whom a value says that the bytes cannot be theirs.
func (r *Reader) Fail() { r.b, r.bad = nil, true }

// Bad says whether anything failed.
func (r *Reader) Bad() bool { return r.bad }

// Len is how many bytes are left: none after a failure.
func (r *Reader) Len() int { return len(r.b) }

// Done says whether nothing failed and nothing is left.
func (r *Reader) Done() bool { return !r.bad && len(r.b) == 0 }

// Uvarint takes an unsigned varint.
func (r *Reader) Uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Varint takes a signed varint.
func (r *Reader) Varint() int64 {
	v, n := binary.Varint(r.b)
	if n <= 0 {
		r.Fail()
		return 0
	}
	r.b = r.b[n:]
	return v
}

// Uint32 takes an unsigned varint that must fit.
func (r *Reader) Uint32() uint32 {
	v := r.Uvarint()
	if uint64(uint32(v)) != v {
		r.Fail()
		return 0
	}
	return uint32(v)
}

// Int32 takes a signed varint that must fit.
func (r *Reader) Int32() int32 {
	v := r.Varint()
	if int64(int32(v)) != v {
		r.Fail()
		return 0
	}
	return int32(v)
}

// Byte takes one byte.
func (r *Reader) Byte() byte {
	if len(r.b) == 0 {
		r.Fail()
		return 0
	}
	v := r.b[0]
	r.b = r.b[1:]
	return v
}

// Bool takes one byte, which must be 0 or 1.
func (r *Reader) Bool() bool {
	v := r.Byte()
	if v > 1 {
		r.Fail()
	}
	return v == 1
}

// Fill takes as many bytes as dst has. If there are fewer it leaves dst as it is.
func (r *Reader) Fill(dst []byte) { copy(dst, r.view(uint64(len(dst)))) }

// Sized takes a length and so many bytes, as a view.
func (r *Reader) Sized() []byte { return r.view(r.Uvarint()) }

// Rest takes all that is left, as a view.
func (r *Reader) Rest() []byte { return r.view(uint64(len(r.b))) }

func (r *Reader) view(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.Fail()
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

// Count takes a number of things that follow. It fails if there is not room for so many of at
// least size bytes each: so nobody makes room for more than the input could hold.
func (r *Reader) Count(size int) int {
	n := r.Uvarint()
	if n > uint64(len(r.b)/size) {
		r.Fail()
		return 0
	}
	return int(n)
}

// AppendSized appends v behind its length, as Sized takes it.
func AppendSized[T []byte | string](b []byte, v T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(v))), v...)
}

// AppendBool appends what Bool takes.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}
