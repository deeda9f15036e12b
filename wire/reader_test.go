package wire

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReader(t *testing.T) {
	for _, test := range []struct {
		name string
		in   string
		read func(r *Reader) any
		want any
		left int
		err  error
	}{
		{"int", "\x80\x00\x00\x01\xff", func(r *Reader) any { return r.Int() },
			int32(math.MinInt32 + 1), 1, nil},
		{"int, short", "\x80\x00\x00", func(r *Reader) any { return r.Int() },
			int32(0), 0, ErrTruncated},
		{"long", "\x00\x00\x00\x01\x00\x00\x00\x02", func(r *Reader) any { return r.Long() },
			int64(1<<32 + 2), 0, nil},
		{"long, short", "1234567", func(r *Reader) any { return r.Long() },
			int64(0), 0, ErrTruncated},
		{"byte", "\xfe", func(r *Reader) any { return r.Byte() }, byte(0xfe), 0, nil},
		{"byte, none", "", func(r *Reader) any { return r.Byte() }, byte(0), 0, ErrTruncated},
		{"bool 0", "\x00", func(r *Reader) any { return r.Bool() }, false, 0, nil},
		{"bool 1", "\x01", func(r *Reader) any { return r.Bool() }, true, 0, nil},
		{"bool 2", "\x02", func(r *Reader) any { return r.Bool() }, true, 0, nil},
		{"bool 255", "\xff", func(r *Reader) any { return r.Bool() }, true, 0, nil},
		{"buffer", "\x00\x00\x00\x02abc", func(r *Reader) any { return r.Buffer() },
			[]byte("ab"), 1, nil},
		{"buffer, empty", "\x00\x00\x00\x00", func(r *Reader) any { return r.Buffer() },
			[]byte{}, 0, nil},
		{"buffer, null", "\xff\xff\xff\xff", func(r *Reader) any { return r.Buffer() },
			[]byte(nil), 0, nil},
		{"buffer, negative", "\xff\xff\xff\xfe..", func(r *Reader) any { return r.Buffer() },
			[]byte(nil), 0, ErrNegativeLength},
		{"buffer, short", "\x00\x00\x00\x03ab", func(r *Reader) any { return r.Buffer() },
			[]byte(nil), 0, ErrTruncated},
		{"buffer, huge", "\x7f\xff\xff\xffab", func(r *Reader) any { return r.Buffer() },
			[]byte(nil), 0, ErrTruncated},
		{"string", "\x00\x00\x00\x02\xc3\xbc", func(r *Reader) any { return r.String() },
			"ü", 0, nil},
		{"string, surrogates", "\x00\x00\x00\x06\xed\xa0\xbd\xed\xb8\x80",
			func(r *Reader) any { return r.String() }, "\xed\xa0\xbd\xed\xb8\x80", 0, nil},
		{"string, null", "\xff\xff\xff\xff", func(r *Reader) any { return r.String() }, "", 0, nil},
		{"strings", "\x00\x00\x00\x02\x00\x00\x00\x01a\xff\xff\xff\xff",
			func(r *Reader) any { return r.Strings(nil) }, []string{"a", ""}, 0, nil},
		{"strings, null", "\xff\xff\xff\xff", func(r *Reader) any { return r.Strings(nil) },
			[]string(nil), 0, nil},
		{"strings, empty", "\x00\x00\x00\x00", func(r *Reader) any { return r.Strings(nil) },
			[]string{}, 0, nil},
		{"strings, negative", "\xff\xff\xff\xfe", func(r *Reader) any { return r.Strings(nil) },
			[]string{}, 0, nil},
		{"strings, one too many", "\x00\x00\x00\x02\x00\x00\x00\x01abc",
			func(r *Reader) any { return r.Strings(nil) }, []string(nil), 0, ErrTruncated},
		{"strings, bad element", "\x00\x00\x00\x01\xff\xff\xff\xf0",
			func(r *Reader) any { return r.Strings(nil) }, []string(nil), 0, ErrNegativeLength},
		{"acls, null", "\xff\xff\xff\xff", func(r *Reader) any { return r.ACLs(nil) },
			[]ACL(nil), 0, nil},
		{"acls, negative", "\x80\x00\x00\x00", func(r *Reader) any { return r.ACLs(nil) },
			[]ACL{}, 0, nil},
		{"acls, huge", "\x7f\xff\xff\xff" + "123456789012",
			func(r *Reader) any { return r.ACLs(nil) }, []ACL(nil), 0, ErrTruncated},
		{"rest", "abc", func(r *Reader) any { return r.Rest() }, []byte("abc"), 0, nil},
	} {
		r := NewReader([]byte(test.in))
		got := test.read(&r)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: read %q differs:\n%s", test.name, test.in, diff)
		}
		if r.Len() != test.left || !errors.Is(r.Err(), test.err) {
			t.Errorf("%s: read %q leaves %d bytes, error %v, want %d, %v",
				test.name, test.in, r.Len(), r.Err(), test.left, test.err)
		}
	}
}

