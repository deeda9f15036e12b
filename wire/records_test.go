package wire

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// record is what all records have in common.
type record interface {
	AppendTo(b []byte) []byte
	Decode(r *Reader)
}

// requestRecord returns a fresh record for the body of a request, nil if it has none.
func requestRecord(op OpCode) record {
	switch op {
	case OpCreate, OpCreate2, OpCreateContainer:
		return new(CreateRequest)
	case OpCreateTTL:
		return new(CreateTTLRequest)
	case OpDelete:
		return new(DeleteRequest)
	case OpCheck:
		return new(CheckRequest)
	case OpGetACL, OpSync, OpGetEphemerals, OpGetAllChildrenNumber, OpDeleteContainer:
		return new(PathRequest)
	case OpExists, OpGetData, OpGetChildren, OpGetChildren2:
		return new(PathWatchRequest)
	case OpSetData:
		return new(SetDataRequest)
	case OpSetACL:
		return new(SetACLRequest)
	case OpMulti, OpMultiRead:
		return new(MultiRequest)
	case OpReconfig:
		return new(ReconfigRequest)
	case OpCheckWatches, OpRemoveWatches:
		return new(WatcherRequest)
	case OpAuth:
		return new(AuthRequest)
	case OpSetWatches:
		return new(SetWatchesRequest)
	case OpSetWatches2:
		return new(SetWatches2Request)
	case OpAddWatch:
		return new(AddWatchRequest)
	case OpSASL:
		return new(SASLRequest)
	case OpCreateSession:
		return new(CreateSessionRequest)
	}
	return nil
}

// responseRecord returns a fresh record for the body of a reply, nil if it has none.
func responseRecord(op OpCode) record {
	switch op {
	case OpNotification:
		return new(WatcherEvent)
	case OpCreate, OpSync:
		return new(PathResponse)
	case OpCreate2, OpCreateContainer, OpCreateTTL:
		return new(Create2Response)
	case OpExists, OpSetData, OpSetACL:
		return new(StatResponse)
	case OpGetData, OpReconfig:
		return new(GetDataResponse)
	case OpGetACL:
		return new(GetACLResponse)
	case OpGetChildren:
		return new(ChildrenResponse)
	case OpGetChildren2:
		return new(Children2Response)
	case OpMulti, OpMultiRead:
		return new(MultiResponse)
	case OpGetAllChildrenNumber:
		return new(CountResponse)
	case OpGetEphemerals:
		return new(EphemeralsResponse)
	case OpWhoAmI:
		return new(WhoAmIResponse)
	case OpSASL:
		return new(SASLResponse)
	case OpAddWatch, OpError:
		return new(ErrorResponse)
	}
	return nil
}

var (
	genString  = rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"/", "/a/b", "\xff\x00"}))
	genBuffer  = rapid.OneOf(rapid.Just([]byte(nil)), rapid.SliceOf(rapid.Byte()))
	genStrings = rapid.SliceOfN(genString, 0, 5)
	genStat    = rapid.Make[Stat]()
	genACL     = rapid.Make[ACL]()
	genACLs    = rapid.OneOf(rapid.Just([]ACL(nil)), rapid.SliceOfN(genACL, 0, 4))
	genCode    = rapid.Make[ErrorCode]()
)

// fill sets every field of the record v points to, by type.
func fill(t *rapid.T, v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		switch p := f.Addr().Interface().(type) {
		case *string:
			*p = genString.Draw(t, "string")
		case *[]byte:
			*p = genBuffer.Draw(t, "buffer")
		case *[]string:
			*p = genStrings.Draw(t, "strings")
		case *[]ACL:
			*p = genACLs.Draw(t, "acl")
		case *[]ClientInfo:
			*p = rapid.SliceOfN(rapid.Make[ClientInfo](), 0, 3).Draw(t, "clients")
		case *[]MultiOp:
			*p = genOps(t)
		case *[]MultiResult:
			*p = rapid.SliceOfN(rapid.Custom(genResult), 0, 4).Draw(t, "results")
		case *ID:
			*p = genACL.Draw(t, "id").ID
		case *Stat:
			*p = genStat.Draw(t, "stat")
		case *bool:
			*p = rapid.Bool().Draw(t, "bool")
		default:
			if !f.CanInt() {
				t.Fatalf("no generator for %s", f.Type())
			}
			f.SetInt(rapid.Int64().Draw(t, "number") >> (64 - f.Type().Bits()))
		}
	}
}

