package wire

import (
	"math"
	"testing"
)

// encoded returns rec's bytes.
func encoded(rec record) []byte { return rec.AppendTo(nil) }

// Decoding what a server reads most does not allocate: fresh records without vectors, and
// records with vectors once they have room.
func TestDecodeDoesNotAllocate(t *testing.T) {
	header := encoded(&RequestHeader{Xid: 7, Op: OpCreate})
	path := encoded(&PathWatchRequest{Path: "/app/config", Watch: true})
	set := encoded(&SetDataRequest{Path: "/app/config", Data: make([]byte, 1000), Version: 3})
	create := encoded(&CreateRequest{Path: "/app", Data: make([]byte, 1000), ACL: OpenACL()})
	multi := encoded(&MultiRequest{Ops: []MultiOp{
		{Op: OpCheck, Check: CheckRequest{Path: "/app", Version: 1}},
		{Op: OpSetData, SetData: SetDataRequest{Path: "/app", Data: []byte("x")}},
	}})
	watches := encoded(&SetWatchesRequest{Data: []string{"/a", "/b"}, Child: []string{"/c"}})
	get := encoded(&GetDataResponse{Data: make([]byte, 1000)})
	var usedCreate CreateRequest
	var usedMulti MultiRequest
	var usedWatches SetWatchesRequest
	check := func(r *Reader) {
		if r.Err() != nil {
			t.Fatal(r.Err())
		}
	}
	for _, test := range []struct {
		name   string
		decode func()
	}{
		{"header", func() { var m RequestHeader; r := NewReader(header); m.Decode(&r); check(&r) }},
		{"read", func() { var m PathWatchRequest; r := NewReader(path); m.Decode(&r); check(&r) }},
		{"setData", func() { var m SetDataRequest; r := NewReader(set); m.Decode(&r); check(&r) }},
		{"create", func() { r := NewReader(create); usedCreate.Decode(&r); check(&r) }},
		{"multi", func() { r := NewReader(multi); usedMulti.Decode(&r); check(&r) }},
		{"setWatches", func() { r := NewReader(watches); usedWatches.Decode(&r); check(&r) }},
		{"reply", func() { var m GetDataResponse; r := NewReader(get); m.Decode(&r); check(&r) }},
	} {
		if got := testing.AllocsPerRun(100, test.decode); got != 0 {
			t.Errorf("decoding %s allocates %v times, want 0", test.name, got)
		}
	}
}

// counted returns a count and a hundred zero bytes.
func counted(n int32) []byte {
	return append(AppendInt(nil, n), make([]byte, 100)...)
}

// A vector that claims 2^31-1 elements, or one more than can be there, is refused before
// anything is allocated for it, wherever it stands.
func TestHugeCountDoesNotAllocate(t *testing.T) {
	huge := counted(math.MaxInt32)
	createHead := AppendBuffer(AppendString(nil, "/a"), nil)
	create := append(createHead, huge...)
	setWatches := append(AppendLong(nil, 5), huge...)
	multi := append(encoded(&MultiHeader{Op: OpCreate, Err: -1}), create...)
	var used MultiRequest
	used.Ops = make([]MultiOp, 0, 1)
	var r Reader // one for all: it escapes through the table's functions
	for _, test := range []struct {
		name   string
		decode func(r *Reader)
		in     []byte
	}{
		{"buffer", func(r *Reader) { r.Buffer() }, huge},
		{"string", func(r *Reader) { _ = r.String() }, huge},
		{"strings", func(r *Reader) { r.Strings(nil) }, huge},
		{"acls", func(r *Reader) { r.ACLs(nil) }, huge},
		{"whoAmI", func(r *Reader) { var m WhoAmIResponse; m.Decode(r) }, huge},
		{"create", func(r *Reader) { var m CreateRequest; m.Decode(r) }, create},
		{"setWatches", func(r *Reader) { var m SetWatchesRequest; m.Decode(r) }, setWatches},
		{"multi", func(r *Reader) { used.Decode(r) }, multi},
		// One element more than fits into the 100 bytes, at the elements' least sizes.
		{"26 strings", func(r *Reader) { r.Strings(nil) }, counted(26)},
		{"9 acls", func(r *Reader) { r.ACLs(nil) }, counted(9)},
		{"13 clients", func(r *Reader) { var m WhoAmIResponse; m.Decode(r) }, counted(13)},
	} {
		got := testing.AllocsPerRun(100, func() {
			r = NewReader(test.in)
			test.decode(&r)
			if r.Err() != ErrTruncated {
				t.Fatalf("%s: error %v, want %v", test.name, r.Err(), ErrTruncated)
			}
		})
		if got != 0 {
			t.Errorf("refusing %s with too high a count allocates %v times, want 0", test.name, got)
		}
	}
}

// Appending into a slice with room does not allocate.
func TestAppendDoesNotAllocate(t *testing.T) {
	buf := make([]byte, 0, 4096)
	header := ReplyHeader{Xid: 1, Zxid: 2}
	body := GetDataResponse{Data: make([]byte, 1000)}
	got := testing.AllocsPerRun(100, func() {
		b, at := BeginFrame(buf)
		b = header.AppendTo(b)
		b = body.AppendTo(b)
		EndFrame(b, at)
	})
	if got != 0 {
		t.Errorf("appending a reply allocates %v times, want 0", got)
	}
}

func BenchmarkDecodeSetData(b *testing.B) {
	in := encoded(&SetDataRequest{Path: "/app/config", Data: make([]byte, 1000), Version: 3})
	b.ReportAllocs()
	for b.Loop() {
		var m SetDataRequest
		r := NewReader(in)
		m.Decode(&r)
	}
}

func BenchmarkAppendGetDataReply(b *testing.B) {
	buf := make([]byte, 0, 4096)
	header := ReplyHeader{Xid: 1, Zxid: 2}
	body := GetDataResponse{Data: make([]byte, 1000)}
	b.ReportAllocs()
	for b.Loop() {
		out, at := BeginFrame(buf)
		EndFrame(body.AppendTo(header.AppendTo(out)), at)
	}
}
