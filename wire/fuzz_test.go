package wire

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vivariumdb/vivarium/internal/frugal"
)

// fuzzRecord decodes b as rec. If that works, what it encodes to must decode to the same value
// and encode to the same bytes again. The bytes themselves may differ from b: a bool of 2, a
// null string and a negative count have no way back.
func fuzzRecord(t *testing.T, rec record, b []byte) {
	t.Helper()
	kept := bytes.Clone(b)
	r := NewReader(b)
	// A multi of the shortest operations takes the most; growing its slice counts twice.
	frugal.Check(t, b, 64, func() { rec.Decode(&r) })
	if !bytes.Equal(b, kept) {
		t.Fatalf("%T.Decode changed its input from %x to %x", rec, kept, b)
	}
	if r.Err() != nil {
		if r.Len() != 0 {
			t.Fatalf("%T.Decode(%x): %v, but %d bytes are left", rec, b, r.Err(), r.Len())
		}
		return
	}
	once := rec.AppendTo(nil)
	if used := len(b) - r.Len(); len(once) > used {
		t.Fatalf("%T.Decode(%x) took %d bytes, but encodes to more: %x", rec, b, used, once)
	}
	again := fresh(rec)
	r = NewReader(once)
	again.Decode(&r)
	if r.Err() != nil || r.Len() != 0 {
		t.Fatalf("%T.Decode(%x): %v, %d bytes left", rec, once, r.Err(), r.Len())
	}
	if diff := cmp.Diff(rec, again, sameValue()); diff != "" {
		t.Fatalf("%T.Decode(%x) and of what it encodes to, %x, differ:\n%s", rec, b, once, diff)
	}
	if twice := again.AppendTo(nil); !bytes.Equal(once, twice) {
		t.Fatalf("%T encodes to %x and then to %x", rec, once, twice)
	}
}

// fuzzSeeds adds the bodies of the golden frames of one direction.
func fuzzSeeds(f *testing.F, dir byte, header int) {
	files, err := filepath.Glob("testdata/golden/*.hex")
	if err != nil {
		f.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^\S+ ` + string(dir) + ` (-?\d+) (\S+)$`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, m := range line.FindAllSubmatch(text, -1) {
			op, err := strconv.Atoi(string(m[1]))
			if err != nil {
				f.Fatal(err)
			}
			body := unhex(string(m[2]))[FrameHeaderLen:]
			f.Add(int32(op), body[min(header, len(body)):])
		}
	}
}

// FuzzDecodeRequest decodes the body of a request of any operation.
func FuzzDecodeRequest(f *testing.F) {
	fuzzSeeds(f, '>', 8)
	f.Fuzz(func(t *testing.T, op int32, body []byte) {
		rec := requestRecord(OpCode(op))
		if rec == nil {
			rec = new(ConnectRequest)
		}
		fuzzRecord(t, rec, body)
	})
}

// FuzzDecodeResponse decodes the body of a reply of any operation.
func FuzzDecodeResponse(f *testing.F) {
	fuzzSeeds(f, '<', 16)
	f.Fuzz(func(t *testing.T, op int32, body []byte) {
		rec := responseRecord(OpCode(op))
		if rec == nil {
			rec = new(ConnectResponse)
		}
		fuzzRecord(t, rec, body)
	})
}

// FuzzFrame cuts a stream into frames and decodes each as a server does, within a bound on the
// memory it takes.
func FuzzFrame(f *testing.F) {
	b, at := BeginFrame(nil)
	b = (&RequestHeader{Xid: 1, Op: OpMulti}).AppendTo(b)
	b = (&MultiRequest{Ops: []MultiOp{{Op: OpDelete}}}).AppendTo(b)
	f.Add(EndFrame(b, at), 1000)
	f.Add([]byte("ruok"), 1000)
	f.Add([]byte{0, 0, 0, 8, 0, 0, 0, 1, 0, 0, 0, 105, 0, 0, 0, 0}, 8)
	f.Fuzz(func(t *testing.T, stream []byte, maxBuffer int) {
		frugal.Check(t, stream, 64, func() {
			for rest := stream; ; {
				n, err := FrameLength(rest, maxBuffer)
				if err != nil || n == 0 || n > len(rest) {
					break
				}
				if n < FrameHeaderLen || n-FrameHeaderLen > maxBuffer {
					t.Fatalf("FrameLength(%x, %d) = %d", rest, maxBuffer, n)
				}
				r := NewReader(rest[FrameHeaderLen:n])
				var header RequestHeader
				header.Decode(&r)
				if rec := requestRecord(header.Op); rec != nil {
					rec.Decode(&r)
				}
				rest = rest[n:]
			}
		})
	})
}