// The first error is kept and nothing can be read any more.
func TestReaderSticks(t *testing.T) {
	r := NewReader([]byte("\xff\xff\xff\xfe" + "more than enough bytes to go on"))
	r.Buffer()
	if got := r.Int(); got != 0 || r.Long() != 0 || r.String() != "" || r.Rest() != nil ||
		r.Strings(nil) != nil || r.ACLs(nil) != nil || r.Bool() || r.Err() != ErrNegativeLength {
		t.Errorf("after %v something was read, or the error became another", r.Err())
	}
}

// A view has no spare capacity: appending to it cannot run over what follows it.
func TestViewsEnd(t *testing.T) {
	in := []byte("\x00\x00\x00\x01abcd")
	r := NewReader(in)
	_ = append(r.Buffer(), 'X')
	_ = append(r.Rest(), 'X')
	if string(in) != "\x00\x00\x00\x01abcd" {
		t.Errorf("appending to a view changed the input to %q", in)
	}
}

func TestNullableString(t *testing.T) {
	for _, test := range []struct {
		s    string
		ok   bool
		want string
	}{
		{"", false, "\xff\xff\xff\xff"},
		{"", true, "\x00\x00\x00\x00"},
		{"a", true, "\x00\x00\x00\x01a"},
	} {
		b := AppendNullableString(nil, test.s, test.ok)
		r := NewReader(b)
		s, ok := r.NullableString()
		if string(b) != test.want || s != test.s || ok != test.ok {
			t.Errorf("%q, %v: %q decodes to %q, %v", test.s, test.ok, b, s, ok)
		}
	}
}

func TestFrameLength(t *testing.T) {
	for _, test := range []struct {
		in   string
		max  int
		want int
		err  error
	}{
		{"", 10, 0, nil},
		{"\x00\x00\x00", 10, 0, nil},
		{"\xff\xff\xff", 10, 0, nil},
		{"\x00\x00\x00\x00", 10, 4, nil},
		{"\x00\x00\x00\x0a", 10, 14, nil},
		{"\x00\x00\x00\x0arest", 10, 14, nil},
		{"\x00\x00\x00\x0b", 10, 0, ErrFrameLength},
		{"\x00\x0f\xff\xff", DefaultMaxBuffer, 4 + 1048575, nil},
		{"\x00\x10\x00\x00", DefaultMaxBuffer, 0, ErrFrameLength},
		{"\xff\xff\xff\xff", DefaultMaxBuffer, 0, ErrFrameLength},
		{"\x80\x00\x00\x00", math.MaxInt32, 0, ErrFrameLength},
		{"\x7f\xff\xff\xff", math.MaxInt32 - 1, 0, ErrFrameLength},
		{"ruok", DefaultMaxBuffer, 0, ErrFrameLength},
	} {
		got, err := FrameLength([]byte(test.in), test.max)
		if got != test.want || err != test.err {
			t.Errorf("FrameLength(%q, %d) = %d, %v, want %d, %v",
				test.in, test.max, got, err, test.want, test.err)
		}
	}
}

func TestFrames(t *testing.T) {
	var b []byte
	for _, payload := range []string{"", "x", "four", string(make([]byte, 70000))} {
		var at int
		b, at = BeginFrame(b)
		b = EndFrame(append(b, payload...), at)
		n, err := FrameLength(b[at:], DefaultMaxBuffer)
		if err != nil || n != len(payload)+FrameHeaderLen || !bytes.HasSuffix(b, []byte(payload)) {
			t.Errorf("frame of %d bytes: length %d, %v", len(payload), n, err)
		}
	}
}
