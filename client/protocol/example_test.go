package protocol_test

import (
	"fmt"
	"log"

	"github.com/vivariumdb/vivarium/client/protocol"
	"github.com/vivariumdb/vivarium/wire"
)

// A driver carries out what the session wants. This one plays the server too.
func Example() {
	session, err := protocol.New(protocol.Config{Servers: []string{"a:2181"}}, 0)
	if err != nil {
		log.Fatal(err)
	}
	request := wire.PathRequest{Path: "/"}
	err = session.Submit(protocol.Request{Tag: 7, Op: wire.OpSync,
		Body: request.AppendTo(nil)}, 0)
	if err != nil {
		log.Fatal(err)
	}
	answers := []interface{ AppendTo([]byte) []byte }{
		&wire.ConnectResponse{TimeoutMs: 6000, SessionID: 0x10, Password: make([]byte, 16)},
		&wire.ReplyHeader{Xid: 1, Zxid: 5},
	}
	for now := int64(0); ; now++ {
		for {
			effect, ok := session.Next()
			if !ok {
				break
			}
			switch e := effect.(type) {
			case protocol.Dial:
				fmt.Println("dial", e.Server)
				session.Opened(e.Conn, now)
			case protocol.StateChange:
				fmt.Println("state", e.State)
			case protocol.Reply:
				fmt.Println("reply to", e.Tag, "at zxid", e.Zxid)
				return
			}
		}
		if out := session.Output(nil); len(out) > 0 {
			frame, at := wire.BeginFrame(nil)
			frame = wire.EndFrame(answers[0].AppendTo(frame), at)
			answers = answers[1:]
			session.Feed(1, frame, now)
		}
	}
	// Output:
	// dial a:2181
	// state SyncConnected
	// reply to 7 at zxid 5
}