func genOps(t *rapid.T) []MultiOp {
	codes := []OpCode{OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL, OpDelete, OpSetData,
		OpCheck}
	if rapid.Bool().Draw(t, "reads") {
		codes = []OpCode{OpGetData, OpGetChildren}
	}
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) MultiOp {
		op := MultiOp{Op: rapid.SampledFrom(codes).Draw(t, "op")}
		switch op.Op {
		case OpCreate, OpCreate2, OpCreateContainer:
			fill(t, reflect.ValueOf(&op.Create).Elem())
			op.Create.TTLMs = 0
		case OpCreateTTL:
			fill(t, reflect.ValueOf(&op.Create).Elem())
		case OpDelete:
			fill(t, reflect.ValueOf(&op.Delete).Elem())
		case OpSetData:
			fill(t, reflect.ValueOf(&op.SetData).Elem())
		case OpCheck:
			fill(t, reflect.ValueOf(&op.Check).Elem())
		default:
			fill(t, reflect.ValueOf(&op.Read).Elem())
		}
		return op
	}), 0, 4).Draw(t, "ops")
}

func genResult(t *rapid.T) MultiResult {
	res := MultiResult{Op: rapid.SampledFrom([]OpCode{OpCreate, OpCreate2, OpCreateContainer,
		OpCreateTTL, OpDelete, OpCheck, OpSetData, OpGetData, OpGetChildren, OpError,
	}).Draw(t, "op")}
	if res.HasStat() {
		res.Stat = genStat.Draw(t, "stat")
	}
	switch res.Op {
	case OpCreate, OpCreate2, OpCreateContainer, OpCreateTTL:
		res.Path = genString.Draw(t, "path")
	case OpGetData:
		res.Data = genBuffer.Draw(t, "data")
	case OpGetChildren:
		res.Children = genStrings.Draw(t, "children")
	case OpError:
		res.Err = genCode.Draw(t, "err")
	}
	return res
}

// allRecords returns one fresh record of every type.
func allRecords() []record {
	all := []record{new(RequestHeader), new(ReplyHeader), new(ConnectRequest),
		new(ConnectResponse), new(MultiHeader), new(Stat), new(ACL)}
	seen := map[reflect.Type]bool{}
	for op := OpCode(-20); op <= 120; op++ {
		for _, rec := range []record{requestRecord(op), responseRecord(op)} {
			if rec != nil && !seen[reflect.TypeOf(rec)] {
				seen[reflect.TypeOf(rec)] = true
				all = append(all, rec)
			}
		}
	}
	return all
}

func recordName(rec record) string { return reflect.TypeOf(rec).Elem().Name() }

func fresh(rec record) record {
	return reflect.New(reflect.TypeOf(rec).Elem()).Interface().(record)
}

// canonical gives rec the value that decoding its own encoding must have, where the two are
// not meant to be the same.
func canonical(rec record) {
	switch m := rec.(type) {
	case *ConnectRequest:
		m.ReadOnly = m.ReadOnly && m.HasReadOnly
	case *ConnectResponse:
		m.ReadOnly = m.ReadOnly && m.HasReadOnly
	case *ReconfigRequest:
		m.HasJoining = m.HasJoining || m.Joining != ""
		m.HasLeaving = m.HasLeaving || m.Leaving != ""
		m.HasNewMembers = m.HasNewMembers || m.NewMembers != ""
	}
}

// sameValue compares records: nil and empty buffers and ACLs differ, of the other vectors they
// are the same.
func sameValue() cmp.Options {
	empty := func(x, y any) bool {
		return reflect.ValueOf(x).Len() == 0 && reflect.ValueOf(y).Len() == 0
	}
	opts := cmp.Options{}
	for _, v := range []any{[]string{}, []ClientInfo{}, []MultiOp{}, []MultiResult{}} {
		typ := reflect.TypeOf(v)
		opts = append(opts, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().Type() == typ },
			cmp.FilterValues(empty, cmp.Ignore())))
	}
	return opts
}

// What is appended decodes to the same value, consumes exactly its bytes and leaves the bytes
// before it alone; also into a record that holds old values.
func TestRoundTrip(t *testing.T) {
	for _, proto := range allRecords() {
		t.Run(recordName(proto), rapid.MakeCheck(func(t *rapid.T) {
			rec, used := fresh(proto), fresh(proto)
			fill(t, reflect.ValueOf(rec).Elem())
			fill(t, reflect.ValueOf(used).Elem())
			b := rec.AppendTo([]byte("before"))
			if !bytes.HasPrefix(b, []byte("before")) {
				t.Fatalf("%+v.AppendTo overwrote the bytes before it: %x", rec, b)
			}
			canonical(rec)
			tail := []byte{1, 2, 3}
			if strings.HasPrefix(recordName(rec), "Connect") {
				tail = nil // the length of the frame says whether ReadOnly is there
			}
			for _, got := range []record{fresh(rec), used} {
				r := NewReader(append(b, tail...)[len("before"):])
				got.Decode(&r)
				if r.Err() != nil || r.Len() != len(tail) {
					t.Fatalf("decode %x: error %v, %d bytes left", b, r.Err(), r.Len())
				}
				if diff := cmp.Diff(rec, got, sameValue()); diff != "" {
					t.Fatalf("decode %x differs:\n%s", b, diff)
				}
			}
		}))
	}
}

