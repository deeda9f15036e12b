package varint_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vivariumdb/vivarium/internal/varint"
)

func ExampleReader() {
	b := varint.AppendSized(binary.AppendUvarint(nil, 300), "znode")
	r := varint.NewReader(b)
	n, name := r.Uvarint(), r.Sized()
	fmt.Printf("%d %s %v\n", n, name, r.Done())
	// Output: 300 znode true
}

// TestReader takes one value of each kind: what fits, and what does not.
func TestReader(t *testing.T) {
	uvarint := func(r *varint.Reader) any { return r.Uvarint() }
	signed := func(r *varint.Reader) any { return r.Varint() }
	u32 := func(r *varint.Reader) any { return r.Uint32() }
	i32 := func(r *varint.Reader) any { return r.Int32() }
	one := func(r *varint.Reader) any { return r.Byte() }
	truth := func(r *varint.Reader) any { return r.Bool() }
	sized := func(r *varint.Reader) any { return string(r.Sized()) }
	pairs := func(r *varint.Reader) any { return r.Count(2) }
	fill := func(r *varint.Reader) any { var b [2]byte; r.Fill(b[:]); return b }
	long := bytes.Repeat([]byte{0xff}, 10)
	for _, c := range []struct {
		name string
		take func(*varint.Reader) any
		in   []byte
		want any
		left int // -1: it fails
	}{
		{"uvarint", uvarint, binary.AppendUvarint(nil, math.MaxUint64), uint64(math.MaxUint64), 0},
		{"uvarint", uvarint, []byte{0x81, 0, 7}, uint64(1), 1},
		{"uvarint", uvarint, nil, uint64(0), -1},
		{"uvarint", uvarint, []byte{0x80}, uint64(0), -1},
		{"uvarint", uvarint, long, uint64(0), -1},
		{"varint", signed, binary.AppendVarint(nil, math.MinInt64), int64(math.MinInt64), 0},
		{"varint", signed, []byte{0x80}, int64(0), -1},
		{"varint", signed, long, int64(0), -1},
		{"uint32", u32, binary.AppendUvarint(nil, math.MaxUint32), uint32(math.MaxUint32), 0},
		{"uint32", u32, binary.AppendUvarint(nil, math.MaxUint32+1), uint32(0), -1},
		{"int32", i32, binary.AppendVarint(nil, math.MinInt32), int32(math.MinInt32), 0},
		{"int32", i32, binary.AppendVarint(nil, math.MaxInt32+1), int32(0), -1},
		{"int32", i32, binary.AppendVarint(nil, math.MinInt32-1), int32(0), -1},
		{"byte", one, []byte{9, 8}, byte(9), 1},
		{"byte", one, nil, byte(0), -1},
		{"bool", truth, []byte{0}, false, 0},
		{"bool", truth, []byte{1, 1}, true, 1},
		{"bool", truth, []byte{2}, false, -1},
		{"bool", truth, nil, false, -1},
		{"sized", sized, []byte{2, 'a', 'b', 'c'}, "ab", 1},
		{"sized", sized, []byte{0}, "", 0},
		{"sized", sized, []byte{3, 'a', 'b'}, "", -1},
		{"sized", sized, append(binary.AppendUvarint(nil, math.MaxUint64), 1), "", -1},
		{"count", pairs, []byte{2, 1, 2, 3, 4}, 2, 4},
		{"count", pairs, []byte{2, 1, 2, 3}, 0, -1},
		{"count", pairs, append(binary.AppendUvarint(nil, math.MaxUint64), 1), 0, -1},
		{"fill", fill, []byte{5, 6, 7}, [2]byte{5, 6}, 1},
		{"fill", fill, []byte{5}, [2]byte{}, -1},
	} {
		r := varint.NewReader(c.in)
		got := c.take(&r)
		left := r.Len()
		if r.Bad() {
			left = -1
		}
		if diff := cmp.Diff(c.want, got); diff != "" || left != c.left {
			t.Errorf("%s of %x = %v, %d bytes left; want %v, %d", c.name, c.in, got, left, c.want,
				c.left)
		}
		if r.Done() != (c.left == 0) {
			t.Errorf("%s of %x: done is %v", c.name, c.in, r.Done())
		}
	}
}

