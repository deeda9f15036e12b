package wire_test

import (
	"fmt"

	"github.com/vivariumdb/vivarium/wire"
)

// A client asks for a znode's data.
func Example() {
	b, at := wire.BeginFrame(nil)
	header := wire.RequestHeader{Xid: 1, Op: wire.OpGetData}
	b = header.AppendTo(b)
	body := wire.PathWatchRequest{Path: "/app", Watch: true}
	b = body.AppendTo(b)
	b = wire.EndFrame(b, at)

	fmt.Printf("%x\n", b)
	// Output: 000000110000000100000004000000042f61707001
}

// A server cuts a frame from what has arrived, learns the operation from the header and decodes
// the body that belongs to it.
func ExampleFrameLength() {
	arrived := []byte("\x00\x00\x00\x11" + // the frame's length
		"\x00\x00\x00\x01\x00\x00\x00\x04" + // the header
		"\x00\x00\x00\x04/app\x01" + // the body
		"\x00") // of the next frame

	n, err := wire.FrameLength(arrived, wire.DefaultMaxBuffer)
	if err != nil {
		fmt.Println("close the connection:", err)
		return
	}
	if n == 0 || n > len(arrived) {
		fmt.Println("wait for more")
		return
	}
	r := wire.NewReader(arrived[wire.FrameHeaderLen:n])
	var header wire.RequestHeader
	header.Decode(&r)
	switch header.Op {
	case wire.OpExists, wire.OpGetData, wire.OpGetChildren, wire.OpGetChildren2:
		var req wire.PathWatchRequest
		req.Decode(&r)
		if r.Err() != nil {
			fmt.Println(wire.CodeMarshallingError)
			return
		}
		fmt.Println(header.Xid, header.Op, req.Path, req.Watch)
	}
	// Output: 1 getData /app true
}

// The answer to a failed multi stands under a reply header without error.
func ExampleMultiResponse() {
	res := wire.MultiResponse{Results: []wire.MultiResult{
		{Op: wire.OpError, Err: wire.CodeOk},
		{Op: wire.OpError, Err: wire.CodeNoNode},
		{Op: wire.OpError, Err: wire.CodeRuntimeInconsistency},
	}}
	b := res.AppendTo(nil)

	var got wire.MultiResponse
	r := wire.NewReader(b)
	got.Decode(&r)
	for _, result := range got.Results {
		fmt.Println(result.Op, result.Err)
	}
	fmt.Println(r.Err(), r.Len())
	// Output:
	// error Ok
	// error NoNode
	// error RuntimeInconsistency
	// <nil> 0
}

// A broken record leaves an error in the reader; its fields mean nothing.
func ExampleReader() {
	r := wire.NewReader([]byte("\x7f\xff\xff\xff/app"))
	var req wire.PathRequest
	req.Decode(&r)
	fmt.Println(r.Err())
	// Output: decode record: input ends early
}

func ExamplePerm_String() {
	fmt.Println(wire.PermAll, wire.PermRead|wire.PermWrite)
	// Output: cdrwa rw
}