// Every proper prefix of a record is ErrTruncated.
func TestTruncated(t *testing.T) {
	for _, proto := range allRecords() {
		t.Run(recordName(proto), rapid.MakeCheck(func(t *rapid.T) {
			rec := fresh(proto)
			fill(t, reflect.ValueOf(rec).Elem())
			b := rec.AppendTo(nil)
			n := rapid.IntRange(0, len(b)-1).Draw(t, "length")
			if strings.HasPrefix(recordName(rec), "Connect") && n == len(b)-1 {
				n = max(n-1, 0) // a whole record of an old client
			}
			r := NewReader(b[:n])
			fresh(rec).Decode(&r)
			if !errors.Is(r.Err(), ErrTruncated) || r.Len() != 0 {
				t.Fatalf("decode %d of %x: error %v, %d bytes left", n, b, r.Err(), r.Len())
			}
		}))
	}
}

// Both kinds of connect records are told apart by one byte (PROTOCOL 1.2 and "seen" 1).
func TestConnectLengths(t *testing.T) {
	for _, has := range []bool{false, true} {
		req := ConnectRequest{Password: make([]byte, PasswordLen), HasReadOnly: has}
		res := ConnectResponse{Password: make([]byte, PasswordLen), HasReadOnly: has}
		want := map[bool][2]int{false: {44, 36}, true: {45, 37}}[has]
		got := [2]int{len(req.AppendTo(nil)), len(res.AppendTo(nil))}
		if got != want {
			t.Errorf("HasReadOnly %v: lengths %v, want %v", has, got, want)
		}
	}
	if n := len(new(Stat).AppendTo(nil)); n != StatLen {
		t.Errorf("a Stat takes %d bytes, want %d", n, StatLen)
	}
}

func TestMultiRefuses(t *testing.T) {
	header := func(op OpCode) []byte { return (&MultiHeader{Op: op, Err: -1}).AppendTo(nil) }
	join := func(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
	read := (&PathWatchRequest{Path: "/"}).AppendTo(nil)
	check := (&CheckRequest{Path: "/"}).AppendTo(nil)
	end := endOfMulti.AppendTo(nil)
	for _, test := range []struct {
		name string
		in   []byte
		want error
	}{
		{"empty", end, nil},
		{"done with another op", []byte{0, 0, 0, 13, 9, 0, 0, 0, 0}, nil},
		{"reads", join(header(OpGetData), read, header(OpGetChildren), read, end), nil},
		{"no end", join(header(OpCheck), check), ErrTruncated},
		{"reads, then writes",
			join(header(OpGetData), read, header(OpCheck), check, end), ErrMultiOp},
		{"writes, then reads",
			join(header(OpCheck), check, header(OpGetData), read, end), ErrMultiOp},
		{"setACL", join(header(OpSetACL), end), ErrMultiOp},
		{"exists", join(header(OpExists), read, end), ErrMultiOp},
		{"children2", join(header(OpGetChildren2), read, end), ErrMultiOp},
		{"multi", join(header(OpMulti), end, end), ErrMultiOp},
		{"error", join(header(OpError), end), ErrMultiOp},
	} {
		r := NewReader(test.in)
		var m MultiRequest
		m.Decode(&r)
		if r.Err() != test.want {
			t.Errorf("%s: decode %x = %v, want %v", test.name, test.in, r.Err(), test.want)
		}
	}
	var m MultiResponse
	r := NewReader(join(header(OpExists), end))
	if m.Decode(&r); r.Err() != ErrMultiOp {
		t.Errorf("response with exists: %v, want %v", r.Err(), ErrMultiOp)
	}
}

// An encoder that is asked for the impossible is misused, and says so.
func TestMultiPanics(t *testing.T) {
	for _, rec := range []record{
		&MultiRequest{Ops: []MultiOp{{Op: OpSetACL}}},
		&MultiResponse{Results: []MultiResult{{Op: OpSetACL}}},
	} {
		func() {
			defer func() {
				if got := fmt.Sprint(recover()); !strings.Contains(got, "setACL") {
					t.Errorf("%T: panic %q does not name the operation", rec, got)
				}
			}()
			rec.AppendTo(nil)
		}()
	}
}