// TestFailureSticks fails once and finds nothing any more, though there were bytes.
func TestFailureSticks(t *testing.T) {
	r := varint.NewReader([]byte{7, 1, 2, 3})
	r.Fail()
	var filled [2]byte
	r.Fill(filled[:])
	if v := r.Uvarint(); v != 0 || r.Varint() != 0 || r.Byte() != 0 || r.Bool() ||
		len(r.Sized()) != 0 || len(r.Rest()) != 0 || r.Count(1) != 0 || r.Len() != 0 ||
		filled != [2]byte{} || r.Done() || !r.Bad() {
		t.Errorf("after a failure: %v, %v, %+v", v, filled, r)
	}
}

// TestViews: what is returned can be appended to without changing the input.
func TestViews(t *testing.T) {
	in := []byte{1, 'a', 'b', 'c'}
	r := varint.NewReader(in)
	for _, v := range [][]byte{r.Sized(), r.Rest()} {
		if cap(v) != len(v) {
			t.Errorf("%q has a capacity of %d", v, cap(v))
		}
	}
}

// FuzzReader takes values as steps say from any bytes: nothing panics, nothing is taken twice, and
// what was taken, appended again, is read as the same.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}, []byte("\x01\x02\x03\x04\x05\x01\x02ab\x01\x00rest"))
	f.Add([]byte{0}, bytes.Repeat([]byte{0x80}, 11))
	f.Fuzz(func(t *testing.T, steps, in []byte) {
		kept := bytes.Clone(in)
		r := varint.NewReader(in)
		var out []byte
		var checks []func(*varint.Reader) bool
		for _, s := range steps[:min(len(steps), 100)] {
			before := r.Len()
			again, check := take(&r, s)
			if r.Len() > before || r.Bad() && r.Len() != 0 {
				t.Fatalf("step %d leaves %d of %d bytes", s, r.Len(), before)
			}
			if r.Bad() {
				break
			}
			out, checks = append(out, again...), append(checks, check)
		}
		if !bytes.Equal(in, kept) {
			t.Fatalf("%x was changed to %x", kept, in)
		}
		second := varint.NewReader(out)
		for i, check := range checks {
			if !check(&second) {
				t.Fatalf("step %d (kind %d) of %x is read from %x as something else", i,
					steps[i]%7, in, out)
			}
		}
		if !second.Done() {
			t.Fatalf("%x has something behind its end", out)
		}
	})
}

// take takes the value that kind says, and returns it encoded again with a check that it is there.
func take(r *varint.Reader, kind byte) (again []byte, check func(*varint.Reader) bool) {
	switch kind % 7 {
	case 0:
		v := r.Uvarint()
		return binary.AppendUvarint(nil, v), func(r *varint.Reader) bool { return r.Uvarint() == v }
	case 1:
		v := r.Varint()
		return binary.AppendVarint(nil, v), func(r *varint.Reader) bool { return r.Varint() == v }
	case 2:
		v := r.Uint32()
		return binary.AppendUvarint(nil, uint64(v)),
			func(r *varint.Reader) bool { return r.Uint32() == v }
	case 3:
		v := r.Int32()
		return binary.AppendVarint(nil, int64(v)),
			func(r *varint.Reader) bool { return r.Int32() == v }
	case 4:
		v := r.Bool()
		return varint.AppendBool(nil, v), func(r *varint.Reader) bool { return r.Bool() == v }
	case 5:
		var v [3]byte
		r.Fill(v[:])
		return v[:], func(r *varint.Reader) bool {
			var b [3]byte
			r.Fill(b[:])
			return b == v
		}
	}
	v := r.Sized()
	return varint.AppendSized(nil, v),
		func(r *varint.Reader) bool { return bytes.Equal(r.Sized(), v) }
}
